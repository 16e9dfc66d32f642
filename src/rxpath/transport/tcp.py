"""What a program's calls do to a connection: net/ipv4/tcp.c (tcp_init_sock, tcp_recvmsg, tcp_poll), tcp_prot.

Called through the tables of struct proto (path.py) by user/, when it is the program's turn; never blocks: EAGAIN says that the thread is to
wait.  A call that has read less than it must (MSG_WAITALL, SO_RCVLOWAT) keeps what it has in thread_t.copied.

A reader owns its socket (lock_sock) for as long as it copies: what arrives meanwhile waits on the backlog.  So in virtual time a call is
left and entered again (OWNING) wherever somebody else may be earlier: behind each skb that it has copied, and in release_sock()."""
from .._compile import Mem, mem_at, memcpy, path_function, reset_struct
from ..abi.engine import thread_t
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import (
    DONE,
    EAGAIN,
    ENOTCONN,
    FAULTING,
    IPPROTO,
    LOCKED,
    MSG_DONTWAIT,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    OWNING,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRNORM,
    TCP,
    TCPHDR_FIN,
    YIELD,
    RecvStep,
)
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_READ_CB, TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..abi.tcp import TCP_URG_VALID, tcp_sock
from ..path import Stage, proto_init, proto_poll, proto_recvmsg
from ..skb import __skb_dequeue, skb_copy_bits, skb_end
from ..spent import spent_read
from ..turn import at, at_bytes, late
from ..user.memory import reader_has_lines
from ..user.sock import __release_sock, sock_disown, sock_own
from .inet_connection_sock import TCP_TIMEOUT_INIT_MS, inet_csk_init_xmit_timers, msecs_to_jiffies
from .tcp_ack import __tcp_cleanup_rbuf, tcp_fast_path_check
from .tcp_charge import tcp_rfree
from .tcp_input import tcp_epollin_ready
from .tcp_lines import tcp_pages_read, tcp_segment_arrives
from .tcp_rcvbuf import tcp_rcv_space_adjust
from .tcp_seq import after, u32
from .tcp_timer import tcp_release_cb
from .tcp_urg import tcp_recv_urg
from .tcp_window import TCP_DEFAULT_SCALING_RATIO, TCP_MSS_DEFAULT

TCP_WMEM_DEFAULT = 16384                             # net.ipv4.tcp_wmem's
EXHAUSTED, FULL, AT_END, LATE = 0, 1, 2, 3           # why a copy goes no further: queue, buffer, the FIN or an urgent byte, somebody's turn


# ---------------------------------------------------------------- its life
@proto_init(IPPROTO.TCP)
@path_function
def tcp_v4_init_sock(net: Net, sk: sock) -> int:
    """tcp_init_sock()"""
    tp = net.tcp[sk.idx]
    reset_struct(tp)
    sk.rcvbuf, sk.sndbuf = net.sysctl[Sysctl.tcp_rmem_1], TCP_WMEM_DEFAULT
    tp.scaling_ratio, tp.mss_cache, tp.mdev_us = TCP_DEFAULT_SCALING_RATIO, TCP_MSS_DEFAULT, TCP_TIMEOUT_INIT_MS * 1000
    tp.rto = msecs_to_jiffies(net, TCP_TIMEOUT_INIT_MS)
    inet_csk_init_xmit_timers(net, sk)
    net.tcp_sockets += 1
    return 0


# ---------------------------------------------------------------- reading
@path_function
def tcp_will_not_wait(sk: sock, th: thread_t) -> bool:
    return th.flags & MSG_DONTWAIT != 0 or th.wait_by != 0 or th.timed_out != 0 or sk.nonblock != 0


