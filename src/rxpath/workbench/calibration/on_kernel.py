"""An experiment on this machine's kernel: one repetition, with what the sender really did and what the programs got."""
from __future__ import annotations

import contextlib
import itertools
import json
import signal
import statistics
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rxpath.workbench.calibration import machine
from rxpath.workbench.calibration.experiments import MS, US, Experiment
from rxpath.workbench.calibration.machine import Busy, Cpus
from rxpath.workbench.calibration.program import Pair, lines
from rxpath.workbench.judge.kernel.undo import Journal
from rxpath.workbench.words.mistakes import BadInput

PLAN, GOT = struct.Struct("<QIHHHHI"), struct.Struct("<IHHQQ")
BEGIN, AFTER = 250 * MS, 0.3                                # from the start of the sender to its first datagram; then until the readers end
BACKLOG = "net.core.netdev_max_backlog"


@dataclass(frozen=True, slots=True)
class Run:
    """One repetition.  loss: per cent of the datagrams; p50, p99: ns from the call that sent one to the return of the call that received
    it; service: ns that the program was seen to work on each; sent: ns of each call of the sender, from the first."""
    loss: float
    p50: int
    p99: int
    queue_max: int
    wakeups: int
    service: int
    others: float
    steal: float
    failed: int
    sent: Sequence[int]

    @property
    def quiet(self) -> bool:
        return Busy(self.others, self.steal).quiet

    @property
    def packed(self) -> bytes:
        """The times of the calls, small."""
        gaps = [b - a for a, b in zip([0, *self.sent], self.sent, strict=False)]
        return zlib.compress(struct.pack(f"<{len(gaps)}I", *gaps), 6)


def unpacked(data: bytes) -> list[int]:
    raw, t, out = zlib.decompress(data), 0, []
    for (gap,) in struct.iter_unpack("<I", raw):
        t += gap
        out.append(t)
    return out


class Cannot(BadInput):
    """This experiment cannot be made here; the others can."""


@contextlib.contextmanager
def set_up(e: Experiment, pair: Pair, cpus: Cpus, journal: Journal | None) -> Iterator[None]:
    """RPS, rules and the backlog's limit for all repetitions; then as before.  journal: of root, who alone may set what is the whole
    machine's; it is put back even when we are killed, by whoever comes next."""
    if cpus.b is None and not e.same:
        raise Cannot("it needs two CPUs")
    if e.backlog and journal is None:
        raise Cannot(f"{BACKLOG} is the whole machine's: root alone may set it")
    try:
        pair.rps(1 << (cpus.b or 0) if e.rps else 0)
    except BadInput as error:
        if e.rps:
            raise Cannot(str(error)) from None
    if e.rules:
        try:
            pair.rules(e.rules)
        except BadInput as error:
            raise Cannot(str(error)) from None
    try:
        if e.backlog and journal is not None:
            journal.set_global(BACKLOG, e.backlog)
        yield
    finally:
        if e.backlog and journal is not None:
            journal.restore()
        if e.rules:
            pair.rules(0)


