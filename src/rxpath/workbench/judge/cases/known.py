"""Deviations that only generated frames would meet, each by a case of its own, so that none can stop occurring unseen; and the protocols
beside UDP, TCP and ICMP."""
from __future__ import annotations

import struct

from rxpath.abi.protocols import ethertype, protocol
from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Send
from rxpath.workbench.judge.hosts import NIC, host

LLC = {"of no SAP that is open": b"\xf0\xf0\x03" + b"data", "SNAP": b"\xaa\xaa\x03\0\0\0\x12\x34" + b"data",
       "spanning tree": b"\x42\x42\x03" + bytes(35)}
STP_MAC = bytes.fromhex("0180c2000000")


def udplite(payload: bytes = b"u" * 40, covers: int = 0, check: int | None = None, damage: bool = False) -> bytes:
    """covers: 0: everything."""
    n = 8 + len(payload)
    head = struct.pack(">HHHH", 40000, 5000, covers, 0)
    if check is None:
        check = f.csum(struct.pack(">IIBBH", f.ip4(f.PEER), f.ip4(f.US), 0, 136, n) + (head + payload)[:covers or n]) or 0xFFFF
    whole = bytearray(head[:6] + struct.pack(">H", check) + payload)
    if damage:
        whole[-1] ^= 1
    return bytes(whole)


def igmp(kind: int = 0x11, code: int = 10, rest: bytes = b"", group: str = "0.0.0.0") -> bytes:
    body = struct.pack(">BBHI", kind, code, 0, f.ip4(group)) + rest
    return body[:2] + struct.pack(">H", f.csum(body)) + body[4:]


