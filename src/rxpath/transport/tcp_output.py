"""Segments that a receiver sends: ACKs, SYN-ACKs, FINs, RSTs.  net/ipv4/tcp_output.c.

Called by everything of TCP, always under the socket's lock and in clock order; hands a segment without its IP header to network/ through
path.py's table queue_xmit.  RFC 9293 3.8, RFC 5681 4.2."""
from .. import path
from .._compile import cold, mem_at, path_function, reset_struct
from ..abi.headers import tcp_hdr
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import AF_INET, ETH_HLEN, IP_HLEN, IPPROTO, TCP, TCP_HLEN, TCPHDR_ACK, TCPHDR_ECE, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..abi.tcp import ICSK_ACK_PUSHED, ICSK_ACK_SCHED, ICSK_ACK_TIMER, ICSK_TIME_LOSS_PROBE, ICSK_TIME_RETRANS, request_sock, tcp_sock
from ..abi.tcp_options import (
    OPTION_SACK_ADVERTISE,
    OPTION_TS,
    OPTION_WSCALE,
    TCPOLEN_MSS_ALIGNED,
    TCPOLEN_SACKPERM_ALIGNED,
    TCPOLEN_TSTAMP_ALIGNED,
    TCPOLEN_WSCALE_ALIGNED,
)
from ..abi.timer import TCP_COMP_HRTIMER
from ..path import Stage
from ..skb import alloc_skb, csum_fold, csum_partial, skb_init
from ..timer import hrtimer_cancel
from ..turn import at
from .inet_connection_sock import (
    TCP_DELACK_MIN_MS,
    TCP_RTO_MIN_MS,
    TCP_TIMEOUT_INIT_MS,
    inet_csk_in_pingpong_mode,
    inet_csk_reset_delack_timer,
    inet_csk_reset_write_timer,
    msecs_to_jiffies,
    usecs_to_jiffies,
)
from .tcp_charge import tcp_wcharge
from .tcp_established_options import tcp_established_options, tcp_established_options_write
from .tcp_options import tcp_options_write
from .tcp_seq import before, tcp_jiffies32, tcp_time_stamp_ts, u32
from .tcp_window import U16_MAX, tcp_select_window

TCP_ROOM = 44                    # before a segment: options that IP may echo, a VLAN tag
TCP_DELACK_MAX_MS, TCP_RTO_MAX_MS = 200, 120_000


# ---------------------------------------------------------------- a segment
@path_function
def tcp_alloc_segment(net: Net, cpu: int, optlen: int, source: int, dest: int) -> int:
    """An skb with room for all headers and a TCP header of so many bytes of options; NO_SKB: none is to be had."""
    i = alloc_skb(net, cpu)
    if i >= 0:
        out = net.skb[i]
        skb_init(net, out, out.head + TCP_ROOM, ETH_HLEN + IP_HLEN + TCP_HLEN + optlen)
        out.transport_header = out.data + ETH_HLEN + IP_HLEN
        th = tcp_hdr(net, out)
        th.source, th.dest, th.doff, th.res1, th.check, th.urg_ptr = source, dest, (TCP_HLEN + optlen) // 4, 0, 0, 0
    return i


@path_function
def tcp_v4_send_check(net: Net, out: sk_buff, saddr: int, daddr: int) -> None:
    """The checksum, with the pseudo header of addresses that are not in the packet yet."""
    n, th = out.len - ETH_HLEN - IP_HLEN, tcp_hdr(net, out)
    s = swapped(saddr) + swapped(daddr) + (IPPROTO.TCP << 8) + ((n & 0xFF) << 8 | n >> 8)
    th.check = csum_fold(csum_partial(mem_at(net.mem_addr), out.transport_header, n, s))


@path_function
def swapped(addr: int) -> int:
    """An address as the sum of its little-endian halves."""
    return (addr >> 24 & 0xFF) + (addr >> 8 & 0xFF00) + (addr >> 8 & 0xFF) + ((addr & 0xFF) << 8)


