"""The environment is read strictly: a wrong value stops the start with a sentence."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize(
    ("value", "meaning"), [("1", True), ("yes", True), ("ON", True), ("0", False), ("off", False)]
)
def test_a_flag_is_yes_or_no(monkeypatch: pytest.MonkeyPatch, value: str, meaning: bool) -> None:
    monkeypatch.setenv("FLAG", value)
    assert env.flag("FLAG") is meaning


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    assert env.text("EMPTY", "default") == "default"
    assert env.flag("EMPTY", True) is True
    assert env.number("EMPTY", 7) == 7


def test_a_wrong_flag_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "perhaps")
    with pytest.raises(ImproperlyConfigured, match="DEBUG is 'perhaps'; write 1 or 0"):
        env.flag("DEBUG")


def test_a_wrong_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_MINUTES", "half an hour")
    with pytest.raises(ImproperlyConfigured, match="LEASE_MINUTES is 'half an hour'"):
        env.number("LEASE_MINUTES", 30)


def test_a_url_of_another_service_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///db.sqlite3")
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must start with one of"):
        env.service_url("DATABASE_URL", {"postgres", "postgresql"})


def test_words_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example, b.example,")
    assert env.words("ALLOWED_HOSTS") == ["a.example", "b.example"]


def test_the_secret_key_is_made_once_and_kept_to_its_owner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    first = env.secret_key(tmp_path)
    assert len(first) >= 48
    assert env.secret_key(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_a_given_secret_key_is_not_written_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_KEY", "given")
    assert env.secret_key(tmp_path) == "given"
    assert not list(tmp_path.iterdir())


def test_a_killed_start_leaves_no_half_written_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def killed(*paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.delenv("SECRET_KEY", raising=False)
    with monkeypatch.context() as before, pytest.raises(KeyboardInterrupt):
        before.setattr(os, "link", killed)
        env.secret_key(tmp_path)
    assert not (tmp_path / "secret_key").exists()
    assert len(env.secret_key(tmp_path)) >= 48
    assert [file.name for file in tmp_path.iterdir()] == ["secret_key"]


@pytest.mark.parametrize("value", ["3", "10", "-4"])
def test_a_number_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("COMPLETIONS_PER_RANKING", value)
    with pytest.raises(ImproperlyConfigured, match="write a whole number from 4 to 9"):
        env.number("COMPLETIONS_PER_RANKING", 4, low=4, high=9)


def test_a_number_has_no_upper_bound_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_MINUTES", "100000")
    assert env.number("LEASE_MINUTES", 30, low=1) == 100_000
    monkeypatch.setenv("LEASE_MINUTES", "0")
    with pytest.raises(ImproperlyConfigured, match="1 or more"):
        env.number("LEASE_MINUTES", 30, low=1)
