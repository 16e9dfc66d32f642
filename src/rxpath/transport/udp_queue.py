"""From the lookup to the socket's queue: udp_unicast_rcv_skb, udp_queue_rcv_skb and udp_queue_rcv_one_skb of net/ipv4/udp.c.

Called by udp.py and udp_mcast.py; hands each datagram to user/queue.py when it is this CPU's turn."""
from .._compile import cold, path_function
from ..abi.kernels import Behaviour
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import NET_RX_SUCCESS, NO_SKB, UDP_HLEN
from ..abi.protocols import Seen
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..path import Stage, Touch, touched
from ..skb import count_unhandled, kfree_skb_reason, udp_rcv_segment
from ..turn import at, late, park, touch
from ..user.checksum import udp_lib_checksum_complete
from ..user.filter import sk_filter_trim_cap
from ..user.queue import __udp_enqueue_schedule_skb, udp_queue_rcv_skb_310


@path_function
def udp_unicast_rcv_skb(net: Net, cpu: int, skb: sk_buff, i: int) -> int:
    """One socket's datagram."""
    at(net, cpu, skb, Stage.udp_unicast_rcv_skb)
    return udp_queue_rcv_skb(net, cpu, skb, i)


@path_function
def udp_queue_rcv_skb(net: Net, cpu: int, skb: sk_buff, i: int) -> int:
    """The socket is touched when it is our turn.  What GRO has merged comes apart, unless the socket wants it whole."""
    at(net, cpu, skb, Stage.udp_queue_rcv_skb)
    sk = net.socks[i]
    skb.sk = i
    skb.sk_gen = sk.gen
    if skb.gso_size and sk.gro_enabled == 0:                # udp_unexpected_gso()
        udp_rcv_segment(net, cpu, skb)
        return touch(net, cpu, skb, Touch.udp_queue_rcv_segments)
    return touch(net, cpu, skb, Touch.udp_queue_rcv_one_skb)


@touched
@path_function
def udp_queue_rcv_segments(net: Net, cpu: int, skb: sk_buff) -> int:
    """Segments, linked by next, one after the other; each waits for its own turn."""
    i = skb.idx
    while i >= 0:
        segment = net.skb[i]
        if late(net, cpu):
            park(net, cpu, segment, Touch.udp_queue_rcv_segments)
            return NET_RX_SUCCESS
        i = segment.next
        segment.next = NO_SKB
        udp_queue_rcv_one_skb(net, cpu, segment)
    return NET_RX_SUCCESS


@cold
@path_function
def udp_tunnelled(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    net.snmp[cpu][Mib.Udp_InDatagrams] += 1
    count_unhandled(net, skb, Seen.TUNNEL, sk.port)
    return kfree_skb_reason(net, cpu, skb, Stage.udp_queue_rcv_one_skb, Drop.NOT_MODELLED)


@cold
@path_function
def udp_refused(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """A socket with a program: a damaged datagram is found out now, whatever its size, then the program may refuse it or leave only a
    part of it.  skb.data stands at the UDP header.  A drop reason, or 0."""
    if udp_lib_checksum_complete(net, cpu, skb):
        net.snmp[cpu][Mib.Udp_InCsumErrors] += 1
        return Drop.UDP_CSUM
    if net.behaviour[Behaviour.udp_filter_first] and not sk_filter_trim_cap(net, cpu, sk, skb, UDP_HLEN):
        return Drop.SOCKET_FILTER
    return 0


@cold
@path_function
def udp_queue_drop(net: Net, cpu: int, sk: sock, skb: sk_buff, reason: int) -> int:
    net.snmp[cpu][Mib.Udp_InErrors] += 1
    sk.drops += 1
    return kfree_skb_reason(net, cpu, skb, Stage.udp_queue_rcv_one_skb, reason)


@touched
@path_function
def udp_queue_rcv_one_skb(net: Net, cpu: int, skb: sk_buff) -> int:
    """Into the socket, if it is still that socket."""
    at(net, cpu, skb, Stage.udp_queue_rcv_one_skb)
    sk = net.socks[skb.sk]
    if sk.gen != skb.sk_gen:                                # closed while the packet waited for its turn
        return kfree_skb_reason(net, cpu, skb, Stage.udp_queue_rcv_one_skb, Drop.NO_SOCKET)
    if net.udp_tunnels and sk.encap_type:                   # sk->encap_rcv: the tunnel's device would go on with it
        return udp_tunnelled(net, cpu, sk, skb)
    if net.nfiltered and sk.filter >= 0:
        refused = udp_refused(net, cpu, sk, skb)
        if refused:
            return udp_queue_drop(net, cpu, sk, skb, refused)
    skb.data += UDP_HLEN
    skb.len -= UDP_HLEN
    if sk.dport:                                            # sk_mark_napi_id(), sk_incoming_cpu_update()
        sk.napi_id = skb.queue_mapping + 1
        if sk.group < 0:
            sk.incoming_cpu = cpu
    elif sk.napi_id == 0:                                   # sk_mark_napi_id_once(), for busy polling
        sk.napi_id = skb.queue_mapping + 1
    if net.rfs and sk.dport:                                # a connected socket: sock_rps_save_rxhash()
        sk.rxhash = skb.hash & 0xFFFFFFFF
    if net.behaviour[Behaviour.udp_backlog]:
        return udp_queue_rcv_skb_310(net, cpu, sk, skb)
    return __udp_enqueue_schedule_skb(net, cpu, sk, skb)
