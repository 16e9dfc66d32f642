"""The causes of loss, one by one: each row is a frame (or a few) with exactly one thing wrong, on a host that is otherwise well.

The same causes as the table "cause, drop reason, counters" that was observed on 6.18.44; what the path does not have is listed by name."""
from __future__ import annotations

from typing import Any

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Send, Step, Sysctl, Wait
from rxpath.workbench.judge.hosts import NIC, host

SOURCE = "cause table of 6.18.44"
US, PEER = f.US, f.PEER
RULES = "*{table}\n-A {chain} -p udp -m udp --dport 5000 -j {target}\nCOMMIT\n"


def rules(table: str, chain: str, target: str) -> str:
    return RULES.format(table=table, chain=chain, target=target)


def single() -> list[Case]:
    """One frame each, on the plain host."""
    ok = f.udp(b"x" * 64)
    rows: list[tuple[str, str, bytes]] = [
        ("ok (control)", "transport", f.udp_frame()),
        ("UDP closed port", "transport", f.udp_frame(dport=9)),
        ("bad IP header checksum", "network", f.eth(f.ip(ok, check=0x1234))),
        ("bad UDP checksum", "transport", f.eth(f.ip(f.udp(b"x" * 64, check=0x1234)))),
        ("bad UDP csum, closed port", "transport", f.eth(f.ip(f.udp(b"x" * 64, dport=9, check=0x1234)))),
        ("UDP checksum 0 (none)", "transport", f.eth(f.ip(f.udp(b"x" * 64, check=0)))),
        ("IP tot_len > frame", "network", f.eth(f.ip(ok, total=200))),
        ("IP tot_len < ihl*4", "network", f.eth(f.ip(ok, total=16))),
        ("IP ihl=4", "network", f.eth(f.ip(ok, vihl=0x44))),
        ("IP version 6 in 0x0800", "network", f.eth(f.ip(ok, vihl=0x65))),
        ("IP header truncated (10 B)", "network", f.eth(f.ip(ok)[:10])),
        ("eth header only", "network", f.eth(b"")),
        ("UDP header truncated (4 B)", "transport", f.eth(f.ip(ok[:4]))),
        ("UDP len > IP payload", "transport", f.eth(f.ip(f.udp(b"x" * 64, length=200)))),
        ("UDP len < 8", "transport", f.eth(f.ip(f.udp(b"x" * 64, length=7)))),
        ("UDP len < IP payload (padding)", "transport", f.eth(f.ip(f.udp(b"x" * 32) + b"pad" * 8))),
        ("otherhost MAC", "network", f.udp_frame(mac=bytes.fromhex("020000000099"))),
        ("dst IP not ours, no forwarding", "network", f.udp_frame(dst="10.9.9.9")),
        ("TTL=1, local delivery", "network", f.udp_frame(ttl=1)),
        ("martian src 127.0.0.1", "network", f.udp_frame(src="127.0.0.1")),
        ("martian src = our own IP", "network", f.udp_frame(src=US)),
        ("martian src 240.0.0.1", "network", f.udp_frame(src="240.0.0.1")),
        ("martian src 224.0.0.1", "network", f.udp_frame(src="224.0.0.1")),
        ("martian src 255.255.255.255", "network", f.udp_frame(src="255.255.255.255")),
        ("martian src 0.0.0.0", "network", f.udp_frame(src="0.0.0.0")),
        ("martian dst 0.0.0.0", "network", f.udp_frame(dst="0.0.0.0")),
        ("martian dst 127.0.0.1", "network", f.udp_frame(dst="127.0.0.1")),
        ("unicast IP in broadcast frame", "network", f.udp_frame(mac=f.BROADCAST)),
        ("multicast dst not joined", "network", f.udp_frame(dst="239.1.1.1", mac=f.multicast_mac("239.1.1.1"))),
        ("limited broadcast, no socket", "transport", f.udp_frame(dst="255.255.255.255", dport=9, mac=f.BROADCAST)),
        ("subnet broadcast", "transport", f.udp_frame(dst="10.0.0.255", mac=f.BROADCAST)),
        ("unknown ethertype 0x1234", "link", f.eth(b"x" * 64, proto=0x1234)),
        ("unknown IP protocol 200", "network", f.eth(f.ip(b"x" * 64, proto=200))),
        ("ICMP bad checksum", "network", f.eth(f.ip(f.icmp(check=0x1234), proto=1))),
        ("ICMP echo request", "network", f.eth(f.ip(f.icmp(), proto=1))),
        ("ICMP time stamp request", "network", f.eth(f.ip(f.icmp(13, rest=b"\0\1\0\1", payload=bytes(12)), proto=1))),
        ("TCP bad checksum", "transport", f.eth(f.ip(f.tcp(check=0x1234), proto=6))),
        ("TCP SYN closed port", "transport", f.eth(f.ip(f.tcp(), proto=6))),
        ("TCP RST no socket", "transport", f.eth(f.ip(f.tcp(flags=0x04), proto=6))),
        ("TCP SYN+FIN closed", "transport", f.eth(f.ip(f.tcp(flags=0x03), proto=6))),
        ("TCP ACK closed", "transport", f.eth(f.ip(f.tcp(flags=0x10, ack=77), proto=6))),
        ("IP options: strict source route", "network", f.eth(f.ip(ok, options=b"\x89\x07\x04\x0a\x00\x00\x02\x00"))),
        ("IP options: a source route that has ended here", "network", f.eth(f.ip(ok, options=b"\x83\x07\x08\x0a\x00\x00\x02\x00"))),
        ("IP options: record route", "network", f.eth(f.ip(ok, options=b"\x07\x07\x04\x00\x00\x00\x00\x00"))),
        ("ARP request for us", "network", f.arp()),
        ("ARP request for other", "network", f.arp(tpa="10.0.0.77")),
        ("ARP probe for us, as RFC 5227 asks", "network", f.arp(spa="0.0.0.0")),
        ("ARP reply from nobody to us", "network", f.arp(op=2, spa="0.0.0.0")),
        ("VLAN tag, no vlan dev", "link", f.eth(f.ip(ok), vlan=5)),
    ]
    plain = host()
    return [Case(name, station, plain, (Send((frame,)),), SOURCE, shared=True) for name, station, frame in rows]


