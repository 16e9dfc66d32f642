"""Addresses as programs write them: ("10.0.0.1", 5000), with the errors of the standard library."""
import ipaddress
import socket as std
from typing import Any

Address = tuple[str, int]


def parse(address: Any) -> tuple[int, int]:
    """(host, port) as 32 bits and a port; the errors of the standard library."""
    if not isinstance(address, tuple):
        raise TypeError(f"AF_INET address must be tuple, not {type(address).__name__}")
    if len(address) != 2:
        raise TypeError("AF_INET address must be a pair (host, port)")
    host, port = address
    if not 0 <= port <= 65535:
        raise OverflowError("port must be 0-65535.")
    if host == "":
        return 0, port
    if host == "<broadcast>":
        return 0xFFFFFFFF, port
    try:
        return int(ipaddress.IPv4Address("127.0.0.1" if host == "localhost" else host)), port
    except ipaddress.AddressValueError:
        raise std.gaierror(std.EAI_NONAME, "Name or service not known") from None


def text(addr: int) -> str:
    return str(ipaddress.IPv4Address(addr))
