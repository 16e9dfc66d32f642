"""The checks of a host file that need more than one key.  host/file.py makes them of each Host; the first mistake is raised as Wrong."""

from __future__ import annotations

from collections.abc import Iterable

from rxpath.abi.kernels import version as as_number
from rxpath.abi.limits import NQ, NSOURCE
from rxpath.abi.sysctls import Value
from rxpath.drivers.rows import DRIVERS, IGB, LO, MTU_LEAST
from rxpath.workbench.host import sysctl_conf
from rxpath.workbench.host import sysctls as knobs
from rxpath.workbench.host.model.device import Device
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.nic import QUEUES_MAX, TAP_QUEUE, WITH_TAP
from rxpath.workbench.host.model.programs import OTHER_TCP, SOCKETS_MAX, App, Socket
from rxpath.workbench.toml_in.tables import ANY, Wrong
from rxpath.workbench.words import units

WITH_RING = [row.name for row in DRIVERS.values() if row.has_ring]
RING, USECS = IGB.rx_ring and IGB.rx_ring.default, IGB.moderation and IGB.moderation.default     # a file may say these defaults
WITH_NAPI = [row.name for row in DRIVERS.values() if row.has_interrupts]


THRESH_CHECKED = "3.17"                                     # 1bab4c75075b [K]: ipfrag_low_thresh above the other is EINVAL [M]


def check(host: Host) -> None:
    """Raise Wrong, which names a key, at the first contradiction."""
    _sysctls(host)
    _devices(host)
    _machine(host)
    _routes(host)
    _sockets(host)
    _taps(host)
    _apps(host)


def _since(host: Host, key: str, used: bool, version: str) -> None:
    if used and as_number(host.kernel) < as_number(version):
        raise Wrong(key, f"kernel {host.kernel} does not have it: Linux has it since {version}")


def _cpu(host: Host, key: str, cpu: int) -> None:
    if cpu >= host.cpus:
        raise Wrong(key, f"there is no CPU {cpu}: 0 to {host.cpus - 1} (cpus = {host.cpus})")


