"""An active open: net/ipv4/tcp_ipv4.c (tcp_v4_connect), net/ipv4/tcp_output.c (tcp_connect), net/ipv4/tcp_input.c
(tcp_rcv_synsent_state_process).  RFC 9293 3.10.1, 3.10.7.3.

connect() sends the SYN and says EINPROGRESS; the program learns the outcome by poll(), or by its next call.  A SYN to a neighbour that the
table does not know is not sent: this host asks nobody by ARP; it goes out when its timer comes round and the neighbour is known."""
from .._compile import cold, path_function
from ..abi.headers import eth_hdr, ether_addr_to_u64, tcp_hdr
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    EADDRNOTAVAIL,
    EALREADY,
    EINPROGRESS,
    EISCONN,
    IPPROTO,
    POLLOUT,
    POLLWRNORM,
    TCP,
    TCP_HLEN,
    TCPHDR_ACK,
    TCPHDR_RST,
    TCPHDR_SYN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import SOCK_RCVBUF_LOCK, sock
from ..abi.tcp import ICSK_TIME_RETRANS, NO_EHASH, tcp_sock
from ..abi.tcp_options import TCP_MAX_WSCALE, TCPOLEN_TSTAMP_ALIGNED
from ..abi.timer import TCP_KEEPALIVE_TIMER
from ..path import Stage, proto_connect
from ..skb import consume_skb
from ..timer import jiffies, mod_timer
from ..user.wait import sk_state_change
from .inet_connection_sock import (
    TCP_TIMEOUT_INIT_MS,
    inet_csk_reset_write_timer,
    keepalive_time_when,
    msecs_to_jiffies,
)
from .inet_hashtables import ehash_find, inet_ehash_insert
from .secure_seq import secure_tcp_seq, secure_tcp_seq_and_ts_off, secure_tcp_ts_off
from .tcp_ack import FLAG_SLOWPATH, tcp_ack
from .tcp_charge import tcp_wcharge
from .tcp_close import tcp_reset, tcp_set_state
from .tcp_drop import tcp_drop
from .tcp_metrics import tcp_init_metrics
from .tcp_options import tcp_clear_options, tcp_parse_options
from .tcp_output import tcp_send_ack, tcp_send_syn
from .tcp_rcvbuf import tcp_init_buffer_space, tcp_initialize_rcv_mss
from .tcp_seq import after, tcp_jiffies32, tcp_paws_reject, tcp_store_ts_recent, tcp_time_stamp_ts, u32
from .tcp_window import TCP_MSS_DEFAULT, U16_MAX, tcp_advmss, tcp_full_space, tcp_initial_window, tcp_initial_wscale, tcp_sync_mss

TCP_TIMEOUT_MIN = 2                                  # jiffies


