"""net/ipv4/tcp_ipv4.c: a segment arrives.  Called through inet_protos; finds its connection, its request or its listener, and hands it to
tcp_input.py, tcp_state.py, tcp_minisocks.py or tcp_listen.py.  RFC 9293 3.10.7.

What is found, and all that is done with it, other CPUs can see: from the look-up on it is one touch, so that a segment finds the
connection as it is in its turn.  Connections of a capture adopt what its receiver did: tcp_adopt.py."""
from .._compile import byte, cold, mem_at, path_function
from ..abi.headers import ip_hdr, tcp_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    CHECKSUM_BREAK,
    IPPROTO,
    NET_RX_SUCCESS,
    NO_SOCK,
    PACKET_HOST,
    TCP,
    TCP_HLEN,
    TCPHDR_ACK,
    TCPHDR_CWR,
    TCPHDR_ECE,
    TCPHDR_FIN,
    TCPHDR_RST,
    TCPHDR_SYN,
    TCPHDR_URG,
)
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..abi.spent import Place
from ..abi.tcp import EHASH_REQ, EHASH_TW, NO_EHASH
from ..path import Stage, Touch, early_demux, err_handler, inet_protocol, proto_backlog_rcv, touched
from ..skb import __skb_queue_tail, consume_skb, kfree_skb_reason, pskb_may_pull
from ..spent import spent_in, tstamp_joined
from ..turn import at, spin_lock, spin_unlock, touch
from ..user.filter import sk_filter_trim_cap
from .inet_hashtables import __inet_lookup_established, inet_ehashfn, inet_lhashfn, tcp_v4_flow
from .sock_reuseport import reuseport_select_sock
from .tcp_adopt import tcp_adopt_sent
from .tcp_adopt_connection import tcp_adopt_connection, tcp_awaits_syn, tcp_may_adopt
from .tcp_checksum import tcp_bad_packet, tcp_checksum_complete, tcp_csum_error
from .tcp_coalesce import skb_try_coalesce, tcp_note_tailroom
from .tcp_drop import tcp_drop
from .tcp_established_options import tcp_inbound_hash
from .tcp_input import tcp_rcv_established
from .tcp_lines import tcp_connection_arrives, tcp_pages_came, tcp_segment_arrives
from .tcp_listen import inet_csk_reqsk_queue_drop, req_listener, tcp_conn_request
from .tcp_minisocks import ENDED, TO_LISTENER, cookie_v4_check, tcp_check_req, tcp_child_process
from .tcp_reply import tcp_v4_send_reset, tcp_v4_timewait_ack
from .tcp_seq import before, u32
from .tcp_state import tcp_rcv_state_process
from .tcp_timewait import TCP_TW_ACK, TCP_TW_RST, TCP_TW_SYN, inet_twsk_deschedule_put, tcp_timewait_state_process, tcp_tw_isn

BACKLOG_ROOM = 64 * 1024                             # only the owner can collapse and prune: a little more than the buffers


# ---------------------------------------------------------------- lookup
@path_function
def __inet_lookup_listener(net: Net, cpu: int, skb: sk_buff, daddr: int, dport: int) -> int:
    """One bound to the very address first (inet_lhash2_lookup twice), else one bound to any; of two, that of the device."""
    at(net, cpu, skb, Stage.__inet_lookup_listener)
    best, best_score, dev = NO_SOCK, 0, net.dev[skb.dev]
    i = net.tcp_lhash[inet_lhashfn(dport)]
    while i >= 0:
        sk = net.socks[i]
        if sk.port == dport and sk.state == TCP.LISTEN and (sk.rcv_saddr_lo == 0 or sk.rcv_saddr_lo == daddr) \
                and (sk.bound_dev == 0 or sk.bound_dev == dev.ifindex):
            score = 1
            if sk.rcv_saddr_lo != 0:
                score += 4
            if sk.bound_dev != 0:
                score += 2
            if score > best_score:
                best, best_score = i, score
        i = sk.hnext
    if best >= 0:
        sk = net.socks[best]
        if sk.group >= 0:                            # of a group: by the flow's hash, or by a program
            flow, th = net.flow[cpu], tcp_hdr(net, skb)
            phash = inet_ehashfn(net, flow.daddr_lo, flow.dport, flow.saddr_lo, flow.sport)
            chosen = reuseport_select_sock(net, cpu, skb, net.reuseport[sk.group], phash, th.doff * 4)
            if chosen >= 0:
                return chosen
    return best


