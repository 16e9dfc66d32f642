"""From a Host to the path's tables: each room's control plane is called with what the host file says.  One function for each room."""
from __future__ import annotations

from typing import TYPE_CHECKING

from rxpath import boot
from rxpath.abi.limits import NCPU
from rxpath.abi.numbers import Kind
from rxpath.vtime import engine
from rxpath.vtime.costs import BM36
from rxpath.walltime import burst
from rxpath.workbench import units

if TYPE_CHECKING:
    from rxpath.workbench.simulation import Simulation


def assemble(sim: Simulation, one_step: bool) -> None:
    """Everything before the first frame, in the order of boot."""
    vtime(sim, one_step)
    drivers(sim)
    network(sim)
    sockets(sim)


def vtime(sim: Simulation, one_step: bool) -> None:
    net, host = sim.net, sim.host
    for c in range(host.cpus):
        for stage, ns in BM36.items():
            net.cost[c][stage] = ns
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
    for text in sim.host.nic.addresses or ([f"{sim.receiver.address}/24"] if sim.receiver else []):
        sim.boot.add_address(*units.cidr(text))


def sockets(sim: Simulation) -> None:
    """Listed sockets, those of --listen, and those that the capture's traffic goes to; one application reads them all."""
    rcvbuf = int(sim.host.sysctls()["net.core.rmem_default"])                   # type: ignore[arg-type]
    wanted = [(s.name, a, p, rcvbuf) for s in sim.host.sockets for a, p in s.endpoints()]
    wanted += [(f"udp{p}", a, p, rcvbuf) for proto, a, p in sim.listen if proto == "udp"]
    if sim.host.opens_from_capture and not sim.listen and sim.receiver:
        wanted += [(f"udp{p}", a, p, rcvbuf) for a, p in sim.receiver.udp]
    app = sim.host.apps[0]
    for i, (name, address, port, size) in enumerate(wanted):
        sk = udp_socket(sim, name, address, port, size)
        app_thread(sim, app.name, sk, sim.host.app_cpu(app, i), app.service.constant or app.service.exponential or 0, app.batch, 65536)


def udp_socket(sim: Simulation, name: str, address: int, port: int, rcvbuf: int) -> int:
    from rxpath.workbench.simulation import Opened

    i = sim.boot.udp_socket(address, port, rcvbuf)
    sim.sockets.append(Opened(i, name, "udp", units.ipv4_text(address), port))
    return i


def app_thread(sim: Simulation, name: str, sk: int, cpu: int, service: int, batch: int, size: int) -> int:
    from rxpath.workbench.simulation import Thread

    n = NCPU + len(sim.threads)
    sim.call(engine.add_thread)(sim.net, n, cpu, Kind.APP)
    th = sim.net.thread[n]
    memory, addr = boot.buffer(size)
    sim.kept.append(memory)
    th.service, th.batch, th.buf_addr, th.buf_len = service, batch, addr, size
    sim.call(burst.rt_reader)(sim.net, n, sk)
    sim.threads.append(Thread(n, name, cpu))
    return n
