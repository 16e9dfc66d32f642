"""The turn of a CPU in real time: everything that is due is done, in the kernel's order - timers, interrupts, softirqs - then whoever was
woken reads.  Nobody is ever earlier, nothing costs anything, and time stands still within a turn.

Called by driver.py, which moves the clock, and by burst.py, which serves a ring in memory as fast as it can."""
from .. import path
from .._compile import (
    Mem,
    clock_ns,
    entry,
    le64,
    mem_at,
    path_function,
    prefetch,
    put_le64,
    reset_struct,
)
from ..abi.limits import NNOTE, NQ, NSOCK, NTHREAD
from ..abi.net import Net
from ..abi.numbers import (
    DONE,
    EAGAIN,
    EOPNOTSUPP,
    FEED_CSUM_GOOD,
    FEED_IP_CSUM_GOOD,
    IPPROTO,
    MSG_DONTWAIT,
    MSG_TRUNC,
    NAPI_STATE_IN_BUSY_POLL,
    NAPI_STATE_MISSED,
    NAPI_STATE_SCHED,
    NEVER,
    NO_QUEUE,
    YIELD,
    Kind,
    Kthread,
    Note,
    Th,
    Trail,
)
from ..abi.sock import RCV_SHUTDOWN
from ..cable.feed import feed_steered
from ..drivers.nic_rx import irq_due, nic_pull
from ..irq.backlog import rps_trigger_softirq
from ..irq.napi import napi_thread_poll
from ..irq.softirq import do_softirq
from ..irq.timer import run_timers, timer_next
from ..user.eventpoll import ep_poll
from ..user.poll import do_poll
from ..user.recvmsg import sys_recvfrom
from ..user.sendmsg import sys_sendto
from ..user.wait import finish_wait, poll_freewait, sock_poll, wait_add_tail

CLOCK_MONOTONIC = 1
TURNS_MAX = 1000                                     # of a CPU at one moment
NO_WAIT, WAIT, WAIT_UNLESS_NONBLOCK, MORE_ROWS = 0, 1, 2, 3                # of rt_recv_many(); MORE_ROWS: there are some already
INTERRUPTS_MAX = 4096                                # of a queue in one turn: a driver without NAPI has one for each frame


@entry
def rt_init(net: Net, cpu: int, thread: int) -> None:
    """That CPU is one of thread `thread` of this process, 0 first: nobody is earlier, the thread's own pool of skbs; the queues that
    interrupt it."""
    c, sd = net.cpu[cpu], net.sd[cpu]
    net.real_time = max(net.real_time, thread + 1)
    if net.trail == Trail.OFF:
        net.trail = Trail.UNWATCHED
    if net.sim.wall_start == 0:
        net.sim.wall_start = clock_ns(CLOCK_MONOTONIC)
    c.horizon, c.private, c.rps_ipi = NEVER, NEVER, NEVER
    net.sim.nq = net.nring                           # whose cables feed_consume() looks at
    c.first_queue = NO_QUEUE
    for q in range(NQ):
        ring = net.ring[q]
        if ring.up and ring.cpu == cpu:
            ring.next_of_cpu = c.first_queue
            c.first_queue = q
    sd.pool = thread


@path_function
def rt_clock(net: Net) -> int:
    """ns since the start."""
    return clock_ns(CLOCK_MONOTONIC) - net.sim.wall_start


@entry
def rt_now(net: Net) -> int:
    return rt_clock(net)


# ---------------------------------------------------------------- a turn
@entry
def rt_turns(net: Net, cpus: int, now: int) -> int:
    """Every CPU's turn, again while one wants another at once (an IPI, ksoftirqd).  When the next is due."""
    return rt_all_turns(net, cpus, now)


@path_function
def rt_all_turns(net: Net, cpus: int, now: int) -> int:
    due, n = now, 0
    while due <= now and n < TURNS_MAX:
        due = NEVER
        for cpu in range(cpus):
            due = min(due, rt_turn(net, cpu, now))
        n += 1
    return due


@path_function
def rt_turn(net: Net, cpu: int, now: int) -> int:
    """What this CPU has to do at `now`, until nothing is left.  When it wants its next turn: `now` is at once, NEVER is when it is told."""
    rt_begin(net, cpu, now)
    c = net.cpu[cpu]
    q = c.first_queue
    while q >= 0:
        rt_interrupts(net, cpu, q)
        ring = net.ring[q]
        q = ring.next_of_cpu
    rt_softirq(net, cpu)
    rt_notes(net, cpu)
    return rt_next(net, cpu)


