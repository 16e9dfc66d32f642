"""Service times learned from a capture: from each request to the receiver's own reply (cable/replies.py has the rule, and what it cannot
know).  `service = { capture = "day.pcap" }` of an application; the run says in a note what was learned."""

from __future__ import annotations

import bisect
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass

from rxpath._compile import forget, new, pages, region
from rxpath.abi.capture import Scan
from rxpath.abi.replies import NREPLY_LOCAL, replies_t
from rxpath.cable.reading import Reading
from rxpath.cable.receiver import Receiver, infer_receiver
from rxpath.cable.replies import capture_replies
from rxpath.cable.source import CaptureError, Source
from rxpath.workbench.host.check import app_sockets
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import App
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

MOST = 1 << 13                  # replies that are looked at, the first: their times are used over and over
PAUSE = 20                      # times the median, and at least so long: the program stood still
LEAST_PAUSE = 1_000_000
LEAST_REPLIES = 30              # from so many on they stand for the program
SHORT = 100_000                 # ns: what a reply takes beyond the quickest is work, too, up to here; beyond, the program waits, asleep
SLACK = 50_000                  # ns: nanosleep() may sleep so much longer
RUN = 32                        # replies one after the other, whose mean distance bounds the work of one
MOST_THREADS = 256


@dataclass(frozen=True, slots=True)
class Learned:
    """Times in ns, in the order of the replies."""
    times: tuple[int, ...]      # of one after the other: from its request, or from its port's reply before
    requests: int
    replies: int
    together: int = 1           # requests that it worked on at a time: as many as were overtaken by a later one's reply, and one
    pauses: int = 0             # times in which it stood still while a request waited
    pairs: tuple[tuple[int, int], ...] = ()         # when each request came, when it was answered
    unasked: int = 0            # datagrams that it sent without being asked, in flows that others had begun

    def describe(self, took: Sequence[int] = ()) -> str:
        """took: instead of `times`."""
        ordered = sorted(took or self.times)
        p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        mean = sum(ordered) // len(ordered)
        return (f"{self.replies:,} replies to {self.requests:,} requests: mean {mean / 1000:.1f} us, p50 {p50 / 1000:.1f}, "
                f"p99 {p99 / 1000:.1f}, longest {ordered[-1] / 1000:.1f}")

    def teaches(self) -> str:
        """What the header of a replay says."""
        text = f"replies: {self.describe(self._took())}; "
        text += f"{self.together} requests under way at a time" if self.together > 1 else "one after the other"
        if self.pauses:
            text += f"; it stood still {self.pauses:,} time{'s' * (self.pauses > 1)} (longer than {PAUSE} medians)"
        return text

    # ------------------------------------------------------------ a program that does the same
    @property
    def threads(self) -> int:
        """As many as had a request at a time, where replies overtook each other."""
        return min(under_way(self.pairs), MOST_THREADS) if self.together > 1 else 1

    @property
    def work(self) -> int:
        """ns of computing for a request, at most: what the quickest replies took (the first percentile, but for two), and where requests
        overlap no more than the distance of replies that came one after the other, since one CPU has computed them."""
        took = sorted(self._took())
        quickest = took[min(max(2, len(took) // 100), len(took) - 1)]
        if self.together > 1:
            ends = sorted(end for _, end in self.pairs)
            quickest = min([quickest, *((b - a) // RUN for a, b in zip(ends, ends[RUN:], strict=False))])
        return quickest

    def _took(self) -> Sequence[int]:
        return [end - came for came, end in self.pairs] if self.together > 1 else self.times

    def work_and_sleep(self, thread: int = 0, threads: int = 1) -> tuple[list[int], list[int]]:
        """ns of work and of sleep after it, for one request after the other of a thread.  Each has every `threads`-th, so that all of them
        have those of the whole capture."""
        work, took = self.work, self._took()
        mine = list(took[thread % len(took)::threads])
        waits = [t - work > SHORT for t in mine]
        return [work if wait else t for t, wait in zip(mine, waits, strict=True)], \
            [t - work - SLACK if wait else 0 for t, wait in zip(mine, waits, strict=True)]

    def why_not(self) -> str:
        """Why these replies do not tell how the program works on its traffic, "": they do."""
        if self.replies < LEAST_REPLIES:
            return f"fewer than {LEAST_REPLIES} do not stand for a program"
        if 2 * self.replies < self.requests:
            return "less than half of the requests were answered"
        if 2 * self.unasked > self.replies:
            return f"{self.unasked:,} more of its datagrams were no replies: a stream, not requests"
        return ""


def service_times(path: str, local: tuple[str, ...] = (), port: int = 0) -> Learned:
    """Of one capture; `local`: the receiver's addresses, none: worked out; port 0: of all its UDP ports.  BadInput says what is wrong."""
    try:
        stat = os.stat(path)
        known = local or tuple(infer_receiver(path).addresses)
        found = _read(path, tuple(sorted(a.split("/")[0] for a in known if ":" not in a)), port, (stat.st_size, stat.st_mtime_ns))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from None
    except CaptureError as error:
        raise BadInput(str(error)) from None
    if not found.times:
        of = f"port {port}" if port else "the receiver"
        raise BadInput(f"{path}: no UDP reply of {of} to any of {found.requests:,} requests: a capture of both directions is needed")
    return found


@functools.lru_cache(maxsize=32)
def _read(path: str, local: tuple[str, ...], port: int, version: tuple[int, int]) -> Learned:
    addresses = [units.ipv4(a) for a in local][:NREPLY_LOCAL]
    r = new(replies_t)
    memory = pages(8 * MOST)
    pairs = pages(16 * MOST)
    r.out_addr, r.out_max, r.port, r.nlocal = region(memory), MOST, port, len(addresses)
    r.pair_addr, r.pair_max = region(pairs), MOST
    for i, address in enumerate(addresses):
        r.local[i] = address
    reading = Reading(Source(path))
    try:
        while True:
            why = capture_replies(reading.s, r, reading.addr, 1 << 16)
            if why == Scan.BAD or why == Scan.END or (why == Scan.MORE and not reading.more()):
                break
    finally:
        reading.close()
        forget(r.out_addr)
        forget(r.pair_addr)
    times = memoryview(memory)[:8 * r.nout].cast("q")
    both = list(memoryview(pairs)[:16 * r.npair].cast("q"))
    median = sorted(times)[len(times) // 2] if len(times) else 0
    pauses = sum(t > max(PAUSE * median, LEAST_PAUSE) for t in times)
    came_and_answered = tuple(zip(both[::2], both[1::2], strict=True))
    return Learned(tuple(times), int(r.requests), int(r.replies), together(came_and_answered), pauses, came_and_answered, int(r.unasked))


def together(pairs: Sequence[tuple[int, int]]) -> int:
    """How many requests (when it came, when it was answered) were worked on at a time, at least: with so many workers, each taking the
    oldest, nobody is overtaken by more."""
    answered: list[int] = []
    most = 0
    for came, end in sorted(pairs):
        del answered[:bisect.bisect_right(answered, came)]
        most = max(most, len(answered) - bisect.bisect_right(answered, end))
        bisect.insort(answered, end)
    return most + 1


def under_way(pairs: Sequence[tuple[int, int]]) -> int:
    """How many of these requests were there at a time, at most: come, and not answered."""
    now = most = 0
    for _, step in sorted([(came, 1) for came, _ in pairs] + [(end, -1) for _, end in pairs]):
        now += step
        most = max(most, now)
    return most


def of_receiver(path: str, who: Receiver) -> Learned | None:
    """What the replies of a capture's receiver teach; None: there are none."""
    if not who.answered or not os.path.isfile(path) or not any(":" not in a for a in who.addresses):
        return None
    try:
        return service_times(path, tuple(who.addresses))
    except BadInput:
        return None


def of_app(host: Host, app: App) -> Learned:
    """What an application's service learns: of its own port, if it reads one."""
    ports = {port for sock in app_sockets(host, app) for _, port in sock.endpoints()}
    try:
        return service_times(app.service.capture or "", host.addresses, ports.pop() if len(ports) == 1 else 0)
    except BadInput as error:
        raise BadInput(f"app {app.name}: service.capture: {error}") from None
