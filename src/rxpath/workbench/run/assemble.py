"""From a Host to the path's tables: each room's control plane is called with what the host file says, one function for each room, in the
order of boot.  What the host leaves to the capture (addresses, MAC, groups) is settled first, so that reports show what was used."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxpath.abi.kernels import Sysctl
from rxpath.abi.limits import NCPU, NDEV, NQ, NSKB
from rxpath.abi.numbers import RT_TABLE_LOCAL, RT_TABLE_MAIN, Idle, Kind, NicMode, Softirq
from rxpath.drivers.setup import igb_probe, multicast_mac, napi_defer, set_rx_fifo, veth_probe
from rxpath.link import setup as link_setup
from rxpath.network import nf_setup
from rxpath.network import setup as network_setup
from rxpath.vtime import costs, engine, idle
from rxpath.vtime import machine as vtime_machine
from rxpath.vtime import setup as vtime_setup
from rxpath.vtime.apps import Phase
from rxpath.vtime.dice import next_random
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host import tables as hosttables
from rxpath.workbench.host.iptables import flat as iptables_flat
from rxpath.workbench.host.rules import rules as rules_of
from rxpath.workbench.run import programs, sockets
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.words import units

if TYPE_CHECKING:
    from rxpath.cable.receiver import Receiver
    from rxpath.workbench.host.model.host import Host

MAC = 0x020000000001                                        # of a receiver that no capture names
VLANS = 2                                                   # the first VLAN device's number
LO = 1                                                      # the loopback device's number, beside the NIC's 0
SMALLEST_TRUESIZE = 768                                     # of a packet that a socket can be charged (a copied short one)

# sysctl -> (the path's knob, factor).  Sysctl.* are in the units that the path uses.
KNOBS: dict[str, tuple[Sysctl, int]] = {
    "net.core.netdev_budget": (Sysctl.netdev_budget, 1), "net.core.netdev_budget_usecs": (Sysctl.netdev_budget_ns, 1000),
    "net.core.dev_weight": (Sysctl.dev_weight, 1), "net.core.netdev_max_backlog": (Sysctl.netdev_max_backlog, 1),
    "net.core.gro_normal_batch": (Sysctl.gro_normal_batch, 1), "net.core.flow_limit_table_len": (Sysctl.flow_limit_table_len, 1),
    "net.core.rmem_default": (Sysctl.rmem_default, 1), "net.core.rmem_max": (Sysctl.rmem_max, 1),
    "net.core.busy_poll": (Sysctl.busy_poll_ns, 1000), "net.core.busy_read": (Sysctl.busy_read_ns, 1000),
    "net.ipv4.udp_rmem_min": (Sysctl.udp_rmem_min, 1), "net.ipv4.udp_early_demux": (Sysctl.udp_early_demux, 1),
    "net.ipv4.ip_early_demux": (Sysctl.ip_early_demux, 1), "net.ipv4.ipfrag_high_thresh": (Sysctl.ipfrag_high_thresh, 1),
    "net.ipv4.ipfrag_low_thresh": (Sysctl.ipfrag_low_thresh, 1), "net.ipv4.ipfrag_time": (Sysctl.ipfrag_time_ns, 1_000_000_000),
    "net.ipv4.ipfrag_max_dist": (Sysctl.ipfrag_max_dist, 1), "net.ipv4.icmp_ratelimit": (Sysctl.icmp_ratelimit_ns, 1_000_000),
    "net.ipv4.icmp_ratemask": (Sysctl.icmp_ratemask, 1), "net.ipv4.icmp_msgs_per_sec": (Sysctl.icmp_msgs_per_sec, 1),
    "net.ipv4.icmp_msgs_burst": (Sysctl.icmp_msgs_burst, 1), "net.ipv4.icmp_echo_ignore_all": (Sysctl.icmp_echo_ignore_all, 1),
    "net.ipv4.icmp_echo_ignore_broadcasts": (Sysctl.icmp_echo_ignore_broadcasts, 1),
    "net.ipv4.ip_nonlocal_bind": (Sysctl.ip_nonlocal_bind, 1),
}
CONF = ("rp_filter", "accept_source_route", "accept_local", "route_localnet", "arp_ignore", "forwarding")
# written below, or fixed at their only value
ELSEWHERE = ("net.ipv4.udp_mem", "net.core.flow_limit_cpu_bitmap", "net.core.rps_sock_flow_entries", "net.ipv4.ip_forward")


def settle(host: Host, receiver: Receiver | None) -> Host:
    """The host with what it leaves to the capture: its addresses, its MAC, and a way back to everybody."""
    nic: dict[str, Any] = {}
    if not host.nic.addresses and receiver is not None:
        own = [a for a in receiver.with_prefixes() if ":" not in a]
        nic["addresses"] = [a if int(a.split(".")[0]) < 224 else "192.0.2.254/24" for a in own] or ["192.0.2.254/24"]
    if host.nic.mac == "auto":
        mac = receiver.mac if receiver is not None else MAC
        nic["mac"] = units.mac_text(mac if mac and not mac >> 40 & 1 else MAC)
    changes: dict[str, Any] = {"nic": nic} if nic else {}
    if not host.routes and "addresses" in nic:
        changes["route"] = [{"dst": "default"}]
    return hostfile.revise(host, changes) if changes else host


def packets_needed(host: Host, opened: int) -> int:
    """skbs for a run: what sockets, backlogs and reassembly can hold at their limits, and some for what is on its way."""
    values = host.sysctls()
    rcvbuf = max([2 * s.rcvbuf for s in host.sockets if s.rcvbuf] + [2 * s.rcvbufforce for s in host.sockets if s.rcvbufforce]
                 + [_number(values["net.core.rmem_default"])])
    held = max(opened, 1) * (rcvbuf // SMALLEST_TRUESIZE + 1) + host.cpus * _number(values["net.core.netdev_max_backlog"])
    held += _number(values["net.ipv4.ipfrag_high_thresh"]) // SMALLEST_TRUESIZE + 8192
    return min(max(16384, held), NSKB)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def assemble(m: Machine, one_step: bool, skip_unsupported: bool | None) -> None:
    """Everything before the first frame."""
    sysctls(m)
    clocks(m, one_step)
    drivers(m)
    machine(m)
    addresses(m)
    firewall(m, skip_unsupported)
    sockets.open_all(m)
    programs.start_all(m)
    others(m)


# ---------------------------------------------------------------- one for each room
def sysctls(m: Machine) -> None:
    net, host = m.net, m.host
    for name, value in host.sysctls().items():
        if name in KNOBS:
            knob, factor = KNOBS[name]
            net.sysctl[knob] = _number(value) * factor
        elif name == "net.ipv4.udp_mem":
            assert isinstance(value, tuple)
            net.sysctl[Sysctl.udp_mem_0], net.sysctl[Sysctl.udp_mem_1], net.sysctl[Sysctl.udp_mem_2] = value
    for c in range(NCPU):
        net.napi[NQ + c].weight = net.sysctl[Sysctl.dev_weight]             # of the backlogs; igb's own NAPIs have 64
    if host.kernel == "3.10":                               # its limit is two jiffies, and no knob
        net.sysctl[Sysctl.netdev_budget_ns] = 2 * net.sysctl[Sysctl.jiffy_ns]


def clocks(m: Machine, one_step: bool) -> None:
    """Clocks, costs, ksoftirqd/N."""
    net, host = m.net, m.host
    costs.load_profile(host.profile).apply(net, range(host.cpus))
    m.call(engine.vtime_init)(net, m.queues, host.cpus, one_step)
    for c in range(host.cpus):
        m.call(engine.add_thread)(net, c, c, Kind.KSOFTIRQD)
    m.boot.log.insert(0, ("spawn_ksoftirqd", f"ksoftirqd/0 to ksoftirqd/{host.cpus - 1}" if host.cpus > 1 else "ksoftirqd/0"))


def drivers(m: Machine) -> None:
    """The device: probed, set as ethtool and ip link would, opened; its interrupts on their CPUs; threaded NAPI."""
    net, host, b = m.net, m.host, m.boot
    mac, cpus = units.mac(host.nic.mac), [host.irq_cpu(q) for q in range(m.queues)]
    if host.nic.driver == "igb":
        mode = NicMode.IRQ_PER_PACKET if host.nic.napi == "none" else NicMode.NAPI
        dev = igb_probe(net, m.call, b.log, b.nskb, m.queues, mac, cpus, host.nic.name, 0, mode, host.nic.model)
        dev.ethtool("set_ringparam", rx=host.rx_ring, tx=host.tx_ring)
        dev.ethtool("set_coalesce", rx_usecs=host.rx_usecs)
        dev.ethtool("set_rxfh", indir=list(host.indirection()), key=host.rss_key)
        dev.ethtool("set_rxnfc", flow="udp4", fields=host.ethtool.rx_flow_hash_udp4)
        dev.ethtool("set_rxnfc", flow="tcp4", fields=host.ethtool.rx_flow_hash_tcp4)
        for rule in host.ethtool.ntuple:
            dev.ethtool("set_rxclsrlins", rule=rule)
        set_rx_fifo(dev, host.nic.rx_fifo)
        dev.ethtool("set_pauseparam", rx=host.ethtool.pause_rx, tx=host.ethtool.pause_tx)
        dev.ethtool("set_features", rx_checksumming=host.ethtool.rx_checksumming, rx_vlan_offload=host.ethtool.rx_vlan_offload)
        dev.ndo("ndo_change_mtu", host.mtu)
        napi_defer(dev, host.nic.napi_defer_hard_irqs, host.nic.gro_flush_timeout)
        net.nic.speed = max(1, host.speed_bps // 1_000_000)
    else:
        dev = veth_probe(net, m.call, b.log, mac, host.nic.sender_cpu, host.mtu, host.nic.name)
        net.nic.rx_csum = int(host.ethtool.rx_checksumming)
    groups = [multicast_mac(units.ipv4(g)) if "." in g else units.mac(g) for g in host.nic.multicast if g != "all"]
    if m.receiver is not None and host.opens_from_capture:
        groups += [multicast_mac(units.ipv4(g)) for g in m.receiver.groups if ":" not in g]
    dev.ndo("ndo_set_rx_mode", host.nic.promiscuous, "all" in host.nic.multicast, groups)
    dev.open()
    b.netdev = dev
    link_setup.set_gro(b, 0, host.gro, host.ethtool.rx_udp_gro_forwarding)
    for i, vid in enumerate(m.receiver.vlans[:NDEV - VLANS] if m.receiver is not None else ()):
        link_setup.add_vlan(b, VLANS + i, 0, vid)
    for q in range(m.queues):
        c = net.cpu[net.ring[q].cpu]
        net.ring[q].next_of_cpu, c.first_queue = c.first_queue, q
    if host.nic.napi == "threaded":
        for q in range(m.queues):
            n = m.new_thread()
            m.call(engine.add_thread)(net, n, host.napi_cpu(q), Kind.NAPI)
            m.call(vtime_setup.set_threaded)(net, q, n)
    for q in range(m.queues):
        if host.rps_cpus(q):
            link_setup.set_rps(b, q, list(host.rps_cpus(q)))
    flows = _number(host.sysctls()["net.core.rps_sock_flow_entries"])
    if flows:
        link_setup.set_rfs(b, flows, {q: n for q, n in host.rps_flow_cnt.items() if q < m.queues}, host.cpus)
    mask = _number(host.sysctls().get("net.core.flow_limit_cpu_bitmap", 0))
    if mask:
        link_setup.set_flow_limit(b, [c for c in range(NCPU) if mask >> c & 1], net.sysctl[Sysctl.flow_limit_table_len])


def machine(m: Machine) -> None:
    """NUMA nodes, hyper-threads, idle states."""
    net, host, profile = m.net, m.host, costs.load_profile(m.host.profile)
    net.nnode = len(host.cpu.nodes)
    for i, node in enumerate(host.cpu.nodes):
        for c in node:
            net.node[c] = i
            if i != host.nic.node:
                profile.remote(net, c)
    for group in host.cpu.siblings:
        for c in group:
            net.siblings[c] = sum(1 << other for other in group if other != c)
    if host.cpu.siblings:
        m.call(vtime_machine.set_siblings)(net, round(profile.factors.get("SIBLING", 1.0) * vtime_machine.ONE))
    net.sim.idle_deepest = Idle[host.cpu.idle.upper()]
    for c in range(host.cpus):
        net.cpu[c].idle_mean = idle.LONGEST
        net.cpu[c].idle_state = Idle.POLL if host.cpu.idle == "poll" else Idle.C1


def others(m: Machine) -> None:
    """What else the machine does: background threads, softirqs that are not packets."""
    net, host, i = m.net, m.host, 0
    for load in host.loads:
        for c in load.cpu:
            n = m.new_thread()
            m.call(engine.add_thread)(net, n, c, Kind.HOG)
            th = net.thread[n]
            th.nice, th.weight = load.nice, vtime_setup.nice_weight(load.nice)
            th.service, th.period = load.slice, load.slice * (100 - load.share) // load.share
            m.call(vtime_setup.thread_start)(net, n, Phase.COMPUTE, load.start)
    for source in host.softirqs:
        for c in source.cpu:
            s = net.source[i]
            s.nr, s.every, s.cost, s.random = Softirq[source.type], source.every, source.cost, int(source.random)
            s.rng = next_random(host.seed * 1_000_003 + 7919 * i & (1 << 62) - 1)
            m.call(vtime_machine.add_source)(net, i, c, source.start or source.every)
            i += 1


def addresses(m: Machine) -> None:
    """Addresses, routes, neighbours, the interface's flags."""
    net, host, b = m.net, m.host, m.boot
    for i, text in enumerate(host.nic.addresses):
        address, prefix = units.cidr(text)
        if i == 0:
            net.dev[0].addr, net.dev[0].mask = address, units.netmask(prefix)
    lo = 0 if host.nic.driver == "loopback" else LO
    if lo:
        net.dev[lo].ifindex, net.dev[lo].up, net.dev[lo].mtu = lo + 1, 1, 65536
    for route in hosttables.routes(host):
        table = RT_TABLE_LOCAL if route.table == "local" else RT_TABLE_MAIN
        dev = lo if route.dev == "lo" else 0
        network_setup.add_route(b, route.dst, route.prefix, network_setup.TYPES[route.type], dev, route.via, 0, table, route.source)
    for neighbour in host.neighbours:
        network_setup.add_neighbour(b, units.ipv4(neighbour.ip), units.mac(neighbour.mac), permanent=True)
    for flag in CONF:
        setattr(net.dev[0], flag, host.conf(flag))


def firewall(m: Machine, skip_unsupported: bool | None) -> None:
    """iptables-restore."""
    ruleset = rules_of(m.host, skip_unsupported)
    if ruleset is None:
        return
    m.rules = iptables_flat.flatten(ruleset, m.host.nic.name)
    nf_setup.load_rules(m.boot, m.rules)
    m.notes += [f"iptables: left out: {skipped}" for skipped in ruleset.skipped]