@early_demux(IPPROTO.TCP)
@path_function
def tcp_v4_early_demux(net: Net, cpu: int, skb: sk_buff) -> int:
    """The kernel looks for an established connection here, to save the route.  Here the table is asked in clock order only, by
    tcp_v4_lookup(): this look costs what it costs, and finds nothing."""
    if skb.pkt_type != PACKET_HOST or not pskb_may_pull(net, skb, skb.transport_header - skb.data + TCP_HLEN):
        return 0
    at(net, cpu, skb, Stage.tcp_v4_early_demux)
    at(net, cpu, skb, Stage.__inet_lookup_established)
    return 0


@err_handler(IPPROTO.TCP)
@path_function
def tcp_v4_err(net: Net, cpu: int, skb: sk_buff) -> int:
    """An ICMP error about a segment of ours.  1: of no connection, which is all that is known before its turn; none of them ends one."""
    at(net, cpu, skb, Stage.__inet_lookup_established)
    return 1


# ---------------------------------------------------------------- arrival
@inet_protocol(IPPROTO.TCP)
@path_function
def tcp_v4_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """Acceptance.  skb.data stands at the TCP header."""
    at(net, cpu, skb, Stage.tcp_v4_rcv)
    if skb.pkt_type != PACKET_HOST:                                          # 1: a frame to many
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.NOT_SPECIFIED)
    net.snmp[cpu][Mib.Tcp_InSegs] += 1
    if not pskb_may_pull(net, skb, TCP_HLEN):                                # 2: no room for a header
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.NOT_SPECIFIED)
    doff = tcp_hdr(net, skb).doff * 4
    if doff < TCP_HLEN:                                                      # 3: a header shorter than that
        return tcp_bad_packet(net, cpu, skb, Stage.tcp_v4_rcv, Drop.PKT_TOO_SMALL)
    if not pskb_may_pull(net, skb, doff):                                    # 4: options cut off
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.NOT_SPECIFIED)
    if skb.len <= CHECKSUM_BREAK and not tcp_checksum_complete(net, cpu, skb):     # 5: checksum, of a short one at once
        return tcp_csum_error(net, cpu, skb, Stage.tcp_v4_rcv)
    return touch(net, cpu, skb, Touch.tcp_v4_lookup)


@path_function
def tcp_v4_fill_cb(net: Net, skb: sk_buff) -> None:
    cb, th = TCP_SKB_CB(skb), tcp_hdr(net, skb)
    flags = th.flags
    cb.seq, cb.tcp_flags, cb.tailroom = th.seq, flags, 0
    cb.end_seq = u32(th.seq + (flags & TCPHDR_FIN) + (flags & TCPHDR_SYN != 0) + skb.len - th.doff * 4)


@touched
@path_function
def tcp_v4_lookup(net: Net, cpu: int, skb: sk_buff) -> int:
    """Whose is it?  The rest of tcp_v4_rcv()."""
    skb.rx_cpu = cpu
    tcp_v4_fill_cb(net, skb)
    tcp_v4_flow(net, cpu, skb)
    e = __inet_lookup_established(net, cpu, skb)
    if e >= EHASH_TW:
        return tcp_v4_rcv_timewait(net, cpu, skb, e - EHASH_TW)
    if e >= EHASH_REQ:
        return tcp_v4_rcv_request(net, cpu, skb, e - EHASH_REQ)
    return tcp_v4_rcv_found(net, cpu, skb, e)


