"""Programs of a run: application threads that read its sockets."""
from __future__ import annotations

import struct
from collections.abc import Sequence

from rxpath import boot
from rxpath.abi.numbers import MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITFORONE, Kind, WaitBy
from rxpath.abi.sock import EP_ET, EP_EXCLUSIVE
from rxpath.user import eventpoll
from rxpath.user.wait import wait_entry_new
from rxpath.vtime import apps, engine, pauses, setup, waiting
from rxpath.vtime.dice import next_random, seeded
from rxpath.workbench.host import tables as hosttables
from rxpath.workbench.host.file import pauses_ns, service_ns
from rxpath.workbench.host.model.programs import App, Pause
from rxpath.workbench.run import left_open
from rxpath.workbench.run.machine import Machine, Opened, Running
from rxpath.workbench.toml_in.tables import ANY
from rxpath.workbench.words.mistakes import BadInput

FLAGS = {"MSG_DONTWAIT": MSG_DONTWAIT, "MSG_PEEK": MSG_PEEK, "MSG_TRUNC": MSG_TRUNC}
EPOLL = {"edge": EP_ET, "exclusive": EP_EXCLUSIVE}
WAITS = {"recv": WaitBy.RECV, "epoll": WaitBy.EPOLL, "poll": WaitBy.POLL, "busy": WaitBy.SPIN}


def start_all(m: Machine) -> None:
    """Every application thread, at its place and with its sockets; service times of lists lie in one table."""
    services: list[int] = []
    udp, tcp = ([s for s in m.sockets if s.proto == proto] for proto in ("udp", "tcp"))
    plans = hosttables.threads(m.host)
    for plan in plans:
        unlisted = [s for s in udp if s.listed < 0] if plan.reads_all else []
        if plan.app.divide_sockets:
            unlisted = unlisted[plan.index::plan.app.threads]
        named = set(plan.sockets)
        mine = [*(s for s in m.sockets if s.listed in named), *unlisted]
        if mine:
            _start(m, plan, mine, services)
    served = {i for plan in plans for i in plan.sockets}
    others = [s for s in tcp if s.listed not in served]                      # listeners that no program names
    for plan in plans if others else ():
        if plan.reads_all or plan.reads_tcp:
            _start(m, plan, others, services)
    if services:
        memory, m.net.service_addr = boot.buffer(8 * len(services))
        memory[:] = struct.pack(f"<{len(services)}Q", *services)
        m.kept.append(memory)
    for t in m.threads:
        th = m.net.thread[t.index]
        if th.pause_every or th.pause_count:
            m.call(pauses.pauses_start)(m.net, t.index, th.pause_from)


def _start(m: Machine, plan: hosttables.Thread, mine: list[Opened], services: list[int]) -> None:
    net, app = m.net, plan.app
    serves = any(s.proto == "tcp" for s in mine)
    wait = plan.wait if plan.wait != "auto" else "recv" if len(mine) == 1 else "epoll"
    if serves and (plan.app.wait == "auto" or wait == "poll"):
        wait = "epoll"
    if len(mine) > 1 and wait in ("recv", "busy"):
        raise BadInput(f"app {app.name}: wait = \"{wait}\" reads one socket, but it has {len(mine)}: epoll or poll")
    n = m.new_thread()
    m.call(engine.add_thread)(net, n, plan.cpu, Kind.STREAM if serves else Kind.APP)
    th = net.thread[n]
    memory, address = boot.buffer(max(app.buffer, 1))
    m.kept.append(memory)
    th.batch, th.buf_addr, th.buf_len, th.nice, th.weight = app.batch, address, app.buffer, app.nice, setup.nice_weight(app.nice)
    th.roams = int(app.cpu == ANY)
    net.sim.any_roams |= th.roams
    th.flags = sum(FLAGS[f] for f in app.flags) | (MSG_WAITFORONE if app.waitforone else 0)
    th.wait_by, th.rng = WAITS[wait], next_random(m.host.seed * 1_000_003 + n & (1 << 62) - 1)
    _service(m, n, app, plan.index, services)
    _sleep(m, n, app, services)
    sk = net.socks[mine[0].index]
    th.sock = mine[0].index
    if wait == "epoll":
        _epoll(m, n, app, mine)
    elif wait == "poll":
        for s in mine:
            m.call(waiting.watch)(net, n, wait_entry_new(m.boot), s.index)
    else:
        sk.readers += 1
    th.timeout = sk.rcvtimeo_ns
    if serves:
        th.message, th.closes, th.per_kib, th.arg = app.message, app.closes, app.per_kib, sum(EPOLL[word] for word in app.epoll)
        th.fault_every, th.fault_ns = app.fault_every, app.fault
    start = left_open.program_start(m.host, n, app.start)
    m.call(setup.thread_start)(net, n, apps.Phase.WAIT if wait in ("epoll", "poll") else apps.Phase.CALL, start)
    _pauses(m, n, app, services)
    number = sum(t.name == app.name for t in m.threads)
    m.threads.append(Running(n, app.name, number, plan.cpu))


