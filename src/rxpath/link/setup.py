"""The control plane of link/: net_dev_init, packet types, taps, VLAN devices, GRO, RPS and the flow limit.

Plain Python that writes the tables that the path reads.  Every function takes the booted state; errors say what is allowed."""
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

from .. import outputs, path
from .._compile import reset_struct
from ..abi.kernels import Behaviour, Sysctl
from ..abi.limits import NCPU, NDEV, NOFFLOAD, NQ
from ..abi.net import NDEVFLOW, NSOCKFLOW, Net
from ..abi.numbers import ETH_P_8021Q, ETH_P_ALL, ETH_P_IP, IPPROTO, NO_DEV, PTYPE_HASH_SIZE, VLAN_DEVICE, VLAN_VID_MASK, Out, Softirq

NPTYPE = 64
RPS_MAP = 128
FLOW_TABLE_MAX = 8192           # buckets of backlog_t.flow_bucket
SNAPLEN = 262144                # tcpdump's default


# ---------------------------------------------------------------- boot
def net_dev_init(b: Any) -> None:
    """net/core/dev.c: a softnet_data with its backlog NAPI for each CPU; NET_TX and NET_RX get their actions."""
    net: Net = b.net
    for cpu in range(NCPU):
        napi = net.napi[NQ + cpu]
        napi.poll, napi.ring = path.napi_poll.handler("process_backlog"), cpu
        napi.weight = net.sysctl[Sysctl.dev_weight]
    for nr, _ in path.softirq.handlers:
        net.softirq_vec[nr] = path.softirq.handler(nr)
    ipv4_offload_init(b)
    b.log.append(("net_dev_init", f"softnet_data for each CPU; its backlog is polled by {path.napi_poll.name_of(net.napi[NQ].poll)}"))
    for nr, name in ((Softirq.NET_TX, "net_tx_action"), (Softirq.NET_RX, "net_rx_action")):
        b.log.append(("open_softirq", f"softirq_vec[{nr.name}] = {path.softirq.name_of(net.softirq_vec[nr]) or name}"))


# ---------------------------------------------------------------- GRO's protocols
def dev_add_offload(b: Any, proto: int) -> None:
    """Packets of that EtherType can merge, as the path's functions for it say."""
    net: Net = b.net
    known = [key for key, _ in path.gro_receive.handlers]
    if proto not in known:
        raise ValueError(f"EtherType {proto:#06x}: GRO merges {', '.join(f'{k:#06x}' for k in known)}")
    if net.noffload == NOFFLOAD:
        raise ValueError(f"more than {NOFFLOAD} packet offloads")
    offload = net.offload_base[net.noffload]
    offload.type, offload.gro_receive, offload.gro_complete = proto, path.gro_receive.handler(proto), path.gro_complete.handler(proto)
    net.noffload += 1


def inet_add_offload(b: Any, protocol: int) -> None:
    """The same for an IP protocol."""
    offload = b.net.inet_offloads[protocol]
    offload.gro_receive, offload.gro_complete = path.inet_gro_receive.handler(protocol), path.inet_gro_complete.handler(protocol)


def ipv4_offload_init(b: Any) -> None:
    """net/ipv4/af_inet.c.  UDP merges where the kernel has a handler for it."""
    dev_add_offload(b, ETH_P_IP)
    inet_add_offload(b, IPPROTO.TCP)
    if b.net.behaviour[Behaviour.udp_gro]:
        inet_add_offload(b, IPPROTO.UDP)


# ---------------------------------------------------------------- packet types
def _free_ptype(net: Net) -> int:
    used = set(_chain(net, net.ptype_all))
    for k in range(PTYPE_HASH_SIZE):
        used |= set(_chain(net, net.ptype_base[k]))
    for i in range(NPTYPE):
        if i not in used:
            return i
    raise ValueError(f"more than {NPTYPE} packet types and taps")


def _chain(net: Net, i: int) -> list[int]:
    out = []
    while i >= 0:
        out.append(i)
        i = net.ptype[i].next
    return out


def dev_add_pack(b: Any, proto: int, handler: int | None = None, list_handler: int | None = None, dev: int = NO_DEV, tap: int = -1,
                 snaplen: int = 0) -> int:
    """Register a packet type: on ptype_all for ETH_P_ALL, else in ptype_base.  Returns its number, for dev_remove_pack.  handler and
    list_handler: default, the path's own for that protocol; -1: none."""
    net: Net = b.net
    i = _free_ptype(net)
    pt = net.ptype[i]
    if handler is None:
        handler = path.packet_type.handler(proto)
    if list_handler is None:
        has_lists = net.behaviour[Behaviour.rx_lists] and proto in [key for key, _ in path.packet_list.handlers]
        list_handler = path.packet_list.handler(proto) if has_lists else -1
    pt.type, pt.handler, pt.list_handler, pt.next = proto, handler, list_handler, -1
    pt.dev, pt.tap, pt.snaplen, pt.count = dev, tap, snaplen, 0
    if proto == ETH_P_ALL:
        pt.next, net.ptype_all = net.ptype_all, i
        net.nptype_all += 1
    else:
        bucket = proto % PTYPE_HASH_SIZE
        pt.next, net.ptype_base[bucket] = net.ptype_base[bucket], i
        if handler >= 0:
            b.log.append(("dev_add_pack", f"ptype_base[{bucket}] {proto:#06x} = {path.packet_type.name_of(handler)}"))
    return i


