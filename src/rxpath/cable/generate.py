"""Generated traffic as the traffic of a run: streams of datagrams, merged by time, written straight into the memory that the NIC reads.

    with Generated((Stream(gap=3333 << 16, left=1000),), seed=1, start_ns=START_NS) as traffic:
        sim.replay(traffic)                     # the same face as cable.Capture: attach(), load(), until, consume(), progress()

A Stream is plain whole numbers (workbench/traffic/spec.py makes them from "300kpps" and a TOML file).  Same streams, same seed, same
bytes.  Memory does not grow: frames go round in about 1 MiB of slots.  The compiled half is generator.py."""
import bisect
import itertools
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._compile import forget, new, pages, region
from ..abi.capture import MAX_TIME, Scan
from ..abi.generate import FRACTION, HEAD, NFLOW, NPARETO, NSIZE, NSTREAM, Arrivals, Carries, Flows, Sums, gen_t
from ..abi.limits import MADE_BYTES
from ..abi.net import Net
from ..abi.numbers import IPPROTO
from . import pareto
from .dice import next_random, seeded
from .ether import DEFAULT_MAC
from .feed import feed_consume
from .generator import generate_feed, generate_pcap, pattern_sum
from .receiver import Card, Receiver
from .source import CaptureError

SLOTS = 1 << 20                 # bytes of frames: what the processor's cache holds
ONE = 1 << FRACTION
SHARE = 1 << 32
SENDER_MAC = 0x020000000002
SYN_OPTIONS = bytes.fromhex("020405b40402080a000000010000000001030307")
BODY = {Carries.UDP: 8, Carries.ICMP: 8, Carries.TCP_SYN: 40}               # bytes of the transport header
PROTO = {Carries.UDP: IPPROTO.UDP, Carries.ICMP: IPPROTO.ICMP, Carries.TCP_SYN: IPPROTO.TCP}
SKEWED_FLOWS = 1 << 16          # flows with a skew: their table is made in Python

Range = tuple[int, int]         # first and last


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of datagrams.  gap, pause: ns << 16.  In a burst (onoff, pareto) datagrams are `gap` apart, pause is from the last of
    one to the first of the next.  burst: datagrams; both are means for pareto.  sizes: (bytes of payload, weight)."""
    kind: int = Arrivals.CONSTANT
    gap: int = 1000 * ONE
    pause: int = 0
    burst: int = 1
    alpha: float = 1.5
    left: int = MAX_TIME
    start: int = 0
    duration: int = MAX_TIME
    sizes: tuple[tuple[int, float], ...] = ((18, 1.0),)
    carries: int = Carries.UDP
    src: tuple[Range, ...] = ((0x0A000002, 0x0A000002),)
    dst: tuple[Range, ...] = ((0x0A000001, 0x0A000001),)
    sport: tuple[Range, ...] = ((40000, 40000),)
    dport: tuple[Range, ...] = ((5000, 5000),)
    flows: int = 0              # 0: as many as the ranges have
    skew: float | None = None   # None: flows take turns; 0: drawn, all alike; larger: Zipf's exponent
    vlan: int = -1
    mtu: int = 1500
    ttl: int = 64
    sums: int = Sums.GOOD
    incomplete: float = 0.0
    closed: bool = False        # nobody listens on its ports


def count(ranges: Sequence[Range]) -> int:
    return sum(b - a + 1 for a, b in ranges)


class _Picker:
    """The n-th value of some ranges."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self.ranges = ranges
        self.before = [0, *itertools.accumulate(b - a + 1 for a, b in ranges)]
        self.n = self.before[-1]

    def __getitem__(self, i: int) -> int:
        k = bisect.bisect_right(self.before, i) - 1
        return self.ranges[k][0] + i - self.before[k]


def flow_count(s: Stream) -> int:
    return s.flows or count(s.src) * count(s.dst) * count(s.sport) * count(s.dport)


def flows_of(s: Stream) -> Iterator[tuple[int, int, int, int]]:
    """(src, dst, sport, dport) of each flow: destinations change fastest, source ports slowest."""
    dst, dport, src, sport = (_Picker(r) for r in (s.dst, s.dport, s.src, s.sport))
    for i in range(flow_count(s)):
        a, i = dst[i % dst.n], i // dst.n
        b, i = dport[i % dport.n], i // dport.n
        c, i = src[i % src.n], i // src.n
        yield c, a, sport[i % sport.n], b


