"""Who is the receiver of a capture?  The host whose losses the user asks about: the one where it was taken, as far as it tells; else the
one that most frames are sent to.  A census of the whole file (census.py) gives hosts (hosts.py), each is weighed (evidence.py), and the
one with most points is taken; its network follows (surroundings.py).  The command prints the sentence that explains it."""
import dataclasses
import ipaddress
import os
from collections.abc import Callable

from .._compile import new
from ..abi.capture import NAME_BYTES, NAME_WORDS, OwnBy, Scan, interface_t
from ..abi.census import census_t
from ..abi.numbers import IPPROTO
from .census import capture_census, census_finish
from .ether import DEFAULT_MAC
from .evidence import weigh
from .hosts import Address, Census, End, Face, Host, find_hosts
from .reading import Reading
from .source import CaptureError, Source
from .surroundings import PREFIX, PREFIX6, Change, changes_of, gateway_of, groups_of, make_up, neighbours_of, ports_of, prefix_of, vlans_of
from .survey import Connections, connections, outer_ad, protocols, tunnels

PIECE = 1 << 18                 # records between two looks at who wants to stop
SHOWN, REASONS = 10, 4          # hosts that are listed, reasons that are named
NOT_FOLLOWED = 3                # ports that are named
Progress = Callable[[float, int], None]


@dataclasses.dataclass(frozen=True)
class Card:
    """A card of a host that has several, as those who put frames on the cable must know it: networks are (address, prefix length)."""
    name: str
    mac: int
    networks: tuple[tuple[int, int], ...] = ()


@dataclasses.dataclass(frozen=True)
class HostSeen:
    """A host of the capture, as the list shows it.  local: what to give to --local."""
    name: str
    local: str
    addresses: tuple[str, ...]
    mac: str
    frames_in: int
    frames_out: int
    udp: int                    # of frames_in
    tcp: int
    icmp: int
    offered: int                # what a replay for it would put on the cable: all that it has not sent
    udp_ports: tuple[int, ...]  # at which it has answered
    tcp_ports: tuple[int, ...]
    points: float
    why: tuple[str, ...]

    @property
    def for_others(self) -> int:
        """Of the offered: to groups, to all, to other hosts."""
        return max(self.offered - self.frames_in, 0)