def _epoll(m: Machine, n: int, app: App, mine: list[Opened]) -> None:
    """epoll_create1() and EPOLL_CTL_ADD of each socket; one instance for the application's threads is its first thread's."""
    net, events = m.net, sum(EPOLL[word] for word in app.epoll)
    th = net.thread[n]
    th.wait, th.sock = n, mine[0].index
    first = next((t.index for t in m.threads if t.name == app.name), -1) if app.shared_epoll else -1
    for s in mine:
        net.socks[s.index].readers += 1
    if first >= 0:
        th.epoll = net.thread[first].epoll
        return
    th.epoll = eventpoll.epoll(m.boot)
    for s in mine:
        eventpoll.epoll_watch(m.boot, th.epoll, s.index, events)


def _service(m: Machine, n: int, app: App, thread: int, services: list[int]) -> None:
    th = m.net.thread[n]
    th.by_clock = int(app.service.by_clock)
    if app.service.capture is not None:
        from rxpath.workbench.traffic.service_times import of_app

        found = of_app(m.host, app)
        note = f"app {app.name} works as learned from {app.service.capture}: {found.describe()}"
        if note not in m.notes:
            m.notes.append(note)
        times: Sequence[int] = found.times
        if app.service.waits:
            times, sleeps = found.work_and_sleep(thread, app.threads)
            th.sleeps, th.sleep_kind, th.sleep_first, th.sleep_count = 1, apps.SERVICE_LIST, len(services), len(sleeps)
            services.extend(sleeps)
    else:
        times = service_ns(app.service)
    if app.service.exponential is not None:
        th.service_kind, th.service = apps.SERVICE_EXPONENTIAL, times[0]
    elif app.service.constant is not None:
        th.service_kind, th.service = apps.SERVICE_CONSTANT, times[0]
    else:
        th.service_kind, th.service_first, th.service_count = apps.SERVICE_LIST, len(services), len(times)
        services.extend(times)


def _sleep(m: Machine, n: int, app: App, services: list[int]) -> None:
    """What it sleeps after its work on a datagram."""
    th, sleep = m.net.thread[n], app.service.sleep
    if sleep is None:
        return
    times = service_ns(sleep)
    th.sleeps = 1
    if sleep.exponential is not None:
        th.sleep_kind, th.sleep = apps.SERVICE_EXPONENTIAL, times[0]
    elif sleep.constant is not None:
        th.sleep_kind, th.sleep = apps.SERVICE_CONSTANT, times[0]
    else:
        th.sleep_kind, th.sleep_first, th.sleep_count = apps.SERVICE_LIST, len(services), len(times)
        services.extend(times)


def _pauses(m: Machine, n: int, app: App, services: list[int]) -> None:
    """When it does not run: all threads of a program at once, so that they throw the same dice."""
    th, stops = m.net.thread[n], app.pause or app.restart
    if stops is None:
        return
    if isinstance(stops, Pause):
        th.pause_busy, th.pause_random = int(stops.busy), int(stops.random)
    if stops.file is not None:
        found = pauses_ns(stops.file, later=left_open.lead_ns(m.host))
        th.pause_first, th.pause_count = len(services), len(found)
        services.extend(ns for begin_and_length in found for ns in begin_and_length)
        return
    assert stops.every is not None and stops.for_ is not None
    number = next(i for i, other in enumerate(m.host.apps) if other.name == app.name)
    th.pause_every, th.pause_for = stops.every, stops.for_
    th.pause_rng = seeded(m.host.seed * 1_000_003 + 104_729 * number)
    first = (th.pause_rng >> 31) * stops.every >> 32
    th.pause_rng = next_random(th.pause_rng)
    th.pause_from = (first if stops.start is None else stops.start) + left_open.lead_ns(m.host)
