"""From a Host to the path's tables: each room's control plane is called with what the host file says, one function for each room, in the
order of boot.  What the host leaves to the capture (addresses, MAC, groups) is settled first, so that reports show what was used."""
from __future__ import annotations

from typing import Any

from rxpath.abi.kernels import Behaviour, Sysctl
from rxpath.abi.limits import NCPU, NDEV, NQ, NSKB
from rxpath.abi.numbers import ETH_P_8021AD, ETH_P_8021Q, RT_TABLE_LOCAL, RT_TABLE_MAIN, Idle, Kind, NicMode, Softirq
from rxpath.abi.protocols import ETHERTYPES_NOT_MODELLED
from rxpath.abi.sysctls import BY_NAME
from rxpath.cable.receiver import Receiver
from rxpath.cable.tcp_seen import tcp_seen_load
from rxpath.drivers import probe as drivers_probe
from rxpath.drivers.igb_open import set_rx_fifo, set_tap_queue
from rxpath.drivers.net_device import NetDevice, ip_mc_up, multicast_mac, napi_defer
from rxpath.drivers.rows import LO as LO_ROW
from rxpath.link import setup as link_setup
from rxpath.network import setup as network_setup
from rxpath.vtime import costs, engine, idle
from rxpath.vtime import machine as vtime_machine
from rxpath.vtime import setup as vtime_setup
from rxpath.vtime.apps import Phase
from rxpath.vtime.dice import next_random
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host import tables as hosttables
from rxpath.workbench.host.model.device import Device
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run import left_open, programs, sockets
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.words import units

MAC = 0x020000000001                                        # of a receiver that no capture names
LO = 1                                                      # the loopback device's number, beside the NIC's 0
SMALLEST_TRUESIZE = 768                                     # of a packet that a socket can be charged (a copied short one)

CONF = ("rp_filter", "accept_source_route", "accept_local", "route_localnet", "arp_ignore", "forwarding")


def settle(host: Host, receiver: Receiver | None) -> Host:
    """The host with what it leaves to the capture: its addresses, its MAC, and a way back to everybody."""
    nic: dict[str, Any] = {}
    if not host.nic.addresses and receiver is not None:
        others = {text.split("/")[0] for dev in host.devices[1:] for text in dev.nic.addresses}
        own = [a for a in receiver.with_prefixes() if ":" not in a and a.split("/")[0] not in others]
        own = [a for a in own if not a.startswith("127.")]                  # lo's own
        nic["addresses"] = own or ([] if receiver.loopback else ["192.0.2.254/24"])
    if host.nic.mac == "auto":
        mac = receiver.mac if receiver is not None else MAC
        nic["mac"] = units.mac_text(mac if mac and not mac >> 40 & 1 else MAC)
    changes: dict[str, Any] = {"nic": nic} if nic else {}
    if any(card.mac == "auto" for card in host.cards):
        changes["card"] = [{"mac": units.mac_text(MAC + i), **written} if card.mac == "auto" else written
                           for i, (card, written) in enumerate(zip(host.cards, host._raw["card"], strict=True), 1)]
    if not host.routes and "addresses" in nic:
        gateway = {"via": receiver.gateway} if receiver is not None and receiver.gateway else {}
        changes["route"] = [{"dst": "default", **gateway}]
        if not host.neighbours and receiver is not None:
            changes["neighbour"] = [{"ip": ip, "mac": units.mac_text(at)} for ip, at in receiver.neighbours]
    if receiver is not None and receiver.loopback and "driver" not in host._raw.get("nic", {}) and not host.cards:
        try:
            return hostfile.revise(host, {**changes, "nic": {"driver": LO_ROW.name, **nic}})
        except hostfile.HostError:                          # settings that only a card takes: it gets one
            pass
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
    not_modelled(m)
    sockets.open_all(m)
    programs.start_all(m)
    others(m)


# ---------------------------------------------------------------- one for each room
def sysctls(m: Machine) -> None:
    net, host = m.net, m.host
    for name, value in host.sysctls().items():
        row = BY_NAME.get(name)
        for knob, number in row.knobs(value) if row is not None else ():
            net.sysctl[knob] = number
    for c in range(NCPU):
        net.napi[NQ + c].weight = net.sysctl[Sysctl.dev_weight]             # of the backlogs; igb's own NAPIs have 64
    if not net.behaviour[Behaviour.budget_usecs]:           # its limit is two jiffies, and no knob
        net.sysctl[Sysctl.netdev_budget_ns] = 2 * net.sysctl[Sysctl.jiffy_ns]


