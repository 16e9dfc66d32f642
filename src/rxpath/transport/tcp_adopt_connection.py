"""An open-loop replay of TCP: connections that have no handshake here.  No kernel twin; TCP_REPAIR does as much on a real one.

A connection that began before the capture, or that a program of the receiver opened, begins with its first
segment, as if its handshake had gone before: with an ACK like one whose SYN was answered by a cookie (cookie_v4_check()), with a SYN-ACK
as at a socket in SYN_SENT.  It waits in the accept queue of whoever listens on its port, else of the listener that the replay has
for connections which programs of the receiver opened (net.tcp_adopter).  Called by tcp_ipv4.py, in clock order."""
from .._compile import cold, path_function
from ..abi.headers import tcp_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import NO_REQ, NO_SOCK, TCPHDR_ACK, TCPHDR_RST, TCPHDR_SYN
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..open_loop import tcp_sent_of
from ..path import Stage
from ..skb import consume_skb
from ..user.wait import sock_def_readable
from .inet_connection_sock import inet_csk_reqsk_queue_add
from .tcp_adopt import tcp_adopt_options, tcp_adopted
from .tcp_listen import reqsk_alloc, reqsk_free, tcp_openreq_init, tcp_openreq_init_rwin
from .tcp_minisocks import tcp_child_process, tcp_v4_syn_recv_sock
from .tcp_output import tcp_send_ack
from .tcp_seq import u32
from .tcp_state import tcp_established_now

WSCALE_GUESS = 7                 # of a peer whose SYN nobody has seen, at least: Linux's with its default buffers


@path_function
def tcp_may_adopt(net: Net, skb: sk_buff) -> bool:
    """A segment that has met no connection here: is it of one that begins with it?"""
    i, th = tcp_sent_of(net, skb.frame), tcp_hdr(net, skb)
    if i < 0 or th.flags & (TCPHDR_ACK | TCPHDR_RST) != TCPHDR_ACK:
        return False
    conn = net.tcp_sent[i].conn
    if conn < 0:
        return True
    x = net.tcp_seen[conn]
    return x.begun == 0


@cold
@path_function
def tcp_awaits_syn(net: Net, skb: sk_buff) -> bool:
    """A segment that has met no connection here, because this host has lost the SYN of its connection: it waits until that comes again,
    outside this host.  The SYN itself has come now."""
    i, th = tcp_sent_of(net, skb.frame), tcp_hdr(net, skb)
    if i < 0 or net.tcp_sent[i].conn < 0:
        return False
    x = net.tcp_seen[net.tcp_sent[i].conn]
    if th.flags & TCPHDR_SYN:
        x.syn_lost = 0
    return x.syn_lost != 0 and x.begun == 0 and th.flags & (TCPHDR_ACK | TCPHDR_RST) == TCPHDR_ACK


@cold
@path_function
def tcp_adopt_connection(net: Net, cpu: int, listener: sock, skb: sk_buff) -> int:
    """A connection begins with this segment, at this listener.  NO_SOCK: there is no room for it."""
    y, th, cb, opt, c = net.tcp_sent[tcp_sent_of(net, skb.frame)], tcp_hdr(net, skb), TCP_SKB_CB(skb), net.tcp_opt[cpu], net.cpu[cpu]
    r = reqsk_alloc(net)
    if r == NO_REQ:
        return NO_SOCK
    req = net.reqs[r]
    tp = net.tcp[listener.idx]
    tcp_openreq_init(net, cpu, listener, tp, req, skb, False)
    tcp_openreq_init_rwin(net, listener, tp, req, 0)
    active = th.flags & TCPHDR_SYN != 0              # a SYN-ACK: a program here has opened it
    if not active:
        req.rcv_isn = u32(cb.seq - 1)
        req.mss, req.sack_ok, req.wscale_ok, req.snd_wscale = req.advmss, 1, 1, WSCALE_GUESS
        if y.conn >= 0:
            x = net.tcp_seen[y.conn]
            req.snd_wscale = max(WSCALE_GUESS, x.wscale)
        tcp_openreq_init_rwin(net, listener, tp, req, 0)
    tcp_adopt_options(net, req, y.flags)
    req.snt_isn = u32(th.ack_seq - 1)
    if opt.saw_tstamp and opt.rcv_tsecr:
        req.tsoff = u32(opt.rcv_tsecr - c.now // 1_000_000)
    child = tcp_v4_syn_recv_sock(net, cpu, listener, skb, req)
    reqsk_free(net, r)
    if child < 0:
        return NO_SOCK
    tcp_adopted(net, y.conn)
    if active:
        tcp_adopt_synack(net, cpu, listener, net.socks[child], skb)
    else:
        tcp_child_process(net, cpu, listener, net.socks[child], skb, Stage.tcp_v4_rcv)
    return child


@path_function
def tcp_adopt_synack(net: Net, cpu: int, listener: sock, child: sock, skb: sk_buff) -> None:
    """Established by the peer's SYN-ACK, which is acknowledged."""
    inet_csk_reqsk_queue_add(net, net.tcp[listener.idx], child)
    tcp_established_now(net, cpu, child, skb)
    net.snmp[cpu][Mib.Tcp_PassiveOpens] -= 1
    if listener.wq_head >= 0:
        sock_def_readable(net, cpu, listener, skb)
    consume_skb(net, cpu, skb)
    tcp_send_ack(net, cpu, child)
