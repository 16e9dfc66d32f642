"""An open-loop replay of TCP: connections adopt what the captured receiver did.  No kernel twin; TCP_REPAIR does as much on a real one.

The peers of a captured connection acknowledge what its receiver sent then: its initial sequence number, its data, its FIN.  Before a
segment is processed, all of that up to the moment in which it was captured (open_loop.py) has been sent here, too; where the capture
does not show it, what the segment acknowledges.  Connections without a handshake here: tcp_adopt_connection.py.

Called by tcp_ipv4.py and tcp_minisocks.py under the socket's lock, in clock order; only while a capture with connections is replayed."""
from .._compile import cold, path_function
from ..abi.headers import tcp_hdr
from ..abi.net import Net
from ..abi.numbers import TCP, TCPHDR_ACK, TCPHDR_RST
from ..abi.skbuff import sk_buff
from ..abi.sock import SEND_SHUTDOWN, sock
from ..abi.tcp import request_sock
from ..abi.tcp_sent import SENT_FIN, SENT_NXT, SENT_OPTIONS, SENT_SACK, SENT_TSTAMP, SENT_WSCALE
from ..open_loop import tcp_sent_of
from .inet_connection_sock import inet_csk_clear_write_timer
from .tcp_close import tcp_set_state
from .tcp_seq import after, u32

ACK_AHEAD = 1 << 24              # what the capture shows of the receiver may lack its last data, but not so much of it


@cold
@path_function
def tcp_adopt_sent(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """What had been sent by now."""
    i = tcp_sent_of(net, skb.frame)
    if i < 0:
        return
    y, tp, th = net.tcp_sent[i], net.tcp[sk.idx], tcp_hdr(net, skb)
    sent = tp.snd_nxt - tp.fin_sent & 0xFFFFFFFF                             # without a FIN of a program here, which closes earlier
    nxt = sent
    known = y.flags & SENT_NXT != 0
    if known and after(y.snd_nxt, nxt):
        nxt = y.snd_nxt
    if th.flags & TCPHDR_ACK and th.flags & TCPHDR_RST == 0 and after(th.ack_seq, nxt):
        if not known or u32(th.ack_seq - nxt) < ACK_AHEAD:
            nxt = th.ack_seq
    if nxt == sent:
        return
    fin = y.flags & SENT_FIN != 0 and not after(nxt, y.snd_nxt)
    if fin:
        if tp.fin_sent == 0:
            tcp_adopt_fin(net, cpu, sk)
        tp.snd_nxt = nxt
    else:
        tp.snd_nxt = u32(nxt + tp.fin_sent)          # a FIN that was sent too early moves behind it
    tp.write_seq = tp.snd_nxt
    if tp.fin_sent:
        inet_csk_clear_write_timer(tp)


@path_function
def tcp_adopt_fin(net: Net, cpu: int, sk: sock) -> None:
    """The captured receiver has closed, or shut its half down."""
    tp = net.tcp[sk.idx]
    if sk.state == TCP.ESTABLISHED or sk.state == TCP.SYN_RECV:
        tcp_set_state(net, cpu, sk, TCP.FIN_WAIT1)
    elif sk.state == TCP.CLOSE_WAIT:
        tcp_set_state(net, cpu, sk, TCP.LAST_ACK)
    sk.shutdown |= SEND_SHUTDOWN
    tp.fin_sent, tp.packets_out = 1, 1


@cold
@path_function
def tcp_adopt_request(net: Net, cpu: int, req: request_sock, skb: sk_buff) -> None:
    """A segment for a request: its SYN-ACK was the captured one."""
    i, th = tcp_sent_of(net, skb.frame), tcp_hdr(net, skb)
    if i < 0 or th.flags & (TCPHDR_ACK | TCPHDR_RST) != TCPHDR_ACK:
        return
    y, opt = net.tcp_sent[i], net.tcp_opt[cpu]
    req.snt_isn = u32(th.ack_seq - 1)
    tcp_adopt_options(net, req, y.flags)
    if opt.saw_tstamp and opt.rcv_tsecr:
        req.tsoff = u32(opt.rcv_tsecr - req.synack_time // 1_000_000)        # so that the round trip is the captured one
        req.snt_tsval_first = req.snt_tsval_last = opt.rcv_tsecr
    tcp_adopted(net, y.conn)


@path_function
def tcp_adopt_options(net: Net, req: request_sock, flags: int) -> None:
    """Only what the captured receiver agreed to, where its SYN or SYN-ACK is known."""
    if flags & SENT_OPTIONS:
        if flags & SENT_TSTAMP == 0:
            req.tstamp_ok = 0
        if flags & SENT_SACK == 0:
            req.sack_ok = 0
        if flags & SENT_WSCALE == 0:
            req.wscale_ok = 0


@path_function
def tcp_adopted(net: Net, conn: int) -> None:
    """It has a socket here, and when that has closed it gets no other."""
    if conn >= 0:
        x = net.tcp_seen[conn]
        x.begun = 1
