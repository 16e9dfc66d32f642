"""net/core/dev.c: netif_receive_skb in its three forms: a list, a packet, a packet of the backlog.

Called by the polls (igb_poll, process_backlog); hands packets to their protocol through ptype_base, or, where RPS says so, to another
CPU's backlog (irq/backlog.py)."""
from .. import path
from .._compile import always_inline, byte, cold, mem_at, path_function
from ..abi.kernels import Behaviour
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.numbers import DONE, ETH_P_802_2, NET_RX_SUCCESS, NO_SKB, PACKET_OTHERHOST, PTYPE_HASH_SIZE, VLAN_VID_MASK, YIELD, Run
from ..abi.protocols import Seen
from ..abi.reasons import Drop
from ..abi.skbuff import PTYPE_SKB_CB, sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage, Touch
from ..skb import __skb_dequeue, __skb_queue_tail, consume_skb, count_unhandled, kfree_skb_reason, skb_clone, skb_vlan_tag_present
from ..turn import at, late, late_private, touch
from .af_packet import deliver_ptype_all, packet_rcv
from .gro import napi_gro_flush
from .vlan import eth_type_vlan, skb_vlan_untag, vlan_do_receive


@always_inline
@path_function
def napi_list_up(net: Net, cpu: int, napi: napi_struct) -> int:
    """gro_normal_list(): the packets of napi.rx_list enter the stack: as a list (6.18), one by one (3.10).  DONE or YIELD.

    A flush of GRO fills the list again and again, gro_normal_batch segments at a time."""
    while True:
        if net.behaviour[Behaviour.rx_lists]:
            if netif_receive_skb_list_internal(net, cpu, napi) == YIELD:
                return YIELD
        elif napi_skbs_up(net, cpu, napi) == YIELD:
            return YIELD
        napi.rx_count = 0
        if napi.flush_rest:
            napi_gro_flush(net, cpu, napi)
        if napi.rx_list.head < 0:
            napi.up = 0
            return DONE


@path_function
def napi_skbs_up(net: Net, cpu: int, napi: napi_struct) -> int:
    sd = net.sd[cpu]
    while napi.rx_list.head >= 0 or sd.clones.head >= 0:
        if sd.clones.head >= 0:
            clone_up(net, cpu)
        else:
            skb = __skb_dequeue(net, napi.rx_list)
            netif_receive_skb(net, cpu, skb)
        if late_private(net, cpu):
            return YIELD
    return DONE


@always_inline
@path_function
def netif_receive_skb_list_internal(net: Net, cpu: int, napi: napi_struct) -> int:
    """RPS sends packets to other CPUs' backlogs; the rest goes up in runs of one protocol."""
    sd = net.sd[cpu]
    while True:
        if sd.clones.head >= 0:
            clone_up(net, cpu)
            if late_private(net, cpu):
                return YIELD
            continue
        if napi.run_state != Run.GATHER:             # a run is on its way
            if run_to_protocol(net, cpu, napi) == YIELD:
                return YIELD
            continue                                 # the packet that ended it may be a run of its own: before the next, as after a YIELD
        if napi.rx_list.head < 0:
            if napi.run.head < 0:
                return DONE
            napi.run_state = Run.HAND_UP
            continue
        if net.rfs and late(net, cpu):               # the flow tables are everybody's
            return YIELD
        skb = __skb_dequeue(net, napi.rx_list)
        at(net, cpu, skb, Stage.netif_receive_skb_list_internal)
        if net.rps_ncpu:
            if net.rfs_len[skb.queue_mapping]:
                if path.call_touched(Touch.rfs_list, net, cpu, skb) == NET_RX_SUCCESS:
                    if late_private(net, cpu):
                        return YIELD
                    continue
            elif net.rps_len[skb.queue_mapping]:
                touch(net, cpu, skb, Touch.enqueue_to_backlog)
                if late_private(net, cpu):
                    return YIELD
                continue
        i = __netif_receive_skb_core(net, cpu, skb)
        if i >= 0:
            add_to_run(net, napi, skb, i)


@path_function
def add_to_run(net: Net, napi: napi_struct, skb: sk_buff, i: int) -> None:
    """__netif_receive_skb_list_core(): neighbours of one protocol travel together."""
    if napi.run.head < 0:
        begin_run(net, napi, skb, i)
    elif i == napi.run_ptype:
        __skb_queue_tail(net, napi.run, skb)
    else:
        napi.run_next, napi.run_next_ptype = skb.idx, i
        napi.run_state = Run.HAND_UP


@path_function
def begin_run(net: Net, napi: napi_struct, skb: sk_buff, i: int) -> None:
    pt = net.ptype[i]
    __skb_queue_tail(net, napi.run, skb)
    napi.run_ptype = i
    if pt.list_handler < 0:                          # no list_func: one by one
        napi.run_state = Run.HAND_UP


@path_function
def run_to_protocol(net: Net, cpu: int, napi: napi_struct) -> int:
    pt = net.ptype[napi.run_ptype]
    if pt.list_handler >= 0:
        if path.call_packet_list(pt.list_handler, net, cpu, napi) == YIELD:
            return YIELD
        end_run(net, napi)
    else:
        skb = __skb_dequeue(net, napi.run)
        end_run(net, napi)
        path.call_packet_type(pt.handler, net, cpu, skb)
    return YIELD if late_private(net, cpu) else DONE


