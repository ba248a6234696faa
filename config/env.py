"""What the environment says, read strictly: a wrong value stops the start with a sentence.

Settings ask here for everything that differs between two installations.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def text(name: str, default: str = "") -> str:
    """The variable as it stands, or the default when it is unset or empty."""
    return os.environ.get(name) or default


def flag(name: str, default: bool = False) -> bool:
    """A yes/no variable: 1, true, yes, on or 0, false, no, off."""
    value = text(name, str(default)).lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; write 1 or 0.")


def number(name: str, default: int, low: int = 0, high: int | None = None) -> int:
    """A whole number from low to high; without a high, low or more."""
    value = text(name, str(default))
    wanted = f"a whole number from {low} to {high}" if high else f"a whole number, {low} or more"
    try:
        found = int(value)
    except ValueError:
        found = low - 1
    if found < low or (high is not None and found > high):
        raise ImproperlyConfigured(f"{name} is {value!r}; write {wanted}.")
    return found


def choice(name: str, options: tuple[str, ...]) -> str:
    """One of the options; the first when unset."""
    value = text(name, options[0])
    if value not in options:
        raise ImproperlyConfigured(f"{name} is {value!r}; write one of {', '.join(options)}.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A list separated by commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def mapping(name: str) -> dict[str, Any]:
    """A JSON object; an empty one when unset."""
    value = text(name, "{}")
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ImproperlyConfigured(
            f'{name} is {value!r}; write a JSON object, such as {{"enable_thinking": false}}.'
        )
    return found


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """A list of networks, `10.1.0.0/16,fd00::/8`, separated by commas."""
    try:
        return [ip_network(word) for word in words(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}; write networks as 10.1.0.0/16.") from None


def data_dir() -> Path:
    """The folder of everything this installation keeps on disk; made when missing."""
    folder = Path(text("DATA_DIR", str(BASE_DIR / "var"))).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def secret_key(folder: Path) -> str:
    """SECRET_KEY, or one made on the first start and kept in the data folder."""
    if given := text("SECRET_KEY"):
        return given
    kept = folder / "secret_key"
    if not kept.exists():
        _keep_secret(kept, secrets.token_urlsafe(48))
    return kept.read_text().strip()


def _keep_secret(path: Path, value: str) -> None:
    """Whoever looks finds no file or the whole key, whenever this process is killed."""
    descriptor, private = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as handle:
            handle.write(value)
            handle.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):  # another process was first; its key is the one
            os.link(private, path)
    finally:
        Path(private).unlink()


def service_url(name: str, schemes: set[str]) -> str:
    """A service's URL; empty when unset, which asks for the embedded one."""
    url = text(name)
    if url and urlsplit(url).scheme not in schemes:
        raise ImproperlyConfigured(
            f"{name} must start with one of {', '.join(sorted(schemes))}://, not {url!r}."
        )
    return url
