"""The checks of a host file that need more than one key.  host/file.py makes them of each Host; the first mistake is raised as Wrong."""

from __future__ import annotations

from rxpath.abi.limits import NSOURCE
from rxpath.drivers.igb_nfc import MODELS
from rxpath.workbench.host import sysctls as knobs
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import App, Socket
from rxpath.workbench.toml_in.tables import ANY, Wrong
from rxpath.workbench.words import units


def check(host: Host) -> None:
    """Raise Wrong, which names a key, at the first contradiction."""
    _sysctls(host)
    _device(host)
    _queues_and_cpus(host)
    _machine(host)
    _routes(host)
    _sockets(host)
    _apps(host)


def _since(host: Host, key: str, used: bool, version: str) -> None:
    if used and host.kernel == "3.10":
        raise Wrong(key, f"kernel 3.10 does not have it: Linux has it since {version}")


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
    """Known names, values in their ranges, and the two that bind each other.  The table is left with full names and checked values."""
    values: dict[str, knobs.Value] = {}
    for name, value in flatten(host.sysctl).items():
        row = knobs.find(name, host.nic.name)
        if row is None:
            raise Wrong(name, knobs.unknown_text(name, host.nic.name))
        try:
            values[name] = knobs.check(row, value, host.kernel, host.ticks)
        except ValueError as error:
            raise Wrong(name, str(error)) from None
    host.sysctl.clear()                                     # the model is frozen, its own dict is ours until it is handed out
    host.sysctl.update(values)
    now = host.sysctls()
    low, high = now["net.ipv4.ipfrag_low_thresh"], now["net.ipv4.ipfrag_high_thresh"]
    assert isinstance(low, int) and isinstance(high, int)
    if low > high and host.kernel != "3.10":                # [M] EINVAL
        name = "net.ipv4.ipfrag_high_thresh" if "net.ipv4.ipfrag_high_thresh" in values else "net.ipv4.ipfrag_low_thresh"
        raise Wrong(name, f"ipfrag_low_thresh ({low}) must not exceed ipfrag_high_thresh ({high})")
    mask = now.get("net.core.flow_limit_cpu_bitmap", 0)
    assert isinstance(mask, int)
    if mask:
        _cpu(host, "net.core.flow_limit_cpu_bitmap", mask.bit_length() - 1)


def _device(host: Host) -> None:
    """What the driver has: igb has rings and interrupts, veth and loopback have neither."""
    nic, tool = host.nic, host.ethtool
    _since(host, "nic.napi", nic.napi == "threaded", "5.12")
    _since(host, "nic.napi_defer_hard_irqs", nic.napi_defer_hard_irqs > 0, "5.8")
    _since(host, "nic.gro_flush_timeout", nic.gro_flush_timeout > 0, "3.19")
    _since(host, "ethtool.rx-udp-gro-forwarding", tool.rx_udp_gro_forwarding, "5.12")
    largest = {"igb": 9216, "veth": 65535, "loopback": 65536}[nic.driver]
    if host.mtu > largest:
        raise Wrong("nic.mtu", f"{host.mtu} is not allowed: 68 to {largest} for {nic.driver}")
    if nic.queues and tool.combined and nic.queues != tool.combined:
        raise Wrong("ethtool.combined", f"{tool.combined} contradicts nic.queues = {nic.queues}: they are the same knob")
    if tool.adaptive_rx is not None and tool.rx_usecs is not None and tool.adaptive_rx != (tool.rx_usecs in (1, 3)):
        raise Wrong("ethtool.adaptive-rx", f"contradicts rx-usecs = {tool.rx_usecs}: 1 and 3 are adaptive, the others are not")
    for name, used in (("napi_defer_hard_irqs", nic.napi_defer_hard_irqs), ("gro_flush_timeout", nic.gro_flush_timeout)):
        if used and (nic.driver != "igb" or nic.napi == "none"):
            raise Wrong(f"nic.{name}", "there is no NAPI of its own here: it takes driver igb and napi softirq or threaded")
    if nic.driver == "igb":
        _card(host)
        return
    if host.queue_count != 1:
        raise Wrong("nic.queues" if nic.queues else "ethtool.combined",
                     f"{host.queue_count} is not allowed: {nic.driver} has 1 queue here")
    for name, used in (("rx", tool.rx != 256), ("tx", tool.tx != 256), ("rx-usecs", tool.rx_usecs not in (None, 3)),
                       ("adaptive-rx", tool.adaptive_rx is False), ("ntuple", bool(tool.ntuple)), ("pause-rx", tool.pause_rx),
                       ("pause-tx", tool.pause_tx)):
        if used:
            raise Wrong(f"ethtool.{name}", f"{nic.driver} has no ring and no interrupts: only igb takes it")
    if host.gro:
        raise Wrong("ethtool.gro", f"off only: {nic.driver} frames enter by netif_rx, which does no GRO")
    if nic.napi != "softirq":
        raise Wrong("nic.napi", f"softirq only: {nic.driver} is polled by the per-CPU backlog")
    if any(host.irq.affinity.values()):
        raise Wrong("irq.affinity", f"{nic.driver} has no interrupts: nic.sender_cpu says where its frames enter")