@path_function
def __tcp_transmit_skb(net: Net, cpu: int, sk: sock, flags: int, seq: int) -> bool:
    """A segment without data: time stamps, SACKs, the window, and IP takes it.  False: no skb is to be had."""
    tp = net.tcp[sk.idx]
    optlen = tcp_established_options(tp)
    i = tcp_alloc_segment(net, cpu, optlen, sk.port, sk.dport)
    if i < 0:
        return False
    out = net.skb[i]
    out.frame, out.dev, out.queue_mapping, out.hash = -1 - tp.frame, tp.dev, tp.queue_mapping, tp.rx_hash
    at(net, cpu, out, Stage.__tcp_transmit_skb)
    th = tcp_hdr(net, out)
    th.seq, th.ack_seq, th.flags = seq, tp.rcv_nxt, flags
    tcp_established_options_write(net, tp, out.transport_header + TCP_HLEN, optlen, tcp_time_stamp_ts(net, cpu, tp.tsoff))
    th.window = tcp_select_window(net, cpu, sk, tp)
    tcp_v4_send_check(net, out, sk.rcv_saddr_lo, sk.daddr_lo)
    if flags & TCPHDR_ACK:
        tcp_event_ack_sent(net, cpu, sk, tp)
    tp.segs_out += 1
    net.snmp[cpu][Mib.Tcp_OutSegs] += 1
    path.call_queue_xmit(sk.family, net, cpu, out, sk.rcv_saddr_hi, sk.rcv_saddr_lo, sk.daddr_hi, sk.daddr_lo, tp.peer_mac)
    return True