@path_function
def rt_begin(net: Net, cpu: int, now: int) -> None:
    """The clock moves; timers and the IPI of another CPU that are due by then."""
    c = net.cpu[cpu]
    c.now = max(c.now, now)
    if timer_next(net, cpu) <= c.now:
        run_timers(net, cpu, c.now)
    if c.rps_ipi <= c.now:
        c.rps_ipi = NEVER
        c.ipis += 1
        rps_trigger_softirq(net, cpu)


@path_function
def rt_interrupts(net: Net, cpu: int, q: int) -> None:
    """The vector of a queue, as often as it comes at this moment; without one, the calls of the sender."""
    ring, c = net.ring[q], net.cpu[cpu]
    n = 0
    if ring.irq_handler < 0:
        nic_pull(net, cpu, q, c.now)
        while ring.staged and n < INTERRUPTS_MAX:
            path.call_sender_xmit(ring.sender_xmit, net, cpu, q)
            n += 1
        return
    while ring.unmasked and irq_due(net, q, c.now) <= c.now and n < INTERRUPTS_MAX:
        ring.last_irq = c.now
        path.call_irq_handler(ring.irq_handler, net, cpu, q)
        n += 1


@path_function
def rt_softirq(net: Net, cpu: int) -> None:
    """__do_softirq() until it is done, or leaves the rest to ksoftirqd: that is the next turn, after whoever was woken by now."""
    sd, c = net.sd[cpu], net.cpu[cpu]
    while sd.pending or sd.in_softirq:
        r = do_softirq(net, cpu)
        c.horizon, c.private = NEVER, NEVER          # a station wanted us to come back: look at the notes
        if r == DONE:
            return


@path_function
def rt_next(net: Net, cpu: int) -> int:
    """The earliest of what this CPU waits for."""
    c, sd = net.cpu[cpu], net.sd[cpu]
    if sd.pending or sd.note_head != sd.note_tail:
        return c.now
    due = min(timer_next(net, cpu), c.rps_ipi)
    q = c.first_queue
    while q >= 0:
        ring = net.ring[q]
        if ring.unmasked or ring.irq_handler < 0:
            due = min(due, irq_due(net, q, c.now))
        q = ring.next_of_cpu
    return max(due, c.now)


# ---------------------------------------------------------------- notes
@path_function
def rt_notes(net: Net, cpu: int) -> int:
    """What the stations could not do themselves.  Returns the datagrams that compiled readers have read.

    A turn looks at every queue and asks for the next timer, so that IRQ_ENABLED, IRQ_SOONER and TIMER are obeyed by having been said; what
    ksoftirqd is woken for is in sd.pending, which brings the next turn."""
    sd, c, got = net.sd[cpu], net.cpu[cpu], 0
    while sd.note_head != sd.note_tail:
        note = net.note[cpu][sd.note_head & NNOTE - 1]
        sd.note_head += 1
        what, whom = note & 255, note >> 8
        if what == Note.WAKE_READER:
            rt_ahead(net, cpu, sd.note_head)
            got += rt_wake(net, cpu, whom)
        elif what == Note.WAKE_NAPI:
            rt_napi_thread(net, cpu, whom)
        elif what == Note.RPS_IPI:
            other = net.cpu[whom]
            other.rps_ipi = c.now
    return got


@path_function
def rt_wake(net: Net, cpu: int, t: int) -> int:
    """A compiled reader, epoll-like, in the same thread: it reads until EAGAIN and sleeps again.  A Python program: its waiter sees it."""
    th, got = net.thread[t], 0
    if th.kind == Kind.HOST:
        th.state = Th.RUNNABLE
        return 0
    buf = mem_at(th.buf_addr)
    while sys_recvfrom(net, cpu, t) >= 0:
        got += 1
        th.sum += le64(buf, 0)
    wait_add_tail(net, net.socks[th.sock], t)
    return got


