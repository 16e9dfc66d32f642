"""skb:kfree_skb from a trace instance of our own: which skb was dropped, why, and in which function.

The events are read raw, as the ring buffer keeps them (trace_pipe_raw): a page is a time stamp, a length, and events with a header of 32
bits.  Reasons get their names from the event's own print fmt, locations from /proc/kallsyms, so that nothing depends on a kernel's numbers.

netif_receive_skb tells on which device an skb last arrived: drops of replies in the sender's namespace, and of other devices of the
machine, are not the receiver's."""
from __future__ import annotations

import bisect
import contextlib
import functools
import os
import re
import struct
from pathlib import Path

from rxpath.workbench.judge.kernel.undo import TRACEFS, Journal

EVENTS = ("skb/kfree_skb", "net/netif_receive_skb")
BEFORE_ARRIVAL = ("__dev_forward_skb2", "veth_xmit", "enqueue_to_backlog")
LATE = ("udp_destruct_common", "ip_expire", "inet_frag_rbtree_purge")       # by RCU and timers, in whatever task's context
PAGE = os.sysconf("SC_PAGE_SIZE")
SUFFIXES = re.compile(r"\.(isra|constprop|part|cold|llvm)\b.*")


@functools.lru_cache(maxsize=1)
def symbols() -> tuple[list[int], list[str]]:
    """Addresses of functions and their names, sorted."""
    found = []
    with open("/proc/kallsyms") as file:
        for line in file:
            address, kind, name = line.split(None, 3)[:3]
            if kind in "tTwW":
                found.append((int(address, 16), name))
    found.sort()
    return [a for a, _ in found], [n for _, n in found]


@functools.cache
def function_at(address: int) -> str:
    """The function that an address lies in, without the compiler's suffixes."""
    addresses, names = symbols()
    i = bisect.bisect_right(addresses, address) - 1
    return SUFFIXES.sub("", names[i]) if i >= 0 else hex(address)


class Format:
    """An event's number and where its fields lie."""

    def __init__(self, text: str) -> None:
        self.id = int(re.search(r"^ID: (\d+)", text, re.M)[1])                              # type: ignore[index]
        self.at = {m[1]: int(m[2]) for m in re.finditer(r"field:[^;]*?(\w+)(?:\[[^;]*\])?;\s*offset:(\d+);", text)}
        self.reasons = {int(n): name for n, name in re.findall(r'\{ (\d+), "(\w+)" \}', text)}


class Tracer:
    """What is dropped: on one CPU, by timers on any.  `device`: the receiver's."""

    def __init__(self, journal: Journal, cpu: int, pids: set[int], device: str) -> None:
        self.journal, self.pids, self.device = journal, pids, device.encode()
        self.name = f"rxj{os.getpid()}"
        self.root = TRACEFS / "instances" / self.name
        journal.will_make("trace", self.name)
        self.root.mkdir(exist_ok=True)
        self._write("buffer_size_kb", "4096")
        self.drop, self.arrive = (Format((self.root / "events" / e / "format").read_text()) for e in EVENTS)
        for event in EVENTS:
            self._write(f"events/{event}/enable", "1")
        self._write("tracing_on", "1")
        pipes = sorted(self.root.glob("per_cpu/cpu*/trace_pipe_raw"), key=lambda p: p.parent.name != f"cpu{cpu}")
        self.fd, *self.others = (os.open(p, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) for p in pipes)
        self.here: set[int] = set()                     # skbs that have arrived at the receiver, in our context
        self.elsewhere: set[int] = set()                # and at the sender: replies, which end at once
        self.lost, self.own = 0, True                   # own: the pages are those of our CPU

    def _write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def forget(self) -> None:
        """Another host begins: what is still to come of the last one is not its."""
        self.drain(anybody=True)
        self.here.clear()

    def drain(self, anybody: bool = False) -> dict[tuple[str, str], int]:
        """Drops since the last time: (reason, function) -> number.  anybody: also by timers, in whatever task's context and on whatever
        CPU: since 6.9 the timers of an idle CPU may go off on another."""
        found: dict[tuple[str, str], int] = {}
        self._pages(self.fd, anybody, found)
        self.elsewhere.clear()                          # those that were consumed: their memory becomes another skb's
        if anybody:
            lost, self.own = self.lost, False
            for fd in self.others:
                self._pages(fd, anybody, found)
            self.lost, self.own = lost, True                            # that others' traffic was overwritten there is no matter
        return found

    def _pages(self, fd: int, anybody: bool, found: dict[tuple[str, str], int]) -> None:
        while True:
            try:
                page = os.read(fd, PAGE)
            except BlockingIOError:
                return
            if not page:
                return
            self._page(page, anybody, found)

    def _page(self, page: bytes, anybody: bool, found: dict[tuple[str, str], int]) -> None:
        commit = struct.unpack_from("<Q", page, 8)[0]
        if commit >> 31 & 1:
            self.lost += 1
        at, end = 16, min(16 + (commit & 0xFFFFF), len(page))
        while at < end:
            head = struct.unpack_from("<I", page, at)[0]
            kind = head & 31
            at += 4
            if kind == 29:                              # padding: to the end, or so many bytes
                if head >> 5 == 0:
                    return
                at += struct.unpack_from("<I", page, at)[0]
            elif kind >= 30:                            # time
                at += 4
            else:
                size = 4 * kind if kind else struct.unpack_from("<I", page, at)[0] - 4
                at += 0 if kind else 4
                self._event(page, at, anybody, found)
                at += size + 3 & ~3

    def _event(self, page: bytes, at: int, anybody: bool, found: dict[tuple[str, str], int]) -> None:
        number = struct.unpack_from("<H", page, at)[0]
        if number == self.arrive.id:
            if not self.own:
                return
            field = self.arrive.at
            where = struct.unpack_from("<I", page, at + field["name"])[0]
            name = page[at + (where & 0xFFFF):at + (where & 0xFFFF) + (where >> 16)].rstrip(b"\0")
            skb = struct.unpack_from("<Q", page, at + field["skbaddr"])[0]
            self.here.discard(skb)
            self.elsewhere.discard(skb)
            if struct.unpack_from("<i", page, at + field["common_pid"])[0] in self.pids:
                (self.here if name == self.device else self.elsewhere).add(skb)
        elif number == self.drop.id:
            field = self.drop.at
            skb, location = (struct.unpack_from("<Q", page, at + field[f])[0] for f in ("skbaddr", "location"))
            here, elsewhere = skb in self.here, skb in self.elsewhere
            self.here.discard(skb)
            self.elsewhere.discard(skb)
            pid = struct.unpack_from("<i", page, at + field["common_pid"])[0]
            function = function_at(location)
            if function in BEFORE_ARRIVAL:              # what is known of the skb is from its life before
                here, elsewhere = False, False
            if function in LATE and not here:           # of a host that is gone, or of another judge
                return
            if (here and anybody) or (pid in self.pids and not elsewhere):
                reason = struct.unpack_from("<I", page, at + field["reason"])[0]
                key = self.drop.reasons.get(reason, str(reason)), function
                found[key] = found.get(key, 0) + 1

    def close(self) -> None:
        for fd in (self.fd, *self.others):
            os.close(fd)
        with contextlib.suppress(OSError):
            self._write("tracing_on", "0")
            self.root.rmdir()
        self.journal.gone("trace", self.name)


def ksoftirqd(cpu: int) -> int:
    """The process number of ksoftirqd/N, 0 when it cannot be found."""
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == f"ksoftirqd/{cpu}":
                return int(path.parent.name)
    return 0