@path_function
def tcp_v4_rcv_found(net: Net, cpu: int, skb: sk_buff, entry: int) -> int:
    """A connection's entry of tcp_ehash, or NO_EHASH: a listener's, or nobody's."""
    e = entry
    if e < 0:
        flow = net.flow[cpu]
        e = __inet_lookup_listener(net, cpu, skb, flow.daddr_lo, flow.dport)
        if net.ntcp_seen and tcp_awaits_syn(net, skb):
            return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.TCP_SYN_LOST)
        if net.ntcp_seen and tcp_may_adopt(net, skb):
            return tcp_v4_rcv_adopted(net, cpu, e if e >= 0 else net.tcp_adopter, skb)
    if e >= 0:
        return tcp_v4_rcv_sk(net, cpu, net.socks[e], skb)
    if not tcp_checksum_complete(net, cpu, skb):                             # no_tcp_socket
        return tcp_csum_error(net, cpu, skb, Stage.tcp_v4_rcv)
    tcp_v4_send_reset(net, cpu, skb)
    return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.NO_SOCKET)


@cold
@path_function
def tcp_v4_rcv_adopted(net: Net, cpu: int, listener: int, skb: sk_buff) -> int:
    """The first segment of a captured connection that has no handshake here."""
    if not tcp_checksum_complete(net, cpu, skb):
        return tcp_csum_error(net, cpu, skb, Stage.tcp_v4_rcv)
    if listener < 0:
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.NO_SOCKET)
    sk = net.socks[listener]
    spin_lock(net, cpu, sk.lock)
    if tcp_adopt_connection(net, cpu, sk, skb) < 0:
        kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.TCP_LISTEN_OVERFLOW)
    spin_unlock(net, sk.lock)
    return NET_RX_SUCCESS


@path_function
def tcp_v4_rcv_request(net: Net, cpu: int, skb: sk_buff, i: int) -> int:
    """A request of the SYN queue (TCP_NEW_SYN_RECV)."""
    req = net.reqs[i]
    if not tcp_checksum_complete(net, cpu, skb):
        return tcp_csum_error(net, cpu, skb, Stage.tcp_v4_rcv)
    if req_listener(net, req) < 0:                   # it has been closed, and its requests with it
        inet_csk_reqsk_queue_drop(net, i)
        return tcp_v4_rcv_found(net, cpu, skb, NO_EHASH)
    sk = net.socks[req.listener]
    if net.nfiltered and tcp_filter(net, cpu, sk, skb):
        return tcp_drop(net, cpu, sk, skb, Stage.tcp_v4_rcv, Drop.SOCKET_FILTER)
    req.frame = skb.frame
    spin_lock(net, cpu, sk.lock)
    child = tcp_check_req(net, cpu, sk, skb, i)
    if child == TO_LISTENER:
        tcp_v4_do_rcv(net, cpu, sk, skb)
    elif child >= 0:
        tcp_child_process(net, cpu, sk, net.socks[child], skb, Stage.tcp_v4_rcv)
    spin_unlock(net, sk.lock)
    return NET_RX_SUCCESS


@path_function
def tcp_v4_rcv_timewait(net: Net, cpu: int, skb: sk_buff, i: int) -> int:
    """do_time_wait: what is left of a connection.  Every segment ends as a drop, even one that is answered."""
    tw = net.tws[i]
    if not tcp_checksum_complete(net, cpu, skb):
        return tcp_csum_error(net, cpu, skb, Stage.tcp_v4_rcv)
    status = tcp_timewait_state_process(net, cpu, i, skb)
    if status == TCP_TW_SYN:
        flow = net.flow[cpu]
        listener = __inet_lookup_listener(net, cpu, skb, flow.daddr_lo, flow.dport)
        if listener >= 0:
            sk, isn = net.socks[listener], tcp_tw_isn(tw)
            inet_twsk_deschedule_put(net, i)
            refused = tcp_v4_refused(net, cpu, sk, skb)
            if refused:
                return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, refused)
            spin_lock(net, cpu, sk.lock)
            at(net, cpu, skb, Stage.tcp_v4_do_rcv)
            tcp_listen_rcv(net, cpu, sk, skb, isn)
            spin_unlock(net, sk.lock)
            return NET_RX_SUCCESS
        status = TCP_TW_ACK
    if status == TCP_TW_ACK:
        tcp_v4_timewait_ack(net, cpu, skb, tw)
    elif status == TCP_TW_RST:
        tcp_v4_send_reset(net, cpu, skb)
        inet_twsk_deschedule_put(net, i)
    return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, skb.drop_reason)