def receiver_of(streams: Sequence[Stream], mac: int | None = None) -> Receiver:
    """Who receives, without a file to count: the streams' destinations."""
    r = Receiver(mac=DEFAULT_MAC if mac is None else mac)
    everywhere: dict[str, None] = {}
    groups: dict[str, None] = {}
    for s in streams:
        for first, last in s.dst:
            for a in range(first, min(last, first + 63) + 1):
                text = ".".join(str(a >> k & 255) for k in (24, 16, 8, 0))
                (groups if a >> 28 == 14 else everywhere)[text] = None
        table = {Carries.UDP: r.udp_ports if not s.closed else r.closed_udp,
                 Carries.TCP_SYN: r.tcp_ports if not s.closed else r.closed_tcp}.get(Carries(s.carries))
        for first, last in s.dport if table is not None else ():
            table.update(dict.fromkeys(range(first, min(last, first + 1023) + 1), 1))       # type: ignore[union-attr]
        if s.vlan >= 0 and s.vlan not in r.vlans:
            r.vlans.append(s.vlan)
    everywhere.pop("255.255.255.255", None)
    r.addresses, r.groups = list(everywhere)[:64] or ["10.0.0.1"], list(groups)
    listens = [f"{name} {', '.join(map(str, list(ports)[:8]))}" for name, ports in (("UDP", r.udp_ports), ("TCP", r.tcp_ports)) if ports]
    r.evidence = f"{', '.join(r.addresses[:3])} ({r.mac_text()}): generated traffic goes there" + (
        f"; listens on {', '.join(listens)}" if listens else "")
    return r


