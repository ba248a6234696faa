"""Which network addresses a model server may have, checked on the connection itself.

A researcher names a server; this process connects to it from inside the house's network. So the
name is resolved here, once, every address is judged, and the connection goes to the judged address
and to no other: a name that changes between the check and the call gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Translates to IPv4 at the network's edge, so what it leads to is what counts.
_NAT64 = ip_network("64:ff9b::/96")
# Python calls these global, but they lead, where anything answers, into one's own network.
_LOCAL = [ip_network(name) for name in ("64:ff9b:1::/48", "fec0::/10", "::/96", "::ffff:0:0:0/96")]


class AddressRefused(Exception):
    """A server may not be called; the message says why and what to do."""


def permitted(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether the address is public, or in one of the allowed networks.

    An IPv6 address that carries an IPv4 one is judged by that.
    """
    address = _carried(address)
    if any(address in network for network in allowed if network.version == address.version):
        return True
    if any(address in network for network in _LOCAL if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int, allowed: Sequence[Network]) -> list[str]:
    """The permitted addresses of a host, in the resolver's order. Raises AddressRefused."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"The name {host} is not known; check the base URL.") from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    good = [text for text in addresses if permitted(ip_address(text), allowed)]
    if not good:
        raise AddressRefused(
            f"{host} leads to {addresses[0]}, a private address. If that server is yours, add its "
            "network to ALLOWED_PRIVATE_NETWORKS."
        )
    return good


class GuardedTransport(httpx.HTTPTransport):
    """Connects to permitted addresses alone; the certificate is still checked for the name."""

    def __init__(self, *, allowed: Sequence[Network], connections: int) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        # No proxy from the environment: it would resolve the name once more, elsewhere.
        super().__init__(trust_env=False, limits=limits)
        self.allowed = allowed

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the first permitted address that takes the connection."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        *others, last = resolve(url.host, port, self.allowed)
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        for address in others:
            try:
                return self._send(request, url, address)
            except httpx.ConnectError:
                continue
        return self._send(request, url, last)

    def _send(self, request: httpx.Request, url: httpx.URL, address: str) -> httpx.Response:
        # The Host header was set from the name before; only the way there is replaced.
        request.url = url.copy_with(host=address)
        try:
            return super().handle_request(request)
        finally:
            request.url = url


def _carried(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address