def _card(host: Host) -> None:
    """What the model of the card has: queues, a packet buffer, filters, flow control."""
    nic, tool = host.nic, host.ethtool
    if host.queue_count > MODELS[nic.model]:
        raise Wrong("nic.queues" if nic.queues else "ethtool.combined",
                     f"{host.queue_count} is not allowed: 1 to {MODELS[nic.model]} for {nic.model}")
    if nic.rx_fifo and not 16 << 10 <= nic.rx_fifo <= 128 << 10:
        raise Wrong("nic.rx_fifo", f"{nic.rx_fifo} is not allowed: 0, or 16KiB to 128KiB")
    _since(host, "ethtool.ntuple", bool(tool.ntuple), "4.9")
    host.filters()
    if tool.pause_tx and not nic.rx_fifo:
        raise Wrong("ethtool.pause-tx", "they are sent when the packet buffer fills, and there is none: set nic.rx_fifo, such as 64KiB")
    if tool.pause_rx and host.queue_count > 1:
        raise Wrong("ethtool.pause-rx", "with several queues it turns DROP_EN off, and a full ring blocks all of them: not modelled, set "
                                         "nic.queues = 1")


def _queues_and_cpus(host: Host) -> None:
    """Queues that exist, CPUs that exist."""
    queues = host.queue_count
    for queue, cpu in host.irq.affinity.items():
        if queue >= queues:
            raise Wrong(f"irq.{queue}", f"there is no queue {queue}: 0 to {queues - 1}")
        if not 0 <= cpu < host.cpus:
            raise Wrong(f"irq.{queue}", f"there is no CPU {cpu}: 0 to {host.cpus - 1} (cpus = {host.cpus})")
    rps_all = len(host.rps) == 8 and len(set(host.rps.values())) == 1   # `all` was written: it means those that exist
    for queue, cpus in host.rps.items():
        if queue >= queues and not rps_all:
            raise Wrong(f"rps.{queue}", f"there is no queue {queue}: 0 to {queues - 1}")
        for cpu in cpus:
            _cpu(host, f"rps.{queue}", cpu)
    counts_all = len(host.rps_flow_cnt) == 8 and len(set(host.rps_flow_cnt.values())) == 1
    for queue in host.rps_flow_cnt:
        if queue >= queues and not counts_all:
            raise Wrong(f"rps_flow_cnt.{queue}", f"there is no queue {queue}: 0 to {queues - 1}")
    if host.nic.threaded_cpus == ANY:
        raise Wrong("nic.threaded_cpus", f"\"any\" is not allowed: {units.CPUS_ALLOWED}")
    for cpu in host.nic.threaded_cpus:
        _cpu(host, "nic.threaded_cpus", cpu)
    _cpu(host, "nic.sender_cpu", host.nic.sender_cpu)
    indir = host.indirection()
    if max(indir) >= queues:
        raise Wrong("ethtool.indir", f"queue {max(indir)} does not exist: 0 to {queues - 1}")


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
    if host.nic.node >= max(1, len(host.cpu.nodes)):
        raise Wrong("nic.node", f"there is no node {host.nic.node}: cpu.nodes has {len(host.cpu.nodes)}")
    for i, load in enumerate(host.loads):
        for cpu in load.cpu:
            _cpu(host, f"load.{i}.cpu", cpu)
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
        if route.dev not in (None, host.nic.name, "lo"):
            raise Wrong(f"route.{i}.dev", f"no interface {units.shown(route.dev)} here: {host.nic.name} or lo")
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
        if sock.incoming_cpu is not None:
            _cpu(host, f"{where}.incoming_cpu", sock.incoming_cpu)
        if sock.bindtodevice not in (None, host.nic.name, "lo"):
            raise Wrong(f"{where}.bindtodevice", f"no interface {units.shown(sock.bindtodevice)} here: {host.nic.name} or lo")
        if sock.rcvbuf is not None and sock.rcvbufforce is not None:
            raise Wrong(f"{where}.rcvbufforce", "either rcvbuf or rcvbufforce, not both")
        for name, used in (("udp_gro", sock.udp_gro), ("connect", sock.connect is not None), ("join", bool(sock.join))):
            if used and sock.proto != "udp":
                raise Wrong(f"{where}.{name}", "only a UDP socket takes it")
        pairs = sock.endpoints()
        total += len(pairs)
        if total > 65536:
            raise Wrong(f"{where}.bind", "more than 65536 sockets")
        for address, port in pairs:
            others = taken.setdefault((sock.proto, port), [])
            for other_address, other in others[:64]:
                if (not address or not other_address or address == other_address) and _conflict(sock, other):
                    raise Wrong(f"{where}.bind", f"{units.ipv4_text(address)}:{port} is in use by socket {other.name} (EADDRINUSE); "
                                                  "both need reuseport or reuseaddr")
            others.append((address, sock))


