"""Who is the receiver of a capture?  The host whose losses the user asks about: normally the one that most frames are sent to.  Decided
from a census of the capture's beginning (census.py), and explained in a sentence that the command prints."""
import dataclasses
import ipaddress
import os
from collections import Counter
from typing import Any

from .._compile import new
from ..abi.capture import Scan, census_t
from ..abi.numbers import IPPROTO
from .census import capture_census
from .ether import BROADCAST_MAC, DEFAULT_MAC
from .reading import Reading
from .source import HEAD, CaptureError, Source
from .survey import sources_left

LIMIT_RECORDS, LIMIT_BYTES = 200_000, 64 << 20
ROUTER = 8                      # a MAC that frames for more addresses go to is a way to other hosts
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclasses.dataclass(frozen=True)
class Card:
    """A card of a host that has several, as those who put frames on the cable must know it: networks are (address, prefix length)."""
    name: str
    mac: int
    networks: tuple[tuple[int, int], ...] = ()


@dataclasses.dataclass
class Receiver:
    """The receiving host, as far as its traffic tells.  Addresses are text; prefix lengths are assumed: 24 and 64."""
    mac: int = DEFAULT_MAC
    addresses: list[str] = dataclasses.field(default_factory=list)
    groups: list[str] = dataclasses.field(default_factory=list)         # multicast groups that traffic goes to
    udp_ports: dict[int, int] = dataclasses.field(default_factory=dict)  # port -> datagrams to it; most first
    tcp_ports: dict[int, int] = dataclasses.field(default_factory=dict)  # listening: port -> SYNs
    closed_udp: dict[int, int] = dataclasses.field(default_factory=dict)
    closed_tcp: dict[int, int] = dataclasses.field(default_factory=dict)
    vlans: list[int] = dataclasses.field(default_factory=list)
    received: int = 0
    sent: int = 0
    records: int = 0
    made_up: bool = False       # no frame is addressed to one host: address and MAC are ours
    evidence: str = ""
    left: dict[str, int] = dataclasses.field(default_factory=dict)      # sources that leave checksums to their card: LEFT_* of each

    def with_prefixes(self) -> list[str]:
        """Addresses with the prefix lengths assumed: "10.23.0.2/24"."""
        return [f"{a}/{24 if ipaddress.ip_address(a).version == 4 else 64}" for a in self.addresses]

    def mac_text(self) -> str:
        return self.mac.to_bytes(6, "big").hex(":")

    def keys(self) -> list[tuple[int, int, int]]:
        """(version, high 64 bits, low 64 bits) of the addresses, as the scanner compares them: signed."""
        return [_key(ipaddress.ip_address(a)) for a in self.addresses]


def _key(a: Address) -> tuple[int, int, int]:
    if a.version == 4:
        return 4, 0, int(a)
    b = a.packed
    return 6, int.from_bytes(b[:8], "big", signed=True), int.from_bytes(b[8:], "big", signed=True)


def _address(ip: Any) -> Address:
    if ip.version == 4:
        return ipaddress.IPv4Address(ip.lo)
    return ipaddress.IPv6Address((ip.hi & (1 << 64) - 1) << 64 | ip.lo & (1 << 64) - 1)


@dataclasses.dataclass
class _Ip:
    index: int
    mac: int
    address: Address
    rx: int
    tx: int
    rx_bytes: int
    to_us: int
    from_us: int
    order: int
    vlan: int


@dataclasses.dataclass
class _Mac:
    mac: int
    rx: int
    tx: int
    rx_bytes: int
    order: int


class Census:
    """The tables as Python, only the entries in use."""

    def __init__(self, c: Any) -> None:
        self.records, self.frames, self.group, self.cooked = c.records, c.frames, c.group, c.cooked
        self.to_us, self.from_us = c.to_us, c.from_us
        self.macs = [_Mac(m.mac, m.rx, m.tx, m.rx_bytes, m.order) for m in (c.macs[i] for i in range(c.nmac))]
        self.ips = sorted((_Ip(i, a.mac, _address(a), a.rx, a.tx, a.rx_bytes, a.to_us, a.from_us, a.order, a.vlan)
                           for i in range(c.nip) for a in (c.ips[i],)), key=lambda a: (a.order, a.index))
        self.left = sources_left(c.survey)
        self.ports = [(p.ip, p.proto, p.port, p.rx, p.tx, p.syn, p.synack, p.rst, p.unreachable)
                      for p in (c.ports[i] for i in range(c.nport))]