class Generated:
    """streams: what to send.  seed: of everything random.  line_rate: bits a second; frames come no closer than they fit on the wire.
    mac: the receiver's.  start_ns: virtual time of the streams' time 0.  plain: by the Python twin.  slow: a sender that is a task of this
    host takes so many times as long for what comes back to back."""

    loop = 1
    passes = 1

    def __init__(self, streams: Sequence[Stream], *, seed: int = 1, line_rate: float | None = None, start_ns: int = 0,
                 mac: int = DEFAULT_MAC, plain: bool = False, slow: float = 1.0) -> None:
        if len(streams) > NSTREAM:
            raise CaptureError(f"{len(streams)} streams: up to {NSTREAM}")
        self.streams, self.plain, self.mac, self.slow = tuple(streams), plain, mac, slow
        self.net: Net | None = None
        self.first_ts = self.start_ns = start_ns
        self.until, self._ended = start_ns + 1, not streams
        g = self.g = new(gen_t)
        g.last_t, g.nstream = start_ns - 1, len(streams)
        if line_rate is not None:
            g.line_num = round(8_000_000_000 * 1024 / line_rate)
        self._memory()
        first = 0
        for i, s in enumerate(streams):
            first = self._stream(i, s, first, seed)
        self._expected = self._how_many()

    # ------------------------------------------------------------ set-up
    def _memory(self) -> None:
        """Heads, then slots full of the payload's pattern: bytes by their place in the slot."""
        g = self.g
        longest = max((min(max(n for n, _ in s.sizes) + BODY[Carries(s.carries)], s.mtu - 20) for s in self.streams), default=0) + 38
        g.stride = (max(longest, HEAD) + 63) // 64 * 64 + 64          # an odd number of lines, mostly: not all in the same cache sets
        g.nslot = min(max(SLOTS // g.stride, 64), 8192)
        g.slots_at = g.nstream * HEAD
        size = g.slots_at + (g.nslot + 1) * g.stride
        self.memory = pages(size + MADE_BYTES)
        self.view = memoryview(self.memory)[:size]
        pattern = (bytes(range(256)) * (g.stride // 256 + 1))[:g.stride]
        self.view[g.slots_at:] = (pattern * (g.nslot + 1))[:len(self.view) - g.slots_at]
        g.memory = region(self.memory)

    def cards(self, cards: Sequence[Card]) -> None:
        """The host has several: a stream goes to the card whose network its first destination is in, else to the first."""
        for i, s in enumerate(self.streams):
            dst = s.dst[0][0]
            distance = [min((dst ^ address for address, plen in c.networks if (dst ^ address) >> 32 - plen == 0), default=1 << 32)
                        for c in cards]
            card = distance.index(min(distance))
            self.g.stream[i].card = card
            if dst >> 28 != 14 and dst != 0xFFFFFFFF:
                self.view[i * HEAD:i * HEAD + 6] = cards[card].mac.to_bytes(6, "big")

    def _stream(self, i: int, s: Stream, first: int, seed: int) -> int:
        """One stream's state; returns where the next one's flows begin."""
        st, n = self.g.stream[i], flow_count(s)
        if first + n > NFLOW:
            raise CaptureError(f"more than {NFLOW} flows")
        st.rng = seeded(seed * 64 + i)
        st.t, st.end, st.left, st.kind = self.start_ns + s.start, min(self.start_ns + s.start + s.duration, MAX_TIME), s.left, s.kind
        st.gap, st.pause, st.burst, st.in_burst = s.gap, s.pause, s.burst, s.burst
        if s.kind == Arrivals.PARETO:
            quantiles = pareto.quantiles(s.alpha)
            st.burst = max(round(pareto.shortest(quantiles, s.burst, 1) * ONE), 1)
            st.pause = round(pareto.shortest(quantiles, s.pause / ONE, 0) * ONE)
            for k in range(NPARETO):
                st.pareto[k] = quantiles[k]
        st.carries, st.sums, st.vlan = s.carries, s.sums, 4 * (s.vlan >= 0)
        st.mtu_body, st.incomplete = (s.mtu - 20) // 8 * 8, round(s.incomplete * SHARE)
        st.ihl_at = 14 + st.vlan
        st.flow_first, st.nflow = first, n
        st.flows = Flows.IN_TURN if s.skew is None or n == 1 else Flows.DRAWN if s.skew == 0 else Flows.SKEWED
        for k, (src, dst, sport, dport) in enumerate(flows_of(s)):
            f = self.g.flow[first + k]
            f.src, f.dst, f.sport, f.dport = src, dst, sport, dport
        if st.flows == Flows.SKEWED:
            self._skew(first, n, s.skew or 0)
        if s.kind == Arrivals.POISSON:                                # the first does not come at 0 with certainty
            st.rng = next_random(st.rng)
        self._head(i, s)
        self._sizes(i, s)
        return first + n

    def _skew(self, first: int, n: int, exponent: float) -> None:
        """Walker's alias table of Zipf's law: one die for the flow, one that may take its alias instead."""
        if n > SKEWED_FLOWS:
            raise CaptureError(f"{n} flows with a skew: at most {SKEWED_FLOWS}")
        weights = [(k + 1) ** -exponent for k in range(n)]
        total = sum(weights)
        share = [w * n / total for w in weights]
        small, large = [k for k in range(n) if share[k] < 1], [k for k in range(n) if share[k] >= 1]
        flow = self.g.flow
        for k in range(n):
            flow[first + k].keep = SHARE - 1
        while small and large:
            a, b = small.pop(), large[-1]
            flow[first + a].keep, flow[first + a].alias = min(round(share[a] * SHARE), SHARE - 1), b
            share[b] -= 1 - share[a]
            if share[b] < 1:
                small.append(large.pop())

    def _head(self, i: int, s: Stream) -> None:
        """Ethernet to transport header, without what differs from frame to frame; then the pattern, as in a slot."""
        st, dst = self.g.stream[i], s.dst[0][0]
        mac = 0x01005E000000 | dst & 0x7FFFFF if dst >> 28 == 14 else 0xFFFFFFFFFFFF if dst == 0xFFFFFFFF else self.mac
        tag = struct.pack(">HH", 0x8100, s.vlan) if s.vlan >= 0 else b""
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 0, 0, 0, s.ttl, PROTO[Carries(s.carries)], 0, 0, 0)
        st.ip_sum = sum(struct.unpack(">10H", ip))
        rest = b""
        if s.carries == Carries.ICMP:
            rest = struct.pack(">BBHHH", 8, 0, 0, 0, 0)
        elif s.carries == Carries.TCP_SYN:                            # what Linux offers: MSS, SACK, timestamps, window scale
            rest = struct.pack(">HHIIBBHHH", 0, 0, 0, 0, 10 << 4, 2, 64240, 0, 0) + SYN_OPTIONS
        elif s.carries == Carries.UDP:
            rest = bytes(8)
        head = mac.to_bytes(6, "big") + SENDER_MAC.to_bytes(6, "big") + tag + b"\x08\x00" + ip + rest
        slot = self.g.slots_at
        self.view[i * HEAD:(i + 1) * HEAD] = head + bytes(self.view[slot + len(head):slot + HEAD])
        self._rest = rest

    def _sizes(self, i: int, s: Stream) -> None:
        if not 0 < len(s.sizes) <= NSIZE:
            raise CaptureError(f"{len(s.sizes)} sizes: from 1 to {NSIZE}")
        g, st = self.g, self.g.stream[i]
        st.nsize = len(s.sizes)
        total, so_far = sum(w for _, w in s.sizes), 0.0
        header, ip = len(self._rest), g.slots_at + st.ihl_at + 20
        constant = sum(struct.unpack(f">{header // 2}H", self._rest))
        for k, (payload, weight) in enumerate(s.sizes):
            size, so_far = st.size[k], so_far + weight
            body = size.body = header + (payload if s.carries != Carries.TCP_SYN else 0)
            size.share = round(so_far / total * SHARE)
            size.pieces = 1 if body <= s.mtu - 20 else -(-body // st.mtu_body)
            one = min(body, st.mtu_body if size.pieces > 1 else body)
            size.sum = constant + self._pattern(ip + header, one - header)
            for piece in range(1, size.pieces):
                size.sum += self._pattern(ip, min(st.mtu_body, body - piece * st.mtu_body))
            if s.carries != Carries.ICMP:                             # pseudo header; UDP has its length twice
                size.sum += PROTO[Carries(s.carries)] + body * (2 if s.carries == Carries.UDP else 1)

    def _pattern(self, at: int, n: int) -> int:
        return int(self._call(pattern_sum)(self.g.memory, at, n))

    def _how_many(self) -> int:
        """Roughly how many datagrams, for progress; 0: not known."""
        total = 0
        for s in self.streams:
            mean = s.gap if s.kind in (Arrivals.CONSTANT, Arrivals.POISSON) else ((s.burst - 1) * s.gap + s.pause) / s.burst
            total += min(s.left, int(s.duration * ONE / mean) if mean else s.left)
        return total

    def _call(self, f: Any) -> Callable[..., Any]:
        return f.plain if self.plain and hasattr(f, "plain") else f   # type: ignore[no-any-return]

    # ------------------------------------------------------------ the run
    def attach(self, net: Net) -> None:
        """The slots are the cable's memory from now on."""
        self.net = net
        net.feed_addr, net.made_at = self.g.memory, len(self.view)
        net.sim.sender_slow = round(self.slow * 1024) if self.slow > 1 else 0

    def load(self) -> bool:
        """Frames onto the cable.  True: run until `self.until`, consume(), and ask again.  False: all were handed out."""
        if self._ended:
            return False
        assert self.net is not None, "attach() first"
        why = self._call(generate_feed)(self.net, self.g, self.g.nslot - 1)
        if why == Scan.END:
            self._ended = True
        self.until = self.g.frame_t if self.g.pending else self.g.last_t + 1
        return True

    def consume(self) -> None:
        """All frames until `self.until` have been pulled in; call it when virtual time is there."""
        self._call(feed_consume)(self.net, self.until - 1)

    def pcap(self, epoch: int = 0, size: int = 4 << 20) -> Iterator[memoryview]:
        """The same frames as records of a pcap file (little-endian, nanoseconds), in pieces that are valid until the next is asked for."""
        out = pages(size)
        view, addr = memoryview(out), region(out)
        try:
            while n := self._call(generate_pcap)(self.g, addr, size, epoch, self.g.nslot):
                yield view[:n]
        finally:
            forget(addr)

    def progress(self) -> tuple[float, int]:
        """(share of the whole that has been sent, 0 if not known; frames offered)."""
        sent = sum(self.g.stream[i].datagrams for i in range(self.g.nstream))
        return min(sent / self._expected, 1.0) if self._expected else 0.0, self.g.offered

    def close(self) -> None:
        forget(self.g.memory)

    def __enter__(self) -> "Generated":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ what it gave
    @property
    def last_t(self) -> int:
        return int(self.g.last_t)

    def counts(self) -> dict[str, int]:
        """As a capture's: every frame is offered."""
        return {"records": self.g.offered, "offered": self.g.offered, "not_offered": 0, "bytes": self.g.bytes}

    def record_number(self, frame: int) -> tuple[int, int]:
        return frame, 1

    def notes(self) -> list[str]:
        """What a reader of the results must know about the input, a sentence each."""
        late = self.g.late
        if late > 1_000_000:
            return [f"the traffic asks for more than the line carries: frames come up to {late / 1e6:,.1f} ms late (nic.speed, line)"]
        return []
