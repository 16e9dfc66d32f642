"""From a Host to the path's tables: each room's control plane is called with what the host file says.  One function for each room."""
from __future__ import annotations

from typing import TYPE_CHECKING

from rxpath.abi.numbers import Kind
from rxpath.vtime import costs, engine
from rxpath.workbench import applications, units

if TYPE_CHECKING:
    from rxpath.workbench.simulation import Simulation


def assemble(sim: Simulation, one_step: bool) -> None:
    """Everything before the first frame, in the order of boot."""
    vtime(sim, one_step)
    drivers(sim)
    network(sim)
    applications.open_all(sim)
    applications.start_all(sim)


def vtime(sim: Simulation, one_step: bool) -> None:
    """Clocks, costs, ksoftirqd/N."""
    net, host = sim.net, sim.host
    costs.load_profile(host.profile).apply(net, range(host.cpus))
    sim.call(engine.vtime_init)(net, sim.queues, host.cpus, one_step)
    for c in range(host.cpus):
        sim.call(engine.add_thread)(net, c, c, Kind.KSOFTIRQD)


def drivers(sim: Simulation) -> None:
    net, host = sim.net, sim.host
    mac = (sim.receiver.mac if sim.receiver else 0x020000000001) if host.nic.mac == "auto" else units.mac(host.nic.mac)
    sim.boot.igb_open(sim.queues, host.rx_ring, [host.irq_cpu(q) for q in range(sim.queues)], host.rx_usecs * 1000, mac)
    for q in range(sim.queues):
        r = net.ring[q]
        c = net.cpu[r.cpu]
        r.next_of_cpu, c.first_queue = c.first_queue, q


def network(sim: Simulation) -> None:
    for text in sim.host.nic.addresses or ([a for a in sim.receiver.with_prefixes() if ":" not in a] if sim.receiver else []):
        sim.boot.add_address(*units.cidr(text))
