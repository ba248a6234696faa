"""Which addresses may be called, and that the call goes to the one that was judged."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from models_service.addresses import AddressRefused, permitted, resolve
from models_service.engines import engine_for
from models_service.engines.base import EngineError, Request
from models_service.models import ModelVersion

QUESTION = Request(messages=[{"role": "user", "content": "Hi"}], k=1, max_new_tokens=4)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
        "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "64:ff9b:1::7f00:1", "fec0::1", "::127.0.0.1",
        "::ffff:0:7f00:1",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not permitted(ip_address(address), [])


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_what_is_public_is_permitted(address: str) -> None:
    assert permitted(ip_address(address), [])


def test_an_allowed_network_opens_itself_alone() -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    assert permitted(ip_address("10.1.2.3"), allowed)
    assert permitted(ip_address("fd00::5"), allowed)
    assert not permitted(ip_address("10.2.0.1"), allowed)
    assert not permitted(ip_address("169.254.169.254"), allowed)


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "[::1]"])
def test_a_private_address_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(AddressRefused, match=r"a private address|is not known"):
        resolve(host.strip("[]"), 80, [])


def test_a_name_that_nobody_knows_is_explained() -> None:
    with pytest.raises(AddressRefused, match="is not known"):
        resolve("no-such-name.invalid", 80, [])


def test_a_private_server_is_not_called_unless_allowed(
    remote: Callable[..., ModelVersion], seen: Callable[[], dict[str, Any]], settings: Any
) -> None:
    version = remote()
    settings.ALLOWED_PRIVATE_NETWORKS = []
    with pytest.raises(EngineError, match="ALLOWED_PRIVATE_NETWORKS"):
        engine_for(version).sample([QUESTION])
    assert seen()["requests"] == []


def test_a_name_is_resolved_once_and_the_call_goes_to_what_was_judged(
    remote: Callable[..., ModelVersion],
    seen: Callable[[], dict[str, Any]],
    completion_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name server that answers differently the second time is never asked a second time."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, *rest: Any, **more: Any) -> Any:
        if host == "models.example":
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "169.254.169.254", *rest, **more)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    version = remote(base_url=completion_server.replace("127.0.0.1", "models.example"))
    [[answer]] = engine_for(version).sample([QUESTION])
    assert answer.text.startswith("Answer")
    assert asked == ["models.example"]
    [request] = seen()["requests"]
    assert request["headers"]["Host"].startswith("models.example:")