@path_function
def rt_ahead(net: Net, cpu: int, at: int) -> None:
    """Who reads next, and who after that: among a thousand readers their lines are far away, and the notes know them in time."""
    second = net.thread[net.note[cpu][at + 1 & NNOTE - 1] >> 8 & NTHREAD - 1]
    prefetch(second)
    first = net.thread[net.note[cpu][at & NNOTE - 1] >> 8 & NTHREAD - 1]
    sk = net.socks[first.sock & NSOCK - 1]
    prefetch(sk.lock)


@path_function
def rt_napi_thread(net: Net, cpu: int, t: int) -> None:
    """napi_threaded_poll(): the thread of a NAPI polls as long as it is scheduled; what it leaves word of comes into the same list."""
    c, th = net.cpu[cpu], net.thread[t]
    napi = net.napi[th.napi]
    c.poll_napi, c.in_kthread = th.napi, Kthread.NAPI
    while napi.state & NAPI_STATE_SCHED:
        napi_thread_poll(net, cpu)
        c.horizon, c.private = NEVER, NEVER
    c.in_kthread = Kthread.NONE


# ---------------------------------------------------------------- busy polling
@path_function
def rt_busy_poll(net: Net, cpu: int, napi_id: int) -> None:
    """One poll by who waits, with bottom halves off; then what it has raised and left word of."""
    c = net.cpu[cpu]
    c.poll_napi, c.in_kthread = napi_id - 1, Kthread.BUSY
    while napi_thread_poll(net, cpu) == YIELD:
        c.horizon, c.private = NEVER, NEVER
    c.in_kthread = Kthread.NONE
    rt_softirq(net, cpu)
    rt_notes(net, cpu)


@entry
def rt_busy_go_on(net: Net, cpu: int, now: int, napi_id: int, held: int) -> int:
    """A round of napi_busy_loop(): is the NAPI held?  Not while softirqs have it; its interrupt stays masked as long as it is."""
    rt_begin(net, cpu, now)
    napi = net.napi[napi_id - 1]
    if held == 0:
        if napi.state & NAPI_STATE_SCHED:
            return 0
        napi.state |= NAPI_STATE_SCHED | NAPI_STATE_IN_BUSY_POLL
    rt_busy_poll(net, cpu, napi_id)
    return 1


@entry
def rt_busy_stop(net: Net, cpu: int, napi_id: int) -> None:
    """busy_poll_stop(): a last poll, which lets it go."""
    napi = net.napi[napi_id - 1]
    napi.state &= ~(NAPI_STATE_IN_BUSY_POLL | NAPI_STATE_MISSED)
    rt_busy_poll(net, cpu, napi_id)


# ---------------------------------------------------------------- set-up
@entry
def rt_reader(net: Net, t: int, sk: int) -> None:
    """Thread t sleeps in recvfrom on that socket."""
    th, s = net.thread[t], net.socks[sk]
    th.sock = sk
    th.wait = t
    own = net.wait[t]
    reset_struct(own)
    own.thread = t
    s.readers += 1
    wait_add_tail(net, s, t)


@entry
def rt_feed(net: Net, t: int, offset: int, length: int, caplen: int, flags: int, card: int, made: int) -> bool:
    """A frame onto the cable.  False: it is full."""
    return feed_steered(net, t, offset, length, caplen, flags, card, made) >= 0


@entry
def rt_feed_batch(net: Net, table: Mem, n: int, t: int, card: int) -> int:
    """n frames of a back end that lie in feed memory (rows of backends/face.py: offset, bytes, flags) arrive at t and are taken in by DMA
    at once: their memory may be filled again when this returns.  How many found room on the cable."""
    k = 0
    while k < n:
        flags = 0
        if le64(table, k * 24 + 16):                 # not ready, or verified: neither is verified again
            flags = FEED_CSUM_GOOD | FEED_IP_CSUM_GOOD
        if feed_steered(net, t, le64(table, k * 24), le64(table, k * 24 + 8), le64(table, k * 24 + 8), flags, card, 0) < 0:
            break
        k += 1
    for q in range(net.nring):
        nic_pull(net, -1, q, t)
    return k


# ---------------------------------------------------------------- calls of a Python program
@entry
def rt_program(net: Net, cpu: int, t: int) -> None:
    """Thread t is a Python program."""
    th, own = net.thread[t], net.wait[t]
    th.kind, th.cpu, th.wait, th.epoll, th.batch = Kind.HOST, cpu, t, -1, 1
    reset_struct(own)
    own.thread = t