def flatten(table: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Unquoted dotted keys of TOML are nested tables: back to sysctl names."""
    result: dict[str, object] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            result.update(flatten(value, f"{prefix}{name}."))
        else:
            result[f"{prefix}{name}"] = value
    return result


def _sysctls(host: Host) -> None:
    """Known names, values in their ranges, and the two that bind each other.  The table is left with full names and checked values; what
    Linux has and the path does not read is kept apart."""
    values: dict[str, Value] = {}
    others: dict[str, str] = {}
    table = flatten(host.sysctl)
    file = table.pop("file", None)
    if file is not None:
        if not isinstance(file, str):
            raise Wrong("sysctl.file", f"{units.shown(file)} is not allowed: the path of a sysctl.conf")
        values, others = sysctl_conf.sorted_out(sysctl_conf.read(file), host.kernel, host.ticks, host.interfaces)
    for name, value in table.items():
        row = knobs.find(name, *host.interfaces)
        if row is None and sysctl_conf.is_real(name) and "no interface" not in knobs.unknown_text(name, *host.interfaces):
            others[name] = "not modelled"
            continue
        if row is None:
            raise Wrong(name, sysctl_conf.unknown_text(name, *host.interfaces))
        try:
            values[name] = knobs.check(row, value, host.kernel, host.ticks)
        except ValueError as error:
            raise Wrong(name, str(error)) from None
    host.sysctl.clear()                                     # the model is frozen, its own dict is ours until it is handed out
    host.sysctl.update(values)
    host._without_effect, host._sysctls = others, None
    now = host.sysctls()
    low, high = now["net.ipv4.ipfrag_low_thresh"], now["net.ipv4.ipfrag_high_thresh"]
    assert isinstance(low, int) and isinstance(high, int)
    if low > high and as_number(host.kernel) >= as_number(THRESH_CHECKED):
        name = "net.ipv4.ipfrag_high_thresh" if "net.ipv4.ipfrag_high_thresh" in values else "net.ipv4.ipfrag_low_thresh"
        raise Wrong(name, f"ipfrag_low_thresh ({low}) must not exceed ipfrag_high_thresh ({high})")
    mask = now.get("net.core.flow_limit_cpu_bitmap", 0)
    assert isinstance(mask, int)
    if mask:
        _cpu(host, "net.core.flow_limit_cpu_bitmap", mask.bit_length() - 1)


def _device(host: Host, dev: Device) -> None:
    """What the driver has, by its row."""
    nic, tool, row = dev.nic, dev.ethtool, dev.driver
    key = dev.key
    _since(host, key("nic.napi"), nic.napi == "threaded", "5.12")
    _since(host, key("nic.napi_defer_hard_irqs"), nic.napi_defer_hard_irqs > 0, "5.8")
    _since(host, key("nic.gro_flush_timeout"), nic.gro_flush_timeout > 0, "3.19")
    _since(host, key("ethtool.rx-udp-gro-forwarding"), tool.rx_udp_gro_forwarding, "5.12")
    if nic.model is not None and nic.model not in row.models:
        raise Wrong(key("nic.model"), f"{units.shown(nic.model)} is not allowed: {_or(row.models)} for {row.name}")
    if dev.mtu > row.mtu_most:
        raise Wrong(key("nic.mtu"), f"{dev.mtu} is not allowed: {MTU_LEAST} to {row.mtu_most} for {row.name}")
    if nic.queues and tool.combined and nic.queues != tool.combined:
        raise Wrong(key("ethtool.combined"), f"{tool.combined} contradicts nic.queues = {nic.queues}: they are the same knob")
    if not 1 <= dev.queue_count <= dev.most_queues:
        most = f"1 to {dev.most_queues} for {dev.model}" if row.has_ring else f"{row.name} has 1 queue here"
        raise Wrong(key("nic.queues" if nic.queues else "ethtool.combined"), f"{dev.queue_count} is not allowed: {most}")
    _interrupts(dev)
    if row.rx_ring is None:
        _no_ring(dev)
        return
    for name, wanted, ring in (("rx", tool.rx, row.rx_ring), ("tx", tool.tx, row.tx_ring)):
        if wanted is not None and ring is not None and not ring.takes(wanted):
            raise Wrong(key(f"ethtool.{name}"), f"{wanted} is not allowed: {ring.allowed} for {row.name}")
    _card(host, dev)


def _or(words: Iterable[str]) -> str:
    *some, last = words
    return f"{', '.join(some)} or {last}" if some else last


def _interrupts(dev: Device) -> None:
    """ethtool -C, and what a NAPI of its own takes."""
    nic, tool, row = dev.nic, dev.ethtool, dev.driver
    for name, used in (("napi_defer_hard_irqs", nic.napi_defer_hard_irqs), ("gro_flush_timeout", nic.gro_flush_timeout)):
        if used and (not row.has_interrupts or nic.napi == "none"):
            raise Wrong(dev.key(f"nic.{name}"), f"there is no NAPI of its own here: it takes driver {_or(WITH_NAPI)} and napi softirq or "
                                                 "threaded")
    if nic.napi == "none" and not row.nonapi:
        raise Wrong(dev.key("nic.napi"), f"softirq or threaded only: {row.name} has no driver without NAPI here")
    if row.moderation is None:
        return
    if tool.adaptive_rx and not row.moderation.adaptive:
        raise Wrong(dev.key("ethtool.adaptive-rx"), f"off only: {row.name} has no moderation ({row.refuses['adaptive-rx']})")
    if tool.rx_usecs is None:
        return
    if not row.moderation.takes(tool.rx_usecs):
        errno = f" ({row.refuses['rx-usecs']})" if "rx-usecs" in row.refuses else ""
        raise Wrong(dev.key("ethtool.rx-usecs"), f"{tool.rx_usecs} is not allowed: {row.moderation.allowed} for {row.name}{errno}")
    if tool.adaptive_rx is not None and tool.adaptive_rx != dev.adaptive_rx:
        words = " and ".join(str(n) for n in row.moderation.words if n)
        raise Wrong(dev.key("ethtool.adaptive-rx"), f"contradicts rx-usecs = {tool.rx_usecs}: {words} are adaptive, the others are not")


def _no_ring(dev: Device) -> None:
    """Frames enter by netif_rx in the sender's context: no ring, no interrupt, no NAPI."""
    nic, tool, row = dev.nic, dev.ethtool, dev.driver
    for name, used in (("rx", tool.rx not in (None, RING)), ("tx", tool.tx not in (None, RING)),
                       ("rx-usecs", tool.rx_usecs not in (None, USECS)), ("adaptive-rx", tool.adaptive_rx is False),
                       ("ntuple", bool(tool.ntuple)), ("pause-rx", tool.pause_rx), ("pause-tx", tool.pause_tx)):
        if used:
            raise Wrong(dev.key(f"ethtool.{name}"), f"{row.name} has no ring and no interrupts (EOPNOTSUPP): {_or(WITH_RING)} takes it")
    if dev.gro:
        raise Wrong(dev.key("ethtool.gro"), f"off only: {row.name} frames enter by netif_rx, which does no GRO")
    if nic.napi != "softirq":
        raise Wrong(dev.key("nic.napi"), f"softirq only: {row.name} is polled by the per-CPU backlog")
    if any(dev.irq.affinity.values()):
        raise Wrong(dev.key("irq.affinity"), f"{row.name} has no interrupts: nic.sender_cpu says where its frames enter")


def _card(host: Host, dev: Device) -> None:
    """What the model of the card has: a packet buffer, filters, flow control."""
    nic, tool, key = dev.nic, dev.ethtool, dev.key
    for name, op, used in (("ntuple", "set_rxclsrlins", bool(tool.ntuple)), ("pause-rx", "set_pauseparam", tool.pause_rx),
                           ("pause-tx", "set_pauseparam", tool.pause_tx), ("rx-checksumming", "set_features", not tool.rx_checksumming)):
        if used and op in dev.driver.refuses:
            raise Wrong(key(f"ethtool.{name}"), f"{dev.driver.name} does not take it ({dev.driver.refuses[op]})")
    if dev.driver.rx_fifo is None and nic.rx_fifo:
        raise Wrong(key("nic.rx_fifo"), f"{nic.rx_fifo} is not allowed: 0, {dev.driver.name} has no packet buffer")
    if dev.driver.tap_queue is None and nic.tap_queue != TAP_QUEUE:
        raise Wrong(key("nic.tap_queue"), f"{dev.driver.name} is no guest's device: {WITH_TAP} takes it")
    least, most = dev.driver.rx_fifo or (0, 0)
    if nic.rx_fifo and not least <= nic.rx_fifo <= most:
        raise Wrong(key("nic.rx_fifo"), f"{nic.rx_fifo} is not allowed: 0, or {least >> 10}KiB to {most >> 10}KiB")
    _since(host, key("ethtool.ntuple"), bool(tool.ntuple), "4.9")
    dev.filters()
    if tool.pause_tx and not nic.rx_fifo:
        raise Wrong(key("ethtool.pause-tx"), "they are sent when the packet buffer fills, and there is none: set nic.rx_fifo, "
                                              "such as 64KiB")
    if tool.pause_rx and dev.driver.blocking_pause == "rx" and dev.queue_count > 1 and not nic.rx_fifo:
        raise Wrong(key("ethtool.pause-rx"), "with several queues a full ring then blocks all of them, in the packet buffer, and there is "
                                              "none: set nic.rx_fifo, such as 64KiB")


def _queues_and_cpus(host: Host, dev: Device) -> None:
    """Queues that exist, CPUs that exist."""
    queues, key = dev.queue_count, dev.key
    for queue, cpu in dev.irq.affinity.items():
        if queue >= queues:
            raise Wrong(key(f"irq.{queue}"), f"there is no queue {queue}: 0 to {queues - 1}")
        if not 0 <= cpu < host.cpus:
            raise Wrong(key(f"irq.{queue}"), f"there is no CPU {cpu}: 0 to {host.cpus - 1} (cpus = {host.cpus})")
    rps_all = len(dev.rps) == QUEUES_MAX and len(set(dev.rps.values())) == 1        # `all` was written: it means those that exist
    for queue, cpus in dev.rps.items():
        if queue >= queues and not rps_all:
            raise Wrong(key(f"rps.{queue}"), f"there is no queue {queue}: 0 to {queues - 1}")
        for cpu in cpus:
            _cpu(host, key(f"rps.{queue}"), cpu)
    counts_all = len(dev.rps_flow_cnt) == QUEUES_MAX and len(set(dev.rps_flow_cnt.values())) == 1
    for queue in dev.rps_flow_cnt:
        if queue >= queues and not counts_all:
            raise Wrong(key(f"rps_flow_cnt.{queue}"), f"there is no queue {queue}: 0 to {queues - 1}")
    if dev.nic.threaded_cpus == ANY:
        raise Wrong(key("nic.threaded_cpus"), f"\"any\" is not allowed: {units.CPUS_ALLOWED}")
    for cpu in dev.nic.threaded_cpus:
        _cpu(host, key("nic.threaded_cpus"), cpu)
    _cpu(host, key("nic.sender_cpu"), dev.nic.sender_cpu)
    indir = dev.indirection()
    if len(indir) != dev.driver.reta_size:
        raise Wrong(key("ethtool.indir"), f"{len(indir)} entries: the table of {dev.driver.name} has {dev.driver.reta_size}")
    spread = min(queues, dev.driver.rss_most)
    if max(indir) >= spread:
        raise Wrong(key("ethtool.indir"), f"queue {max(indir)} does not exist: 0 to {spread - 1}")
    if dev.nic.node >= max(1, len(host.cpu.nodes)):
        raise Wrong(key("nic.node"), f"there is no node {dev.nic.node}: cpu.nodes has {len(host.cpu.nodes)}")


def _devices(host: Host) -> None:
    """Each for itself, then what several share: names, addresses, the pool of queues."""
    names: set[str] = set()
    first = 0
    for dev in host.devices:
        _device(host, dev)
        _queues_and_cpus(host, dev)
        if dev.name in names or (dev.room and dev.name == LO.name):
            raise Wrong(dev.key("nic.name"), f'"{dev.name}" is taken by another device')
        names.add(dev.name)
        if dev.driver is LO and dev.room:
            raise Wrong(dev.key("nic.driver"), "lo is there anyway; what a capture of it holds is for nic.driver")
        if first + dev.queue_count > NQ:
            raise Wrong(dev.key("nic.queues"), f"{first + dev.queue_count} queues of all cards: at most {NQ}")
        first += dev.queue_count if dev is host.devices[-1] else dev.most_queues


def _machine(host: Host) -> None:
    """CPUs that exist, each in one node; softirqs of a kernel that has them."""
    for name, groups in (("siblings", host.cpu.siblings), ("nodes", host.cpu.nodes)):
        for group in groups:
            for cpu in group:
                _cpu(host, f"cpu.{name}", cpu)
    for group in host.cpu.siblings:
        if len(group) < 2:
            raise Wrong("cpu.siblings", f"[{group[0]}] has no sibling: leave it out")
        if len({i for i, node in enumerate(host.cpu.nodes) if set(group) & set(node)}) > 1:
            raise Wrong("cpu.siblings", f"{list(group)} lie in two nodes")
    missing = set(range(host.cpus)) - {cpu for group in host.cpu.nodes for cpu in group}
    if host.cpu.nodes and missing:
        raise Wrong("cpu.nodes", f"CPU {min(missing)} is in no node")
    for i, load in enumerate(host.loads):
        for cpu in load.cpu:
            _cpu(host, f"load.{i}.cpu", cpu)
    taken = host.stalls.rate * host.stalls.length / 1e9
    if taken >= 0.9:
        raise Wrong("stalls.rate", f"{host.stalls.rate:g} a second of {units.duration_text(host.stalls.length)} take {taken:.0%} of a CPU: "
                                   "below 90%, or nothing is left to simulate")
    for cpu in host.stalls.cpu:
        _cpu(host, "stalls.cpu", cpu)
    if sum(len(load.cpu) for load in host.loads) > 512:
        raise Wrong("load", "more than 512 threads")
    for i, source in enumerate(host.softirqs):
        for cpu in source.cpu:
            _cpu(host, f"softirq.{i}.cpu", cpu)
    if sum(len(source.cpu) for source in host.softirqs) > NSOURCE:
        raise Wrong("softirq", f"more than {NSOURCE} sources")


def _routes(host: Host) -> None:
    seen: set[str] = set()
    for i, route in enumerate(host.routes):
        if route.dev not in (None, *host.interfaces, LO.name):
            raise Wrong(f"route.{i}.dev", f"no interface {units.shown(route.dev)} here: {_or(dict.fromkeys((*host.interfaces, LO.name)))}")
        if route.via is not None and route.type != "unicast":
            raise Wrong(f"route.{i}.via", f"only a unicast route has a next hop, this one is {route.type}")
        if route.dst in seen:
            raise Wrong(f"route.{i}.dst", f"{route.dst} is listed twice")
        seen.add(route.dst)
    met: set[str] = set()
    for i, neighbour in enumerate(host.neighbours):
        if neighbour.ip in met:
            raise Wrong(f"neighbour.{i}.ip", f"{neighbour.ip} is listed twice")
        met.add(neighbour.ip)


def _conflict(one: Socket, two: Socket) -> bool:
    """Whether a second bind() to the same port fails: inet_rcv_saddr_equal holds already."""
    if one.bindtodevice and two.bindtodevice and one.bindtodevice != two.bindtodevice:
        return False
    if one.reuseport and two.reuseport:
        return False
    return not (one.reuseaddr and two.reuseaddr and one.proto == "udp")


def _taps(host: Host) -> None:
    for i, tap in enumerate(host.taps):
        if tap.dev not in (None, *host.interfaces):
            raise Wrong(f"tap.{i}.dev", f"no interface {units.shown(tap.dev)} here: {_or(host.interfaces)}")


def _sockets(host: Host) -> None:
    """Options that the kernel profile has, and binds that the kernel would take."""
    names: set[str] = set()
    taken: dict[tuple[str, int], list[tuple[int, Socket]]] = {}
    total = 0
    for i, sock in enumerate(host.sockets):
        where = f"socket.{i}"
        if sock.name in names:
            raise Wrong(f"{where}.name", f'"{sock.name}" is taken by another socket')
        names.add(sock.name)
        _since(host, f"{where}.udp_gro", sock.udp_gro, "5.0")
        _since(host, f"{where}.incoming_cpu", sock.incoming_cpu is not None, "4.4")
        _since(host, f"{where}.busy_poll", sock.busy_poll is not None, "3.11")
        _since(host, f"{where}.attach_reuseport_cbpf", sock.attach_reuseport_cbpf is not None, "4.5")
        if sock.attach_reuseport_cbpf is not None and not sock.reuseport:
            raise Wrong(f"{where}.attach_reuseport_cbpf", "it chooses among the sockets of a group: set reuseport = true, too")
        if sock.incoming_cpu is not None:
            _cpu(host, f"{where}.incoming_cpu", sock.incoming_cpu)
        if sock.bindtodevice not in (None, *host.interfaces, LO.name):
            there = _or(dict.fromkeys((*host.interfaces, LO.name)))
            raise Wrong(f"{where}.bindtodevice", f"no interface {units.shown(sock.bindtodevice)} here: {there}")
        if sock.rcvbuf is not None and sock.rcvbufforce is not None:
            raise Wrong(f"{where}.rcvbufforce", "either rcvbuf or rcvbufforce, not both")
        for name, used in (("udp_gro", sock.udp_gro), ("connect", sock.connect is not None), ("join", bool(sock.join)),
                           ("attach_reuseport_cbpf", sock.attach_reuseport_cbpf is not None)):
            if used and sock.proto != "udp":
                raise Wrong(f"{where}.{name}", "only a UDP socket takes it")
        pairs = sock.endpoints()
        total += len(pairs)
        if total > SOCKETS_MAX:
            raise Wrong(f"{where}.bind", f"more than {SOCKETS_MAX:,} sockets")
        for address, port in pairs:
            others = taken.setdefault((sock.proto, port), [])
            for other_address, other in others[:64]:
                if (not address or not other_address or address == other_address) and _conflict(sock, other):
                    raise Wrong(f"{where}.bind", f"{units.ipv4_text(address)}:{port} is in use by socket {other.name} (EADDRINUSE); "
                                                  "both need reuseport or reuseaddr")
            others.append((address, sock))


def app_sockets(host: Host, app: App) -> list[Socket]:
    """The listed sockets that an application reads; "*" is every UDP one (TCP listeners have threads of their own then)."""
    if "*" in app.sockets:
        return [sock for sock in host.sockets if sock.proto == "udp"]
    by_name = {sock.name: sock for sock in host.sockets}
    return [by_name[name] for name in app.sockets if name != OTHER_TCP]


def _serves(app: App, where: str, name: str) -> None:
    """What a program that serves a TCP listener cannot be."""
    for setting, said in ((app.batch > 1, "batch"), (app.wait == "poll", "wait"), ("MSG_PEEK" in app.flags, "flags"),
                          (app.restart is not None, "restart"), (app.shared_epoll, "shared_epoll")):
        if setting:
            raise Wrong(f"{where}.{said}", f'"{name}" is a TCP listener: its program reads connections one call at a time, in epoll or '
                        "recv, takes what it reads, does not restart, and each thread has its own epoll instance")



def _apps(host: Host) -> None:
    names: set[str] = set()
    known = {sock.name: sock for sock in host.sockets}
    threads = 0
    for i, app in enumerate(host.apps):
        where = f"app.{i}"
        if app.name in names:
            raise Wrong(f"{where}.name", f'"{app.name}" is taken by another application')
        names.add(app.name)
        for name in app.sockets:
            if name == "*":
                continue
            if name != OTHER_TCP and name not in known:
                near = units.nearest(name, list(known))
                there = f"did you mean {near}?" if near else f"there are: {', '.join(list(known)[:8]) or 'none'}"
                raise Wrong(f"{where}.sockets", f'no socket "{name}"; {there}')
            if name == OTHER_TCP or known[name].proto == "tcp":
                _serves(app, where, name)
        if not app.sockets:
            raise Wrong(f"{where}.sockets", 'at least one socket, or "*"')
        for cpu in app.cpu if app.cpu != ANY else ():
            _cpu(host, f"{where}.cpu", cpu)
        threads += app.threads
        if threads > 1024:
            raise Wrong(f"{where}.threads", "more than 1024 threads")
        if app.pause is not None and app.restart is not None:
            raise Wrong(f"{where}.restart", "pause and restart: use one of them")
        several = sum(len(sock.endpoints()) for sock in app_sockets(host, app)) > (app.threads if app.divide_sockets else 1)
        if app.wait == "recv" and several:
            raise Wrong(f"{where}.wait", "one thread cannot block in recv on several sockets: epoll, poll or busy")
        waits = app.wait == "epoll" or (app.wait == "auto" and several)
        if (app.epoll or app.shared_epoll) and not waits:
            raise Wrong(f"{where}.{'epoll' if app.epoll else 'shared_epoll'}", "this application does not wait in epoll: wait = \"epoll\"")
        _since(host, f"{where}.epoll", "exclusive" in app.epoll, "4.5")
        if app.shared_epoll and app.own_sockets:
            raise Wrong(f"{where}.shared_epoll", "threads with sockets of their own have epoll instances of their own")
        if app.divide_sockets and (app.own_sockets or app.shared_epoll):
            other = "own_sockets" if app.own_sockets else "shared_epoll"
            raise Wrong(f"{where}.divide_sockets", f"contradicts {other}: each thread has some of the sockets, and waits for these alone")
        if app.own_sockets and app.threads > 1:
            for sock in app_sockets(host, app):
                if not sock.reuseport:
                    raise Wrong(f"{where}.own_sockets", f"socket {sock.name} needs reuseport = true: each thread binds the same address")
