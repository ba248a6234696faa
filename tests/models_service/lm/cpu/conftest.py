"""The tricks are turned on here, also where the tests run with CPU_KERNELS=0."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def tricks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPU_KERNELS", "1")
