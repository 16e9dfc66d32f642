"""UDP sockets in the readings: /proc/net/udp and ss show the same ones, each something that the other does not; joined here."""
from __future__ import annotations

from dataclasses import dataclass, replace

from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.readings.records import Program, Reading, UdpSocket, UdpSockets
from rxpath.workbench.readings.settings import Processes

LIST = "/proc/net/udp (and udp6), or ss -uamn"


@dataclass(frozen=True, slots=True)
class Seen:
    """A socket of the last reading.  drops: between the readings."""

    name: str
    now: UdpSocket
    drops: int


def label(s: UdpSocket) -> str:
    """As ss prints it: 0.0.0.0:53, [::]:53, 10.0.0.1%eth0:53, and its peer where it has one."""
    address = f"[{s.address}]" if ":" in s.address else s.address
    device = f"%{s.bound_device}" if s.bound_device else ""
    peer = f" from {s.peer}:{s.peer_port}" if s.peer_port else ""
    return f"{address}{device}:{s.port}{peer}"


def of(reading: Reading) -> list[UdpSocket]:
    """Each socket once.  Two of the same address (SO_REUSEPORT) are told apart by their inodes; without them they keep their order."""
    found: dict[tuple[object, ...], UdpSocket] = {}
    for record in reading.of(UdpSockets, ""):
        count: dict[tuple[object, ...], int] = {}
        inodes = {s.inode: key for key, s in found.items() if s.inode}
        for s in record.sockets:
            place = (s.family, s.address, s.port, s.peer, s.peer_port if s.peer_port else 0)
            key: tuple[object, ...] = (*place, count.get(place, 0))
            count[place] = count.get(place, 0) + 1
            key = inodes.get(s.inode, key) if s.inode else key
            found[key] = _joined(found[key], s) if key in found else s
    return list(found.values())


def _joined(a: UdpSocket, b: UdpSocket) -> UdpSocket:
    """What either says."""
    return replace(a, drops=a.drops if a.drops is not None else b.drops, skmem=a.skmem or b.skmem, inode=a.inode or b.inode,
                   uid=a.uid if a.uid is not None else b.uid, programs=a.programs or b.programs)


def seen(e: Evidence) -> dict[str, Seen]:
    """Sockets of the last reading by their names.  One that was opened between the readings has all its drops in between."""
    if "sockets" not in e.memo:
        e.between(lambda r: r.first(UdpSockets), LIST)
        made: dict[str, Seen] = {}
        for s in of(e.moved):
            name, n = label(s), 2
            while name in made:
                name, n = f"{label(s)} ({n})", n + 1
            made[name] = Seen(name, s, s.drops or 0)
        e.memo["sockets"] = made
    found: dict[str, Seen] = e.memo["sockets"]
    return found


def one(e: Evidence, name: str) -> Seen:
    if name not in seen(e):
        raise NotKnown(LIST)
    return seen(e)[name]


def programs(e: Evidence, s: UdpSocket) -> list[Program]:
    """Who holds it: ss -p, or the processes' descriptors."""
    if s.programs:
        return list(s.programs)
    if not s.inode:
        return []
    return [Program(p.name, p.pid) for r in reversed(e.readings) for record in r.of(Processes) for p in record.processes
            if any(inode == s.inode for _, inode in p.sockets)][:4]


def history(e: Evidence, name: str) -> list[tuple[float, int, int]]:
    """(time, memory of its queue, drops) of a socket in every reading that has it."""
    wanted, found = one(e, name).now.key, []
    for reading in e.readings:
        for record in reading.of(UdpSockets, ""):
            for s in record.sockets:
                if s.key == wanted and s.drops is not None and reading.time is not None:
                    found.append((reading.time, s.recv_q, s.drops))
                    break
            else:
                continue
            break
    return found
