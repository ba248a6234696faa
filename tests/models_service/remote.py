"""Fixtures: a completion server as a process, and versions that are served by it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

from models_service.models import ModelVersion
from models_service.services import register_endpoint


@pytest.fixture(scope="session")
def completion_server() -> Iterator[str]:
    """The server's base URL."""
    script = Path(__file__).with_name("completion_server.py")
    process = subprocess.Popen([sys.executable, "-I", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def seen(completion_server: str) -> Callable[[], dict[str, Any]]:
    """`seen()`: what the server was asked since the last call."""

    def fetch() -> dict[str, Any]:
        return httpx.get(completion_server.replace("/v1", "/seen"), trust_env=False).json()

    fetch()
    return fetch


@pytest.fixture
def remote(db: None, completion_server: str, settings: Any) -> Callable[..., ModelVersion]:
    """`remote("html")`: a version whose server has that fault; "ok" has none."""
    settings.ALLOWED_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]

    def make(fault: str = "ok", **endpoint: Any) -> ModelVersion:
        kept = {name: endpoint.pop(name) for name in ("key", "prefix") if name in endpoint}
        values = {"base_url": completion_server, "model": fault, **endpoint}
        return register_endpoint(name=f"remote {fault}", kind="policy", endpoint=values, **kept)

    return make