@dataclasses.dataclass
class Receiver:
    """The receiving host, as far as its traffic tells.  Addresses are text."""
    mac: int = DEFAULT_MAC
    addresses: list[str] = dataclasses.field(default_factory=list)
    prefixes: dict[str, int] = dataclasses.field(default_factory=dict)  # of addresses; 24 and 64 where nothing tells
    gateway: str = ""                                                   # "": not known
    neighbours: list[tuple[str, int]] = dataclasses.field(default_factory=list)     # (IPv4 address, MAC)
    groups: list[str] = dataclasses.field(default_factory=list)         # multicast groups that traffic goes to
    udp_ports: dict[int, int] = dataclasses.field(default_factory=dict)  # port -> datagrams to it; most first
    tcp_ports: dict[int, int] = dataclasses.field(default_factory=dict)  # listening: port -> SYNs
    closed_udp: dict[int, int] = dataclasses.field(default_factory=dict)
    closed_tcp: dict[int, int] = dataclasses.field(default_factory=dict)
    changes: list[Change] = dataclasses.field(default_factory=list)     # UDP ports that open and close while the capture goes on
    not_followed: dict[int, str] = dataclasses.field(default_factory=dict)  # others that change: the reason why these stay as they are
    lost_ports: int = 0         # times that a seldom used UDP port, of any host, made room for another: one of its own is closed
    lost_datagrams: int = 0     # to them
    vlans: list[int] = dataclasses.field(default_factory=list)          # outer tags
    inner_vlans: list[tuple[int, int]] = dataclasses.field(default_factory=list)    # (outer, inner) of twice tagged frames
    own_by: int = OwnBy.MAC     # how its own frames are known
    loopback: bool = False      # traffic of the host with itself
    received: int = 0
    sent: int = 0
    records: int = 0
    made_up: bool = False       # no frame is addressed to one host: address and MAC are ours
    evidence: str = ""
    left: dict[str, int] = dataclasses.field(default_factory=dict)      # sources that leave checksums to their card: LEFT_* of each
    hosts: tuple[HostSeen, ...] = ()                                    # of the capture, the likeliest first
    addresses_seen: int = 0                                             # of hosts, listed or not
    addresses_left_out: int = 0                                         # times that a seldom seen one made room for another
    answered: int = 0           # UDP datagrams that may be its replies
    far: str = ""               # why the capture was not taken near it, so that times hold the way between; "": nothing says so
    ipv6: float = 0.0           # share of the frames that are IPv6
    tcp: Connections = dataclasses.field(default_factory=Connections)   # its connections that the capture shows to be real
    tunnels: list[int] = dataclasses.field(default_factory=list)        # UDP ports that are tunnels'
    not_modelled: list[int] = dataclasses.field(default_factory=list)   # IP protocols that a real host would take
    outer_ad: list[int] = dataclasses.field(default_factory=list)       # VLAN ids of 802.1ad

    @property
    def addresses_listed(self) -> int:
        return sum(len(h.addresses) for h in self.hosts)

    def with_prefixes(self) -> list[str]:
        """Addresses with their prefix lengths: "10.23.0.2/24"."""
        return [f"{a}/{self.prefixes.get(a, PREFIX6 if ':' in a else PREFIX)}" for a in self.addresses]

    def mac_text(self) -> str:
        return mac_text(self.mac)

    def keys(self) -> list[tuple[int, int, int]]:
        """(version, high 64 bits, low 64 bits) of the addresses, as the scanner compares them: signed."""
        return [key_of(ipaddress.ip_address(a)) for a in self.addresses]


def mac_text(mac: int) -> str:
    return mac.to_bytes(6, "big").hex(":")


def key_of(a: Address) -> tuple[int, int, int]:
    if a.version == 4:
        return 4, 0, int(a)
    b = a.packed
    return 6, int.from_bytes(b[:8], "big", signed=True), int.from_bytes(b[8:], "big", signed=True)


# ---------------------------------------------------------------- the census
def take_census(path: str | os.PathLike[str] | Source, plain: bool = False, progress: Progress | None = None,
                stop: Callable[[], bool] | None = None) -> Census:
    """Count a whole capture; of a pipe what source.py keeps of it.  CaptureError if it cannot be replayed at all."""
    source = path if isinstance(path, Source) else Source(path)
    reading, c = Reading(source), new(census_t)
    count = capture_census.plain if plain and hasattr(capture_census, "plain") else capture_census
    finish = census_finish.plain if plain and hasattr(census_finish, "plain") else census_finish
    try:
        while True:
            why = count(reading.s, c, reading.addr, PIECE)
            if why == Scan.BAD or (why == Scan.MORE and (source.kept_all or not reading.more())) or (stop is not None and stop()):
                break
            if progress is not None and source.total:
                progress(source.raw_bytes / source.total, 0)
        if why == Scan.BAD or (why == Scan.MORE and not source.kept_all):
            reading.ended(why)
        finish(c)
        reading.check_useful(c.frames)
        faces = [_face(reading.s.interfaces[i]) for i in range(reading.s.ninterface)] if reading.s.pcapng else []
        whole = not source.kept_all
        if source is path and not source.rewind():
            raise CaptureError(f"{source.name}: too much was read of a pipe; save it to a file")
    except CaptureError:
        source.close()
        raise
    finally:
        reading.forget()
        if source is not path:
            source.close()
    census = Census(c, faces)
    census.whole = whole
    return census


def _face(face: interface_t) -> Face:
    name = b"".join(face.name[word].to_bytes(NAME_BYTES, "big") for word in range(NAME_WORDS))
    return Face(name.rstrip(b"\0").decode("ascii", "replace"), face.mac, face.ip)


