"""Two observations of a case beside each other: what differs, but for what may differ and is masked here by name.

Masked in every case:
  ip.id           the identification of a frame that the host sends, with the header checksum that it changes: random there, counted here
  icmp.timestamp  the clock of a timestamp reply, with its checksum
  ip.timestamp    times of day, on either side's clock, in the time stamps option of a reply or of the header that it quotes, with the
                  checksums that they change; a field that nobody filled in stays
  igmp            membership reports: Linux sends them after a random time; while one left, counts are not compared
  counters        those that only the sending side or a part of Linux that is not modelled moves: COUNTERS
  drops           of segments that were joined (JOINED): how often, where Linux loses one skb and this path its frames
  drops           of frames that only one side sees as frames: our own names (FRAG_QUEUE_KILLED: Linux reports no event)
  drops           where one build of Linux says the function and another its caller, because it was inlined there (FOLDED): which of them"""
from __future__ import annotations

import math
import statistics
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rxpath.abi.mib import DevStat, Mib
from rxpath.abi.reasons import Drop
from rxpath.workbench.judge.case import Case, Observation
from rxpath.workbench.judge.frames import csum

VIRTUAL_MS, NEAR_MS = 3_600_000, 60_000                 # a time of day: on the virtual clock, which begins at midnight; on the real one
DEVIATIONS = Path(__file__).parent / "deviations.toml"
MODELLED = {m.text() for m in Mib if not m.name.startswith("Rxpath")}
DEVICE = {d.name for d in DevStat} - {"tx_bytes"}
JOINED = ("TcpExt.TCPRcvCoalesce", "TcpExt.TCPBacklogCoalesce", "TcpExt.TCPRcvCollapsed")
# Of 6.18.44 one build ends what tcp_data_queue() refuses in it, another in whoever called it.
FOLDED = {("TCP_OLD_DATA", "PROTO_MEM", "TCP_ZEROWINDOW", "TCP_OVERWINDOW"):
          ("tcp_data_queue", "tcp_rcv_established", "tcp_rcv_state_process")}
QUIET_REASONS = {d.name for d in Drop if not d.row.since} | {Drop.CONSUMED.name}


@dataclass(frozen=True, slots=True)
class Difference:
    """what: "counters Udp.NoPorts", "replies 0", "received a 2 data", "drops NO_SOCKET @ __udp4_lib_rcv"."""
    what: str
    ours: Any
    kernel: Any

    def __str__(self) -> str:
        return f"{self.what}: ours {shown(self.ours)}, kernel {shown(self.kernel)}"


def shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex() if len(value) <= 128 else f"{value[:120].hex()}... ({len(value)} bytes)"
    return str(value)


def comparable(frame: bytes) -> bytes | None:
    """A frame that the host sent without what may differ; None: it is not compared."""
    if frame[12:14] != b"\x08\x00" or len(frame) < 34:
        return frame
    if frame[23] == 2:
        return None
    f = bytearray(frame)
    l4 = 14 + (f[14] & 15) * 4
    whole = f[23] == 1 and len(f) >= l4 + 8 and csum(bytes(f[l4:])) == 0
    if csum(bytes(f[14:l4])) == 0:                      # a header whose checksum is wrong keeps it, and shows
        f[18:20] = f[24:26] = b"\0\0"
    without_clock(f, 14)
    if whole and len(f) >= l4 + 20 and f[l4] == 14:
        f[l4 + 2:l4 + 4], f[l4 + 12:l4 + 20] = b"\0\0", bytes(8)
    elif whole and f[l4] in (3, 5, 11, 12) and without_clock(f, l4 + 8):
        f[l4 + 2:l4 + 4] = b"\0\0"
    return bytes(f)


def without_clock(f: bytearray, at: int) -> bool:
    """The time stamps option of the IP header there: of the last two fields before its pointer, those that hold a time of day become 1.
    Whether there were any."""
    if len(f) < at + 20:
        return False
    off, end, now, found = at + 20, min(len(f), at + (f[at] & 15) * 4), time.time() % 86_400 * 1000, False
    while off + 3 < end and f[off]:
        n = 1 if f[off] == 1 else f[off + 1]
        if n < 1:
            break
        if f[off] == 68:
            last = off + f[off + 2] - 5
            for k in (last, last - (4 if f[off + 3] & 15 == 0 else 8)):
                value = int.from_bytes(f[k:k + 4], "big")
                if off + 4 <= k <= end - 4 and (0 < value < VIRTUAL_MS or abs(value - now) < NEAR_MS):
                    f[k:k + 4], found = b"\0\0\0\1", True
        off += n
    return found