@path_function
def tcp_v4_refused(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """What the socket does not take, whatever its state: a drop reason, or 0."""
    tp, ip = net.tcp[sk.idx], ip_hdr(net, skb)
    if ip.ttl < tp.min_ttl:
        net.snmp[cpu][Mib.TcpExt_TCPMinTTLDrop] += 1
        return Drop.TCP_MINTTL
    refused = tcp_inbound_hash(net, cpu, skb)
    if net.nfiltered and refused == 0:
        return tcp_filter(net, cpu, sk, skb)
    return refused


@cold
@path_function
def tcp_filter(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """The socket's program may refuse a segment, or leave only a part of its data.  A drop reason, or 0."""
    if sk.filter < 0:
        return 0
    if not sk_filter_trim_cap(net, cpu, sk, skb, tcp_hdr(net, skb).doff * 4):
        return Drop.SOCKET_FILTER
    tcp_v4_fill_cb(net, skb)
    return 0


@path_function
def tcp_v4_rcv_sk(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """A socket's segment: now, or onto the backlog of its owner."""
    tp, refused = net.tcp[sk.idx], tcp_v4_refused(net, cpu, sk, skb)
    if refused:
        return tcp_drop(net, cpu, sk, skb, Stage.tcp_v4_rcv, refused)
    tcp_connection_arrives(net, cpu, sk)
    if net.real_time == 0:
        tcp_pages_came(net, cpu, sk, tp, skb)
    spin_lock(net, cpu, sk.lock)
    tp.segs_in += max(skb.gso_segs, 1)
    if sk.owned >= 0 and sk.state != TCP.LISTEN:
        tcp_add_backlog(net, cpu, sk, skb)
    else:
        tp.frame, tp.dev = skb.frame, skb.dev
        tcp_v4_do_rcv(net, cpu, sk, skb)
    spin_unlock(net, sk.lock)
    return NET_RX_SUCCESS


@proto_backlog_rcv(IPPROTO.TCP)
@path_function
def tcp_v4_do_rcv(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """By state.  The caller has the socket's lock, or owns it."""
    if net.ntcp_seen and sk.state != TCP.LISTEN:
        tcp_adopt_sent(net, cpu, sk, skb)
    if skb.rx_cpu != cpu:                                                    # from the backlog: its owner writes both
        lock = sk.lock
        lock.last_cpu = cpu
        tcp_segment_arrives(net, cpu, skb)
    if sk.state == TCP.ESTABLISHED:
        tcp_rcv_established(net, cpu, sk, skb)
        return NET_RX_SUCCESS
    at(net, cpu, skb, Stage.tcp_v4_do_rcv)
    if not tcp_checksum_complete(net, cpu, skb):
        return tcp_csum_error(net, cpu, skb, Stage.tcp_v4_do_rcv)
    if sk.state == TCP.LISTEN:
        return tcp_listen_rcv(net, cpu, sk, skb, 0)
    reason = tcp_rcv_state_process(net, cpu, sk, skb)
    if reason == 0:
        return NET_RX_SUCCESS
    tcp_v4_send_reset(net, cpu, skb)
    return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_do_rcv, reason)


@path_function
def tcp_listen_rcv(net: Net, cpu: int, sk: sock, skb: sk_buff, tw_isn: int) -> int:
    """tcp_rcv_state_process() of a listener.  tw_isn: see tcp_conn_request()."""
    th = tcp_hdr(net, skb)
    if th.flags & TCPHDR_SYN == 0:                                           # a cookie that comes back?
        child = cookie_v4_check(net, cpu, sk, skb)
        if child >= 0:
            return tcp_child_process(net, cpu, sk, net.socks[child], skb, Stage.tcp_v4_do_rcv)
        if child == ENDED:
            return NET_RX_SUCCESS
    at(net, cpu, skb, Stage.tcp_rcv_state_process)
    if th.flags & TCPHDR_ACK:                                                # 1: of a connection that is not
        tcp_v4_send_reset(net, cpu, skb)
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_do_rcv, Drop.TCP_FLAGS)
    if th.flags & TCPHDR_RST:                                                # 2
        return tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, Drop.TCP_RESET)
    if th.flags & (TCPHDR_SYN | TCPHDR_FIN) != TCPHDR_SYN:                   # 3: a listener waits for SYN only
        return tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, Drop.TCP_FLAGS)
    tcp_conn_request(net, cpu, sk, skb, tw_isn)
    consume_skb(net, cpu, skb)
    return NET_RX_SUCCESS


