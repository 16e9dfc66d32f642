"""The hosts of a capture, from its census: which addresses belong together, and where hardware addresses cannot tell hosts apart.

A host is a MAC with the addresses behind it.  It is a single address where MACs do not tell: raw IP, anonymised captures (all MACs zero),
both ends of a flow behind one MAC (tunnels, taps, rewritten files), and what lies behind a router.  evidence.py weighs them, receiver.py
takes one."""
import ctypes
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from ..abi.census import NARP, NDHCP, NJOIN
from ..abi.numbers import IPPROTO
from .ether import BROADCAST_MAC
from .survey import sources_left, sums_left

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ALL_ONES = ipaddress.IPv4Address(0xFFFFFFFF)
WEIGHED = 512                   # hosts that are looked at, the busiest
ROUTER = 8                      # a MAC with more IPv4 addresses behind it is a way to other hosts
INWARD = 0.1                    # share of a MAC's frames between its own addresses from which it is not one host
# MACs that routers share, as their first bits: of HSRP (versions 1 and 2), of VRRP and CARP (RFC 9568 7.3), of GLBP
SHARED_MACS = ((0x00000C07AC, 8), (0x00000C9FF, 12), (0x00005E0001, 8), (0x00005E0002, 8), (0x0007B400, 16))
T = TypeVar("T", bound=tuple[Any, ...])


class MacRow(NamedTuple):
    """A census_mac."""
    mac: int
    rx: int
    tx: int
    group: int
    order: int


class End(NamedTuple):
    """A census_host: an address behind a MAC, in a VLAN."""
    mac: int
    hi: int
    lo: int
    version: int
    vlan: int
    order: int
    rx: int
    tx: int
    rx_udp: int
    rx_tcp: int
    rx_icmp: int
    into: int
    out: int
    fresh: int
    worn: int
    asked: int
    answered: int
    nearer: int
    farther: int
    inward: int

    @property
    def address(self) -> Address:
        if self.version == 4:
            return ipaddress.IPv4Address(self.lo)
        return ipaddress.IPv6Address((self.hi & (1 << 64) - 1) << 64 | self.lo & (1 << 64) - 1)

    @property
    def key(self) -> tuple[int, int, int]:
        return self.version, self.hi, self.lo

    @property
    def one_host(self) -> bool:
        """Not a group, not all, not nobody."""
        if self.mac >= 0 and self.mac >> 40 & 1:
            return False
        if self.version == 4:
            return self.lo >> 28 != 14 and self.lo != 0xFFFFFFFF and self.lo != 0
        return self.hi >> 56 & 0xFF != 0xFF and bool(self.hi or self.lo)

    @property
    def is_loopback(self) -> bool:
        return self.lo >> 24 == 127 if self.version == 4 else self.hi == 0 and self.lo == 1


class Port(NamedTuple):
    """A census_port."""
    hi: int
    lo: int
    proto: int
    port: int
    rx: int
    tx: int
    syn: int
    synack: int
    rst: int
    unreachable: int
    answered: int


class Arp(NamedTuple):
    mac: int
    ip: int
    requests: int
    replies: int
    least: int
    most: int


class Dhcp(NamedTuple):
    mac: int
    ip: int
    mask: int
    router: int


class Join(NamedTuple):
    hi: int
    lo: int
    group: int


class Refused(NamedTuple):
    """A census_refused: datagrams that were sent from the port since it was first refused; how many changes, and the records of those that
    were kept."""
    sent: int
    n: int
    changes: tuple[int, ...]


class Face(NamedTuple):
    """An interface that a pcapng file describes, as far as it does."""
    name: str
    mac: int
    ip: int


def _rows(table: Any, places: list[int], made: type[T]) -> list[T]:
    """The entries of a table of i64 structs at these places, without their first field."""
    width = ctypes.sizeof(table._type_) // 8
    view: Any = memoryview(table).cast("B").cast("q")
    return [made(*view[i * width + 1:i * width + 1 + len(made._fields)]) for i in places]   # type: ignore[attr-defined]


def _places(c: Any) -> dict[int, list[int]]:
    """Where the ports of an address are, by its low bits."""
    width = ctypes.sizeof(c.ports._type_) // 8
    view: Any = memoryview(c.ports).cast("B").cast("q")
    found: dict[int, list[int]] = {}
    for i in memoryview(c.port_at).cast("B").cast("q")[:c.nport].tolist():
        found.setdefault(view[i * width + 2], []).append(i)
    return found