def clocks(m: Machine, one_step: bool) -> None:
    """Clocks, costs, ksoftirqd/N."""
    net, host = m.net, m.host
    net.small_head = host.small_head
    costs.load_profile(host.profile).apply(net, range(host.cpus))
    left_open.secrets(net, host)
    m.call(engine.vtime_init)(net, host.pools()[-1].stop, host.cpus, one_step)
    for c in range(host.cpus):
        m.call(engine.add_thread)(net, c, c, Kind.KSOFTIRQD)
    m.boot.log.insert(0, ("spawn_ksoftirqd", f"ksoftirqd/0 to ksoftirqd/{host.cpus - 1}" if host.cpus > 1 else "ksoftirqd/0"))


def drivers(m: Machine) -> None:
    """The devices: probed, set as ethtool and ip link would, opened; their interrupts on their CPUs; threaded NAPI."""
    net, host, b = m.net, m.host, m.boot
    for i, (dev, pool) in enumerate(zip(host.devices, host.pools(), strict=True)):
        nd = probe(m, dev, i, pool.start)
        groups = [multicast_mac(units.ipv4(g)) if "." in g else units.mac(g) for g in dev.nic.multicast if g != "all"]
        if m.receiver is not None and host.opens_from_capture and i == 0:
            groups += [multicast_mac(units.ipv4(g)) for g in m.receiver.groups if ":" not in g]
        nd.ndo("ndo_set_rx_mode", dev.nic.promiscuous, "all" in dev.nic.multicast, groups)
        nd.open()
        ip_mc_up(nd)
        b.netdevs.append(nd)
        link_setup.set_gro(b, nd.index, dev.gro, dev.ethtool.rx_udp_gro_forwarding)
    first = 1 + len(host.devices)
    vlans(m, first)
    for q in host.rings():
        c = net.cpu[net.ring[q].cpu]
        net.ring[q].next_of_cpu, c.first_queue = c.first_queue, q
    if net.sysctl[Sysctl.busy_poll_ns] or net.sysctl[Sysctl.busy_read_ns]:
        m.call(vtime_setup.share_rings)(net)
    for dev, pool in zip(host.devices, host.pools(), strict=True):
        if not dev.driver.has_ring:
            thread = m.new_thread()
            m.call(engine.add_sender)(net, thread, pool.start)
            m.senders.append((dev.name, pool.start, thread))
            net.sim.sender_spin = dev.nic.sender_spin
    flows = _number(host.sysctls()["net.core.rps_sock_flow_entries"])
    counts: dict[int, int] = {}
    for dev, pool in zip(host.devices, host.pools(), strict=True):
        for n, q in enumerate(pool):
            if dev.nic.napi == "threaded":
                thread = m.new_thread()
                m.call(engine.add_thread)(net, thread, dev.napi_cpu(n), Kind.NAPI)
                m.call(vtime_setup.set_threaded)(net, q, thread)
            if dev.rps_cpus(n):
                link_setup.set_rps(b, q, list(dev.rps_cpus(n)))
            if n in dev.rps_flow_cnt:
                counts[q] = dev.rps_flow_cnt[n]
    if flows:
        link_setup.set_rfs(b, flows, counts, host.cpus)
    mask = _number(host.sysctls().get("net.core.flow_limit_cpu_bitmap", 0))
    if mask:
        link_setup.set_flow_limit(b, [c for c in range(NCPU) if mask >> c & 1], net.sysctl[Sysctl.flow_limit_table_len])


def vlans(m: Machine, first: int) -> None:
    """VLAN devices, numbered from `first` on: those of the host file, or of the traffic's outer tags; for frames with two tags another one
    on top."""
    tags = m.host.vlans(m.receiver.vlans if m.receiver is not None else [])
    inner = [(i, pair) for i, dev in enumerate(m.host.devices) if dev.nic.vlans == "auto" and m.receiver is not None
             for pair in m.receiver.inner_vlans]
    made: dict[tuple[int, int], int] = {}
    for card, vid in tags[:NDEV - first]:
        made[card, vid] = first + len(made)
        ad = m.receiver is not None and vid in m.receiver.outer_ad
        link_setup.add_vlan(m.boot, made[card, vid], device_number(card), vid, proto=ETH_P_8021AD if ad else ETH_P_8021Q)
    stacked = [(made[card, outer], vid) for card, (outer, vid) in inner if (card, outer) in made]
    for number, (below, vid) in enumerate(stacked[:NDEV - first - len(made)], first + len(made)):
        link_setup.add_vlan(m.boot, number, below, vid)
    if len(tags) + len(stacked) > NDEV - first:
        m.notes.append(f"{len(tags) + len(stacked)} VLAN devices are more than the {NDEV - first} that there is room for: frames of the "
                       "others are not for this host; nic.vlans says which are wanted")


