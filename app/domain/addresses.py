"""Which network addresses anybody may be sent to fetch from: none that only this machine or its own network can reach."""

import ipaddress

_ALLOCATED = ipaddress.ip_network("2000::/3")
"""The part of IPv6 where public machines are. Outside of it lie loopback, link-local and unique local addresses, multicast,
and every way to write an IPv4 address as an IPv6 one (mapped, compatible, translated, NAT64)."""
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "2001::/23",  # protocol assignments, with Teredo, which leads to an IPv4 address
        "2002::/16",  # 6to4, which leads to an IPv4 address
        "3fff::/20",  # documentation
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
    )
)


def is_public(text: str) -> bool:
    """Whether an IP address is a public one of a single machine. False for what is no address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.version == 6 and address not in _ALLOCATED:
        return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address in network for network in _NEVER)