class Census:
    """What a census has counted, as Python; faces: the file's interfaces."""

    def __init__(self, c: Any, faces: list[Face]) -> None:
        self.records, self.frames, self.group, self.bare = int(c.records), int(c.frames), int(c.group), int(c.bare)
        self.marked, self.not_ip, self.answers = int(c.to_us + c.from_us), int(c.not_ip), int(c.answers)
        self.lost_hosts, self.lost_frames = int(c.lost_hosts), int(c.lost_frames)
        self.lost_ports, self.lost_datagrams = int(c.lost_ports), int(c.lost_datagrams)
        self.whole = True                                   # false: the first part of a pipe
        self.faces = faces
        self.macs = _rows(c.macs, [c.mac_at[i] for i in range(c.nmac)], MacRow)
        self.ends = sorted(_rows(c.hosts, [c.host_at[i] for i in range(c.nhost)], End), key=lambda e: (e.order, e.tx == 0, e.hi, e.lo))
        self._ports, self._places = c.ports, _places(c)
        self.arps = _rows(c.arps, [i for i in range(NARP) if c.arps[i].used], Arp)
        self.dhcps = _rows(c.dhcps, [i for i in range(NDHCP) if c.dhcps[i].used], Dhcp)
        self.survey = c.survey
        self.left = sources_left(c.survey)                  # sources that leave checksums to their card
        self.sums_left = sums_left(c.survey)                # of these and of others: how many of how many that were looked at
        self.refused = {(r.hi, r.lo, r.port): Refused(r.sent, r.n, tuple(r.at)[:r.n]) for r in c.refused if r.used} if c.nrefused else {}
        self.joins = _rows(c.joins, [i for i in range(NJOIN) if c.joins[i].used], Join)

    def ports_at(self, addresses: Collection[tuple[int, int]]) -> list[Port]:
        """Of these addresses, (high, low) bits; the others' are never made into rows, for there may be many."""
        places = [i for lo in {lo for _, lo in addresses} for i in self._places.get(lo, ())]
        return sorted(p for p in _rows(self._ports, places, Port) if (p.hi, p.lo) in addresses)

    @property
    def single(self) -> int:
        """Frames that are for one host."""
        return self.frames - self.group


@dataclass
class Host:
    """One host of a capture: a candidate for the receiver."""
    mac: int                                                # where it receives; -1: no MAC tells
    ends: list[End]
    by_address: bool = False                                # its MAC is others' too
    behind: bool = False                                    # a router's MAC
    rx: int = 0                                             # frames to it, and from it
    tx: int = 0
    order: int = 0
    name: str = ""
    points: float = 0.0
    why: list[str] = field(default_factory=list)            # weightiest first

    @property
    def addresses(self) -> list[Address]:
        return list(dict.fromkeys(e.address for e in sorted(self.ends, key=lambda e: (-e.rx, -e.tx, e.order))))

    @property
    def is_loopback(self) -> bool:
        return self.name == "lo"

    def total(self, name: str) -> int:
        return sum(getattr(e, name) for e in self.ends)

    def served(self, census: Census) -> tuple[list[int], list[int]]:
        """(UDP, TCP) ports at which it has answered others, the lowest first."""
        mine = {(e.hi, e.lo) for e in self.ends}
        found: dict[int, list[int]] = {IPPROTO.UDP: [], IPPROTO.TCP: []}
        for p in census.ports_at(mine):
            if p.answered or p.synack:
                found[p.proto].append(p.port)
        return sorted(set(found[IPPROTO.UDP])), sorted(set(found[IPPROTO.TCP]))


def _host(mac: int, ends: list[End], by_address: bool = False, behind: bool = False, row: MacRow | None = None) -> Host:
    rx, tx = (row.rx, row.tx) if row is not None else (sum(e.rx for e in ends), sum(e.tx for e in ends))
    return Host(mac, ends, by_address, behind, rx, tx, min((e.order for e in ends), default=row.order if row else 0))