# ---------------------------------------------------------------- the decision
def infer_receiver(path: str | os.PathLike[str] | Source, *, local: list[str] | None = None, listen: list[int] | None = None,
                   listen_tcp: list[int] | None = None, plain: bool = False, progress: Progress | None = None,
                   stop: Callable[[], bool] | None = None, said_by: str = "--local") -> Receiver:
    """The receiver of this capture.  `local`: the user says so, by addresses, a MAC, or a name of the list of hosts, and said_by where;
    `listen`: and these are its open UDP ports, those its TCP ports.  A pipe's Source is rewound: hand the same Source to Capture
    afterwards."""
    census = take_census(path, plain, progress, stop)
    hosts = find_hosts(census)
    weigh(census, hosts)
    hosts.sort(key=lambda h: (-h.points, -h.rx, h.order, h.mac))
    for i, h in enumerate(hosts, 1):
        h.name = h.name or f"h{i}"
    r = Receiver(records=census.frames, left=census.left)
    ours = _as_said(census, hosts, local, r) if local else _take(next((h for h in hosts if h.rx and h.ends), None), r)
    if not r.addresses:
        r.made_up = not r.received
        address, mac = make_up(census)
        r.addresses = [address]
        if r.made_up:
            r.mac = mac
    addresses = [ipaddress.ip_address(a) for a in r.addresses]
    known = {str(a): prefix_of(census, a, r.mac) for a in addresses}
    r.prefixes = {a: length for a, (length, _) in known.items()}
    r.gateway = gateway_of(census, hosts, addresses, r.prefixes, r.mac)
    r.neighbours = [] if r.own_by == OwnBy.ADDRESS or r.loopback else neighbours_of(census, ours, r.gateway)
    r.vlans, r.inner_vlans = vlans_of(census, ours)
    r.groups = groups_of(census)
    _find_ports(census, ours, listen, listen_tcp, r)
    r.hosts = tuple(_seen(census, h) for h in hosts[:SHOWN])
    r.addresses_seen, r.addresses_left_out = len({e.key for e in census.ends if e.one_host}), census.lost_hosts
    r.ipv6 = sum(e.tx for e in census.ends if e.version == 6) / max(census.frames, 1)
    r.tunnels, r.not_modelled, r.outer_ad = tunnels(census.survey), protocols(census.survey), outer_ad(census.survey)
    r.tcp = connections(census.survey, r.addresses, plain)
    r.far = _far(census, ours, r)
    r.evidence = _explain(census, hosts, r, [how for _, how in known.values() if how], said_by)
    return r


def _take(h: Host | None, r: Receiver) -> list[End]:
    """This host is it."""
    if h is None:
        return []
    r.received, r.sent, r.loopback = h.rx, h.tx, h.is_loopback
    r.mac = h.mac if h.mac > 0 else DEFAULT_MAC
    receiving = [e for e in h.ends if e.rx] or h.ends
    r.addresses = [str(a) for a in h.addresses if any(e.address == a for e in receiving)]
    if h.is_loopback:
        r.own_by = OwnBy.ANSWER
    elif h.by_address:
        r.own_by = OwnBy.ADDRESS
    return receiving


