"""Programs of a Reading as [[app]]: who reads which sockets, with how many threads, on which CPUs, and how they wait.

What a thread waits in shows it: recvmmsg() with its vlen, recvfrom() with its length, an epoll instance with what it watches.  How long a
program works on a datagram cannot be read from any file."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rxpath.workbench.host.model.programs import THREADS_MAX
from rxpath.workbench.host.snapshot.draft import Draft, Table
from rxpath.workbench.host.snapshot.sockets import OPENER, Names, Opened, plain_name
from rxpath.workbench.readings.records import Packet, Reading
from rxpath.workbench.readings.settings import Call, Processes, Thread
from rxpath.workbench.words import units

_EPOLLEXCLUSIVE, _EPOLLET = 1 << 28, 1 << 31
_FLAGS = {0x40: "MSG_DONTWAIT", 0x02: "MSG_PEEK", 0x20: "MSG_TRUNC"}
_WAITFORONE = 0x10000
_BATCH_MAX = 1024                                           # UIO_MAXIOV
_ETH_P_ALL = 3
_SERVICE = ("service, how long it works on each datagram, cannot be read: 0us until you set it. A capture of requests and replies tells "
            "it: service = { capture = ... }")


@dataclass
class Reader:
    """Threads that read the same sockets in the same way.  seen: they were found waiting for them."""

    name: str
    sockets: tuple[str, ...]
    threads: list[Thread] = field(default_factory=list)
    call: Call | None = None
    instances: set[tuple[int, int]] = field(default_factory=set)
    of: int = 0                                             # threads that its process has; 0: not known
    seen: bool = False


def _kind(call: Call | None) -> str:
    """As app.wait names it; "" where it is not known."""
    if call is None:
        return ""
    return "recv" if call.name.startswith("rec") or call.name == "read" else "epoll" if call.name.startswith("epoll") else \
        "poll" if call.name in ("poll", "ppoll", "select", "pselect6") else ""


def readers(found: Iterable[Opened], reading: Reading) -> list[Reader]:
    """One for each set of sockets that a process reads; workers that share their sockets are one with several threads.  A process that
    holds a socket for which another was seen to wait (systemd, which has opened it) does not read it."""
    names: dict[int, str] = {o.socket.inode: o.name for o in found if o.proto == "udp" and o.socket.inode}
    holders = [(process, {fd: names[inode] for fd, inode in process.sockets if inode in names})
               for record in reading.of(Processes) for process in record.processes]
    made: dict[tuple[str, tuple[str, ...], str], Reader] = {}
    for process, held in holders:
        for thread in process.threads:
            mine = _reads(thread.call, held)
            if mine:
                reader = made.setdefault((process.name, mine, _kind(thread.call)),
                                         Reader(process.name, mine, call=thread.call, of=len(process.threads), seen=True))
                reader.threads.append(thread)
                if thread.call is not None and thread.call.fd is not None:
                    reader.instances.add((process.pid, thread.call.fd))
    waited_for = {name for reader in made.values() for name in reader.sockets}
    others = {name for process, held in holders if process.name != OPENER for name in held.values()}
    for process, held in holders:
        rest = tuple(sorted(set(held.values()) - waited_for - (others if process.name == OPENER else set())))
        if rest:
            reader = made.setdefault((process.name, rest, "?"), Reader(process.name, rest, of=len(process.threads)))
            reader.threads += [t for t in process.threads if t.id == process.pid] or list(process.threads[:1])
    covered = {name for _, held in holders for name in held.values()}
    by_program: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for item in found:
        if item.proto == "udp" and item.name not in covered:
            pids = tuple(sorted({p.pid for p in item.socket.programs if p.pid is not None}))
            by_program.setdefault((item.holder, pids), []).append(item.name)
    return [*made.values(), *(Reader(name, tuple(sockets)) for (name, _), sockets in by_program.items())]


def _reads(call: Call | None, held: dict[int, str]) -> tuple[str, ...]:
    """The sockets that a thread in this call waits for."""
    kind = _kind(call)
    if call is None or not kind:
        return ()
    if kind == "recv":
        return (held[call.fd],) if call.fd in held else ()
    if kind == "epoll":
        return tuple(sorted({held[fd] for fd, _ in call.watched if fd in held}))
    return tuple(sorted(set(held.values())))                # poll() and select(): their lists are in the program's memory


def write(found: list[Opened], reading: Reading, draft: Draft, cpus: int) -> None:
    """[[app]] of each reader."""
    names, threads = Names(), 0
    for i, reader in enumerate(readers(found, reading)):
        table = draft.add("app", _SERVICE if i == 0 else "")
        table.set("name", names.free(plain_name(reader.name) or "unknown"),
                  "" if reader.name else "which program reads them is not known (ss -p as root)")
        table.set("sockets", list(reader.sockets))
        count = max(1, len(reader.threads))
        if threads + count > THREADS_MAX:
            draft.remarks.append(f"{reader.name}: {count} threads, of which there is no room for all")
            count = max(1, THREADS_MAX - threads)
        threads += count
        if count > 1:
            table.set("threads", count)
        elif not reader.seen and reader.of > 1:
            table.note(f"threads: it has {reader.of}, and which of them read was not seen: one is assumed")
        elif not reader.of and reader.name:
            table.note("threads: not known (ps -L): one is assumed")
        _where(reader, table, cpus)
        _how(reader, table)
    for record in reading.of(Packet, ""):
        for sock in record.sockets:
            if sock.protocol == _ETH_P_ALL:
                tap = draft.add("tap")
                tap.off = "somebody captures on the host (a packet socket): with this switched on it costs here, too, and a pcap is written"
                tap.set("file", "tap.pcap")


def _where(reader: Reader, table: Table, cpus: int) -> None:
    """CPUs and priority."""
    allowed = [t.cpus for t in reader.threads if t.cpus]
    if allowed and len(allowed) == len(reader.threads):
        if all(len(c) == 1 and c[0] < cpus for c in allowed):
            table.set("cpu", [c[0] for c in allowed])
        else:
            some = sorted({units.cpu_list_text(c) for c in allowed if len(c) < cpus})
            table.set("cpu", "any", f"the host lets it run on {' and '.join(some[:4])}" if some else "")
    else:
        table.set("cpu", "any", "where it may run is not known (taskset -p)")
    nices = sorted({t.nice for t in reader.threads})
    if nices and nices != [0]:
        table.set("nice", nices[0], "" if len(nices) == 1 else f"its threads have {', '.join(map(str, nices))}")
    realtime = sorted({f"{t.policy} {t.priority}" for t in reader.threads if t.priority})
    if realtime:
        table.note(f"{', '.join(realtime)}: real-time policies are not modelled")


def _how(reader: Reader, table: Table) -> None:
    """What it waits in."""
    call, kind = reader.call, _kind(reader.call)
    if call is None or not kind:
        return
    table.set("wait", kind, f"it waits in {call.name}")
    if call.batch and call.name == "recvmmsg":
        table.set("batch", min(call.batch, _BATCH_MAX))
        if call.flags & _WAITFORONE:
            table.set("waitforone", True)
    if call.size:
        table.set("buffer", min(call.size, units.LARGEST))
    flags = [name for bit, name in _FLAGS.items() if call.flags & bit] if kind == "recv" else []
    if flags:
        table.set("flags", flags)
    if kind == "epoll":
        events = 0
        for _, each in call.watched:
            events |= each
        words = [word for bit, word in ((_EPOLLET, "edge"), (_EPOLLEXCLUSIVE, "exclusive")) if events & bit]
        if words:
            table.set("epoll", words)
        if len(reader.threads) > 1 and len(reader.instances) == 1:
            table.set("shared_epoll", True)
