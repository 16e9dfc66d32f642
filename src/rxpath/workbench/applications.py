"""Sockets and the programs that read them: from the host's lists, from --listen, and from what the capture's traffic goes to."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rxpath import boot
from rxpath.abi.limits import NTHREAD
from rxpath.abi.numbers import MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITFORONE, Kind, WaitBy
from rxpath.vtime import apps, engine, setup, waiting
from rxpath.vtime.dice import next_random
from rxpath.workbench import hosttables, units
from rxpath.workbench.host import App
from rxpath.workbench.mistakes import BadInput

if TYPE_CHECKING:
    from rxpath.workbench.hosttables import OpenSocket
    from rxpath.workbench.simulation import Simulation

FLAGS = {"MSG_DONTWAIT": MSG_DONTWAIT, "MSG_PEEK": MSG_PEEK, "MSG_TRUNC": MSG_TRUNC}
WAITS = {"recv": WaitBy.RECV, "epoll": WaitBy.EPOLL, "poll": WaitBy.POLL, "busy": WaitBy.SPIN}


@dataclass(frozen=True, slots=True)
class Opened:
    """A socket of the run.  listed: its place in hosttables.open_sockets(), -1 for one that the host file does not name."""
    index: int
    name: str
    proto: str
    address: str
    port: int
    listed: int = -1


@dataclass(frozen=True, slots=True)
class Running:
    """An application thread of the run."""
    index: int
    name: str
    number: int
    cpu: int


# ---------------------------------------------------------------- sockets
def open_all(sim: Simulation) -> None:
    """In the order of bind(): the host's, those of --listen, those of the capture's traffic."""
    for i, item in enumerate(hosttables.open_sockets(sim.host)):
        _open(sim, item.name, item.listed.proto, item.address, item.port, _rcvbuf(sim, item), i)
    bound = {(s.proto, s.port) for s in sim.sockets}
    default = _sysctl(sim, "net.core.rmem_default")
    extra = [(proto, a, p) for proto, a, p in sim.listen]
    if sim.host.opens_from_capture and not sim.listen and sim.receiver is not None:
        extra += [("udp", 0, p) for p in sorted(sim.receiver.udp_ports)] + [("tcp", 0, p) for p in sorted(sim.receiver.tcp_ports)]
    for proto, address, port in extra:
        if (proto, port) not in bound:
            _open(sim, f"{proto}{port}", proto, address, port, default, -1)


def _sysctl(sim: Simulation, name: str) -> int:
    value = sim.host.sysctls()[name]
    assert isinstance(value, int)
    return value


def _rcvbuf(sim: Simulation, item: OpenSocket) -> int:
    listed = item.listed
    if listed.rcvbufforce is not None:
        return 2 * listed.rcvbufforce
    if listed.rcvbuf is not None:
        return 2 * min(listed.rcvbuf, _sysctl(sim, "net.core.rmem_max"))
    return _sysctl(sim, "net.core.rmem_default")


def _open(sim: Simulation, name: str, proto: str, address: int, port: int, rcvbuf: int, listed: int) -> None:
    if proto == "tcp":
        return
    sim.sockets.append(Opened(sim.boot.udp_socket(address, port, rcvbuf), name, proto, units.ipv4_text(address), port, listed))


# ---------------------------------------------------------------- programs
def start_all(sim: Simulation) -> None:
    """Every application thread, at its place and with its sockets; service times of lists lie in one table."""
    services: list[int] = []
    udp = [s for s in sim.sockets if s.proto == "udp"]
    for plan in hosttables.threads(sim.host):
        mine = [s for s in udp if s.listed in plan.sockets or (plan.reads_all and s.listed < 0)]
        if mine:
            _start(sim, plan, mine, services)
    if services:
        memory, sim.net.service_addr = boot.buffer(8 * len(services))
        memory[:] = b"".join(ns.to_bytes(8, "little") for ns in services)
        sim.kept.append(memory)


def _start(sim: Simulation, plan: hosttables.Thread, mine: list[Opened], services: list[int]) -> None:
    net, app = sim.net, plan.app
    wait = plan.wait if plan.wait != "auto" else "recv" if len(mine) == 1 else "epoll"
    if len(mine) > 1 and wait in ("recv", "busy"):
        raise BadInput(f"app {app.name}: wait = \"{wait}\" reads one socket, but it has {len(mine)}: epoll or poll")
    n = sim.new_thread()
    sim.call(engine.add_thread)(net, n, plan.cpu, Kind.APP)
    th = net.thread[n]
    memory, address = boot.buffer(max(app.buffer, 1))
    sim.kept.append(memory)
    th.batch, th.buf_addr, th.buf_len, th.nice, th.weight = app.batch, address, app.buffer, app.nice, setup.nice_weight(app.nice)
    th.flags = sum(FLAGS[f] for f in app.flags) | (MSG_WAITFORONE if app.waitforone else 0)
    th.wait_by, th.rng = WAITS[wait], next_random(sim.host.seed * 1_000_003 + n & (1 << 62) - 1)
    _service(sim, n, app, services)
    sk = net.socks[mine[0].index]
    th.sock = mine[0].index
    if wait in ("epoll", "poll"):
        for s in mine:
            sim.call(waiting.watch)(net, n, NTHREAD + sim.watches, s.index)
            sim.watches += 1
    else:
        sk.readers += 1
    timeout = sim.host.sockets and plan.sockets and hosttables.open_sockets(sim.host)[plan.sockets[0]].listed.timeout
    th.timeout = timeout or 0
    sim.call(setup.thread_start)(net, n, apps.Phase.WAIT if wait in ("epoll", "poll") else apps.Phase.CALL, app.start)
    sim.threads.append(Running(n, app.name, plan.index, plan.cpu))


def _service(sim: Simulation, n: int, app: App, services: list[int]) -> None:
    from rxpath.workbench.hostfile import service_ns

    th, times = sim.net.thread[n], service_ns(app.service)
    if app.service.exponential is not None:
        th.service_kind, th.service = apps.SERVICE_EXPONENTIAL, times[0]
    elif app.service.constant is not None:
        th.service_kind, th.service = apps.SERVICE_CONSTANT, times[0]
    else:
        th.service_kind, th.service_first, th.service_count = apps.SERVICE_LIST, len(services), len(times)
        services.extend(times)