# ---------------------------------------------------------------- the owner's backlog
@path_function
def tcp_add_backlog(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """What comes while a system call owns the socket waits for release_sock().  Neighbours become one where they can."""
    at(net, cpu, skb, Stage.tcp_add_backlog)
    if not tcp_checksum_complete(net, cpu, skb):
        sk.drops += 1
        return tcp_csum_error(net, cpu, skb, Stage.tcp_v4_rcv)
    if net.spends:
        spent_in(net, cpu, skb, Place.SOFTIRQ)
    if sk.backlog_qlen > sk.backlog_taken and tcp_backlog_coalesce(net, cpu, sk, net.skb[sk.backlog.tail], skb):
        return NET_RX_SUCCESS
    limit = (sk.rcvbuf << 1) + (sk.sndbuf >> 1) + BACKLOG_ROOM
    if sk.backlog_len + sk.rmem_alloc > limit:
        net.snmp[cpu][Mib.TcpExt_TCPBacklogDrop] += 1
        return tcp_drop(net, cpu, sk, skb, Stage.tcp_v4_rcv, Drop.SOCKET_BACKLOG)
    __skb_queue_tail(net, sk.backlog, skb)
    sk.backlog_len += skb.truesize
    sk.backlog_qlen += 1
    sk.backlog_max = max(sk.backlog_max, sk.backlog_len)
    return NET_RX_SUCCESS


@path_function
def tcp_backlog_coalesce(net: Net, cpu: int, sk: sock, tail: sk_buff, skb: sk_buff) -> bool:
    """Same flags that matter, same options, and the next byte: skb becomes part of the last one."""
    tcb, cb, tth, th = TCP_SKB_CB(tail), TCP_SKB_CB(skb), tcp_hdr(net, tail), tcp_hdr(net, skb)
    both, either = tcb.tcp_flags & cb.tcp_flags, tcb.tcp_flags | cb.tcp_flags
    if tcb.end_seq != cb.seq or either & (TCPHDR_SYN | TCPHDR_RST | TCPHDR_URG) or both & TCPHDR_ACK == 0 \
            or (tcb.tcp_flags ^ cb.tcp_flags) & (TCPHDR_ECE | TCPHDR_CWR) or tth.doff != th.doff:
        return False
    mem = mem_at(net.mem_addr)
    for k in range(TCP_HLEN, th.doff * 4):
        if byte(mem, tail.transport_header + k) != byte(mem, skb.transport_header + k):
            return False
    header = th.doff * 4
    tcp_note_tailroom(net, tail)
    skb.data += header
    skb.len -= header
    size, tail_size = skb.gso_size if skb.gso_size else skb.len, tail.gso_size if tail.gso_size else tail.len - header
    segs = max(skb.gso_segs, 1) + max(tail.gso_segs, 1)
    end_seq, flags, ack_seq, window = cb.end_seq, cb.tcp_flags, th.ack_seq, th.window
    delta = skb_try_coalesce(net, tail, skb)
    if delta < 0:
        skb.data -= header
        skb.len += header
        return False
    tstamp_joined(net, tail, skb)
    tcb.end_seq = end_seq
    tcb.tcp_flags |= flags
    if not before(ack_seq, tth.ack_seq):
        tth.ack_seq, tth.window = ack_seq, window
    tth.flags |= flags & TCPHDR_FIN
    tail.gso_size, tail.gso_segs = max(size, tail_size), segs
    tail.truesize += delta
    sk.backlog_len += delta                          # without a look at the limit
    sk.backlog_max = max(sk.backlog_max, sk.backlog_len)
    net.snmp[cpu][Mib.TcpExt_TCPBacklogCoalesce] += 1
    return True