def without_igmp(seen: Observation) -> list[bytes]:
    """Replies without the membership reports."""
    return [c for frame in seen.replies if (c := comparable(frame)) is not None]


def unfolded(what: str) -> str:
    """A drop ("drops TCP_OLD_DATA @ tcp_rcv_established", also within a line) with the name of the function that was inlined."""
    for reasons, (function, *callers) in FOLDED.items():
        for reason in reasons:
            for caller in callers:
                what = what.replace(f"drops {reason} @ {caller}", f"drops {reason} @ {function}")
    return what


def _unfolded(answers: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in answers:
        name = unfolded(key)
        found[name] = found[name] + value if name != key and isinstance(found.get(name), int) else value
    return found


def differences(ours: Observation, kernel: Observation) -> list[Difference]:
    """Everything that differs and is not masked."""
    found: list[Difference] = []
    replies = without_igmp(kernel)
    reported = len(replies) != len(kernel.replies)          # and may have been heard by the host itself: no count can be compared

    def table(what: str, a: dict[Any, Any], b: dict[Any, Any], names: set[str] | None = None) -> None:
        for key in sorted({*a, *b}, key=str):
            if (names is None or key in names) and a.get(key, 0) != b.get(key, 0):
                found.append(Difference(f"{what} {' @ '.join(key) if isinstance(key, tuple) else key}", a.get(key, 0), b.get(key, 0)))

    def listed(what: str, a: list[Any], b: list[Any]) -> None:
        if len(a) != len(b):
            found.append(Difference(f"{what} number", len(a), len(b)))
        for i, (x, y) in enumerate(zip(a, b, strict=False)):
            if x != y:
                found.append(Difference(f"{what} {i}", x, y))

    listed("replies", without_igmp(ours), replies)
    for id_ in sorted({*ours.received, *kernel.received}):
        listed(f"received {id_}", ours.received.get(id_, []), kernel.received.get(id_, []))
    table("answer", _unfolded(ours.answers), _unfolded(kernel.answers))
    table("socket drops", ours.sockets, kernel.sockets)
    if reported:
        return found
    table("counters", ours.counters, kernel.counters, MODELLED)
    table("device", ours.device, kernel.device, DEVICE)
    table("softnet", ours.softnet, kernel.softnet)
    table("drops", {k: n for k, n in ours.drops.items() if k[0] not in QUIET_REASONS}, kernel.drops)
    return found


def without_merged(found: list[Difference], kernel: Observation) -> list[Difference]:
    """Segments that were joined are lost as one skb there and as so many frames here: once some were, more drops of the same reason at the
    same place are no difference."""
    joined = min((int(name.split()[0]) for name, _ in kernel.answers if name.split()[-1] in JOINED), default=None)
    return [d for d in found if joined is None or " drops " not in d.what or int(d.what.split()[1]) < joined
            or not isinstance(d.ours, int) or not d.ours > d.kernel > 0]


def within(found: Sequence[Difference], runs: Sequence[Sequence[Difference]]) -> list[Difference]:
    """What differs by more than the kernel does from run to run.  found: the differences of the first run; runs: those of its repetitions,
    against the same observation of ours.  Where a repetition does not differ, the kernel has said what we say."""
    left = []
    for d in found:
        said = [d.kernel, *(next((e.kernel for e in again if e.what == d.what), d.ours) for again in runs)]
        numbers = all(isinstance(v, (int, float)) for v in (d.ours, *said))
        if not (min(said) <= d.ours <= max(said) if numbers else d.ours in said):
            left.append(d)
    return left


def views(ours: dict[str, Any], kernel: dict[str, Any]) -> list[Difference]:
    """Facts drawn from an observation that must be the same on both sides (Case.view)."""
    return [Difference(f"fact {name}", ours.get(name), kernel.get(name)) for name in sorted({*ours, *kernel})
            if ours.get(name) != kernel.get(name)]


def spreads(ours: list[float], kernel: list[float]) -> tuple[list[Difference], str]:
    """Random numbers (Case.spread): the means agree within four standard errors; and a line that says both."""
    (mean_a, sd_a), (mean_b, sd_b) = ((statistics.fmean(x), statistics.pstdev(x)) for x in (ours, kernel))
    allowed = 4 * math.sqrt(sd_a ** 2 / len(ours) + sd_b ** 2 / len(kernel))
    said = (f"kernel {mean_b:.2f}±{sd_b:.2f} ({min(kernel):g} to {max(kernel):g}, {len(kernel)} runs), "
            f"ours {mean_a:.2f}±{sd_a:.2f} ({min(ours):g} to {max(ours):g}, {len(ours)} runs)")
    return ([] if abs(mean_a - mean_b) <= allowed else [Difference("mean", round(mean_a, 3), round(mean_b, 3))]), said


# ---------------------------------------------------------------- known deviations
@dataclass(slots=True)
class Deviation:
    """case, what: patterns (fnmatch).  seen: how often a difference was it."""
    name: str
    case: str
    what: str
    reason: str
    kernel: str
    when: str = ""                      # a name of WHEN: only for cases with such a frame, on such a host
    always: bool = True                 # false: the listed cases may not meet it, and none misses it then
    seen: int = 0

    def explains(self, case: Case, difference: Difference) -> bool:
        return (fnmatchcase(case.name, self.case) and fnmatchcase(difference.what, self.what)
                and (not self.when or any(WHEN[self.when](frame, case) for step in case.steps for frame in getattr(step, "frames", ()))))


LETS_OWN_IN = ("net.ipv4.conf.all.accept_local", "net.ipv4.conf.all.route_localnet")
OWN = (b"\x0a\0\0\x01", b"\x0a\0\0\x07")                   # addresses of the hosts of generated cases


def source_routes(frame: bytes) -> list[bytes]:
    """The stations of its source routes: an answer goes there first."""
    if not is_ip(frame):
        return []
    options, found = frame[34:14 + (frame[14] & 15) * 4], []
    for k, kind in enumerate(options):
        if kind in (0x83, 0x89) and k + 1 < len(options):
            found += [options[i:i + 4] for i in range(k + 3, min(len(options), k + options[k + 1]), 4)]
    return found


def source(frame: bytes) -> list[bytes]:
    return [frame[26:30]] if is_ip(frame) else []


def own(addresses: list[bytes]) -> bool:
    return any(a in OWN or a[:1] == b"\x7f" for a in addresses)


def lets_own_in(case: Case) -> bool:
    """A setting of its host accepts sources that are the host's own."""
    described = tomllib.loads(case.host) if isinstance(case.host, str) else case.host
    return any(described.get("sysctl", {}).get(name) for name in LETS_OWN_IN)


def answers_itself(frame: bytes, case: Case) -> bool:
    """Linux sends an answer to such a frame to one of its own addresses.  Sources are validated only on the way to this host: options of a
    packet to elsewhere are judged without.  0.0.0.0 may send to everybody, which 0.0.0.0 stands for, too, and is this host when it is
    answered."""
    src, dst = source(frame), [frame[30:34]]
    if src == [bytes(4)]:
        return dst[0] in (b"\xff" * 4, bytes(4))
    routes = source_routes(frame)
    return own(routes) or bytes(4) in routes or (own(src) and (lets_own_in(case) or (frame[14] & 15 > 5 and not own(dst))))


def is_ip(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x00" and len(frame) >= 34


WHEN: dict[str, Callable[[bytes, Case], bool]] = {
    "802.2 or 802.3": lambda f, _: int.from_bytes(f[16:18] if f[12:14] in (b"\x81\0", b"\x88\xa8") else f[12:14], "big") < 0x600,
    "answered to an own address": answers_itself,
    "ARP": lambda f, _: f[12:14] == b"\x08\x06",
}


class Deviations:
    """deviations.toml."""

    def __init__(self, path: Path = DEVIATIONS) -> None:
        rows = tomllib.loads(path.read_text()).get("deviation", [])
        self.rows = [Deviation(r["name"], r.get("case", "*"), w, r["reason"], r["kernel"], r.get("when", ""), r.get("always", True))
                     for r in rows for w in ([r["what"]] if isinstance(r["what"], str) else r["what"])]

    def explain(self, case: Case, found: Iterable[Difference]) -> tuple[list[Difference], list[str]]:
        """(what nobody explains, names of the deviations that were met)."""
        left, names = [], []
        for difference in found:
            row = next((row for row in self.rows if row.explains(case, difference)), None)
            if row is None:
                left.append(difference)
            else:
                row.seen += 1
                names.append(row.name)
        return left, names

    def missing(self) -> list[str]:
        """Deviations, and single patterns of them, that never occurred; but for those that do not always."""
        several = {row.name for row in self.rows if sum(r.name == row.name for r in self.rows) > 1}
        return sorted({f"{row.name} ({row.what})" if row.name in several else row.name for row in self.rows
                       if row.always and not row.seen})