def dev_remove_pack(b: Any, i: int) -> None:
    """Take it off its list: its packets go to whoever else wants them, or nowhere."""
    net: Net = b.net
    net.ptype[i].type = 0
    heads: list[tuple[Any, Any]] = [(net.ptype_base, k) for k in range(PTYPE_HASH_SIZE)]
    for place, k in heads:
        if i in (chain := _chain(net, place[k])):
            return _unlink(net, chain, i, lambda following, place=place, k=k: place.__setitem__(k, following))
    if i in (chain := _chain(net, net.ptype_all)):
        net.nptype_all -= 1
        return _unlink(net, chain, i, lambda following: setattr(net, "ptype_all", following))
    raise ValueError(f"packet type {i} is not registered")


def _unlink(net: Net, chain: list[int], i: int, set_head: Any) -> None:
    at = chain.index(i)
    if at:
        net.ptype[chain[at - 1]].next = net.ptype[i].next
    else:
        set_head(net.ptype[i].next)


def packet_types(b: Any, proto: int) -> list[int]:
    """The numbers of the packet types registered for a protocol."""
    chain = _chain(b.net, b.net.ptype_base[proto % PTYPE_HASH_SIZE])
    return [i for i in chain if b.net.ptype[i].type == proto]


# ---------------------------------------------------------------- taps
def add_tap(b: Any, dev: int = NO_DEV, snaplen: int = SNAPLEN, proto: int = ETH_P_ALL) -> int:
    """A packet socket, like tcpdump's: on one device or all, for one protocol or all.  Returns its packet type; its frames leave as
    Out.TAP with that number in `arg`."""
    if not 1 <= snaplen <= SNAPLEN:
        raise ValueError(f"snaplen {snaplen}: 1 to {SNAPLEN}")
    outputs.listen(b)
    i = _free_ptype(b.net)
    return dev_add_pack(b, proto, -1, -1, dev, i, snaplen)


def remove_tap(b: Any, tap: int) -> None:
    dev_remove_pack(b, tap)