def once(e: Experiment, pair: Pair, cpus: Cpus) -> Run:
    folder = pair.sender.program.folder
    plan, log, got = folder / "plan", folder / "sent", folder / "got"
    plan.write_bytes(b"".join(PLAN.pack(d.t, i, d.flow, d.port, d.length, d.batch, 0) for i, d in enumerate(e.datagrams)))
    b = cpus.a if cpus.b is None else cpus.b
    reader_cpus = [cpus.a] if e.same else [cpus.a, b] if e.both else [b]
    program = pair.receiver.program
    reader = subprocess.Popen(pair.receiver.command(*program.command(
        "read", f"log={got}", f"cpu={','.join(map(str, reader_cpus))}", f"ports={','.join(map(str, e.ports))}", f"threads={e.threads}",
        f"rcvbuf={e.rcvbuf}", f"service={e.service}", f"sleep={int(e.sleep)}", f"batch={e.batch}", f"waitforone={int(e.waitforone)}",
        f"epoll={int(e.epoll)}", f"reuse={int(e.reuse)}", f"stall_every={e.stall_every}", f"stall={e.stall}")),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    hog: subprocess.Popen[bytes] | None = None
    try:
        assert reader.stderr is not None
        if (said := reader.stderr.readline()) != "ready\n":
            raise BadInput(f"the reader did not start: {said.strip() or 'no answer'}")
        time.sleep(0.1)
        start = time.monotonic_ns() + BEGIN
        if e.hog:
            hog = subprocess.Popen(program.command("hog", f"cpu={b}", f"ms={(e.duration + BEGIN) // MS + 500}"), start_new_session=True)
        before = machine.look()
        said = pair.sender.measure("send", f"plan={plan}", f"log={log}", f"cpu={cpus.a}", f"fifo={int(e.alone)}", f"start={start}",
                                   f"spin={e.spin}")
        busy = before.until(machine.look())
        time.sleep(AFTER)
        reader.send_signal(signal.SIGUSR1)
        out, _ = reader.communicate(timeout=30)
    finally:
        for process in (reader, hog):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    if hog is not None:
        hog.wait()
    return _run(e, json.loads(out), log.read_bytes(), got.read_bytes(), busy, next(lines(said))["failed"])


def _run(e: Experiment, said: dict[str, object], sent: bytes, got: bytes, busy: Busy, failed: int) -> Run:
    if e.rcvbuf and isinstance(rcvbuf := said["rcvbuf"], int) and rcvbuf < 2 * e.rcvbuf and rcvbuf > 4608:
        raise Cannot(f"net.core.rmem_max allows {rcvbuf // 2} bytes of buffer; it needs {e.rcvbuf}")
    calls = list(struct.iter_unpack("<QQ", sent))
    rows = [(seq, thread, called, returned) for seq, thread, _, called, returned in GOT.iter_unpack(got)]
    first = calls[0][0]
    arrived: dict[int, int] = {}
    for seq, _, _, returned in rows:
        arrived.setdefault(seq, returned)
    waits = sorted(returned - calls[seq][0] for seq, returned in arrived.items())
    threads = said["threads"]
    assert isinstance(threads, list)
    return Run(100 * (1 - len(arrived) / len(calls)), _of(waits, 0.5), _of(waits, 0.99), _queue_max(calls, arrived),
               sum(t["sleeps"] for t in threads), _service(e, rows), busy.others, busy.steal, failed, [begin - first for begin, _ in calls])


def _of(values: list[int], share: float) -> int:
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0


def _queue_max(calls: Sequence[tuple[int, ...]], arrived: dict[int, int]) -> int:
    """Datagrams sent and not yet returned, at most; of those that arrived."""
    events = sorted([(calls[seq][1], 1) for seq in arrived] + [(returned, -1) for returned in arrived.values()])
    now = most = 0
    for _, step in events:
        now += step
        most = max(most, now)
    return most


def _service(e: Experiment, rows: list[tuple[int, int, int, int]]) -> int:
    """ns from the return of a call to the next one, per datagram, where nothing came between."""
    most = e.service + max(20 * US, e.service // 4)
    per_thread: dict[int, list[tuple[int, int]]] = {}
    for _, thread, called, returned in rows:
        calls = per_thread.setdefault(thread, [])
        if not calls or calls[-1] != (called, returned):
            calls.append((called, returned))
    count: dict[tuple[int, int, int], int] = {}
    for _, thread, called, returned in rows:
        count[thread, called, returned] = count.get((thread, called, returned), 0) + 1
    took = [(later[0] - call[1]) / count[(thread, *call)] for thread, calls in per_thread.items()
            for call, later in itertools.pairwise(calls)]
    usual = [t for t in took if 0 <= t < most]
    return round(statistics.fmean(usual)) if usual and not e.sleep else e.service