def probe(m: Machine, dev: Device, card: int, first: int) -> NetDevice:
    """One device, set as its tables say; what its driver has no operation for, host/check.py has refused."""
    row, tool, nic = dev.driver, dev.ethtool, dev.nic
    where: dict[str, Any] = {"name": dev.name, "index": device_number(card), "card": card, "first": first, "driver": row}
    mac = units.mac(nic.mac)
    if not row.has_ring:
        nd = drivers_probe.SENDERS[row.name](m.net, m.call, m.boot.log, mac, nic.sender_cpu, dev.mtu, **where)
        nd.nic.rx_csum = int(tool.rx_checksumming)
        return nd
    mode = NicMode.IRQ_PER_PACKET if nic.napi == "none" else NicMode.NAPI
    cpus = [dev.irq_cpu(q) for q in range(dev.queue_count)]
    nd = drivers_probe.RINGS[row.name](m.net, m.call, m.boot.log, dev.queue_count, mac, cpus, mode=mode, model=dev.model, **where)
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("set_ringparam", {"rx": dev.rx_ring, "tx": dev.tx_ring}), ("set_coalesce", {"rx_usecs": dev.rx_usecs}),
        ("set_rxfh", {"indir": list(dev.indirection()), "key": left_open.rss_key(m.host, dev)}),
        *(("set_rxnfc", {"flow": flow, "fields": fields})
          for flow, fields in (("udp4", dev.rss_udp), ("tcp4", tool.rx_flow_hash_tcp4))),
        *(("set_rxclsrlins", {"rule": rule}) for rule in tool.ntuple)]
    for op, args in wanted:
        if op in nd.ethtool_ops:
            nd.ethtool(op, **args)
    if row.rx_fifo is not None:
        set_rx_fifo(nd, nic.rx_fifo)
    if row.tap_queue is not None:
        set_tap_queue(nd, nic.tap_queue)
    for op, args in (("set_pauseparam", {"rx": tool.pause_rx, "tx": tool.pause_tx}),
                     ("set_features", {"rx_checksumming": tool.rx_checksumming, "rx_vlan_offload": tool.rx_vlan_offload})):
        if op in nd.ethtool_ops:
            nd.ethtool(op, **args)
    nd.ndo("ndo_change_mtu", dev.mtu)
    napi_defer(nd, nic.napi_defer_hard_irqs, nic.gro_flush_timeout)
    nd.nic.speed = max(1, dev.speed_bps // 1_000_000)
    return nd


def device_number(card: int) -> int:
    """net_device's number: the first card is 0, lo 1, further cards and VLAN devices follow."""
    return card + 1 if card else 0


def not_modelled(m: Machine) -> None:
    """What the capture shows that a real host has taken and the path does not model."""
    r = m.receiver
    if r is not None:
        link_setup.set_not_modelled(m.boot, ETHERTYPES_NOT_MODELLED)
        network_setup.set_not_modelled(m.boot, r.not_modelled)
        tcp_seen_load(m.boot, r.tcp.rows, r.tcp.ports)


def machine(m: Machine) -> None:
    """NUMA nodes, hyper-threads, idle states."""
    net, host, profile = m.net, m.host, costs.load_profile(m.host.profile)
    net.nnode, net.cards_apart = len(host.cpu.nodes), int(len({dev.nic.node for dev in host.devices}) > 1)
    for card, dev in enumerate(host.devices):
        net.nic[card].node = dev.nic.node
    for i, node in enumerate(host.cpu.nodes):
        for c in node:
            net.node[c] = i
            if net.cards_apart:
                profile.remote(net, c, net.cost_memory[c])
            elif i != host.nic.node:
                profile.remote(net, c, net.cost[c])
    for group in host.cpu.siblings:
        for c in group:
            net.siblings[c] = sum(1 << other for other in group if other != c)
    if host.cpu.siblings:
        m.call(vtime_machine.set_siblings)(net, round(profile.factors.get("SIBLING", 1.0) * vtime_machine.ONE))
    net.sim.idle_deepest = Idle[host.cpu.idle.upper()]
    for c in range(host.cpus):
        net.cpu[c].idle_mean = idle.LONGEST
        net.cpu[c].rng = next_random(host.seed * 1_000_003 + 15_485_863 * (c + 1) & (1 << 62) - 1)      # of BPF programs
        net.cpu[c].idle_state = Idle.POLL if host.cpu.idle == "poll" else Idle.C1


def others(m: Machine) -> None:
    """What else the machine does: background threads, softirqs that are not packets; what is done to it: stalls."""
    net, host, i = m.net, m.host, 0
    rate, length = host.stalls.rate, host.stalls.length
    if "stalls" not in host._raw:                           # else the file says it, also that there are none
        rate, length = costs.load_profile(host.profile).stalls or (0.0, 0)
    if rate:
        for c in host.stalls.cpu or range(host.cpus):
            seed = next_random(host.seed * 1_000_003 + 104_729 * (c + 1) & (1 << 62) - 1)
            m.call(vtime_machine.add_stalls)(net, c, round(1e9 / rate), length, seed)
    for load in host.loads:
        for c in load.cpu:
            n = m.new_thread()
            m.call(engine.add_thread)(net, n, c, Kind.HOG)
            th = net.thread[n]
            th.nice, th.weight = load.nice, vtime_setup.nice_weight(load.nice)
            th.service, th.period = load.slice, load.slice * (100 - load.share) // load.share
            m.call(vtime_setup.thread_start)(net, n, Phase.COMPUTE, left_open.load_start(host, load, n))
    for source in host.softirqs:
        for c in source.cpu:
            s = net.source[i]
            s.nr, s.every, s.cost, s.random = Softirq[source.type], source.every, source.cost, int(source.random)
            s.rng = next_random(host.seed * 1_000_003 + 7919 * i & (1 << 62) - 1)
            m.call(vtime_machine.add_source)(net, i, c, left_open.softirq_start(host, source, i))
            i += 1


def addresses(m: Machine) -> None:
    """Addresses, routes, neighbours, the interfaces' flags."""
    net, host, b = m.net, m.host, m.boot
    number = {dev.name: device_number(i) for i, dev in enumerate(host.devices)}
    if LO_ROW.name not in number:
        number[LO_ROW.name] = LO
        drivers_probe.loopback_net_init(net, LO)
    for dev in host.devices:
        if dev.nic.addresses:
            address, prefix = units.cidr(dev.nic.addresses[0])
            net.dev[number[dev.name]].addr, net.dev[number[dev.name]].mask = address, units.netmask(prefix)
    for route in hosttables.routes(host):
        table = RT_TABLE_LOCAL if route.table == "local" else RT_TABLE_MAIN
        network_setup.add_route(b, route.dst, route.prefix, network_setup.TYPES[route.type], number[route.dev], route.via, 0, table,
                                route.source)
    for neighbour in host.neighbours:
        network_setup.add_neighbour(b, units.ipv4(neighbour.ip), units.mac(neighbour.mac), permanent=True)
    for dev in host.devices:
        for flag in CONF:
            setattr(net.dev[number[dev.name]], flag, host.conf(flag, dev.name))


def device_names(host: Host) -> list[str]:
    """By device number; lo's place stands for the first card where lo is not one: nothing comes in by it."""
    names = [host.nic.name]
    if host.cards:
        names += [LO_ROW.name, *host.interfaces[1:]]
    return names


def firewall(m: Machine, skip_unsupported: bool | None) -> None:
    """iptables-restore."""
    wanted = m.host.iptables
    if wanted.file is None and wanted.text is None and not wanted.first and not wanted.raw:
        return
    from rxpath.network.ip_tables_setup import load_rules
    from rxpath.workbench.host.iptables.flat import flatten
    from rxpath.workbench.host.rules import rules as rules_of

    ruleset = rules_of(m.host, skip_unsupported)
    assert ruleset is not None
    m.rules = flatten(ruleset, *device_names(m.host))
    load_rules(m.boot, m.rules)
    m.notes += [f"iptables: left out: {skipped}" for skipped in ruleset.skipped]