def _as_said(census: Census, hosts: list[Host], local: list[str], r: Receiver) -> list[End]:
    """The user's word: a name of the list, a MAC, or addresses; of these, the MAC where they receive."""
    named = next((h for h in hosts if h.name == local[0]), None)
    if named is not None:
        return _take(named, r)
    if (mac := _mac(local[0])) is not None:
        known = next((h for h in hosts if h.mac == mac and not h.by_address), None)
        ends = [e for e in census.ends if e.one_host and e.mac == mac]
        if known is None and not any(m.mac == mac for m in census.macs):
            raise CaptureError(f"--local {local[0]}: no frame of this capture is to or from it; rxpath hosts lists those that are")
        return _take(known or Host(mac, ends, rx=sum(e.rx for e in ends), tx=sum(e.tx for e in ends)), r)
    wanted = [_address(text) for text in local]
    r.addresses = [str(a) for a in wanted]
    theirs = [e for e in census.ends if e.one_host and e.address in wanted]
    if not theirs:
        return []
    at: dict[int, tuple[int, int]] = {}
    for e in theirs:
        rx, tx = at.get(e.mac, (0, 0))
        at[e.mac] = rx + e.rx, tx + e.tx
    mac = max(at, key=lambda m: (at[m], -m))
    r.mac = mac if mac > 0 else DEFAULT_MAC
    host = next((h for h in hosts if any(e in theirs and e.mac == mac for e in h.ends)), None)
    if host is not None and host.is_loopback:
        r.loopback, r.own_by = True, OwnBy.ANSWER
    elif mac <= 0 or (host is not None and host.by_address):
        r.own_by = OwnBy.ADDRESS
    elif at[mac][1] < sum(tx for _, tx in at.values()):             # it sends by another MAC, too
        r.own_by = OwnBy.EITHER
    row = next((m for m in census.macs if m.mac == mac), None)
    if row is not None and r.own_by != OwnBy.ADDRESS:
        r.received, r.sent = row.rx, sum(tx for _, tx in at.values())
    else:
        r.received, r.sent = sum(e.rx for e in theirs), sum(e.tx for e in theirs)
    return [e for e in theirs if e.mac in (-1, mac)] if r.own_by != OwnBy.ADDRESS else theirs


def _mac(text: str) -> int | None:
    parts = text.split(":")
    try:
        return int("".join(parts), 16) if len(parts) == 6 and all(len(p) == 2 for p in parts) else None
    except ValueError:
        return None


def _address(text: str) -> Address:
    try:
        return ipaddress.ip_address(text.split("/")[0])
    except ValueError:
        raise CaptureError(f"--local {text}: neither an address, nor a MAC, nor a name that rxpath hosts shows for this capture") from None


def _find_ports(census: Census, ours: list[End], listen: list[int] | None, listen_tcp: list[int] | None, r: Receiver) -> None:
    mine = {(e.hi, e.lo) for e in ours}
    r.changes, r.not_followed = changes_of(census, mine) if listen is None else ([], {})
    udp, tcp, closed, refused = ports_of(census, ours, {c.port for c in r.changes})
    r.udp_ports = dict(sorted(((p, n) for p, n in udp.items() if n), key=lambda x: (-x[1], x[0])))
    r.tcp_ports = dict(sorted(tcp.items(), key=lambda x: (-x[1], x[0])))
    r.closed_udp, r.closed_tcp = dict(sorted(closed.items())), dict(sorted(refused.items()))
    r.lost_ports, r.lost_datagrams = census.lost_ports, census.lost_datagrams
    r.answered = sum(min(p.rx, p.tx) for p in census.ports_at(mine) if p.proto == IPPROTO.UDP)
    if listen is not None:
        r.udp_ports = {p: r.udp_ports.get(p, 0) for p in listen}
        r.closed_udp = {p: n for p, n in r.closed_udp.items() if p not in r.udp_ports}
    if listen_tcp is not None:
        r.tcp_ports = {p: r.tcp_ports.get(p, 0) for p in listen_tcp}
        r.closed_tcp = {p: n for p, n in r.closed_tcp.items() if p not in r.tcp_ports}


def _seen(census: Census, h: Host) -> HostSeen:
    udp, tcp = h.served(census)
    addresses = [str(a) for a in h.addresses]
    mac = mac_text(h.mac) if h.mac >= 0 else ""
    local = h.name if h.is_loopback else addresses[0] if h.by_address or len(addresses) == 1 else mac
    return HostSeen(h.name, local, tuple(addresses), mac, h.rx, h.tx, h.total("rx_udp"), h.total("rx_tcp"), h.total("rx_icmp"),
                    census.frames - (census.answers if h.is_loopback else h.tx), tuple(udp), tuple(tcp), h.points, tuple(h.why))