def take_census(path: str | os.PathLike[str] | Source, plain: bool = False, records: int = LIMIT_RECORDS) -> Census:
    """Count the beginning of a capture.  CaptureError if it cannot be replayed at all."""
    source = path if isinstance(path, Source) else Source(path)
    reading, c = Reading(source), new(census_t)
    f = capture_census.plain if plain and hasattr(capture_census, "plain") else capture_census
    most = LIMIT_BYTES if source.seekable else HEAD - (2 << 20)
    try:
        why = int(Scan.LIMIT)
        while c.records < records:
            why = f(reading.s, c, reading.addr, records - c.records)
            if why == Scan.BAD or (why == Scan.MORE and (source.raw_bytes > most or not reading.more())):
                break
        if why == Scan.BAD or (why == Scan.MORE and source.raw_bytes <= most):
            reading.ended(why)
        reading.check_useful(c.frames)
        if source is path and not source.rewind():
            raise CaptureError(f"{source.name}: too much was read of a pipe; save it to a file")
    except CaptureError:
        source.close()
        raise
    finally:
        reading.forget()
        if source is not path:
            source.close()
    return Census(c)


def infer_receiver(path: str | os.PathLike[str] | Source, *, local: list[str] | None = None, listen: list[int] | None = None,
                   plain: bool = False) -> Receiver:
    """The receiver of this capture.  `local`: these are its addresses (the user says so); `listen`: and these its open UDP ports.
    A pipe's Source is rewound: hand the same Source to Capture afterwards."""
    census = take_census(path, plain)
    wanted = [ipaddress.ip_address(a.split("/")[0]) for a in local or []]
    r = Receiver(records=census.frames, left=census.left)
    ours, why = _choose(census, wanted, r)
    chosen = {str(a.address): a for a in sorted(ours, key=lambda a: (-a.rx, a.order))}
    r.addresses = [str(a) for a in wanted] or [a for a in chosen]
    if not r.addresses:
        _make_up(census, r)
    _find_ports(census, ours, r)
    if listen is not None:
        r.udp_ports = {p: r.udp_ports.get(p, 0) for p in listen}
        r.closed_udp = {p: n for p, n in r.closed_udp.items() if p not in r.udp_ports}
    r.vlans = sorted({a.vlan for a in ours if a.vlan >= 0})
    r.evidence = _explain(r, why)
    return r


def _unicast(a: _Ip) -> bool:
    x = a.address
    return not (x.is_multicast or x.is_unspecified or x == ipaddress.IPv4Address(0xFFFFFFFF) or (a.mac >= 0 and a.mac >> 40 & 1))


def _choose(census: Census, wanted: list[Address], r: Receiver) -> tuple[list[_Ip], str]:
    """The receiver's addresses among those of the census; sets mac, received and sent.  And why, for the sentence."""
    hosts = [a for a in census.ips if _unicast(a)]
    if wanted:
        ours = [a for a in hosts if a.address in wanted]
        by_mac = Counter[int]()
        for a in ours:
            if a.mac >= 0:
                by_mac[a.mac] += a.rx + a.tx
        _take_mac(census, by_mac.most_common(1)[0][0] if by_mac else -1, ours, r)
        return [a for a in ours if a.mac in (-1, r.mac)], "as you said"
    if census.to_us + census.from_us:                           # cooked records and directions tell it outright
        ours = [a for a in hosts if (a.to_us > a.from_us and a.to_us) or (a.from_us and a.from_us >= a.tx)]
        if ours:
            macs = Counter({a.mac: a.rx for a in ours if a.mac >= 0})
            _take_mac(census, macs.most_common(1)[0][0] if macs else -1, ours, r)
            return ours, "the capture says which packets came in"
    unicast = [m for m in census.macs if not m.mac >> 40 & 1 and m.rx]
    if unicast:
        addresses = Counter((a.mac, a.address.version) for a in hosts if a.rx)

        def weight(m: _Mac) -> float:
            """A router's MAC stands for all hosts behind it: prefer the end of the line unless it hardly receives anything."""
            behind = max(addresses[m.mac, 4], addresses[m.mac, 6])
            return m.rx * (1.0 if behind < 2 else 0.8 if behind <= ROUTER else 0.25)
        best = max(unicast, key=lambda m: (weight(m), m.rx_bytes, -m.order))
        ours = [a for a in hosts if a.mac == best.mac and a.rx]
        _take_mac(census, best.mac, ours, r)
        if best.mac == 0:                                       # the loopback interface: all its addresses are ours
            return ours, "a loopback interface"
        return ours, "more than any other host" if best.rx == max(m.rx for m in unicast) else "it is the end host; more go to a router"
    bare = [a for a in hosts if a.mac == -1 and a.rx]           # raw IP: only addresses tell
    if bare:
        ours = []
        for version in (4, 6):
            of = [a for a in bare if a.address.version == version]
            if of:
                ours.append(max(of, key=lambda a: (a.rx, a.rx_bytes, -a.order)))
        most = max(a.rx for a in ours)
        ours = [a for a in ours if a.rx * 10 >= most]
        _take_mac(census, -1, ours, r)
        return ours, "more than any other address"
    return [], ""