@path_function
def tcp_init_transfer(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """The connection stands."""
    tcp_init_metrics(net, cpu, sk, tp)
    tcp_init_buffer_space(net, cpu, sk, tp)
    if tp.keepopen:
        mod_timer(net, cpu, TCP_KEEPALIVE_TIMER + sk.idx, jiffies(net, cpu) + keepalive_time_when(net, tp))


# ---------------------------------------------------------------- connect()
@proto_connect(IPPROTO.TCP)
@path_function
def tcp_v4_connect(net: Net, cpu: int, sk: sock, local: int, daddr: int, dport: int, dev: int) -> int:
    """EINPROGRESS: the SYN is out.  local: the address that the route chooses, for a socket without one; dev: the route's device."""
    if sk.state == TCP.SYN_SENT or sk.state == TCP.SYN_RECV:
        return EALREADY
    if sk.state != TCP.CLOSE:
        return EISCONN
    tp = net.tcp[sk.idx]
    if sk.rcv_saddr_lo == 0:
        sk.rcv_saddr_lo = local
    if ehash_find(net, sk.rcv_saddr_lo, sk.port, daddr, dport) != NO_EHASH:
        return EADDRNOTAVAIL                         # that very connection is there already, or in TIME_WAIT
    sk.daddr_lo, sk.dport, sk.shutdown, sk.err = daddr, dport, 0, 0
    tcp_set_state(net, cpu, sk, TCP.SYN_SENT)
    inet_ehash_insert(net, sk)
    hashed = secure_tcp_seq_and_ts_off(net, sk.rcv_saddr_lo, daddr, sk.port, dport)
    tp.write_seq, tp.tsoff, tp.dev = secure_tcp_seq(net, cpu, hashed), secure_tcp_ts_off(net, hashed), dev
    tcp_connect(net, cpu, sk, tp)
    return EINPROGRESS


@path_function
def tcp_connect_init(net: Net, sk: sock, tp: tcp_sock) -> None:
    """The window that the SYN offers, and nothing is known of the peer."""
    full_space, clamp = tcp_full_space(sk, tp), tp.window_clamp
    tp.tcp_header_len = TCP_HLEN + (TCPOLEN_TSTAMP_ALIGNED if net.sysctl[Sysctl.tcp_timestamps] else 0)
    tp.advmss = tcp_advmss(net, tp, tp.dev)
    tp.mss_clamp = tp.user_mss if tp.user_mss else tp.advmss
    tcp_sync_mss(net, tp)
    tcp_initialize_rcv_mss(tp)
    if sk.userlocks & SOCK_RCVBUF_LOCK and (clamp > full_space or clamp == 0):
        clamp = full_space
    if clamp == 0:
        clamp = U16_MAX << TCP_MAX_WSCALE
    tp.rcv_wnd = tcp_initial_window(full_space, clamp, tp.advmss)
    tp.rcv_wscale = tcp_initial_wscale(net, tp.rcv_wnd, clamp) if net.sysctl[Sysctl.tcp_window_scaling] else 0
    tp.window_clamp, tp.rcv_ssthresh = min(U16_MAX << tp.rcv_wscale, clamp), tp.rcv_wnd
    tp.snd_wnd, tp.snd_wl1, tp.snd_una, tp.rcv_nxt, tp.rcv_wup, tp.copied_seq = 0, 0, tp.write_seq, 0, 0, 0
    tp.rto, tp.retransmits = msecs_to_jiffies(net, TCP_TIMEOUT_INIT_MS), 0


@path_function
def tcp_connect(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    tcp_connect_init(net, sk, tp)
    tp.write_seq = u32(tp.write_seq + 1)
    tp.snd_nxt, tp.packets_out = tp.write_seq, 1
    tcp_wcharge(net, sk)
    tp.retrans_stamp = tcp_time_stamp_ts(net, cpu, 0)
    tcp_send_syn(net, cpu, sk, TCPHDR_SYN)
    net.snmp[cpu][Mib.Tcp_ActiveOpens] += 1
    inet_csk_reset_write_timer(net, cpu, sk, tp, ICSK_TIME_RETRANS, tp.rto)


# ---------------------------------------------------------------- the answer
@cold
@path_function
def tcp_rcv_synsent_state_process(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """A drop reason, with which a reset is to be sent; 0: the segment has ended."""
    tp, th, cb, opt = net.tcp[sk.idx], tcp_hdr(net, skb), TCP_SKB_CB(skb), net.tcp_opt[cpu]
    tcp_clear_options(opt)
    opt.mss_clamp, opt.user_mss = TCP_MSS_DEFAULT, tp.user_mss
    tcp_parse_options(net, skb, opt, net.tcp_foc[cpu], False)
    echoed = u32(opt.rcv_tsecr - tp.tsoff) if opt.saw_tstamp and opt.rcv_tsecr else 0
    if th.flags & TCPHDR_ACK:
        if not after(th.ack_seq, tp.snd_una) or after(th.ack_seq, tp.snd_nxt):                # 1: of something that we did not send
            if tp.retransmits == 0:                  # a FIN or RST of an older connection may have been ignored: soon again
                inet_csk_reset_write_timer(net, cpu, sk, tp, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN)
            return Drop.TCP_INVALID_ACK_SEQUENCE
        if echoed and u32(echoed - tp.retrans_stamp) > u32(tcp_time_stamp_ts(net, cpu, 0) - tp.retrans_stamp):
            net.snmp[cpu][Mib.TcpExt_PAWSActive] += 1                                         # 2: a time stamp that we did not send
            return Drop.TCP_RFC7323_PAWS
        if th.flags & TCPHDR_RST:                                                             # 3: refused
            tcp_reset(net, cpu, sk)
            consume_skb(net, cpu, skb)
            return 0
        if th.flags & TCPHDR_SYN:                                                             # 4: connected
            return tcp_synsent_connected(net, cpu, sk, skb, echoed)
        tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, Drop.TCP_FLAGS)
        return 0
    if th.flags & TCPHDR_RST:
        tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, Drop.TCP_RESET)
        return 0
    if tp.ts_recent_stamp and opt.saw_tstamp and tcp_paws_reject(net, cpu, tp.ts_recent, tp.ts_recent_stamp, opt.rcv_tsval, False):
        tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, Drop.TCP_RFC7323_PAWS)
        return 0
    if th.flags & TCPHDR_SYN == 0:
        tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, Drop.TCP_FLAGS)
        return 0
    tcp_synsent_agree(net, cpu, sk, tp, skb, echoed)                                          # 5: both ends at once
    tcp_set_state(net, cpu, sk, TCP.SYN_RECV)
    tp.rcv_nxt = u32(cb.seq + 1)
    tp.copied_seq, tp.rcv_wup, tp.snd_wnd, tp.snd_wl1, tp.max_window = tp.rcv_nxt, tp.rcv_nxt, th.window, cb.seq, th.window
    tcp_sync_mss(net, tp)
    tcp_initialize_rcv_mss(tp)
    tcp_send_syn(net, cpu, sk, TCPHDR_SYN | TCPHDR_ACK)
    consume_skb(net, cpu, skb)
    return 0