def cases() -> list[Case]:
    two = {**NIC, "addresses": ["10.0.0.1/24", "10.0.0.7/24"]}
    plain, quiet = host(), host([])

    def one(name: str, station: str, described: dict[str, object], *frames: bytes) -> Case:
        return Case(name, station, described, (Send(frames),), shared=True)

    found = [one(f"802.2: {what}", "link", plain, f.eth(body, STP_MAC if body[:1] == b"\x42" else f.MAC_US, proto=len(body)))
             for what, body in LLC.items()]
    found += [
        one("an echo from the subnet's broadcast address", "network", plain, f.eth(f.ip(f.icmp(), src="10.0.0.255", proto=1))),
        one("an echo from an own address", "network", host(nic=two, sysctl={"net.ipv4.conf.all.accept_local": 1}),
            f.eth(f.ip(f.icmp(), src="10.0.0.7", proto=1))),
        one("wrong options from an own address to elsewhere", "network", host(nic=two),
            f.eth(f.ip(f.icmp(), src="10.0.0.7", dst="240.0.0.1", proto=1,
                       options=b"\x07\x07\x04" + bytes(4) + b"\x07\x07\x04" + bytes(6)))),
        one("an echo from 0.0.0.0 to everybody", "network", host(sysctl={"net.ipv4.icmp_echo_ignore_broadcasts": 0}),
            f.eth(f.ip(f.icmp(), src="0.0.0.0", dst="255.255.255.255", proto=1), f.BROADCAST)),
        one("wrong options behind a source route from 0.0.0.0", "network", plain,
            f.eth(f.ip(f.icmp(), proto=1, options=b"\x89\x07\x08" + bytes(4) + b"\x86\x0e" + bytes(12) + bytes(3)))),
        one("an echo from 0.0.0.0 to 0.0.0.0", "network", host(sysctl={"net.ipv4.icmp_echo_ignore_broadcasts": 0}),
            f.eth(f.ip(f.icmp(), src="0.0.0.0", dst="0.0.0.0", proto=1))),
        *(one(f"port unreachable quotes a datagram to {dst} port {port}, icmp_ignore_bogus_error_responses={value}", "network",
              host(sysctl={"net.ipv4.icmp_ignore_bogus_error_responses": value}),
              f.eth(f.ip(f.icmp(3, 3, bytes(4), f.ip(f.udp(b"x" * 8, sport=port, dport=9), src=f.US, dst=dst)), proto=1)))
          for value in (0, 1) for dst in ("10.0.0.255", "255.255.255.255", "10.0.0.9") for port in (5000, 7)),
        one("an error that quotes too little of a packet to the subnet's broadcast address", "network", plain,
            f.eth(f.ip(f.icmp(3, 5, bytes(4), f.ip(b"", src=f.US, dst="10.0.0.255", proto=0)), proto=1))),
        one("a datagram in pieces that is longer than it says", "transport", plain,
            *(f.eth(f.ip(f.udp(b"x" * 1592, length=700, check=0)[at:at + 400], frag=(0x2000 if at < 1200 else 0) | at >> 3))
              for at in range(0, 1600, 400))),
    ]
    for size in (40, 200):
        data = b"u" * size
        found += [one(f"UDP-Lite, {size} bytes: {what}", "transport", plain, f.eth(f.ip(l4, proto=136))) for what, l4 in (
            ("all covered", udplite(data)), ("its length", udplite(data, 8 + size)), ("header only", udplite(data, 8)),
            ("damaged where it is covered", udplite(data, damage=True)), ("damaged where it is not", udplite(data, 12, damage=True)),
            ("no checksum", udplite(data, check=0)), ("less than the header", udplite(data, 7)),
            ("more than there is", udplite(data, 9 + size)))]
    found += [one("UDP-Lite, cut", "transport", plain, f.eth(f.ip(udplite()[:7], proto=136))),
              one("UDP-Lite to everybody", "transport", plain, f.eth(f.ip(udplite(check=0), dst="10.0.0.255", proto=136), f.BROADCAST)),
              one("an error about UDP-Lite", "network", plain,
                  f.eth(f.ip(f.icmp(3, 3, bytes(4), f.ip(udplite(), f.US, f.PEER, 136)), proto=1))),
              one("PIM: a register", "network", plain, f.eth(f.ip(b"\x21\0" + bytes(6) + f.ip(f.udp(b"x")), proto=103))),
              one("PIM: a hello to all routers", "network", plain, f.eth(f.ip(b"\x20\0\xdf\xff" + bytes(8), proto=103)))]
    found += [one(f"{ethertype(n)}, which nobody handles", "link", plain, f.eth(bytes(46), proto=n))
              for n in (0x88CC, 0x88E1, 0x8899, 0x8864, 0x8847, 0x88F7)]
    found += [one(f"{protocol(n)}, which nobody handles", "network", plain, f.eth(f.ip(bytes(40), proto=n)))
              for n in (4, 41, 47, 50, 89, 132)]
    found.append(one("VXLAN, which is a program's where no tunnel is", "transport", host([{"name": "v", "bind": "*:4789"}]),
                     f.eth(f.ip(f.udp(b"\x08\0\0\0\0\0\x2a\0" + f.udp_frame(b"inner"), dport=4789)))))
    sources = struct.pack(">BBH", 2, 125, 2) + bytes(8)
    group = "239.1.1.1"
    found += [one(f"IGMP type 0x{kind:02x}", "network", quiet, f.eth(f.ip(igmp(kind), proto=2)),
                  f.eth(f.ip(igmp(kind, group="239.1.1.1"), dst="224.0.0.1", proto=2), f.multicast_mac("224.0.0.1")))
              for kind in (0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x1E, 0x1F, 0x22)]
    for what, l4 in (("version 3", igmp(rest=sources, group=group)), ("version 3 that lacks a source", igmp(rest=sources[:8], group=group)),
                     ("version 3 about all groups", igmp(rest=sources[:2] + bytes(2))),
                     ("version 3 about all groups, with sources", igmp(rest=sources)),
                     ("version 3, cut", igmp(rest=b"\2\x7d")), ("version 2", igmp()), ("version 1", igmp(code=0)),
                     ("version 3 that lacks a source, after version 2", igmp(rest=sources[:8], group=group))):
        frame = f.eth(f.ip(l4, proto=2, dst="224.0.0.1"), f.multicast_mac("224.0.0.1"))
        found.append(one(f"IGMP query of {what}", "network", quiet, frame))
    return found