def settled() -> list[Case]:
    """A frame on a host with a setting, or several frames."""
    ok, frame = f.udp(b"x" * 64), f.udp_frame()
    pair = tuple(f.fragments(f.udp(b"y" * 1000), [504]))

    def case(name: str, station: str, frames: tuple[bytes, ...], after: tuple[Step, ...] = (), **settings: Any) -> Case:
        return Case(name, station, host(**settings), (Send(frames), *after), SOURCE)

    high = "net.ipv4.ipfrag_high_thresh"
    return [
        case("UDP rcvbuf full", "user", (frame,) * 12, sockets=[{"name": "a", "bind": "*:5000", "rcvbuf": 2304}]),
        case("martian src 127.0.0.1, accept_local", "network", (f.udp_frame(src="127.0.0.1"),),
             sysctl={"net.ipv4.conf.all.accept_local": 1}),
        case("rp_filter=1, src unrouted", "network", (f.udp_frame(src="172.16.0.9"),), sysctl={"net.ipv4.conf.all.rp_filter": 1}),
        case("iptables raw PREROUTING DROP", "network", (frame,), rules=rules("raw", "PREROUTING", "DROP")),
        case("iptables mangle PREROUTING DROP", "network", (frame,), rules=rules("mangle", "PREROUTING", "DROP")),
        case("iptables filter INPUT DROP", "network", (frame,), rules=rules("filter", "INPUT", "DROP")),
        case("iptables: a TCP fragment at offset 8 under a rule of ports", "network", (f.eth(f.ip(bytes(16), proto=6, frag=1)),),
             rules="*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n"),
        case("iptables: the lowest port of a multiport range", "network", (frame,),
             rules="*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m multiport --dports 5000:5010 -j DROP\nCOMMIT\n"),
        case("iptables INPUT REJECT", "network", (frame,), rules=rules("filter", "INPUT", "REJECT --reject-with icmp-port-unreachable")),
        case("IP fragment never completed (1 s)", "network", pair[:1], (Wait(1_300_000_000),), sysctl={"net.ipv4.ipfrag_time": 1}),
        case("IP duplicate fragment", "network", (pair[0], pair[0])),
        case("IP overlapping fragment", "network",
             (pair[0], f.eth(f.ip(b"z" * 504, ident=7, frag=0x2000 | 400 >> 3)))),
        Case("IP fragment, high limit 0", "network", host(),
             (Sysctl("net.ipv4.ipfrag_low_thresh", 0), Sysctl(high, 0), Send((f.udp_frame(b"first"), *pair))), SOURCE),
        case("fragments OK (2 each)", "network", pair),
        case("echo request in fragments", "network", tuple(f.fragments(f.icmp(payload=b"e" * 900), [400], proto=1))),
        case("echo ignored", "network", (f.eth(f.ip(f.icmp(), proto=1)),), sysctl={"net.ipv4.icmp_echo_ignore_all": 1}),
        case("echo to broadcast", "network", (f.eth(f.ip(f.icmp(), dst="10.0.0.255", proto=1), f.BROADCAST),)),
        case("echo to broadcast, answered", "network", (f.eth(f.ip(f.icmp(), dst="10.0.0.255", proto=1), f.BROADCAST),),
             sysctl={"net.ipv4.icmp_echo_ignore_broadcasts": 0}),
        case("blackhole route", "network", (f.udp_frame(src="172.16.0.9"),), sysctl={"net.ipv4.conf.all.rp_filter": 1},
             route=[{"dst": "172.16.0.0/12", "type": "blackhole"}]),
        case("port unreachable through a gateway", "transport", (f.udp_frame(src="172.16.0.9", dport=9),),
             route=[{"dst": "default", "via": "10.0.0.3"}]),
        case("frame longer than the MTU", "drivers", (f.eth(f.ip(f.udp(b"x" * 1475))), f.udp_frame(b"x" * 1472)),
             nic={**NIC, "mtu": 1500}),
        case("frame much longer than the MTU", "drivers", (f.eth(f.ip(f.udp(b"x" * 3000))),), nic={**NIC, "mtu": 1500}),
        case("UDP to a connected socket of another peer", "transport", (frame,),
             sockets=[{"name": "a", "bind": "10.0.0.1:5000", "connect": "10.0.0.3:40000"}]),
        case("TCP SYN to a listener", "transport", (f.eth(f.ip(f.tcp(ok[:0]), proto=6)),),
             sockets=[{"name": "t", "proto": "tcp", "bind": "*:80"}]),
    ]