@path_function
def tcp_event_ack_sent(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """Whatever was to be acknowledged is."""
    if tp.compressed_ack:
        net.snmp[cpu][Mib.TcpExt_TCPAckCompressed] += tp.compressed_ack
        tp.compressed_ack = 0
        hrtimer_cancel(net, TCP_COMP_HRTIMER + sk.idx)
    if tp.ack_quick:                                 # tcp_dec_quickack_mode()
        if tp.ack_pending & ICSK_ACK_SCHED:
            tp.ack_quick -= 1
        if tp.ack_quick == 0:
            tp.ack_ato = msecs_to_jiffies(net, TCP_DELACK_MIN_MS)
    tp.ack_pending, tp.ack_retry = 0, 0              # the timer may go off all the same, and finds nothing to do


# ---------------------------------------------------------------- ACK
@path_function
def tcp_send_ack(net: Net, cpu: int, sk: sock) -> None:
    """Now.  Where no skb is to be had the delayed-ACK timer tries again."""
    if sk.state == TCP.CLOSE:
        return
    tp = net.tcp[sk.idx]
    if not __tcp_transmit_skb(net, cpu, sk, TCPHDR_ACK, tcp_acceptable_seq(tp)):
        tcp_ack_later(net, cpu, sk, tp)


@cold
@path_function
def tcp_ack_later(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    delay = msecs_to_jiffies(net, TCP_DELACK_MAX_MS) << min(tp.ack_retry, 9)
    tp.ack_retry += 1
    tp.ack_ato = msecs_to_jiffies(net, TCP_DELACK_MIN_MS)
    inet_csk_reset_delack_timer(net, cpu, sk, tp, tcp_jiffies32(net, cpu) + delay)


@path_function
def tcp_acceptable_seq(tp: tcp_sock) -> int:
    """What we would send next, unless the peer has taken its window back."""
    end = u32(tp.snd_una + tp.snd_wnd)
    if not before(end, tp.snd_nxt) or (tp.wscale_ok and u32(tp.snd_nxt - end) < 1 << tp.rcv_wscale):
        return tp.snd_nxt
    return end


@path_function
def tcp_delack_max(net: Net) -> int:
    """Jiffies: one less than the least retransmission time-out."""
    return max(msecs_to_jiffies(net, TCP_RTO_MIN_MS), 2) - 1


@path_function
def tcp_send_delayed_ack(net: Net, cpu: int, sk: sock) -> None:
    """With the timer, or at once where it is about to go off anyway."""
    tp, now = net.tcp[sk.idx], tcp_jiffies32(net, cpu)
    ato = tp.ack_ato
    least = msecs_to_jiffies(net, TCP_DELACK_MIN_MS)
    if ato > least:
        max_ato = msecs_to_jiffies(net, 500)
        if inet_csk_in_pingpong_mode(tp) or tp.ack_pending & ICSK_ACK_PUSHED:
            max_ato = msecs_to_jiffies(net, TCP_DELACK_MAX_MS)
        if tp.srtt_us:
            max_ato = min(max_ato, max(usecs_to_jiffies(net, tp.srtt_us >> 3), least))
        ato = min(ato, max_ato)
    timeout = now + min(ato, tcp_delack_max(net))
    if tp.ack_pending & ICSK_ACK_TIMER:
        if tp.ack_timeout <= now + (ato >> 2):
            tcp_send_ack(net, cpu, sk)
            return
        timeout = min(timeout, tp.ack_timeout)
    inet_csk_reset_delack_timer(net, cpu, sk, tp, timeout)


# ---------------------------------------------------------------- the end of what we send
@path_function
def tcp_send_fin(net: Net, cpu: int, sk: sock) -> None:
    """Nothing of ours is waiting to be sent: the FIN goes out by itself, and is sent again until it is acknowledged."""
    tp = net.tcp[sk.idx]
    seq = tp.write_seq
    tp.write_seq = u32(seq + 1)
    tp.packets_out += 1
    tp.fin_sent = 1
    tcp_wcharge(net, sk)
    net.snmp[cpu][Mib.TcpExt_TCPOrigDataSent] += 1
    if __tcp_transmit_skb(net, cpu, sk, TCPHDR_ACK | TCPHDR_FIN, seq):
        tp.snd_nxt = tp.write_seq
    tcp_schedule_loss_probe(net, cpu, sk, tp)


@path_function
def tcp_send_active_reset(net: Net, cpu: int, sk: sock) -> None:
    """RST of a connection that its program gives up."""
    net.snmp[cpu][Mib.Tcp_OutRsts] += 1
    __tcp_transmit_skb(net, cpu, sk, TCPHDR_ACK | TCPHDR_RST, tcp_acceptable_seq(net.tcp[sk.idx]))


# ---------------------------------------------------------------- what is sent again if nobody acknowledges it
@path_function
def tcp_schedule_loss_probe(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """The first retransmission; where SACK was agreed on it is a tail loss probe (RFC 8985 7), after two round trips and the least
    time-out, if that is not later."""
    if tp.sack_ok == 0:
        inet_csk_reset_write_timer(net, cpu, sk, tp, ICSK_TIME_RETRANS, tp.rto)
        return
    after = msecs_to_jiffies(net, TCP_TIMEOUT_INIT_MS)
    if tp.srtt_us:
        after = usecs_to_jiffies(net, (tp.srtt_us >> 2) + TCP_RTO_MIN_MS * 1000)
    inet_csk_reset_write_timer(net, cpu, sk, tp, ICSK_TIME_LOSS_PROBE, min(after, tp.rto))


# ---------------------------------------------------------------- SYN
@path_function
def tcp_syn_options(net: Net, cpu: int, mss: int, stamps: bool, sack: bool, scale: bool, wscale: int, tsval: int, tsecr: int) -> int:
    """net.tcp_out[cpu] for a SYN or a SYN-ACK; the bytes that they take."""
    opts, size = net.tcp_out[cpu], TCPOLEN_MSS_ALIGNED
    reset_struct(opts)
    opts.mss = mss
    if scale:
        opts.options |= OPTION_WSCALE
        opts.ws = wscale
        size += TCPOLEN_WSCALE_ALIGNED
    if stamps:
        opts.options |= OPTION_TS
        opts.tsval, opts.tsecr = tsval, tsecr
        size += TCPOLEN_TSTAMP_ALIGNED
    if sack:
        opts.options |= OPTION_SACK_ADVERTISE
        if not stamps:                               # else it takes the place of the time stamp's padding
            size += TCPOLEN_SACKPERM_ALIGNED
    return size


@path_function
def tcp_send_syn(net: Net, cpu: int, sk: sock, flags: int) -> None:
    """The SYN of an active open, or, of a simultaneous one, its SYN-ACK, which offers the same, whatever the other end has offered."""
    tp, s = net.tcp[sk.idx], net.sysctl
    stamps, sack, scale = s[Sysctl.tcp_timestamps] != 0, s[Sysctl.tcp_sack] != 0, s[Sysctl.tcp_window_scaling] != 0
    optlen = tcp_syn_options(net, cpu, tp.advmss, stamps, sack, scale, tp.rcv_wscale, tcp_time_stamp_ts(net, cpu, tp.tsoff), tp.ts_recent)
    i = tcp_alloc_segment(net, cpu, optlen, sk.port, sk.dport)
    if i < 0:
        return
    out = net.skb[i]
    out.frame, out.dev, out.queue_mapping, out.hash = -1 - tp.frame, tp.dev, tp.queue_mapping, tp.rx_hash
    at(net, cpu, out, Stage.__tcp_transmit_skb)
    th = tcp_hdr(net, out)
    th.seq, th.ack_seq, th.flags = u32(tp.write_seq - 1), tp.rcv_nxt if flags & TCPHDR_ACK else 0, flags
    th.window = min(tp.rcv_wnd, U16_MAX)
    tcp_options_write(net, out, net.tcp_out[cpu])
    tcp_v4_send_check(net, out, sk.rcv_saddr_lo, sk.daddr_lo)
    tp.segs_out += 1
    if tp.retransmits == 0 and flags & TCPHDR_ACK == 0:                      # what has been sent before is not counted
        net.snmp[cpu][Mib.Tcp_OutSegs] += 1
    path.call_queue_xmit(sk.family, net, cpu, out, sk.rcv_saddr_hi, sk.rcv_saddr_lo, sk.daddr_hi, sk.daddr_lo, tp.peer_mac)


# ---------------------------------------------------------------- SYN-ACK
@path_function
def tcp_make_synack(net: Net, cpu: int, req: request_sock, seq: int) -> int:
    """The SYN-ACK of a request, complete but for its IP header; NO_SKB: none is to be had."""
    optlen = tcp_syn_options(net, cpu, req.advmss, req.tstamp_ok != 0, req.sack_ok != 0, req.wscale_ok != 0, req.rcv_wscale,
                             req.snt_tsval_last, req.ts_recent)
    i = tcp_alloc_segment(net, cpu, optlen, req.lport, req.rport)
    if i < 0:
        return i
    out = net.skb[i]
    out.frame, out.dev, out.queue_mapping, out.hash = -1 - req.frame, req.dev, req.queue_mapping, req.hash
    th = tcp_hdr(net, out)
    th.seq, th.ack_seq, th.flags = seq, u32(req.rcv_isn + 1), TCPHDR_SYN | TCPHDR_ACK
    if req.ecn_ok:
        th.flags |= TCPHDR_ECE
    th.window = min(req.rcv_wnd, U16_MAX)
    tcp_options_write(net, out, net.tcp_out[cpu])
    tcp_v4_send_check(net, out, req.saddr_lo, req.daddr_lo)
    return i


@path_function
def tcp_v4_send_synack(net: Net, cpu: int, req: request_sock) -> bool:
    """False: no skb is to be had."""
    i = tcp_make_synack(net, cpu, req, req.snt_isn)
    if i < 0:
        return False
    out = net.skb[i]
    at(net, cpu, out, Stage.tcp_v4_send_synack)
    net.snmp[cpu][Mib.Tcp_OutSegs] += 1
    path.call_queue_xmit(AF_INET, net, cpu, out, req.saddr_hi, req.saddr_lo, req.daddr_hi, req.daddr_lo, req.peer_mac)
    return True