def _far(census: Census, ours: list[End], r: Receiver) -> str:
    """Why the receiver is not where the capture was taken."""
    taken_on = [a for a in census.left if a not in r.addresses]
    if taken_on and not any(a in census.left for a in r.addresses):
        return f"the capture was taken on {taken_on[0]}, and the way from there is in the times"
    mine = [e for e in census.ends if e.address in {end.address for end in ours}]
    if sum(e.worn for e in mine) > sum(e.fresh for e in mine):
        return "routers lie between it and the place of the capture, and the way is in the times"
    if sum(e.farther for e in mine) > 2 * sum(e.nearer for e in mine):
        return "it answers much later than the other side, as if the way to it were in the times"
    return ""


# ---------------------------------------------------------------- in words
def listed(ports: dict[int, int], most: int = 8) -> str:
    shown = ", ".join(str(p) for p in sorted(list(ports)[:most]))
    return shown + (f" and {len(ports) - most} more" if len(ports) > most else "")


def _explain(census: Census, hosts: list[Host], r: Receiver, prefixes: list[str], said_by: str) -> str:
    who = ", ".join(r.addresses[:3]) + (f" and {len(r.addresses) - 3} more" if len(r.addresses) > 3 else "")
    chosen = next((h for h in hosts if h.rx == r.received and str(h.addresses[0] if h.addresses else "") in r.addresses), None)
    if r.made_up:
        text = f"No frame is addressed to one host: a receiver is assumed, {who} ({r.mac_text()})"
    elif r.loopback:
        text = f"{who} (lo) receives {r.received:,} of {r.records:,} frames: traffic of a host with itself"
    else:
        why = ", ".join(chosen.why[:REASONS]) if chosen is not None else ""
        text = f"{who} ({r.mac_text()}) receives {r.received:,} of {r.records:,} frames" + (f": {why}" if why else "")
    if not r.made_up and not r.received:
        text = f"{who} ({r.mac_text()}), as {said_by} says; no frame of this capture is addressed to it"
    if r.own_by == OwnBy.ADDRESS:
        text += "; recognised by its address, since MACs do not tell hosts apart here"
    if prefixes:
        text += f"; network {next(a for a in r.with_prefixes() if ':' not in a)} {prefixes[0]}"
    other = next((h for h in hosts if h is not chosen and h.rx and h.ends), None)
    if other is not None and chosen is not None:
        text += f"; the runner-up is {other.addresses[0]} ({other.points:.0f} points to {chosen.points:.0f})"
    if not census.whole:
        text += f"; decided by the first {census.frames:,} frames of the pipe"
    return text + _ports_text(r)


def _ports_text(r: Receiver) -> str:
    text = ""
    listens = [f"{name} {listed(ports)}" for name, ports in (("UDP", r.udp_ports), ("TCP", r.tcp_ports)) if ports]
    if listens:
        text += f"; listens on {', '.join(listens)}"
    if r.groups:
        member = "member of" if r.udp_ports else "no socket joins"
        text += f"; {member} {', '.join(r.groups[:4])}" + (f" and {len(r.groups) - 4} more" if len(r.groups) > 4 else "")
    if r.closed_udp:
        text += f"; UDP {listed(r.closed_udp)} is closed: it answered with port unreachable"
    if r.changes:
        text += f"; UDP {listed({c.port: 1 for c in r.changes})} opens and closes meanwhile: it answered with port unreachable for a time"
    for port, why in list(r.not_followed.items())[:NOT_FOLLOWED]:
        text += f"; UDP {port} opens and closes ({why}): here it is {'open' if port in r.udp_ports else 'closed'} all the time"
    if len(r.not_followed) > NOT_FOLLOWED:
        text += f", and so are {len(r.not_followed) - NOT_FOLLOWED} more as they mostly were"
    if r.lost_ports:
        text += (f"; the table of ports was full: {r.lost_ports:,} times a seldom used UDP port of some host made room, with "
                 f"{r.lost_datagrams:,} datagrams to them; such a port of its own is closed")
    if r.closed_tcp:
        text += f"; TCP {listed(r.closed_tcp)} is closed: it answered with RST"
    return text