def _take_mac(census: Census, mac: int, ours: list[_Ip], r: Receiver) -> None:
    """Its MAC, and how much it received and sent."""
    if mac < 0:
        r.mac, r.received, r.sent = DEFAULT_MAC, sum(a.rx for a in ours), sum(a.tx for a in ours)
        return
    r.mac = mac
    for m in census.macs:
        if m.mac == mac:
            r.received, r.sent = m.rx, m.tx
        elif m.mac == BROADCAST_MAC:
            continue


def _make_up(census: Census, r: Receiver) -> None:
    """No address of ours in the capture: a free one beside the busiest sender."""
    r.made_up = not r.received
    seen = {a.address for a in census.ips}
    senders = sorted((a for a in census.ips if _unicast(a) and a.tx), key=lambda a: (-a.tx, a.order))
    for a in senders:
        bits = 8 if a.address.version == 4 else 64
        net = int(a.address) >> bits << bits
        for host in (254, 253, 252, 251, 250):
            free = type(a.address)(net | host)
            if free not in seen and not free.is_loopback:
                r.addresses = [str(free)]
                return
    if not r.addresses:
        r.addresses = ["192.0.2.254"]


def _find_ports(census: Census, ours: list[_Ip], r: Receiver) -> None:
    """Open and closed ports of our addresses, and of groups and broadcasts, which are everybody's."""
    mine = {a.index for a in ours}
    group = {a.index: a for a in census.ips if not _unicast(a) and not a.address.is_unspecified}
    r.groups = list(dict.fromkeys(str(a.address) for a in group.values() if a.address.is_multicast and a.rx))
    udp, tcp, closed, refused, unreachable = Counter[int](), Counter[int](), Counter[int](), Counter[int](), Counter[int]()
    for ip, proto, port, rx, tx, syn, synack, rst, unreach in census.ports:
        if (ip not in mine and ip not in group) or port == 0:
            continue
        if proto == IPPROTO.UDP:
            unreachable[port] += unreach if tx == 0 else 0      # who has sent from it had it open, if only for a while
            udp[port] += rx
        elif proto == IPPROTO.TCP and ip in mine:
            if syn and (synack or not rst):
                tcp[port] += syn
            elif syn:
                refused[port] += syn
    for port, n in unreachable.items():
        if n and port in udp:
            closed[port] = udp.pop(port)
    r.udp_ports = dict(sorted(((p, n) for p, n in udp.items() if n), key=lambda x: (-x[1], x[0])))
    r.tcp_ports = dict(sorted(tcp.items(), key=lambda x: (-x[1], x[0])))
    r.closed_udp, r.closed_tcp = dict(sorted(closed.items())), dict(sorted(refused.items()))


def _listed(ports: dict[int, int], most: int = 8) -> str:
    shown = ", ".join(str(p) for p in sorted(list(ports)[:most]))
    return shown + (f" and {len(ports) - most} more" if len(ports) > most else "")


def _explain(r: Receiver, why: str) -> str:
    who = ", ".join(r.addresses[:3]) + (f" and {len(r.addresses) - 3} more" if len(r.addresses) > 3 else "")
    if r.made_up:
        text = f"No frame is addressed to one host: the receiver is made up, {who} ({r.mac_text()})"
    else:
        text = f"{who} ({r.mac_text()}) receives {r.received:,} of {r.records:,} frames" + (f": {why}" if why else "")
    listens = [f"{name} {_listed(ports)}" for name, ports in (("UDP", r.udp_ports), ("TCP", r.tcp_ports)) if ports]
    if listens:
        text += f"; listens on {', '.join(listens)}"
    if r.groups:
        text += f"; member of {', '.join(r.groups[:4])}" + (f" and {len(r.groups) - 4} more" if len(r.groups) > 4 else "")
    if r.closed_udp:
        text += f"; UDP {_listed(r.closed_udp)} is closed: it answered with port unreachable"
    if r.closed_tcp:
        text += f"; TCP {_listed(r.closed_tcp)} is closed: it answered with RST"
    return text