@path_function
def end_run(net: Net, napi: napi_struct) -> None:
    """Its packets have gone up."""
    napi.run_state = Run.GATHER
    if napi.run_next >= 0:                           # the packet that ended this run begins the next
        following = net.skb[napi.run_next]
        napi.run_next = NO_SKB
        begin_run(net, napi, following, napi.run_next_ptype)


@path_function
def netif_receive_skb(net: Net, cpu: int, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.netif_receive_skb)
    if net.rps_ncpu:
        if net.rfs_len[skb.queue_mapping]:
            return touch(net, cpu, skb, Touch.rfs_receive)
        if net.rps_len[skb.queue_mapping]:
            return touch(net, cpu, skb, Touch.enqueue_to_backlog)
    return __netif_receive_skb(net, cpu, skb)


@path_function
def __netif_receive_skb(net: Net, cpu: int, skb: sk_buff) -> int:
    """__netif_receive_skb_one_core(): to the packet's protocol."""
    i = __netif_receive_skb_core(net, cpu, skb)
    if i < 0:
        return NET_RX_SUCCESS
    pt = net.ptype[i]
    return path.call_packet_type(pt.handler, net, cpu, skb)


@path_function
def __netif_receive_skb_core(net: Net, cpu: int, skb: sk_buff) -> int:
    """Taps, VLAN, then the entry of ptype_base that gets the packet itself, or -1: it has ended.

    A packet that only taps wanted was wanted: with a tcpdump running, unknown protocols are not counted as rx_dropped."""
    at(net, cpu, skb, Stage.__netif_receive_skb_core)
    sd = net.sd[cpu]
    sd.processed += 1
    taken = 0
    if net.nptype_all or skb_vlan_tag_present(skb) or eth_type_vlan(skb.protocol):
        taken = taps_and_tags(net, cpu, skb)
        if taken < 0:
            return -1
    skb.transport_header = skb.network_header
    found, i = -1, net.ptype_base[skb.protocol & PTYPE_HASH_SIZE - 1]
    while i >= 0:
        pt = net.ptype[i]
        if pt.type == skb.protocol and (pt.dev < 0 or pt.dev == skb.dev):
            if pt.tap >= 0:
                packet_rcv(net, cpu, skb, pt)
                taken += 1
            elif found < 0:
                found = i
            else:                                    # the first handler gets the packet, each further one a clone
                deliver_skb(net, cpu, skb, pt.handler)
        i = pt.next
    if found < 0:
        if taken:
            consume_skb(net, cpu, skb)
        else:
            unhandled_proto(net, cpu, skb)
    return found


@cold
@path_function
def unhandled_proto(net: Net, cpu: int, skb: sk_buff) -> int:
    """Nobody wants this EtherType: Linux drops it too, unless it is one that the path does not model."""
    if skb.protocol == ETH_P_802_2 and skb.len:
        count_unhandled(net, skb, Seen.SAP, byte(mem_at(net.mem_addr), skb.data))
    else:
        count_unhandled(net, skb, Seen.ETHERTYPE, skb.protocol)
    for i in range(net.nnot_modelled):
        if net.ptype_not_modelled[i] == skb.protocol:
            return kfree_skb_reason(net, cpu, skb, Stage.__netif_receive_skb_core, Drop.NOT_MODELLED)
    net.dev_stat[cpu][skb.dev][DevStat.rx_dropped] += 1
    return kfree_skb_reason(net, cpu, skb, Stage.__netif_receive_skb_core, Drop.UNHANDLED_PROTO)


@path_function
def taps_and_tags(net: Net, cpu: int, skb: sk_buff) -> int:
    """What most packets skip.  Returns how many taps took a copy, -1: the packet has ended."""
    taken, sd = 0, net.sd[cpu]
    while True:
        if eth_type_vlan(skb.protocol):
            if not skb_vlan_untag(net, cpu, skb):
                return -1
        if net.nptype_all:
            taken += deliver_ptype_all(net, cpu, skb)
        again = False
        while skb_vlan_tag_present(skb) and not again:
            wanted = vlan_do_receive(net, cpu, skb)
            if wanted < 0:
                return -1
            if wanted:                               # another round, as the VLAN device's packet
                again = True
            else:
                skb.vlan = 0
                if skb.vlan_tci & VLAN_VID_MASK:     # a VLAN that we do not have: not for us
                    skb.pkt_type = PACKET_OTHERHOST
                elif eth_type_vlan(skb.protocol):    # a priority tag before another tag
                    if not skb_vlan_untag(net, cpu, skb):
                        return -1
        if not again:
            return taken
        at(net, cpu, skb, Stage.__netif_receive_skb_core)
        sd.processed += 1


@path_function
def deliver_skb(net: Net, cpu: int, skb: sk_buff, handler: int) -> None:
    """A clone for a further handler.  The loop hands it up next (clone_up): two packets cannot be under way at once (turn/)."""
    i = skb_clone(net, cpu, skb)
    if i < 0:
        return
    sd, clone = net.sd[cpu], net.skb[i]
    cb = PTYPE_SKB_CB(clone)
    cb.handler = handler
    __skb_queue_tail(net, sd.clones, clone)


@path_function
def clone_up(net: Net, cpu: int) -> None:
    """The oldest clone to its handler.  The caller is a loop around packets, and asks late_private() after it."""
    sd = net.sd[cpu]
    clone = __skb_dequeue(net, sd.clones)
    path.call_packet_type(PTYPE_SKB_CB(clone).handler, net, cpu, clone)
