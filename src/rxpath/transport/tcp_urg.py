"""Urgent data: net/ipv4/tcp_input.c (tcp_urg, tcp_check_urg), net/ipv4/tcp.c (tcp_recv_urg).  RFC 9293 3.8.5, RFC 6093."""
from .._compile import byte, cold, mem_at, path_function, put_byte
from ..abi.headers import tcp_hdr
from ..abi.net import Net
from ..abi.numbers import EAGAIN, EINVAL, MSG_OOB, MSG_PEEK, TCPHDR_URG
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..abi.tcp import TCP_URG_NOTYET, TCP_URG_READ, TCP_URG_VALID
from ..path import Stage
from ..skb import __skb_dequeue, skb_end
from ..user.wait import sock_def_readable
from .tcp_charge import tcp_rfree
from .tcp_seq import after, before, u32


@path_function
def tcp_urg(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """skb.data stands at the TCP header."""
    tp, th = net.tcp[sk.idx], tcp_hdr(net, skb)
    if th.flags & TCPHDR_URG:
        tcp_check_urg(net, cpu, sk, skb)
    if tp.urg_data == TCP_URG_NOTYET:
        at_byte = u32(tp.urg_seq - th.seq + th.doff * 4)
        if at_byte < skb.len:
            tp.urg_data = TCP_URG_VALID | tcp_urg_byte(net, skb, at_byte)
            if sk.wq_head >= 0:
                sock_def_readable(net, cpu, sk, skb)


@cold
@path_function
def tcp_urg_byte(net: Net, skb: sk_buff, at_byte: int) -> int:
    """One byte of a packet, wherever it lies."""
    mem, linear, i = mem_at(net.mem_addr), skb.len - skb.data_len, skb.frags
    if at_byte < linear:
        return byte(mem, skb.data + at_byte)
    at_byte -= linear
    parts = skb.frag_list
    while True:
        while i >= 0:
            page = net.skb[i]
            if at_byte < page.len:
                return byte(mem, page.data + at_byte)
            at_byte -= page.len
            i = page.next
        part = net.skb[parts]
        linear = part.len - part.data_len
        if at_byte < linear:
            return byte(mem, part.data + at_byte)
        at_byte -= linear
        i, parts = part.frags, part.next


@cold
@path_function
def tcp_check_urg(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """A pointer: it names the byte after the urgent one (net.ipv4.tcp_stdurg is 0)."""
    tp, th = net.tcp[sk.idx], tcp_hdr(net, skb)
    ptr = th.urg_ptr
    if ptr:
        ptr -= 1
    ptr = u32(ptr + th.seq)
    if after(tp.copied_seq, ptr) or before(ptr, tp.rcv_nxt):
        return
    if tp.urg_data and not after(ptr, tp.urg_seq):
        return
    if tp.urg_seq == tp.copied_seq and tp.urg_data and tp.urginline == 0 and tp.copied_seq != tp.rcv_nxt:
        tp.copied_seq = u32(tp.copied_seq + 1)       # the old one, which has not been fetched, leaves the stream
        if sk.receive_queue.head >= 0:
            first = net.skb[sk.receive_queue.head]
            cb = TCP_SKB_CB(first)
            if not before(tp.copied_seq, cb.end_seq):
                __skb_dequeue(net, sk.receive_queue)
                sk.qlen -= 1
                size = first.truesize
                skb_end(net, cpu, first, Stage.tcp_recvmsg, Drop.RECEIVED)
                tcp_rfree(net, cpu, sk, size)
    tp.urg_data, tp.urg_seq, tp.pred_flags = TCP_URG_NOTYET, ptr, 0


@cold
@path_function
def tcp_recv_urg(net: Net, t: int, sk: sock) -> int:
    """recv(MSG_OOB): the byte, EAGAIN until it has come, EINVAL where there is none."""
    th, tp = net.thread[t], net.tcp[sk.idx]
    if tp.urginline or tp.urg_data == 0 or tp.urg_data == TCP_URG_READ:
        return EINVAL
    if tp.urg_data & TCP_URG_VALID:
        if th.buf_len > 0:
            put_byte(mem_at(th.buf_addr), 0, tp.urg_data & 0xFF)
        if th.flags & MSG_PEEK == 0:
            tp.urg_data = TCP_URG_READ
        th.msg_flags = MSG_OOB
        return 1 if th.buf_len > 0 else 0
    if sk.shutdown & 1:
        return 0
    return EAGAIN
