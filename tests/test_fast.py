"""`make test-fast` runs the half of the tests that needs no services, and starts none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings


def test_it_leaves_out_what_needs_services_and_starts_none(tmp_path: Path) -> None:
    """On two folders that hold both kinds."""
    environment = {**os.environ, "FAST_TESTS": "1", "TUTELAGE_TEST_DIR": str(tmp_path)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/core", "tests/config"],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    last = run.stdout.strip().splitlines()[-1]
    assert "passed" in last and "deselected" in last
    assert {path.name for path in tmp_path.iterdir()} == {"secret_key"}


def test_a_test_that_asks_for_the_database_is_known_by_that(request: pytest.FixtureRequest) -> None:
    marked = {
        item.name: {mark.name for mark in item.iter_markers()} & {"services", "heavy"}
        for item in request.session.items
        if item.path == Path(__file__)
    }
    assert marked["test_by_a_fixture"] == marked["test_by_a_mark"] == {"services", "heavy"}
    assert "services" not in marked[request.node.name]


def test_by_a_fixture(ada: object) -> None:
    assert ada


@pytest.mark.django_db
def test_by_a_mark(django_assert_num_queries: object) -> None:
    assert django_assert_num_queries
