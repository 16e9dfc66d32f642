"""Sockets and the programs that read them: from the host's lists, from --listen, and from what the capture's traffic goes to."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rxpath import boot
from rxpath.abi.numbers import IPPROTO, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITFORONE, Kind, WaitBy
from rxpath.abi.sock import EP_ET, EP_EXCLUSIVE
from rxpath.drivers.setup import dev_mc_add, multicast_mac
from rxpath.network import setup as network_setup
from rxpath.user import eventpoll, mcast, sock
from rxpath.user import socket as sockets
from rxpath.user.wait import wait_entry_new
from rxpath.vtime import apps, engine, setup, waiting
from rxpath.vtime.dice import next_random
from rxpath.workbench.host import tables as hosttables
from rxpath.workbench.host.model.programs import App
from rxpath.workbench.toml_in.tables import ANY
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

if TYPE_CHECKING:
    from rxpath.workbench.host.tables import OpenSocket
    from rxpath.workbench.run.simulation import Simulation

PROTOCOLS = {"udp": IPPROTO.UDP, "tcp": IPPROTO.TCP}
FLAGS = {"MSG_DONTWAIT": MSG_DONTWAIT, "MSG_PEEK": MSG_PEEK, "MSG_TRUNC": MSG_TRUNC}
EPOLL = {"edge": EP_ET, "exclusive": EP_EXCLUSIVE}
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
        try:
            _open_listed(sim, item, i)
        except OSError as error:
            raise BadInput(f"socket {item.name}: {error.strerror}") from None
    bound = {(s.proto, s.port) for s in sim.sockets}
    extra = list(sim.listen)
    if sim.host.opens_from_capture and not sim.listen and sim.receiver is not None:
        extra += [("udp", 0, p) for p in sorted(sim.receiver.udp_ports)] + [("tcp", 0, p) for p in sorted(sim.receiver.tcp_ports)]
    for proto, address, port in extra:
        if (proto, port) not in bound:
            try:
                i = sockets.create(sim.boot, PROTOCOLS[proto])
                _bind(sim, i, address, port)
            except OSError as error:
                raise BadInput(f"socket {proto}{port}: {error.strerror}") from None
            sim.sockets.append(Opened(i, f"{proto}{port}", proto, units.ipv4_text(address), port))
    if sim.receiver is not None and sim.host.opens_from_capture:
        first = next((s.index for s in sim.sockets if s.proto == "udp"), -1)
        for group in sim.receiver.groups:
            if ":" not in group and first >= 0:
                _join(sim, first, units.ipv4(group))


def _bind(sim: Simulation, i: int, address: int, port: int) -> None:
    """bind(), and listen() of a TCP server."""
    sockets.bind(sim.boot, i, address, port)
    if sim.net.socks[i].protocol == IPPROTO.TCP:
        sockets.listen(sim.boot, i)


def _open_listed(sim: Simulation, item: OpenSocket, listed: int) -> None:
    b, wanted = sim.boot, item.listed
    i = sockets.create(b, PROTOCOLS[wanted.proto])
    options = [("SO_RCVBUF", wanted.rcvbuf), ("SO_RCVBUFFORCE", wanted.rcvbufforce), ("SO_REUSEADDR", wanted.reuseaddr or None),
               ("SO_REUSEPORT", (wanted.reuseport or item.thread >= 0) or None), ("SO_INCOMING_CPU", wanted.incoming_cpu),
               ("SO_BINDTODEVICE", 1 if wanted.bindtodevice else None), ("UDP_GRO", wanted.udp_gro or None),
               ("SO_RCVTIMEO", wanted.timeout), ("IP_MULTICAST_ALL", None if wanted.multicast_all else 0)]
    for name, value in options:
        if value is not None:
            sock.setsockopt(b, i, name, int(value))
    if wanted.busy_poll is not None:
        sim.call(setup.set_busy_poll)(sim.net, i, wanted.busy_poll)
    _bind(sim, i, item.address, item.port)
    if item.peer is not None:
        sockets.connect(b, i, *item.peer)
    for group in wanted.join:
        _join(sim, i, units.ipv4(group))
    sim.sockets.append(Opened(i, item.name, wanted.proto, units.ipv4_text(item.address), item.port, listed))


def _join(sim: Simulation, i: int, group: int) -> None:
    """IP_ADD_MEMBERSHIP: the socket's list, the device's, and the card's filter."""
    mcast.join(sim.boot, i, group, 1)
    network_setup.join_group(sim.boot, group)
    dev_mc_add(sim.boot.netdev, multicast_mac(group))


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
    th.roams = int(app.cpu == ANY)
    net.sim.any_roams |= th.roams
    th.flags = sum(FLAGS[f] for f in app.flags) | (MSG_WAITFORONE if app.waitforone else 0)
    th.wait_by, th.rng = WAITS[wait], next_random(sim.host.seed * 1_000_003 + n & (1 << 62) - 1)
    _service(sim, n, app, services)
    sk = net.socks[mine[0].index]
    th.sock = mine[0].index
    if wait == "epoll":
        _epoll(sim, n, app, mine)
    elif wait == "poll":
        for s in mine:
            sim.call(waiting.watch)(net, n, wait_entry_new(sim.boot), s.index)
    else:
        sk.readers += 1
    th.timeout = sk.rcvtimeo_ns
    sim.call(setup.thread_start)(net, n, apps.Phase.WAIT if wait in ("epoll", "poll") else apps.Phase.CALL, app.start)
    sim.threads.append(Running(n, app.name, plan.index, plan.cpu))


def _epoll(sim: Simulation, n: int, app: App, mine: list[Opened]) -> None:
    """epoll_create1() and EPOLL_CTL_ADD of each socket; one instance for the application's threads is its first thread's."""
    net, events = sim.net, sum(EPOLL[word] for word in app.epoll)
    th = net.thread[n]
    th.wait, th.sock = n, mine[0].index
    first = next((t.index for t in sim.threads if t.name == app.name), -1) if app.shared_epoll else -1
    for s in mine:
        net.socks[s.index].readers += 1
    if first >= 0:
        th.epoll = net.thread[first].epoll
        return
    th.epoll = eventpoll.epoll(sim.boot)
    for s in mine:
        eventpoll.epoll_watch(sim.boot, th.epoll, s.index, events)


def _service(sim: Simulation, n: int, app: App, services: list[int]) -> None:
    from rxpath.workbench.host.file import service_ns

    th = sim.net.thread[n]
    if app.service.capture is not None:
        from rxpath.workbench.traffic import service_times as learned

        found = learned.of_app(sim.host, app)
        note = f"app {app.name} works as learned from {app.service.capture}: {found.describe()}"
        if note not in sim.notes:
            sim.notes.append(note)
        times = found.times
    else:
        times = service_ns(app.service)
    if app.service.exponential is not None:
        th.service_kind, th.service = apps.SERVICE_EXPONENTIAL, times[0]
    elif app.service.constant is not None:
        th.service_kind, th.service = apps.SERVICE_CONSTANT, times[0]
    else:
        th.service_kind, th.service_first, th.service_count = apps.SERVICE_LIST, len(services), len(times)
        services.extend(times)
