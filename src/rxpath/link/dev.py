"""net/core/dev.c: netif_receive_skb in its three forms: a list, a packet, a packet of the backlog.

Called by the polls (igb_poll, process_backlog); hands packets to their protocol through ptype_base, or, where RPS says so, to another
CPU's backlog (irq/backlog.py)."""
from .. import path
from .._compile import path_function
from ..abi.kernels import Behaviour
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.numbers import DONE, NET_RX_SUCCESS, NO_SKB, YIELD
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage, Touch
from ..skb import kfree_skb_reason
from ..turn import at, late_private, touch


@path_function
def napi_list_up(net: Net, cpu: int, napi: napi_struct) -> int:
    """gro_normal_list(): the packets of napi.rx_list enter the stack: as a list (6.18), one by one (3.10).  DONE or YIELD."""
    if net.behaviour[Behaviour.rx_lists]:
        return netif_receive_skb_list_internal(net, cpu, napi)
    while napi.rx_count:
        skb = pop_rx_list(net, napi)
        netif_receive_skb(net, cpu, skb)
        if late_private(net, cpu):
            return YIELD
    napi.up = 0
    return DONE


@path_function
def pop_rx_list(net: Net, napi: napi_struct) -> sk_buff:
    skb = net.skb[napi.rx_list]
    napi.rx_list = skb.next
    napi.rx_count -= 1
    skb.next = NO_SKB
    return skb


@path_function
def netif_receive_skb_list_internal(net: Net, cpu: int, napi: napi_struct) -> int:
    """RPS sends packets to other CPUs' backlogs; the rest goes up in runs of one protocol."""
    while True:
        if napi.list_phase:                          # a run is on its way
            if run_to_protocol(net, cpu, napi) == YIELD:
                return YIELD
        if napi.rx_count == 0:
            if napi.list_head < 0:
                napi.up = 0
                return DONE
            napi.list_phase = 1
            continue
        skb = pop_rx_list(net, napi)
        at(net, cpu, skb, Stage.netif_receive_skb_list_internal)
        if net.rps_ncpu:
            if net.rps_len[skb.queue_mapping]:
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
    pt = net.ptype[i]
    skb.cb_a = pt.list_handler if pt.list_handler >= 0 else -1 - pt.handler      # no list_func: one by one
    if napi.list_head < 0:
        begin_run(napi, skb)
    elif napi.list_handler >= 0 and napi.list_handler == skb.cb_a:
        tail = net.skb[napi.list_tail]
        tail.next = skb.idx
        napi.list_tail = skb.idx
    else:
        napi.list_next = skb.idx
        napi.list_phase = 1


@path_function
def begin_run(napi: napi_struct, skb: sk_buff) -> None:
    napi.list_head = skb.idx
    napi.list_tail = skb.idx
    napi.list_handler = skb.cb_a
    if skb.cb_a < 0:
        napi.list_phase = 1


@path_function
def run_to_protocol(net: Net, cpu: int, napi: napi_struct) -> int:
    if napi.list_handler >= 0:
        if path.call_packet_list(napi.list_handler, net, cpu, napi) == YIELD:
            return YIELD
        napi.list_head = NO_SKB
    else:
        skb = net.skb[napi.list_head]
        napi.list_head = NO_SKB
        path.call_packet_type(-1 - napi.list_handler, net, cpu, skb)
    napi.list_phase = 0
    if napi.list_next >= 0:                          # the packet that ended this run begins the next
        following = net.skb[napi.list_next]
        napi.list_next = NO_SKB
        begin_run(napi, following)
    return YIELD if late_private(net, cpu) else DONE


@path_function
def netif_receive_skb(net: Net, cpu: int, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.netif_receive_skb)
    if net.rps_ncpu:
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
    """Taps, VLAN, then the entry of ptype_base that wants the packet, or -1: it has ended."""
    at(net, cpu, skb, Stage.__netif_receive_skb_core)
    sd = net.sd[cpu]
    sd.processed += 1
    net.dev_stat[cpu][skb.dev][DevStat.rx_packets] += 1
    net.dev_stat[cpu][skb.dev][DevStat.rx_bytes] += skb.len
    skb.transport_header = skb.network_header
    i = net.ptype_base[skb.protocol & 15]
    while i >= 0:
        pt = net.ptype[i]
        if pt.type == skb.protocol and (pt.dev < 0 or pt.dev == skb.dev):
            return i
        i = pt.next
    net.dev_stat[cpu][skb.dev][DevStat.rx_dropped] += 1
    kfree_skb_reason(net, cpu, skb, Drop.UNHANDLED_PROTO)
    return -1