def app_sockets(host: Host, app: App) -> list[Socket]:
    """The listed sockets that an application reads; "*" is every UDP one."""
    if "*" in app.sockets:
        return [sock for sock in host.sockets if sock.proto == "udp"]
    by_name = {sock.name: sock for sock in host.sockets}
    return [by_name[name] for name in app.sockets]


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
            if name != "*" and name not in known:
                near = units.nearest(name, list(known))
                there = f"did you mean {near}?" if near else f"there are: {', '.join(list(known)[:8]) or 'none'}"
                raise Wrong(f"{where}.sockets", f'no socket "{name}"; {there}')
            if name != "*" and known[name].proto != "udp":
                raise Wrong(f"{where}.sockets", f'"{name}" is a TCP listener: reading TCP is not modelled yet')
        if not app.sockets:
            raise Wrong(f"{where}.sockets", 'at least one socket, or "*"')
        for cpu in app.cpu if app.cpu != ANY else ():
            _cpu(host, f"{where}.cpu", cpu)
        threads += app.threads
        if threads > 1024:
            raise Wrong(f"{where}.threads", "more than 1024 threads")
        if app.wait == "recv" and sum(len(sock.endpoints()) for sock in app_sockets(host, app)) > 1:
            raise Wrong(f"{where}.wait", "one thread cannot block in recv on several sockets: epoll, poll or busy")
        waits = app.wait == "epoll" or (app.wait == "auto" and sum(len(s.endpoints()) for s in app_sockets(host, app)) > 1)
        if (app.epoll or app.shared_epoll) and not waits:
            raise Wrong(f"{where}.{'epoll' if app.epoll else 'shared_epoll'}", "this application does not wait in epoll: wait = \"epoll\"")
        _since(host, f"{where}.epoll", "exclusive" in app.epoll, "4.5")
        if app.shared_epoll and app.own_sockets:
            raise Wrong(f"{where}.shared_epoll", "threads with sockets of their own have epoll instances of their own")
        if app.own_sockets and app.threads > 1:
            for sock in app_sockets(host, app):
                if not sock.reuseport:
                    raise Wrong(f"{where}.own_sockets", f"socket {sock.name} needs reuseport = true: each thread binds the same address")