@path_function
def tcp_synsent_agree(net: Net, cpu: int, sk: sock, tp: tcp_sock, skb: sk_buff, echoed: int) -> None:
    """The options that both ends have offered, and the way to the other one."""
    opt, eth = net.tcp_opt[cpu], eth_hdr(net, skb)
    tp.tstamp_ok, tp.sack_ok, tp.wscale_ok, tp.snd_wscale = opt.saw_tstamp, opt.sack_ok, opt.wscale_ok, opt.snd_wscale
    tp.mss_clamp = opt.mss_clamp
    tp.saw_tstamp, tp.rcv_tsval, tp.rcv_tsecr = opt.saw_tstamp, opt.rcv_tsval, echoed
    tp.tcp_header_len = TCP_HLEN
    if tp.tstamp_ok:
        tp.tcp_header_len += TCPOLEN_TSTAMP_ALIGNED
        tcp_store_ts_recent(net, cpu, tp)
    tp.dev, tp.queue_mapping, tp.rx_hash, tp.frame, tp.peer_mac = skb.dev, skb.queue_mapping, skb.hash, skb.frame, \
        ether_addr_to_u64(eth.h_source)


@path_function
def tcp_synsent_connected(net: Net, cpu: int, sk: sock, skb: sk_buff, echoed: int) -> int:
    """The SYN-ACK: the connection stands, and the other end hears of it at once."""
    tp, th, cb = net.tcp[sk.idx], tcp_hdr(net, skb), TCP_SKB_CB(skb)
    tcp_synsent_agree(net, cpu, sk, tp, skb, echoed)
    if tp.wscale_ok == 0:                            # after a SYN without ACK our own scale stays, as on 6.18
        tp.snd_wscale = tp.rcv_wscale = 0
        tp.window_clamp = min(tp.window_clamp, U16_MAX)
    tp.snd_wl1 = cb.seq
    tcp_ack(net, cpu, sk, skb, FLAG_SLOWPATH)
    tp.rcv_nxt = u32(cb.seq + 1)
    tp.rcv_wup, tp.copied_seq, tp.snd_wnd = tp.rcv_nxt, tp.rcv_nxt, th.window
    tp.max_window = max(tp.max_window, tp.snd_wnd)
    if tp.tstamp_ok:
        tp.advmss -= TCPOLEN_TSTAMP_ALIGNED
    tcp_sync_mss(net, tp)
    tcp_initialize_rcv_mss(tp)
    tcp_set_state(net, cpu, sk, TCP.ESTABLISHED)
    tp.ack_lrcvtime = tcp_jiffies32(net, cpu)
    tcp_init_transfer(net, cpu, sk, tp)
    tp.pred_flags = 0
    sk_state_change(net, cpu, sk, POLLOUT | POLLWRNORM)
    tcp_send_ack(net, cpu, sk)
    consume_skb(net, cpu, skb)
    return 0
