"""net/core/gro.c: merge, hold or let go.  Called by the driver's poll; packets that go collect on napi.rx_list (dev.py takes them up).

A NAPI holds packets in lists by flow hash, newest first, linked through gro_next; a list has at most MAX_GRO_SKBS.  A held packet p grows:

    p: headers, payload | pages of p | p.frag_list: part -> part -> ...   each part a frame of the wire, its data moved to its payload

The protocol's functions decide, by EtherType from offload_base (gro_inet.py), then by IP protocol from inet_offloads (tcp_offload.py,
udp_offload.py): skb.gro_same_flow: it has been merged; skb.gro_flush: it must not be held; and they return the held packet that has
to go now, or NO_SKB.  One flow keeps its order: what must go, goes before the packet in hand.

Truesize of a part follows skb_gro_receive(): igb's buffers become frags of p, so that only the sk_buff of the part is given back; past
MAX_SKB_FRAGS the part stays whole, on frag_list, and collects the next.  A device with kmalloc'ed buffers: what was measured on veth, where
segments of one send arrive as one packet's frags: the payload."""
from .. import path
from .._compile import always_inline, le64, mem_at, path_function
from ..abi.kernels import Behaviour, Sysctl
from ..abi.net import Net
from ..abi.numbers import (
    GRO_HASH_BUCKETS,
    GRO_HELD,
    GRO_MERGED_FREE,
    GRO_NORMAL,
    MAX_GRO_SKBS,
    NO_SKB,
)
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage
from ..skb import __skb_queue_tail, npages
from ..timer import jiffies
from ..turn import at


@always_inline
@path_function
def napi_gro_receive(net: Net, cpu: int, napi: napi_struct, skb: sk_buff) -> int:
    """Every packet of a NAPI driver.  GRO_NORMAL, GRO_HELD or GRO_MERGED_FREE: part of a held one from now on."""
    at(net, cpu, skb, Stage.napi_gro_receive)
    dev = net.dev[skb.dev]
    if not dev.gro:                                  # netif_elide_gro()
        gro_normal_one(net, napi, skb, 1)
        return GRO_NORMAL
    ret = dev_gro_receive(net, cpu, napi, skb)
    if ret == GRO_NORMAL:
        gro_normal_one(net, napi, skb, 1)
    elif ret == GRO_MERGED_FREE:
        at(net, cpu, skb, Stage.napi_skb_free_stolen_head)
    return ret


@path_function
def dev_gro_receive(net: Net, cpu: int, napi: napi_struct, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.dev_gro_receive)
    po = gro_find_receive_by_type(net, skb.protocol)
    if po < 0:
        return GRO_NORMAL
    bucket = skb.hash & net.behaviour[Behaviour.gro_buckets] - 1
    if napi.gro_count[bucket]:
        gro_list_prepare(net, napi, bucket, skb)
    skb.gro_flush = 0
    skb.gro_same_flow = 0
    offload = net.offload_base[po]
    pp = path.call_gro_receive(offload.gro_receive, net, cpu, napi, bucket, skb)
    if pp >= 0:
        gro_unlink(net, napi, bucket, pp)
        napi_gro_complete(net, cpu, napi, net.skb[pp])
    if skb.gro_same_flow:
        return GRO_MERGED_FREE
    if skb.gro_flush:
        return GRO_NORMAL
    if napi.gro_count[bucket] >= MAX_GRO_SKBS:
        gro_flush_oldest(net, cpu, napi, bucket)
    gro_hold(net, cpu, napi, bucket, skb)
    return GRO_HELD


@path_function
def gro_find_receive_by_type(net: Net, protocol: int) -> int:
    """The entry of offload_base for an EtherType, -1: none, GRO lets such packets go."""
    for i in range(net.noffload):
        offload = net.offload_base[i]
        if offload.type == protocol:
            return i
    return -1


@path_function
def gro_list_prepare(net: Net, napi: napi_struct, bucket: int, skb: sk_buff) -> None:
    """Which of the held ones may be the same flow: hash, device, VLAN tag and Ethernet header are equal."""
    mem, i, a = mem_at(net.mem_addr), napi.gro_bucket[bucket], skb.mac_header
    while i >= 0:
        p = net.skb[i]
        b = p.mac_header
        p.gro_same_flow = 0
        if p.hash == skb.hash and p.dev == skb.dev and p.vlan == skb.vlan and (skb.vlan == 0 or p.vlan_tci == skb.vlan_tci):
            if le64(mem, a) == le64(mem, b) and le64(mem, a + 6) == le64(mem, b + 6):
                p.gro_same_flow = 1
        i = p.gro_next