@entry
def rt_recv(net: Net, cpu: int, t: int) -> int:
    return rt_recv_one(net, cpu, t)


@path_function
def rt_recv_one(net: Net, cpu: int, t: int) -> int:
    """recvfrom() looks at the socket.  EAGAIN: the program is in its queue, unless it does not want to wait."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    finish_wait(net, t)
    got = sys_recvfrom(net, cpu, t)
    if got == EAGAIN and th.flags & MSG_DONTWAIT == 0:
        if sk.shutdown & RCV_SHUTDOWN:
            return 0
        th.state = Th.SLEEPING
        wait_add_tail(net, sk, t)
    return got


@entry
def rt_recv_many(net: Net, cpu: int, t: int, sock: int, addr: int, room: int, rows_at: int, most: int, wait: int) -> int:
    return rt_recv_rows(net, cpu, t, sock, addr, room, rows_at, most, wait)


@path_function
def rt_recv_rows(net: Net, cpu: int, t: int, sock: int, addr: int, room: int, rows_at: int, most: int, wait: int) -> int:
    """recvfrom() again and again, without waiting, each into `room` bytes of the program's memory at addr; of each a row of four words
    at rows_at: its length (also of what did not fit), the sender's address and port, when it came.  How many; less than 0: an error
    before the first one, EOPNOTSUPP: not UDP.  Of EAGAIN, if it is to wait, the program is in the socket's queue; 0: it is shut down to
    read.  A later error waits for the next call."""
    th, sk, rows = net.thread[t], net.socks[sock], mem_at(rows_at)
    if sk.protocol != IPPROTO.UDP:
        return EOPNOTSUPP
    finish_wait(net, t)
    own, own_len = th.buf_addr, th.buf_len
    th.sock = sock
    k, got = 0, EAGAIN
    th.buf_len, th.msg_name, th.flags = room, 1, MSG_DONTWAIT | MSG_TRUNC
    while k < most and (sk.err == 0 or (k == 0 and wait != MORE_ROWS)):
        th.buf_addr = addr + k * room
        got = sys_recvfrom(net, cpu, t)
        if got < 0:
            break
        put_le64(rows, k * 32, got)
        put_le64(rows, k * 32 + 8, th.from_addr_lo)
        put_le64(rows, k * 32 + 16, th.from_port)
        put_le64(rows, k * 32 + 24, th.arrived)
        k += 1
    th.buf_addr, th.buf_len = own, own_len
    if k:
        return k
    if got == EAGAIN and (wait == WAIT or (wait == WAIT_UNLESS_NONBLOCK and sk.nonblock == 0)):
        if sk.shutdown & RCV_SHUTDOWN:
            return 0
        th.state = Th.SLEEPING
        wait_add_tail(net, sk, t)
    return got


@entry
def rt_accept(net: Net, cpu: int, t: int) -> int:
    """accept() looks at the listener's queue.  EAGAIN: the program waits there, unless it does not want to."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    finish_wait(net, t)
    got = path.call_proto_accept(sk.protocol, net, cpu, sk)
    if got == EAGAIN and th.flags & MSG_DONTWAIT == 0:
        th.state = Th.SLEEPING
        wait_add_tail(net, sk, t)
    return got


@entry
def rt_poll(net: Net, cpu: int, t: int) -> int:
    """poll() looks; 0: the program is in the queues."""
    th = net.thread[t]
    th.state = Th.SLEEPING
    return do_poll(net, cpu, t)


@entry
def rt_sock_poll(net: Net, cpu: int, sk: int) -> int:
    """What poll() would say of that socket now."""
    return sock_poll(net, cpu, net.socks[sk])


@entry
def rt_epoll(net: Net, cpu: int, t: int) -> int:
    """epoll_wait() looks."""
    th = net.thread[t]
    th.state = Th.SLEEPING
    return ep_poll(net, cpu, t, th.batch_most)


@entry
def rt_call_over(net: Net, t: int, polled: int) -> None:
    """Out of the queue that it is in; a poll() has an entry for each of its sockets."""
    finish_wait(net, t)
    if polled:
        poll_freewait(net, t)


@entry
def rt_send(net: Net, cpu: int, t: int) -> int:
    """sendto()"""
    return sys_sendto(net, cpu, t)