class PcapWriter:
    """A pcap file with nanoseconds that tcpdump reads, written as it comes: feed it what Drain.outputs() yields."""

    def __init__(self, file: BinaryIO, snaplen: int = SNAPLEN, epoch_ns: int = 0, kind: int = Out.TAP, arg: int | None = None) -> None:
        self.file, self.epoch_ns, self.kind, self.arg, self.frames = file, epoch_ns, kind, arg, 0
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snaplen, 1))         # LINKTYPE_ETHERNET

    def write(self, o: outputs.Output) -> None:
        """One frame, if it is of this writer's kind and tap."""
        if o.kind == self.kind and self.arg in (None, o.arg):
            t = o.t + self.epoch_ns
            self.file.write(struct.pack("<IIII", t // 1_000_000_000, t % 1_000_000_000, len(o.data), o.length) + o.data)
            self.frames += 1


# ---------------------------------------------------------------- devices
def add_vlan(b: Any, dev: int, real_dev: int, vid: int, mac: int | None = None, proto: int = ETH_P_8021Q) -> None:
    """`ip link add link <real_dev> type vlan id <vid>`, with 0x88A8 `protocol 802.1ad`: device number `dev`, up."""
    net: Net = b.net
    if not 0 <= vid <= VLAN_VID_MASK - 1:
        raise ValueError(f"VLAN id {vid}: 0 to {VLAN_VID_MASK - 1}")
    if not 0 <= dev < NDEV or dev == real_dev:
        raise ValueError(f"device {dev}: 0 to {NDEV - 1}, and not the one below")
    d = net.dev[dev]
    d.real_dev, d.vlan_id, d.up, d.ifindex, d.nic = real_dev, vid | VLAN_DEVICE, 1, dev + 1, net.dev[real_dev].nic
    d.vlan_proto, d.xmit = 1 if proto == ETH_P_8021Q else 2, path.xmit.handler("vlan_dev_hard_start_xmit")
    d.mac, d.mtu = net.dev[real_dev].mac if mac is None else mac, net.dev[real_dev].mtu
    if dev not in [net.vlan_dev[i] for i in range(net.nvlan)]:
        net.vlan_dev[net.nvlan] = dev
        net.nvlan += 1


def set_not_modelled(b: Any, ethertypes: Sequence[int]) -> None:
    """EtherTypes that a real host would handle: they end as NOT_MODELLED."""
    net: Net = b.net
    if len(ethertypes) > len(net.ptype_not_modelled):
        raise ValueError(f"{len(ethertypes)} EtherTypes: at most {len(net.ptype_not_modelled)}")
    for i, number in enumerate(ethertypes):
        net.ptype_not_modelled[i] = number
    net.nnot_modelled = len(ethertypes)


def set_gro(b: Any, dev: int = 0, gro: bool = True, udp_gro_forwarding: bool = False) -> None:
    """ethtool -K: generic-receive-offload, rx-udp-gro-forwarding."""
    if udp_gro_forwarding and not b.net.behaviour[Behaviour.udp_gro]:
        raise ValueError("rx-udp-gro-forwarding: not in this kernel")
    b.net.dev[dev].gro, b.net.dev[dev].udp_gro_forwarding = int(gro), int(udp_gro_forwarding)


def set_udp_gro(b: Any, sk: int, on: bool = True) -> None:
    """setsockopt(UDP_GRO).  Turns the look-up in GRO on for all: udp_encap_needed_key."""
    if not b.net.behaviour[Behaviour.udp_gro]:
        raise ValueError("UDP_GRO: not in this kernel")
    s = b.net.socks[sk]
    b.net.udp_encap_needed += int(on) - int(bool(s.gro_enabled))
    s.gro_enabled = int(on)


# ---------------------------------------------------------------- steering
def set_rps(b: Any, queue: int, cpus: list[int]) -> None:
    """/sys/class/net/<dev>/queues/rx-<queue>/rps_cpus; no CPUs: off."""
    net: Net = b.net
    if not 0 <= queue < NQ:
        raise ValueError(f"queue {queue}: 0 to {NQ - 1}")
    if len(cpus) > RPS_MAP or any(not 0 <= c < NCPU for c in cpus):
        raise ValueError(f"rps_cpus {cpus}: CPUs 0 to {NCPU - 1}, at most {RPS_MAP}")
    for i, c in enumerate(sorted(set(cpus))):
        net.rps_map[queue][i] = c
    net.rps_len[queue] = len(set(cpus))
    _rps_needed(net)


def _rps_needed(net: Net) -> None:
    """The static branch: is there anything that get_rps_cpu() could say?"""
    net.rfs = int(any(net.rfs_len[q] for q in range(NQ)))
    net.rps_ncpu = sum(net.rps_len[q] for q in range(NQ)) + net.rfs


def set_rfs(b: Any, sock_flow_entries: int, flow_cnt: dict[int, int], ncpu: int = NCPU) -> None:
    """net.core.rps_sock_flow_entries, and /sys/class/net/<dev>/queues/rx-<queue>/rps_flow_cnt of each queue; powers of two, as the kernel
    rounds them up.  RFS is on when both are there; its tables begin empty."""
    net: Net = b.net
    if not 0 <= sock_flow_entries <= NSOCKFLOW:
        raise ValueError(f"rps_sock_flow_entries {sock_flow_entries}: 0 to {NSOCKFLOW}")
    for queue, n in flow_cnt.items():
        if not 0 <= queue < NQ:
            raise ValueError(f"queue {queue}: 0 to {NQ - 1}")
        if not 0 <= n <= NDEVFLOW:
            raise ValueError(f"rps_flow_cnt {n}: 0 to {NDEVFLOW}")
    entries = _power_of_two(sock_flow_entries)
    net.rps_sock_flow_mask, net.rps_cpu_mask = max(entries, 1) - 1, _power_of_two(ncpu) - 1
    for i in range(entries):
        net.rps_sock_flow[i] = -1
    for q in range(NQ):
        net.rfs_len[q] = _power_of_two(flow_cnt.get(q, 0)) if entries else 0
        for i in range(net.rfs_len[q]):
            reset_struct(net.dev_flow[q][i])
    _rps_needed(net)


def _power_of_two(n: int) -> int:
    """roundup_pow_of_two(), 0 for 0."""
    return 1 << (n - 1).bit_length() if n else 0


def set_flow_limit(b: Any, cpus: list[int], table_len: int = 4096) -> None:
    """net.core.flow_limit_cpu_bitmap and flow_limit_table_len: on for the CPUs that enqueue; counts begin anew."""
    net: Net = b.net
    if cpus and not net.behaviour[Behaviour.flow_limit]:
        raise ValueError("flow_limit_cpu_bitmap: not in this kernel")
    if table_len < 1 or table_len & table_len - 1 or table_len > FLOW_TABLE_MAX:
        raise ValueError(f"flow_limit_table_len {table_len}: a power of two, at most {FLOW_TABLE_MAX}")
    net.sysctl[Sysctl.flow_limit_table_len] = table_len
    for c in range(NCPU):
        fl = net.input[c]
        fl.flow_limit, fl.flow_count, fl.flow_head = int(c in cpus), 0, 0
        if c in cpus:
            for table in (fl.flow_history, fl.flow_bucket):
                for i in range(len(table)):
                    table[i] = 0


def softnet_stat(b: Any, cpu: int) -> dict[str, int]:
    """The columns of /proc/net/softnet_stat that move, by name."""
    sd, queue = b.net.sd[cpu], b.net.input[cpu]
    return {"processed": sd.processed, "dropped": queue.dropped, "time_squeeze": sd.time_squeeze, "received_rps": sd.received_rps,
            "flow_limit_count": queue.flow_count, "backlog_len": queue.len + sd.process_len, "cpu_index": cpu,
            "input_qlen": queue.len, "process_qlen": sd.process_len}