@path_function
def gro_hold(net: Net, cpu: int, napi: napi_struct, bucket: int, skb: sk_buff) -> None:
    """The first of what may become a merged packet."""
    skb.gro_count = 1
    skb.gro_fixedid = 0
    skb.gro_nr_frags = npages(net, skb)
    skb.gro_age = jiffies(net, cpu)
    skb.gso_size = skb.len - skb.gro_offset
    skb.gro_next = napi.gro_bucket[bucket]
    napi.gro_bucket[bucket] = skb.idx
    napi.gro_count[bucket] += 1
    napi.gro_bitmask |= 1 << bucket


@path_function
def gro_unlink(net: Net, napi: napi_struct, bucket: int, which: int) -> None:
    """Off its list."""
    before, i = NO_SKB, napi.gro_bucket[bucket]
    while i != which:
        before = i
        p = net.skb[i]
        i = p.gro_next
    gone = net.skb[which]
    if before >= 0:
        previous = net.skb[before]
        previous.gro_next = gone.gro_next
    else:
        napi.gro_bucket[bucket] = gone.gro_next
    napi.gro_count[bucket] -= 1
    if napi.gro_count[bucket] == 0:
        napi.gro_bitmask &= ~(1 << bucket)


@path_function
def gro_oldest(net: Net, napi: napi_struct, bucket: int) -> int:
    """The tail of a list that is not empty."""
    i, oldest = napi.gro_bucket[bucket], NO_SKB
    while i >= 0:
        oldest = i
        p = net.skb[i]
        i = p.gro_next
    return oldest


@path_function
def gro_flush_oldest(net: Net, cpu: int, napi: napi_struct, bucket: int) -> None:
    oldest = gro_oldest(net, napi, bucket)
    gro_unlink(net, napi, bucket, oldest)
    napi_gro_complete(net, cpu, napi, net.skb[oldest])


@path_function
def napi_gro_flush(net: Net, cpu: int, napi: napi_struct) -> None:
    """Let go what is held, the oldest of each list first, until a batch is full (flush_rest: come again when it has gone up).

    The ring is empty: everything, but with a timer to follow (gro_flush_timeout) only what is not of this jiffy.  The budget is used up:
    everything too if HZ < 1000, else what is not of this jiffy."""
    old_only = napi.timeout != 0 or (napi.dry == 0 and net.sysctl[Sysctl.jiffy_ns] <= 1_000_000)
    now = jiffies(net, cpu)
    napi.flush_rest = 0
    if napi.gro_bitmask == 0:
        return
    for bucket in range(GRO_HASH_BUCKETS):
        while napi.gro_count[bucket]:
            oldest = gro_oldest(net, napi, bucket)
            p = net.skb[oldest]
            if old_only and p.gro_age == now:
                break
            gro_unlink(net, napi, bucket, oldest)
            napi_gro_complete(net, cpu, napi, p)
            if napi.rx_count >= napi.batch:
                napi.flush_rest = 1
                return


@path_function
def napi_gro_complete(net: Net, cpu: int, napi: napi_struct, skb: sk_buff) -> None:
    """Headers are mended; the packet goes up, and counts for as many as it holds."""
    at(net, cpu, skb, Stage.napi_gro_complete)
    if skb.gro_count == 1:
        skb.gso_size = 0
    else:
        skb.gso_segs = skb.gro_count
        offload = net.offload_base[gro_find_receive_by_type(net, skb.protocol)]
        path.call_gro_complete(offload.gro_complete, net, cpu, skb)
    gro_normal_one(net, napi, skb, skb.gro_count)


@path_function
def gro_normal_one(net: Net, napi: napi_struct, skb: sk_buff, segs: int) -> None:
    """Onto the list of packets that go up together.  rx_count counts segments, as gro_normal_batch does."""
    __skb_queue_tail(net, napi.rx_list, skb)
    napi.rx_count += segs