@proto_recvmsg(IPPROTO.TCP)
@path_function
def tcp_recvmsg(net: Net, cpu: int, t: int) -> int:
    """Bytes read, 0 at the end of the stream; EAGAIN: not yet; OWNING: come again; LOCKED: another call owns the socket, and wakes t;
    FAULTING: come again when the page is there."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    tp = net.tcp[sk.idx]
    if th.recv_step == RecvStep.NONE or sk.owned != t:
        if sk.state == TCP.LISTEN:
            return ENOTCONN
        if th.flags & MSG_OOB:
            return tcp_recv_urg(net, t, sk)
        reader_has_lines(net, cpu, sk)
        th.msg_flags = 0
        if th.buf_len == 0 and tcp_epollin_ready(net, sk, tp, 1):
            return 0
        if net.real_time == 0 and not sock_own(net, sk, t):
            return LOCKED
        th.recv_step = RecvStep.COPY
        if th.copied == 0:
            th.recv_seq = u32(tp.copied_seq + max(0, sk.peek_off))
        if th.fault_every and sk.receive_queue.head >= 0:
            th.fault_calls += 1
            if th.fault_calls >= th.fault_every:     # copy_to_user() sleeps, with the socket locked
                th.fault_calls, th.locking = 0, 1
                return FAULTING
        if net.real_time == 0 and net.sd[cpu].pending:       # lock_sock() turns bottom halves on again: softirqs that wait run now
            return OWNING
    th.locking = 0
    got = tcp_recvmsg_locked(net, cpu, t, sk, tp)
    if got != OWNING:
        th.recv_step = RecvStep.NONE
    return got


@path_function
def tcp_recvmsg_locked(net: Net, cpu: int, t: int, sk: sock, tp: tcp_sock) -> int:
    """What the owner does next."""
    th = net.thread[t]
    target = th.buf_len if th.flags & MSG_WAITALL else min(tp.rcvlowat, th.buf_len)
    while True:
        if th.recv_step == RecvStep.COPY:
            done = tcp_copy_queue(net, cpu, t, sk)
            if done == LATE:
                return OWNING
            tcp_recv_next(net, cpu, t, sk, tp, target, done)
            if net.real_time == 0 and net.sd[cpu].pending:
                return OWNING
        if th.recv_step == RecvStep.FLUSH:           # __sk_flush_backlog()
            if __release_sock(net, cpu, sk) == YIELD:
                return OWNING
            th.recv_step = RecvStep.COPY
            continue
        if net.real_time == 0 and tcp_release_sock(net, cpu, th, sk) == YIELD:
            return OWNING
        if th.recv_step == RecvStep.END:
            return th.result
        if tp.rcv_nxt == th.recv_nxt and not tcp_no_more(sk, tp):
            return EAGAIN
        if not sock_own(net, sk, t):                 # the backlog has brought something
            return LOCKED
        th.recv_step = RecvStep.COPY


@path_function
def tcp_recv_next(net: Net, cpu: int, t: int, sk: sock, tp: tcp_sock, target: int, done: int) -> None:
    """There is nothing more to copy: look at the backlog, wait, or return."""
    th = net.thread[t]
    if done == EXHAUSTED and not tcp_no_more(sk, tp) and not tcp_will_not_wait(sk, th):
        if th.copied < max(target, 1):
            __tcp_cleanup_rbuf(net, cpu, sk, th.copied)
            th.recv_step, th.recv_nxt, th.result = RecvStep.WAIT, tp.rcv_nxt, 0
            return
        if sk.backlog.head >= 0:
            th.recv_step = RecvStep.FLUSH
            return
    th.recv_step = RecvStep.END
    tcp_recv_ends(net, cpu, t, sk, tp, done == AT_END)


@path_function
def tcp_recv_ends(net: Net, cpu: int, t: int, sk: sock, tp: tcp_sock, fin: bool) -> None:
    """What the call will return stands in thread_t.result."""
    th = net.thread[t]
    copied = th.copied
    th.copied = 0
    th.result = copied
    if copied == 0:
        th.result = tcp_nothing(sk, tp, fin)
        if th.result:
            return
    __tcp_cleanup_rbuf(net, cpu, sk, copied)         # after MSG_PEEK, too
    if copied and th.flags & MSG_PEEK == 0:
        sk.packets += 1


@path_function
def tcp_release_sock(net: Net, cpu: int, th: thread_t, sk: sock) -> int:
    """release_sock() of a reader; the lock's cost is in its call's own.  One that has met nothing lets go at once.  DONE or YIELD."""
    if th.copied or th.result > 0 or sk.backlog_len:
        if __release_sock(net, cpu, sk) == YIELD:
            return YIELD
    tcp_release_cb(net, cpu, sk)
    sock_disown(net, cpu, sk)
    return DONE


@path_function
def tcp_no_more(sk: sock, tp: tcp_sock) -> bool:
    """Nothing will follow what there is."""
    return tp.done != 0 or sk.err != 0 or sk.state == TCP.CLOSE or sk.shutdown & 1 != 0


@path_function
def tcp_nothing(sk: sock, tp: tcp_sock, fin: bool) -> int:
    """Why a call has read nothing: an error, 0 at the end of the stream, EAGAIN."""
    if tp.done or fin:
        return 0
    if sk.err:
        err = sk.err
        sk.err = 0
        return -err
    if sk.shutdown & 1:
        return 0
    return ENOTCONN if sk.state == TCP.CLOSE else EAGAIN


@path_function
def tcp_copy_queue(net: Net, cpu: int, t: int, sk: sock) -> int:
    """As much of the receive queue as the program's buffer takes, behind what it has: why it goes no further.  A peek is one piece, since
    it frees nothing."""
    th, tp = net.thread[t], net.tcp[sk.idx]
    peek = th.flags & MSG_PEEK != 0
    seq = th.recv_seq if peek else tp.copied_seq
    i = sk.receive_queue.head
    while i >= 0:
        skb = net.skb[i]
        cb = TCP_SKB_CB(skb)
        offset = u32(seq - cb.seq)
        i = skb.next
        if offset < skb.len:
            if tp.urg_data and tp.urg_seq == seq and th.copied:
                return AT_END
            used = min(skb.len - offset, th.buf_len - th.copied)
            if used == 0:
                return FULL
            skipped = 0
            if tp.urg_data and u32(tp.urg_seq - seq) < used:
                used = u32(tp.urg_seq - seq)
                if used == 0:
                    used = min(skb.len - offset, th.buf_len - th.copied)
                    if tp.urginline == 0:            # it is fetched by itself, if at all
                        skipped = 1
                        used = min(skb.len - offset - 1, th.buf_len - th.copied)
            if used:
                tcp_copy_out(net, cpu, t, sk, skb, offset + skipped, used)
            seq = u32(seq + used + skipped)
            if not peek:
                tp.copied_seq = seq
            else:
                th.recv_seq = seq
                if sk.peek_off >= 0:
                    sk.peek_off += used
            if used:
                tcp_rcv_space_adjust(net, cpu, sk, tp)
            if tp.urg_data and after(tp.copied_seq, tp.urg_seq):
                tp.urg_data = 0
                tcp_fast_path_check(sk, tp)
            if u32(seq - cb.seq) < skb.len:
                i = skb.idx
                if th.copied == th.buf_len:
                    return FULL
                continue
        if cb.tcp_flags & TCPHDR_FIN:
            if not peek:
                tp.copied_seq = u32(seq + 1)
                tcp_eat_recv_skb(net, cpu, sk, skb)
            return AT_END
        if not peek:
            tcp_eat_recv_skb(net, cpu, sk, skb)
            if net.real_time == 0 and (late(net, cpu) or net.sd[cpu].pending != 0):
                return LATE
        if th.copied == th.buf_len:
            return FULL
    return EXHAUSTED


@path_function
def tcp_copy_out(net: Net, cpu: int, t: int, sk: sock, skb: sk_buff, offset: int, n: int) -> None:
    """n bytes to the program, behind what it has; MSG_TRUNC throws them away."""
    th = net.thread[t]
    tcp_segment_arrives(net, cpu, skb)
    at(net, cpu, skb, Stage.tcp_recvmsg)
    if th.flags & MSG_TRUNC == 0:
        tcp_copy_bits(net, skb, offset, mem_at(th.buf_addr), th.copied, n)
        at_bytes(net, cpu, skb, Stage.BYTE_COPY, n)
    th.copied += n
    th.arrived, th.frame = skb.tstamp, skb.frame
    if net.spends:
        spent_read(net, cpu, t, skb)


@path_function
def tcp_copy_bits(net: Net, skb: sk_buff, start: int, buf: Mem, to: int, n: int) -> None:
    """skb_copy_bits() that goes on where the last call ended: of a segment that GRO or coalescing made of many, a walk from its head would
    pass all that was read before."""
    done, linear = 0, skb.len - skb.data_len
    if start < linear:
        done = min(linear - start, n)
        memcpy(buf, to, mem_at(net.mem_addr), skb.data + start, done)
    if done == n:
        return
    if skb.frags >= 0:
        skb_copy_bits(net, skb, start + done, buf, to + done, n - done)
        return
    cb, pos = TCP_READ_CB(skb), start + done - linear                        # within what is not linear
    i, before = cb.part, cb.part_at
    if i < 0 or pos < before:                        # the first call, or MSG_PEEK
        i, before = skb.frag_list, 0
    while i >= 0:
        part = net.skb[i]
        if part.frags >= 0:                          # of a jumbo frame
            skb_copy_bits(net, skb, start + done, buf, to + done, n - done)
            return
        if pos - before < part.len:
            take = min(part.len - (pos - before), n - done)
            memcpy(buf, to + done, mem_at(net.mem_addr), part.data + pos - before, take)
            done += take
            pos += take
            if done == n:
                cb.part, cb.part_at = i, before
                return
        before += part.len
        i = part.next


@path_function
def tcp_eat_recv_skb(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """The first of the queue has been read."""
    __skb_dequeue(net, sk.receive_queue)
    sk.qlen -= 1
    size, lock = skb.truesize, sk.lock
    lock.last_cpu = cpu                              # rmem_alloc is written
    if net.real_time == 0:
        tcp_pages_read(net, cpu, net.tcp[sk.idx], skb)
    skb_end(net, cpu, skb, Stage.tcp_recvmsg, Drop.RECEIVED)
    tcp_rfree(net, cpu, sk, size)


# ---------------------------------------------------------------- poll()
@proto_poll(IPPROTO.TCP)
@path_function
def tcp_poll(net: Net, cpu: int, sk: sock) -> int:
    """Its events now.  A listener has one when somebody can be accepted."""
    tp = net.tcp[sk.idx]
    if sk.state == TCP.LISTEN:
        return POLLIN | POLLRDNORM if tp.accept_head >= 0 else 0
    mask = 0
    if sk.shutdown == 3 or sk.state == TCP.CLOSE:
        mask |= POLLHUP
    if sk.shutdown & 1:
        mask |= POLLIN | POLLRDNORM | POLLRDHUP
    if sk.state != TCP.SYN_SENT and sk.state != TCP.SYN_RECV:
        if tcp_epollin_ready(net, sk, tp, tcp_poll_target(tp)):
            mask |= POLLIN | POLLRDNORM
        mask |= POLLOUT | POLLWRNORM                 # nothing of ours is waiting to be sent
        if tp.urg_data & TCP_URG_VALID:
            mask |= POLLPRI
    if sk.err:
        mask |= POLLERR
    return mask


@path_function
def tcp_poll_target(tp: tcp_sock) -> int:
    """An urgent byte that is in the way counts as one more."""
    target = tp.rcvlowat
    if tp.urg_data and tp.urg_seq == tp.copied_seq and tp.urginline == 0:
        target += 1
    return target
