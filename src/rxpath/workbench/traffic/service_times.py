"""Service times learned from a capture: from each request to the receiver's own reply (cable/replies.py has the rule, and what it cannot
know).  `service = { capture = "day.pcap" }` of an application; the run says in a note what was learned."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

from rxpath._compile import forget, new, pages, region
from rxpath.abi.capture import Scan
from rxpath.abi.replies import NREPLY_LOCAL, replies_t
from rxpath.cable.reading import Reading
from rxpath.cable.receiver import infer_receiver
from rxpath.cable.replies import capture_replies
from rxpath.cable.source import CaptureError, Source
from rxpath.workbench.host.check import app_sockets
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import App
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

MOST = 1 << 16                  # service times that are kept: they are used over and over


@dataclass(frozen=True, slots=True)
class Learned:
    """Times in ns, in the order of the replies."""
    times: tuple[int, ...]
    requests: int
    replies: int

    def describe(self) -> str:
        ordered = sorted(self.times)
        p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        mean = sum(ordered) // len(ordered)
        return (f"{self.replies:,} replies to {self.requests:,} requests: mean {mean / 1000:.1f} us, p50 {p50 / 1000:.1f}, "
                f"p99 {p99 / 1000:.1f}, longest {ordered[-1] / 1000:.1f}")


def service_times(path: str, local: tuple[str, ...] = (), port: int = 0) -> Learned:
    """Of one capture; `local`: the receiver's addresses, none: worked out; port 0: of all its UDP ports.  BadInput says what is wrong."""
    try:
        stat = os.stat(path)
        found = _read(path, local, port, (stat.st_size, stat.st_mtime_ns))
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
    who = infer_receiver(path, local=list(local) or None)
    addresses = [units.ipv4(a.split("/")[0]) for a in (local or who.addresses) if ":" not in a][:NREPLY_LOCAL]
    r = new(replies_t)
    memory = pages(8 * MOST)
    r.out_addr, r.out_max, r.port, r.nlocal = region(memory), MOST, port, len(addresses)
    for i, address in enumerate(addresses):
        r.local[i] = address
    reading = Reading(Source(path))
    try:
        while True:
            why = capture_replies(reading.s, r, reading.addr, 1 << 16)
            if why == Scan.BAD or r.nout == r.out_max or (why == Scan.MORE and not reading.more()):
                break
    finally:
        reading.close()
        forget(r.out_addr)
    times = memoryview(memory)[:8 * r.nout].cast("q")
    return Learned(tuple(times), int(r.requests), int(r.replies))


def of_app(host: Host, app: App) -> Learned:
    """What an application's service learns: of its own port, if it reads one."""
    ports = {port for sock in app_sockets(host, app) for _, port in sock.endpoints()}
    try:
        return service_times(app.service.capture or "", host.addresses, ports.pop() if len(ports) == 1 else 0)
    except BadInput as error:
        raise BadInput(f"app {app.name}: service.capture: {error}") from None