def find_hosts(census: Census) -> list[Host]:
    """Those that may be the receiver, the busiest first."""
    ends = [e for e in census.ends if e.one_host]
    local = [e for e in ends if e.is_loopback]
    if local and sum(e.rx for e in local) * 2 > sum(e.rx for e in ends):
        lo = _host(-1, ends)
        lo.name = "lo"
        return [lo]
    by_address: dict[tuple[int, int, int], list[End]] = {}
    by_mac: dict[int, list[End]] = {}
    for e in ends:
        by_address.setdefault(e.key, []).append(e)
        by_mac.setdefault(e.mac, []).append(e)
    rows = {m.mac: m for m in census.macs}
    hosts: list[Host] = []
    for mac, here in by_mac.items():
        single = mac > 0 and not _not_one_host(here, by_address)
        if single and not is_router(here) and not is_shared(mac):
            hosts.append(_host(mac, here, row=rows.get(mac)))
            continue
        behind: list[list[End]] = []
        for key in dict.fromkeys(e.key for e in here):
            theirs = by_address[key]
            mine = theirs if len(theirs) == 1 else [e for e in theirs if e.mac == mac]
            if any(e.rx for e in mine) or not any(e.rx for e in theirs):     # a host is where it receives
                behind.append(mine if single else theirs)
        if len(behind) > WEIGHED:                           # the busiest, in their order
            order = sorted(range(len(behind)), key=lambda i: -sum(e.rx + e.tx for e in behind[i]))
            behind = [behind[i] for i in sorted(order[:WEIGHED])]
        hosts += [_host(mac, its, by_address=True, behind=single) for its in behind]
    silent = [m for m in census.macs if m.mac > 0 and not m.mac >> 40 & 1 and m.mac not in by_mac]
    hosts = _once(hosts) + [_host(m.mac, [], row=m) for m in silent if m.mac != BROADCAST_MAC]
    return sorted(hosts, key=lambda h: -h.rx - h.tx)[:WEIGHED]


def _once(hosts: list[Host]) -> list[Host]:
    """An address that receives behind several MACs, none of which tells, is one host: where most frames go to."""
    best: dict[tuple[int, int, int], Host] = {}
    for h in hosts:
        if h.by_address and not h.behind:
            key = h.ends[0].key
            at_mac = sum(e.rx for e in h.ends if e.mac == h.mac)
            if key not in best or at_mac > sum(e.rx for e in best[key].ends if e.mac == best[key].mac):
                best[key] = h
    return [h for h in hosts if not h.by_address or h.behind or best[h.ends[0].key] is h]


def _not_one_host(here: list[End], by_address: dict[tuple[int, int, int], list[End]]) -> bool:
    """Whether the addresses behind a MAC talk to each other over it: they send to that MAC what others behind it receive."""
    whole = sum(e.rx + e.tx for e in here)
    inward = sum(e.inward for e in here)
    if inward > INWARD * whole:
        return True
    if len({e.key for e in here}) < 2:
        return False
    split = sum(e.rx for e in here if e.tx == 0 and any(o.tx for o in by_address[e.key])
                and not any(o.tx for o in by_address[e.key] if o.mac == e.mac))
    return split > 0.5 * sum(e.rx for e in here)


def is_router(here: list[End]) -> bool:
    """Whether the addresses behind a MAC are other hosts': many of them, or TTLs that routers have taken from."""
    four = {e.lo for e in here if e.version == 4}
    six = {(e.hi, e.lo) for e in here if e.version == 6}
    if len(four) > ROUTER or len(six) > 2 * ROUTER:
        return True
    worn, fresh = sum(e.worn for e in here), sum(e.fresh for e in here)
    return len(four) > 1 and worn > fresh


def is_shared(mac: int) -> bool:
    """Whether routers that stand in for each other have this MAC."""
    return any(mac >> bits == first for first, bits in SHARED_MACS)


def neighbours(census: Census, mine: set[int]) -> list[tuple[int, int]]:
    """(IPv4 address, MAC) of others on the link, as they say in ARP."""
    found: dict[int, int] = {}
    for a in sorted(census.arps, key=lambda a: (-a.replies - a.requests, a.ip, a.mac)):
        if a.mac > 0 and not a.mac >> 40 & 1 and a.ip not in mine:
            found.setdefault(a.ip, a.mac)
    return sorted(found.items())
