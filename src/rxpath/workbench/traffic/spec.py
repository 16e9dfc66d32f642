"""A traffic spec: what a generator sends, as a person writes it, in a TOML file or on the command line of `rxpath generate`.

    spec = load("burst.toml")                   # or build({"traffic": [{"rate": "300kpps", "duration": "1s"}]})
    with generator(spec, host) as traffic: ...

A Spec is frozen, small and picklable: a unit of work can carry it.  cable/generate.py does what it says."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, PrivateAttr, ValidationError, field_validator, model_validator

from rxpath.abi.capture import MAX_TIME
from rxpath.abi.generate import FRACTION, Arrivals, Carries, Sums
from rxpath.cable.ether import DEFAULT_MAC
from rxpath.cable.generate import SKEWED_FLOWS, Generated, Stream, count, flow_count, receiver_of
from rxpath.cable.receiver import Receiver
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.toml_in.tables import Duration, Flag, Int, Part, Wrong, key
from rxpath.workbench.traffic import senders
from rxpath.workbench.traffic.client_spec import CONNECTIONS_MAX, Client
from rxpath.workbench.traffic.ranges import ADDRESS_TEXT, PORT_TEXT, Addresses, Ports, Pps, Range
from rxpath.workbench.traffic.settings import ROOM
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

if TYPE_CHECKING:
    from rxpath.workbench.traffic.clients import Clients

IMIX = ((12, 7.0), (548, 4.0), (1472, 1.0))                 # IP packets of 40, 576 and 1500 bytes, 7:4:1, as UDP payloads
LONGEST_GAP = 600_000_000_000
PARETO_LONGEST = 2_000_000_000
SEED_MAX = (1 << 47) - 1                                    # the generator's dice have a stream's number beside it
DATAGRAM_MAX = 65507
SIZE_TEXT = 'bytes of payload such as 18, "imix", or several with their weights: "64:7,512:4,1472:1", [64, 1472] or [[64, 7], [512, 4]]'


def _sizes(value: object) -> tuple[tuple[int, float], ...]:
    if value == "imix":
        return IMIX
    if isinstance(value, str):
        value = [[p.strip() for p in item.split(":")] for item in value.split(",")]
    items: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    out = []
    for item in items:
        pair = list(item) if isinstance(item, (list, tuple)) else [item]
        try:
            size, weight = int(str(pair[0]), 10), float(str(pair[1])) if len(pair) == 2 else 1.0
        except (ValueError, IndexError):
            raise ValueError("") from None
        if len(pair) > 2 or isinstance(pair[0], (bool, float)) or not 0 <= size <= DATAGRAM_MAX or not 0 < weight <= 1e9:
            raise ValueError(f"{SIZE_TEXT}, 0 to {DATAGRAM_MAX} bytes, weights above 0")
        out.append((size, weight))
    if not 0 < len(out) <= 64:
        raise ValueError("1 to 64 sizes")
    return tuple(out)


Sizes = Annotated[Any, BeforeValidator(_sizes)]


OWN = ("{} is the receiver's own address: the host drops what claims to come from itself (IP_LOCAL_SOURCE); name another, or let it in "
       "with net.ipv4.conf.all.accept_local=1")


class Flow(Part):
    """One stream of datagrams; `[[traffic]]`.  Several are merged by time."""

    kind: Literal["constant", "poisson", "onoff", "pareto"] = key(
        "constant", "when they come: evenly; at random; in bursts and pauses of one length each; in bursts and pauses with heavy tails",
        "constant, poisson, onoff or pareto")
    rate: Pps | None = key(None, "datagrams a second, on average", units.PPS_ALLOWED, example='"300kpps"')
    gap: Duration | None = key(None, "instead of rate: time between datagrams; onoff, pareto: the pause after a burst",
                               units.DURATION_ALLOWED, example='"10us"')
    burst: Int = key(64, "onoff, pareto: datagrams of a burst (pareto: on average)", "1 to 1000000", ge=1, le=1_000_000)
    peak: Pps | None = key(None, "onoff, pareto: rate within a burst; none: back to back, as the line takes them", units.PPS_ALLOWED,
                           example='"1.4Mpps"')
    alpha: float = key(1.5, "pareto: shape; small: a heavy tail", "1.05 to 10", "[K] real traffic: 1.2 to 1.9", ge=1.05, le=10)
    start: Duration = key(0, "when it begins", units.DURATION_ALLOWED)
    duration: Duration | None = key(None, "how long; 1 s if there is no count either", units.DURATION_ALLOWED, example='"1s"')
    count: Int | None = key(None, "how many datagrams", "1 or more", ge=1, example="100000")
    size: Sizes = key(((18, 1.0),), "bytes of UDP payload; beyond the MTU it is sent in fragments; imix is 12, 548 and 1472 as 7:4:1",
                      SIZE_TEXT, "18: a frame of 64 bytes with its FCS")
    protocol: Literal["udp", "icmp", "tcp-syn"] = key("udp", "UDP datagrams, echo requests, or connection requests", "udp, icmp or tcp-syn")
    src: Addresses = key(None, "senders, but for the receiver's own addresses; default 10.0.0.2", ADDRESS_TEXT,
                           example='"10.0.0.2-10.0.0.99"')
    dst: Addresses = key(None, "receivers; default the host's first address, else 10.0.0.1", ADDRESS_TEXT, example='"10.0.0.1"')
    sport: Ports = key(None, "source ports; default 40000, or as many from 1024 on as the flows need", PORT_TEXT, example='"1024-65535"')
    dport: Ports = key(((5000, 5000),), "destination ports", PORT_TEXT)
    flows: Int | None = key(None, "flows; none: as many as addresses and ports make", "1 to 1048576", ge=1, le=1 << 20, example="1000")
    skew: float | None = key(None, "none: flows take turns; 0: drawn, all alike; larger: by Zipf's law with this exponent", "0 to 10", ge=0,
                             le=10, example="1.0")
    vlan: Int | None = key(None, "VLAN tag", "0 to 4094", ge=0, le=4094, example="10")
    mtu: Int = key(1500, "the sender's: longer datagrams become fragments", "576 to 9216", ge=576, le=9216)
    ttl: Int = key(64, "time to live", "1 to 255", ge=1, le=255)
    checksum: Literal["good", "bad", "bad-ip", "none"] = key("good", "bad: of the transport header; none: UDP without one",
                                                             "good, bad, bad-ip or none")
    incomplete: float = key(0.0, "share of fragmented datagrams whose last fragment never comes", "0 to 1", ge=0, le=1)
    closed: Flag = key(False, "nobody listens on its ports", "true or false")

    @field_validator("rate", "peak")
    @classmethod
    def _rate(cls, value: int | None) -> int | None:
        if value is not None and value > 1_000_000_000:
            raise ValueError("up to 1000Mpps")
        return value

    @model_validator(mode="after")
    def _check(self) -> Flow:
        if (self.rate is None) == (self.gap is None):
            raise ValueError("needs rate or gap" if self.rate is None else "has rate and gap: use one of them")
        bursty = self.kind in ("onoff", "pareto")
        for name in () if bursty else ("burst", "peak", "alpha"):
            if name in self.model_fields_set:
                raise ValueError(f"{name} is for kind onoff and pareto")
        longest = PARETO_LONGEST if self.kind == "pareto" else LONGEST_GAP
        gap = (self.pause_ns() if bursty else self.gap if self.gap is not None else 1_000_000_000 / (self.rate or 1))
        if gap > longest:
            raise ValueError(f"a gap of {units.duration_text(int(gap))}: up to {units.duration_text(longest)}")
        if not bursty and gap < 1:
            raise ValueError("a gap of 0: at least 1ns")
        if bursty and gap < 0:
            raise ValueError(f"a mean rate of {self.rate} is above the peak")
        if self.protocol == "tcp-syn" and "size" in self.model_fields_set:
            raise ValueError("size is not for tcp-syn")
        if self.duration == 0:
            raise ValueError("a duration of 0: at least 1ns")

        flows = flow_count(self.stream())
        if self.skew and flows > SKEWED_FLOWS:
            raise ValueError(f"{flows} flows with a skew: up to {SKEWED_FLOWS}")
        return self

    def pause_ns(self) -> float:
        """From a burst's last datagram to the next one's first."""
        inside = (1e9 / self.peak if self.peak else 0) * (self.burst - 1)
        return self.gap if self.gap is not None else self.burst * 1e9 / (self.rate or 1) - inside

    def mean_rate(self) -> float:
        if self.kind in ("onoff", "pareto"):
            return self.burst * 1e9 / max((1e9 / self.peak if self.peak else 0) * (self.burst - 1) + self.pause_ns(), 1)
        return self.rate or 1e9 / (self.gap or 1)

    def senders(self, own: tuple[Range, ...]) -> tuple[Range, ...]:
        """Who sends: nobody of the receiver's own addresses."""
        if self.src is None:
            return (senders.anybody(own),)
        left = senders.without(self.src, own)
        if not left:
            raise Wrong("src", OWN.format(units.ipv4_text(self.src[0][0])))
        return left

    def stream(self, speed: float = 1.0, dst: int = 0x0A000001, own: tuple[Range, ...] = ()) -> Stream:
        """As whole numbers for the generator, `speed` times as fast.  own: the receiver's addresses, from which nobody sends."""
        bursty, one = self.kind in ("onoff", "pareto"), (1 << FRACTION) / speed
        gap = (1e9 / self.peak if self.peak else 0) if bursty else self.gap if self.gap is not None else 1e9 / (self.rate or 1)
        pause = round(self.pause_ns() * one) if bursty else 0
        duration = self.duration if self.duration is not None else None if self.count else 1_000_000_000
        src, to = self.senders(own), self.dst or ((dst, dst),)
        others = count(src) * count(to) * count(self.dport)
        sport = self.sport
        if sport is None:
            need = -(-(self.flows or 1) // others)
            sport = ((40000, 40000),) if need == 1 else ((1024, min(1023 + need, 65535)),)
        if self.flows is not None and others * count(sport) < self.flows:
            raise ValueError(f"{self.flows} flows: addresses and ports make only {others * count(sport)}")
        if self.flows is None and others * count(sport) > 1 << 20:
            raise ValueError(f"addresses and ports make {others * count(sport)} flows: say how many (flows, up to 1048576)")
        left = self.count or MAX_TIME
        if self.kind == "constant" and duration is not None:           # so many: what rounding does to the gap adds none
            left = min(left, max(-(-duration * (self.rate or 0) // 1_000_000_000) if self.rate else -(-duration // (self.gap or 1)), 1))
        return Stream(
            kind=Arrivals[self.kind.upper()], gap=round(gap * one), pause=pause,
            burst=self.burst, alpha=self.alpha, left=left, start=round(self.start / speed),
            duration=MAX_TIME if duration is None else max(round(duration / speed), 1),
            sizes=self.size if self.protocol != "tcp-syn" else ((0, 1.0),),
            carries=Carries[self.protocol.upper().replace("-", "_")], src=src, dst=to, sport=sport, dport=self.dport,
            flows=self.flows or 0, skew=self.skew, vlan=-1 if self.vlan is None else self.vlan, mtu=self.mtu, ttl=self.ttl,
            sums=Sums[self.checksum.upper().replace("-", "_")], incomplete=self.incomplete, closed=self.closed)


class Spec(Part):
    """What is sent: a seed, a line, streams."""

    seed: Int = key(1, "seed of everything random in it", "0 to 140737488355327", ge=0, le=SEED_MAX)
    line: str | None = key(None, "speed of the line that frames share; default the host's nic.speed, 10Gbit for a file", units.BPS_ALLOWED,
                           example='"1Gbit"')
    traffic: tuple[Flow, ...] = key((), "", "tables [[traffic]]", max_length=64)
    client: tuple[Client, ...] = key((), "", "tables [[client]]", max_length=64)

    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)    # what was written, for --set
    _place: str = PrivateAttr(default="traffic")

    @field_validator("line", mode="before")
    @classmethod
    def _line(cls, value: object) -> object:
        return None if value is None else units.bps_text(units.rate_bps(value))

    @model_validator(mode="after")
    def _together(self) -> Spec:
        if not self.traffic and not self.client:
            raise Wrong("traffic", "no [[traffic]] and no [[client]]: at least one stream")
        if sum(flow_count(f.stream()) for f in self.traffic) > 1 << 20:
            raise Wrong("traffic", "more than 1048576 flows in all")
        if sum(c.connections for c in self.client) > CONNECTIONS_MAX:
            raise Wrong("client", f"more than {CONNECTIONS_MAX} connections in all")
        return self

    def rate(self) -> float:
        """Datagrams a second while all streams run."""
        return sum(f.mean_rate() for f in self.traffic)


def build(data: dict[str, Any], place: str = "traffic") -> Spec:
    """Validate; a mistake is a HostError, one line."""
    try:
        spec = Spec.model_validate(data)
    except ValidationError as error:
        found = [_one(item) for item in sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")]
        raise hostfile.HostError(place, *found[0], len(found) - 1) from None
    spec._raw, spec._place = data, place
    return spec


def silent() -> Spec:
    """Of no stream: what code of the user's own sends comes beside it (run/own_traffic.py)."""
    return Spec.model_construct(seed=1, line=None, traffic=(), client=())


def _one(item: Any) -> tuple[str, str]:
    """(key, text) of one mistake; one of a whole stream has no single value to show."""
    problem = item.get("ctx", {}).get("error")
    if item["loc"] and isinstance(item["loc"][-1], int) and type(problem) is ValueError:
        return ".".join(map(str, item["loc"])), str(problem)
    return hostfile.read_error(item, Spec)


def load(path: str | Path) -> Spec:
    """A spec from a file."""
    return _parsed(hostfile.read_file(path, "traffic"), str(path))


@lru_cache(maxsize=16)
def _parsed(content: bytes, place: str) -> Spec:
    return build(hostfile.tables(content, place), place)


# ---------------------------------------------------------------- --set


def revise(spec: Spec, settings: Iterable[str] = (), seed: int | None = None) -> Spec:
    """A spec with single keys changed, as --set has them: traffic.N.KEY=VALUE of stream N, traffic.seed and traffic.line; seed: as --seed.
    A rate takes the place of a gap, and a duration that of a count, and the other way round."""
    data = dict(spec._raw)
    for table in ("traffic", "client"):
        if table in data:
            data[table] = [dict(one) for one in data[table]]
    changes = [(written.partition("=")[0].strip(), written.strip()) for written in settings]
    for dotted, written in changes:
        _set(data, dotted, written, [other for other, _ in changes])
    if seed is not None:
        data["seed"] = seed & SEED_MAX if seed >= 0 else seed
    try:
        return build(data, spec._place)
    except hostfile.HostError as error:
        for dotted, written in reversed(changes):
            if error.key == dotted or dotted.startswith(error.key + "."):
                raise hostfile.HostError(f"--set {written}", "" if error.key == dotted else error.key, error.text) from None
        raise


def _set(data: dict[str, Any], dotted: str, written: str, asked: list[str]) -> None:
    """One setting, into the tables of a spec."""
    _, equals, value = written.partition("=")
    steps = dotted.split(".")[1:]
    table = "client" if steps[0] == "client" else "traffic"
    if table == "client":
        steps = steps[1:]
    streams, there = data.get(table, []), ROOM + "client." * (table == "client")
    if not equals or not steps[-1]:
        raise hostfile.HostError(f"--set {written}", "", "must be KEY=VALUE, such as traffic.0.rate=200kpps")
    if steps in (["seed"], ["line"]):
        data[steps[0]] = hostfile.value_of(value.strip(), written)
        return
    if len(steps) != 2 or not steps[0].isdecimal() or int(steps[0]) >= len(streams):
        raise hostfile.HostError(f"--set {written}", "", "must be " + ", or ".join(_rooms(data)) + ", or traffic.seed or traffic.line")
    stream, name = streams[int(steps[0])], steps[1]
    for one, other in (("rate", "gap"), ("gap", "rate"), ("duration", "count"), ("count", "duration")):
        if name == one and f"{there}{steps[0]}.{other}" not in asked:
            stream.pop(other, None)
    stream[name] = hostfile.value_of(value.strip(), written)


def _rooms(data: dict[str, Any]) -> list[str]:
    """traffic.N.KEY=VALUE of the tables that there are."""
    out = []
    for table, room in (("traffic", ROOM), ("client", f"{ROOM}client.")):
        if n := len(data.get(table, [])):
            out.append(f"{room}N.KEY=VALUE, N {'0' if n == 1 else f'0 to {n - 1}'}")
    return out


# ---------------------------------------------------------------- into a run
def pace(spec: Spec, speed: float = 1.0, rate_pps: int = 0) -> float:
    """How much faster than the spec says: `speed`, or as fast as makes the mean rate."""
    if rate_pps and spec.client:
        raise BadInput("--rate: the [[client]] of this spec send as their windows allow; --speed, or traffic.client.N.rate, gap and size")
    return rate_pps / spec.rate() if rate_pps else speed


def streams(spec: Spec, host: Host | None = None, speed: float = 1.0) -> tuple[Stream, ...]:
    """Its streams; what names no receiver goes to the host's first address."""
    to, own = _ends(spec, host)
    made = []
    for i, f in enumerate(spec.traffic):
        try:
            made.append(f.stream(speed, to, own))
        except Wrong as error:
            raise hostfile.HostError(spec._place, f"traffic.{i}.{error.key}", error.text) from None
        except ValueError as error:                         # without them there are fewer flows
            raise hostfile.HostError(spec._place, f"traffic.{i}", str(error)) from None
    return tuple(made)


def _ends(spec: Spec, host: Host | None) -> tuple[int, tuple[Range, ...]]:
    """(where what names no receiver goes, the receiver's addresses)"""
    to = units.cidr(host.nic.addresses[0])[0] if host is not None and host.nic.addresses else 0x0A000001
    named = [*(f.dst for f in spec.traffic), *(c.dst for c in spec.client)]
    return to, senders.own_addresses(host, [r for dst in named for r in dst or ((to, to),)])


def receiver(spec: Spec, host: Host | None = None) -> Receiver:
    """Who receives it: nothing has to be read for that."""
    mac = units.mac(host.nic.mac) if host is not None and host.nic.mac != "auto" else None
    to = _ends(spec, host)[0]
    connects = tuple(Stream(carries=Carries.TCP_SYN, dst=c.dst or ((to, to),), dport=c.dport, closed=c.closed) for c in spec.client)
    quiet = () if spec.traffic or spec.client else (Stream(carries=Carries.ICMP, dst=((to, to),)),)
    return receiver_of((*streams(spec, host), *connects, *quiet), mac)


def clients(spec: Spec, host: Host, *, start_ns: int, mac: int, reaction_ns: int, speed: float = 1.0,
            until_ns: int | None = None) -> Clients | None:
    """Its [[client]] tables as a source for the driver of time; None: it has none.  until_ns: as for generator()."""
    if not spec.client:
        return None
    from rxpath.workbench.traffic.clients import Clients

    to, own = _ends(spec, host)
    line = _line(spec, host, speed)
    for i, c in enumerate(spec.client):
        if c.src is not None and not senders.without(c.src, own):
            raise hostfile.HostError(spec._place, f"client.{i}.src", OWN.format(units.ipv4_text(c.src[0][0])))
    return Clients(spec.client, seed=spec.seed, start_ns=start_ns, line_bps=line, to=to, own=own, mac=mac, reaction_ns=reaction_ns,
                   speed=speed, until_ns=until_ns)


def _line(spec: Spec, host: Host | None, speed: float) -> float | None:
    """Slower than the spec says, the line is slower by as much, so that what comes back to back is stretched as a capture's frames are;
    faster, it is the line that there is."""
    line = units.rate_bps(spec.line) if spec.line else host.device.line_bps if host is not None else None
    return line and max(round(line * min(speed, 1.0)), 1)


def generator(spec: Spec, host: Host | None = None, *, speed: float = 1.0, start_ns: int = 0, mac: int | None = None,
              plain: bool = False, until_ns: int | None = None) -> Generated:
    """The streams themselves.  until_ns: only what begins before, counted from its beginning.  Slower than the spec says, over a device
    without a line (veth, lo): what comes back to back is as much slower by its sender, as the line makes it elsewhere."""
    line = _line(spec, host, speed)
    flows = streams(spec, host, speed)
    if until_ns is not None:
        flows = tuple(replace(s, duration=max(min(s.duration, until_ns - s.start), 0)) for s in flows)
    return Generated(flows, seed=spec.seed, line_rate=line, start_ns=start_ns,
                     mac=DEFAULT_MAC if mac is None else mac, plain=plain, slow=1.0 if line else max(1 / speed, 1.0))


def markdown() -> str:
    """The tables of keys in docs/generate.md."""
    top = [f"`{name}`: {field.description} ({field.json_schema_extra['allowed']})" for name, field in hostfile.fields_of(Spec).items()
           if name not in ("traffic", "client")]
    return _table(Flow, "traffic", {"size": "18", "dport": "5000"}) + "\nBefore the first `[[traffic]]`: " + "; ".join(top) + ".\n"


def clients_markdown() -> str:
    """The keys of TCP clients, on the same page."""
    return _table(Client, "client", {"sport": "1024-65535", "dport": "80"})


def _table(part: type[Part], name: str, shown: dict[str, str]) -> str:
    out = [f"| key of `[[{name}]]` | default | what it does | allowed |", "|---|---|---|---|"]
    for key_name, field in hostfile.fields_of(part).items():
        default = "-" if field.default is None else shown.get(key_name, str(field.default).lower())
        cells = [f"`{key_name}`", default, field.description, field.json_schema_extra["allowed"]]
        out.append("| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |")
    return "\n".join(out) + "\n"