NOT_BUILT = (
    ("dst IP unrouted, forwarding on", "network", "forwarding is not built: the host is the last hop"),
    ("TTL=1, forwarding on", "network", "forwarding is not built: the host is the last hop"),
    ("nft inet input drop", "network", "nftables is not built"),
    ("nft netdev ingress drop", "link", "nftables is not built"),
    ("tc ingress bpf SHOT", "link", "tc is not built"),
    ("xdpdrv drop", "drivers", "XDP is not built"), ("xdpdrv aborted", "drivers", "XDP is not built"),
    ("xdpdrv pass", "drivers", "XDP is not built"), ("xdpgeneric drop", "link", "XDP is not built"),
    ("xdpgeneric aborted", "link", "XDP is not built"), ("xdpgeneric pass", "link", "XDP is not built"),
    ("veth NAPI (gro on), GSO 64 segs", "drivers", "veth's NAPI is not built: frames enter by netif_rx"),
    ("GSO burst of 40 segs, max_backlog=10", "irq", "the sender's GSO is not built; the backlog's limit is tried by cases under load"),
    ("tap plain write, iface down", "drivers", "TAP is not built"), ("tap plain write, 10-byte frame", "drivers", "TAP is not built"),
    ("tap plain write, 14-byte frame", "drivers", "TAP is not built"), ("tap napi write", "drivers", "TAP is not built"),
    ("tap frags write", "drivers", "TAP is not built"), ("tap vnet_hdr: bad csum_start", "drivers", "TAP is not built"),
    ("peer veth down", "drivers", "the sender's side of a veth is not modelled"),
)


def cases() -> list[Case]:
    return single() + settled() + [Case(name, station, host(), (), SOURCE, not_built=why) for name, station, why in NOT_BUILT]
