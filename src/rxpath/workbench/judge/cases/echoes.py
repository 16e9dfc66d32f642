"""Answers to packets with IP options: what the receiving host enters, what an answer carries back, and when there is none."""
from __future__ import annotations

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Send
from rxpath.workbench.judge.hosts import NIC, host


def hops(*addresses: str) -> bytes:
    return b"".join(f.ip4(a).to_bytes(4, "big") for a in addresses)


def option(kind: int, *rest: int, data: bytes = b"") -> bytes:
    body = bytes(rest) + data
    return bytes([kind, 2 + len(body)]) + body


EMPTY = "0.0.0.0"
OPTIONS = {
    "record route with room for one": option(7, 4, data=hops(EMPTY)),
    "record route with room for two": option(7, 4, data=hops(EMPTY, EMPTY)),
    "record route that is full": option(7, 8, data=hops(f.OTHER)),
    "record route with half a slot behind ours": option(7, 4, data=hops(EMPTY) + b"\0\0"),
    "time stamps alone": option(68, 5, 0, data=bytes(12)),
    "time stamps with addresses": option(68, 5, 1, data=bytes(16)),
    "time stamps, address room gone": option(68, 5, 1, data=bytes(8)),
    "time stamps of named stations, ours first": option(68, 5, 3, data=hops(f.US, EMPTY, f.US, EMPTY)),
    "time stamps of named stations, another's first": option(68, 5, 3, data=hops(f.OTHER, EMPTY)),
    "time stamps without room": option(68, 9, 0, data=bytes(4)),
    "time stamps without room, fifteen times": option(68, 9, 0xF0, data=bytes(4)),
    "time stamps of an unknown kind": option(68, 5, 2, data=bytes(8)),
    "loose source route, done": option(131, 8, data=hops(f.OTHER)),
    "loose source route over two": option(131, 12, data=hops(f.OTHER, "10.0.0.4")),
    "strict source route from its sender": option(137, 12, data=hops(f.PEER, f.OTHER)),
    "source route of one station, its sender": option(131, 8, data=hops(f.PEER)),
    "source route that goes on to us": option(131, 4, data=hops(f.US)),
    "source route that ends in half an address": option(131, 4, data=hops(f.US) + b"\0\0"),
    "source route through a group": option(131, 8, data=hops("224.1.2.3")),
    "source route through all hosts": option(131, 8, data=hops("224.0.0.1")),
    "source route through the subnet's broadcast address": option(131, 8, data=hops("10.0.0.255")),
    "source route through everybody": option(131, 8, data=hops("255.255.255.255")),
    "CIPSO": option(134, 0, 0, 0, 1, 1, 4, 0, 1),
    "record route and then CIPSO": option(7, 4, data=hops(EMPTY)) + option(134, 0, 0, 0, 1, 1, 4, 0, 1),
    "record route, time stamps and source route": option(7, 4, data=hops(EMPTY)) + option(68, 5, 0, data=bytes(8))
    + option(131, 8, data=hops(f.OTHER)),
    "two record routes": option(7, 4, data=hops(EMPTY)) * 2,
    "garbage behind the end": option(7, 4, data=hops(EMPTY)) + b"\0\7\7\4",
    "router alert": option(148, 0, 0),
}


def cases() -> list[Case]:
    found = []
    routed = host(sysctl={"net.ipv4.conf.all.accept_source_route": 1}, neighbour=[
        {"ip": f"10.0.0.{n}", "mac": f"02:00:00:00:00:0{n}"} for n in (2, 3, 4)])
    for name, made in OPTIONS.items():
        made += bytes(-len(made) % 4)
        for what, proto, l4 in (("echo", 1, f.icmp()), ("timestamp", 1, f.icmp(13, payload=bytes(12))),
                                ("closed port", 17, f.udp(b"x", dport=9)), ("segment of no connection", 6, f.tcp())):
            found.append(Case(f"{name}: {what}", "transport" if proto == 6 else "network", routed,
                              (Send((f.eth(f.ip(l4, proto=proto, options=made)),)),), shared=True))
    long = f.icmp(payload=b"e" * 1440)
    found += [
        Case("an echo that grows beyond the MTU by its options", "network", host(nic={**NIC, "mtu": 1000}), (
            Send(tuple(f.eth(f.ip(long[at:at + 960], proto=1, frag=(0x2000 if at == 0 else 0) | at >> 3,
                                  options=option(7, 4, data=hops(EMPTY)) + b"\0" + option(131, 8, data=hops(f.OTHER)) + b"\0"))
                       for at in (0, 960))),)),
        Case("a long datagram with options to a closed port", "network", routed, (
            Send((f.eth(f.ip(f.udp(b"y" * 900, dport=9), options=option(7, 4, data=hops(*[EMPTY] * 9)) + b"\0")),)),), shared=True),
    ]
    refused = host(rules="*filter\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\n-A INPUT -j REJECT\nCOMMIT\n")
    found += [Case(f"REJECT of {what}: {name}", "network", refused, (Send((f.eth(f.ip(l4, proto=proto, options=made)),)),), shared=True)
              for name, made in (("an option that stays as it came", option(7, 8, data=hops(f.OTHER)) + b"\0"),
                                 ("an option that was filled in: no answer", option(7, 4, data=hops(EMPTY)) + b"\0"))
              for what, proto, l4 in (("TCP", 6, f.tcp()), ("ICMP", 1, f.icmp()), ("UDP", 17, f.udp(b"x")))]
    return found
