"""Which internet addresses are public: the only ones that a fetch on behalf of somebody else may go to.

IANA IPv4 and IPv6 Special-Purpose Address Registries (iana.org/assignments/iana-ipv4-special-registry and
iana-ipv6-special-registry).
The lists stand here because Python's own `is_global` differs between versions.
"""

from __future__ import annotations

import ipaddress
from typing import Final

__all__ = ["is_address", "refusal"]

_REFUSED_V4: Final = tuple(
    (ipaddress.IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "behind a carrier's address translation"),
        ("127.0.0.0/8", "this host"),
        ("168.63.129.16/32", "of the cloud's own"),  # Azure's agent, which looks public
        ("169.254.0.0/16", "link-local, where clouds keep credentials"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "of a protocol"),
        ("192.0.2.0/24", "for documentation"),
        ("192.31.196.0/24", "of a protocol"),
        ("192.52.193.0/24", "of a protocol"),
        ("192.88.99.0/24", "a relay to another network"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "of a protocol"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)

_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
"""All that is given out. Whatever else there is is private, link-local, multicast, reserved, or holds an IPv4 address:
mapped (::ffff:0:0/96), translated (64:ff9b::/96), or compatible (::/96)."""

_REFUSED_V6: Final = tuple(
    (ipaddress.IPv6Network(network), reason)
    for network, reason in (
        ("2001::/23", "of a protocol, such as a tunnel to IPv4"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "a tunnel to IPv4"),
        ("2620:4f:8000::/48", "of a protocol"),
        ("3fff::/20", "for documentation"),
    )
)


def is_address(text: str) -> bool:
    """Whether a text is an address in its usual form."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def refusal(address: str) -> str | None:
    """Return in words why an address is not public; None if it is.

    Args:
        address: As a resolver gives it; anything that is not exactly an address is refused.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a zone (`fe80::1%eth0`) is none either: below
        return "no address"
    if isinstance(found, ipaddress.IPv4Address):
        return next((reason for network, reason in _REFUSED_V4 if found in network), None)
    if found.scope_id is not None:
        return "link-local"
    if found not in _PUBLIC_V6:
        return "not public, or an IPv4 address in disguise"
    return next((reason for network, reason in _REFUSED_V6 if found in network), None)
