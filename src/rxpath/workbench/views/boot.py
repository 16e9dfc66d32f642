"""`rxpath boot`: what was set up, in the order of the seeds; `rxpath stations`: the path as one table."""
from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath import path
from rxpath.abi import protocols
from rxpath.abi.limits import NQ
from rxpath.abi.numbers import IPPROTO, Softirq
from rxpath.path import STATIONS, Stage
from rxpath.workbench.host.model.device import Device
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.words import units


def _handler(dispatch: Any, i: int) -> str:
    """The function behind a number of a handler table."""
    return dispatch.handlers[i][1].__name__ if 0 <= i < len(dispatch.handlers) else "-"


def render(sim: Simulation) -> Group:
    host = sim.host
    head = f"boot of kernel {host.kernel}, cost profile {host.profile}, HZ {host.ticks}, {host.cpus} CPUs, seed {host.seed}"
    parts: list[Any] = [Text(head, "bold")]
    for i, (title, tables) in enumerate(_steps(sim), 1):
        parts += [Text(), Text(f"{i}. {title}", "bold"), *tables]
    return Group(*parts)


def _steps(sim: Simulation) -> list[tuple[str, list[Any]]]:
    net, host = sim.net, sim.host
    steps: list[tuple[str, list[Any]]] = []
    steps.append((f"spawn_ksoftirqd: {', '.join(f'ksoftirqd/{c}' for c in range(min(host.cpus, 8)))}{' ...' if host.cpus > 8 else ''}", []))

    table = table_of("softirq_vec", "type", "action", left=3)
    for s in Softirq:
        table.add_row(str(int(s)), f"{s.name}_SOFTIRQ", _handler(path.softirq, net.softirq_vec[s]))
    backlog = _handler(path.napi_poll, net.napi[NQ].poll)
    steps.append((f"net_dev_init: softnet_data of {host.cpus} CPUs, its backlog polled by {backlog}; open_softirq", [table]))

    protos = table_of("inet_protos", "protocol", "what", "handler", left=4)
    for i in range(256):
        if net.inet_protos[i] >= 0:
            protos.add_row(str(i), f"IPPROTO_{IPPROTO(i).name}", protocols.PROTOCOLS[i], _handler(path.inet_protocol, net.inet_protos[i]))
    types = table_of("ptype_base", "EtherType", "what", "func", "list_func", left=5)
    for b in range(16):
        i = net.ptype_base[b]
        while i >= 0:
            pt = net.ptype[i]
            types.add_row(str(b), f"0x{pt.type:04x}", protocols.ETHERTYPES.get(pt.type, ""), _handler(path.packet_type, pt.handler),
                           _handler(path.packet_list, pt.list_handler))
            i = pt.next
    steps.append(("inet_init: inet_add_protocol, dev_add_pack", [protos, Text(), types]))

    for dev, nd in zip(host.devices, sim.boot.netdevs, strict=True):
        steps.append((f"{dev.driver.name}_probe: {dev.name}, {units.mac_text(nd.dev.mac)}, net_device_ops, ethtool_ops, "
                      f"{dev.queue_count} q_vectors", []))
        rings = table_of("queue", "IRQ vector", "affinity", "napi poll", "RX ring", "posted", "TX ring", "throttle", left=4)
        for n, q in enumerate(nd.pool(dev.queue_count)):
            r = net.ring[q]
            rings.add_row(str(n), nd.vector(n), f"CPU {r.cpu}", _handler(path.napi_poll, net.napi[q].poll), f"{r.size}",
                          f"{r.next_to_use - r.next_to_clean}", f"{dev.tx_ring}", _throttle(dev))
        steps.append((f"{dev.driver.name}_open: rings, descriptors, DMA buffers; request_irq for each queue; napi_enable", [rings]))
    steps.append((f"sockets: {len(sim.sockets)}; application threads: {len(sim.threads)}", [_sockets(sim)] if sim.sockets else []))
    return steps


def _throttle(dev: Device) -> str:
    moderation = dev.driver.moderation
    return "none" if moderation is None else moderation.words.get(dev.rx_usecs, f"{dev.rx_usecs} us")


def _sockets(sim: Simulation) -> Any:
    table = table_of("socket", "name", "rcvbuf", left=2)
    for s in sim.sockets[:20]:
        table.add_row(f"{s.proto} {s.address}:{s.port}", s.name, f"{sim.net.socks[s.index].rcvbuf:,}")
    return table


def stations() -> Any:
    """path.STATIONS for a person."""
    table = table_of("station", "room", "context", "kernel", "what it does", left=5)
    types, protos = sorted({k for k, _ in path.packet_type.handlers}), sorted({k for k, _ in path.inet_protocol.handlers})
    handled = {Stage.__netif_receive_skb_core: f": {', '.join(map(protocols.ethertype, types))}",
               Stage.ip_protocol_deliver_rcu: f": {', '.join(map(protocols.protocol, protos))}"}
    for stage, s in STATIONS.items():
        table.add_row(stage.name, s.room, s.context, s.twin.rsplit("/", 1)[-1], s.what + handled.get(stage, ""))
    return table
