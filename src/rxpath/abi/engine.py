"""CPUs and threads: clocks that the driver owns, what runs, what it cost.  Stations see only now, horizon and private (turn/clock.py)."""
from .._compile import CACHELINE, Array, array, i32, i64, struct, u16
from .numbers import NEVER, NO_QUEUE, NO_SOCK, NO_THREAD, NO_TIMER


@struct(align=CACHELINE)
class cpu_t:
    """One CPU: its clock, how far it may run, what it does and what it did."""
    now: i64                    # the clock.  Stations only add to it; real time: the driver sets it
    horizon: i64                # until then nobody is earlier: may touch what others see
    private: i64                # until then no interrupt comes: may work on its own things
    ctx: i64
    curr: i64 = NO_THREAD       # running thread
    since: i64                  # start of the time not yet accounted
    need_resched: i64
    in_kthread: i64             # Kthread: softirq work that a thread does
    irq_until: i64              # interrupts are off until then
    first_queue: i64 = NO_QUEUE  # queues that interrupt this CPU: a list through rx_ring.next_of_cpu
    first_thread: i64 = NO_THREAD  # threads of this CPU: a list through thread_t.next_of_cpu
    tick: i64 = NEVER           # the local interrupts, each the time it comes at, or NEVER
    resched_ipi: i64 = NEVER
    rps_ipi: i64 = NEVER
    hrtimer: i64 = NEVER
    wake_head: i64 = NO_THREAD  # threads that another CPU has woken: a list through thread_t.wake_next
    joins: i64                  # how often a thread has joined the run queue
    hardirq_ns: i64
    softirq_ns: i64
    ksoftirqd_ns: i64           # of these, in a kernel thread
    syscall_ns: i64             # the kernel on behalf of threads: system calls, and switching between them
    app_ns: i64
    idle_ns: i64
    irqs: i64
    ipis: i64
    function_calls: i64         # of these, smp_call_function_single_async() of RPS; the others are reschedulings
    ticks: i64
    switches: i64
    wakes: i64
    next_timer: i64 = NEVER     # when the timer wheel of this CPU wants TIMER_SOFTIRQ
    first_hrtimer: i64 = NO_TIMER  # of those that run on this CPU, by time: a list through hrtimer.next
    trail_head: i64
    trail_tail: i64
    trail_lost: i64
    out_head: i64
    out_tail: i64
    out_lost: i64
    rng: i64
    out_write: i64              # bytes of its share of net.out_addr: written, and read by Python; both count up
    out_read: i64
    poll_napi: i64              # the NAPI that a thread polls (Kthread.NAPI, Kthread.BUSY)
    irq_cost: i64               # of the last hard IRQ, for a cut through it
    naps: i64                   # times that it went idle
    idle_state: i64             # Idle: what it sleeps in, and will have to leave
    idle_mean: i64              # of its last naps, for the governor
    far: i64                    # cards_apart: its costs are those of another node's memory
    slow: i64                   # HT: its work takes so many times longer, << 10, until the next epoch; 0: it has no siblings
    busy_share: i64             # HT: of the last epoch, << 10
    idle_before: i64            # HT: idle_ns when the epoch began
    device_irq: i64 = NEVER     # the next interrupt of a source of other softirqs
    stall_at: i64 = NEVER       # when the hypervisor takes the CPU away next
    stall_rng: i64
    stalls: i64                 # how often it did, and for how long while there was work
    stalled_ns: i64             # part of hardirq_ns
    first_source: i64 = -1      # these sources: a list through softirq_source.next_of_cpu


@struct(align=CACHELINE)
class thread_t:
    # ---- what a receiving call reads and writes: one line
    sock: i32
    flags: i32                  # MSG_*
    buf_addr: i64
    buf_len: i32
    wait: i32                   # its wait entry
    msg_name: u16               # the program wants to know that, and what follows
    kind: u16
    msg_flags: i32              # MSG_TRUNC
    result: i64                 # what the system call returns
    arrived: i64                # tstamp of the datagram just read
    frame: i64
    sum: i64                    # of the first payload bytes, for benchmarks
    from_addr_hi: i64           # who sent the datagram just read
    from_addr_lo: i64
    from_port: i64
    # ---- the rest
    state: i64
    cpu: i64
    next_of_cpu: i64
    wake_next: i64
    wake_listed: i64
    phase: i64                  # locals of its system call and loop: what it does when `left` is used up
    left: i64                   # ns of the current piece of work
    tail: i64                   # of these, the last: kernel work (a system call)
    vruntime: i64
    uncharged: i64              # ns that it has run, but update_curr() has not counted yet
    vdeadline: i64              # virtual deadline: vruntime at the end of its slice
    vprot: i64                  # while it runs and is eligible nobody takes the CPU before that vruntime
    lag: i64                    # what it was owed when it left the run queue
    delayed: i64                # it sleeps, and is still on the run queue
    joined: i64                 # when it joined, of the CPU's joins
    weight: i64 = 1024
    service: i64                # mean ns of work for a datagram
    service_kind: i64           # SERVICE_*
    service_at: i64             # how many it has had: the place in its list
    batch: i64 = 1              # vlen of recvmmsg, 1: recvfrom
    in_batch: i64
    wait_by: i64                # how it waits: WaitBy
    timeout: i64                # SO_RCVTIMEO in ns, 0: none
    timeout_at: i64 = NEVER
    timeouts: i64
    timed_out: i64
    received: i64
    latency_sum: i64
    latency_max: i64
    latency_hash: i64           # of every latency in order: two runs are equal if these are
    rng: i64
    napi: i64                   # threaded NAPI
    ran_app_ns: i64
    ran_sys_ns: i64
    woken: i64
    epoll: i64 = -1
    nice: i64
    preempted: i64              # wake-ups that took the CPU at once
    start: i64                  # when it first runs
    period: i64                 # ns that a sleeper sleeps (Kind.HOG)
    service_first: i64          # its list of services: le64 values at net.service_addr
    service_count: i64
    calls: i64                  # receiving calls that have returned
    empty_calls: i64            # of these, with EAGAIN
    op: i64                     # what a Python program wants (Op)
    arg: i64
    busy_until: i64             # busy polling ends then; 0: it has not begun, -1: it is over
    deadline: i64               # of the receiving call under way (SO_RCVTIMEO), 0: none
    cursor: i64 = -1            # of poll(): the entry whose socket busy-polls; 0: all have, -1: none has yet
    drained: i64                # its socket is empty: back to epoll_wait()
    to_addr: i64                # IP_PKTINFO
    to_ifindex: i64
    to_port: i64
    to_type: i64                # RTN: to one, to all, to a group
    to_dev: i64
    tos: i64
    ttl: i64
    batch_most: i64             # maxevents of a program's epoll_wait()
    rxq_ovfl: i64               # SO_RXQ_OVFL: drops of its socket
    copied: i64                 # bytes that a call on a stream has so far
    gro_size: i64               # UDP_GRO: bytes of a segment
    lock_next: i64              # threads that wait for the socket's owner
    locking: i64                # it does: in lock_sock(), or for a page; no signal ends that
    recv_step: i64              # of a call on a stream that owns its socket: RecvStep
    recv_seq: i64               # of MSG_PEEK: the byte that comes next
    recv_nxt: i64               # of one that is about to wait: rcv_nxt when it found nothing more
    own_every: i64              # after so many receiving calls one that owns the socket (setsockopt), for own_ns; 0: none
    own_ns: i64
    roams: i64                  # not pinned: a wake-up may move it to another CPU
    moved: i64                  # it has been, and has not run there yet
    migrations: i64
    series: i64                 # of its latency, + 1; 0: with the rest
    busy_napi: i64              # the NAPI that it polls, + 1; 0: none, the socket at `cursor` has had its turn
    busy_held: i64              # it holds NAPI_STATE_SCHED of that
    busy_for: i64               # the phase that goes on afterwards
    sleeps: i64                 # it sleeps after its work on each datagram: by such times
    sleep_kind: i64             # SERVICE_*
    sleep: i64
    sleep_first: i64
    sleep_count: i64
    sleep_at: i64
    serving: i64                # datagrams of its last call that it has not worked on yet
    nap_until: i64              # nanosleep() is under way until then; 0: it is not
    timeout_hard: i64 = NEVER   # timeout_at may come with another timer of the CPU, up to its slack later by itself
    pausing: i64                # Pausing
    pause_at: i64 = NEVER       # when a local interrupt stops it
    pause_from: i64             # when that pause was to begin
    pause_ns: i64               # how long it is
    pause_every: i64            # mean distance and mean length; with pause_random exponential
    pause_for: i64
    pause_random: i64
    pause_busy: i64             # it computes
    pause_first: i64            # a list of them: le64 pairs (begin, length) at net.service_addr
    pause_count: i64            # those of the list that are still to come
    pause_rng: i64
    paused_at: i64              # when the present one began
    paused_left: i64            # of the work that goes on after it
    paused_tail: i64
    pauses: i64
    paused_ns: i64
    pause_series: i64           # of a recording, + 1
    queue: i64                  # a sender's: the ring whose frames it sends
    until: i64                  # it looks at its clock until then, whatever comes between; 0: its piece of work is as long as it is
    by_clock: i64               # its work on a datagram is such a piece
    asked: i64                  # something to read has woken it, and it has not run since
    ran_at: i64                 # when it did, last
    returned: i64               # when its last call that brought something came back
    items: i64                  # datagrams that the present piece of work is about; 0: it is about none
    item: i64                   # the next of them that will be done, and when the one before was
    item_from: i64
    worked: i64                 # ns of that piece
    served: i64                 # datagrams that it is done with: wire to the end of the work on each
    served_sum: i64
    served_max: i64
    program: i64                # its row of net.spent_*
    spent: i64                  # of net.spent_batch: its first, + 1; 0: it has none
    # ---- of a sending call
    send_len: i64               # bytes at buf_addr
    send_addr: i64              # msg_name, and its port; -1: none is given
    send_port: i64 = -1
    send_saddr: i64             # IP_PKTINFO: source address and ifindex, 0: none
    send_oif: i64
    send_ttl: i64               # IP_TTL, 0: the socket's
    send_tos: i64 = -1          # IP_TOS, -1: the socket's
    send_corked: i64            # this call goes on with a corked datagram
    # ---- of a program that serves TCP (Kind.STREAM)
    message: i64                # bytes of a message, 0: each read is one
    per_kib: i64                # ns of work for 1,024 bytes
    byte_work: i64              # for those of the call that returns
    fault_every: i64            # so often a call that reads finds a page of its buffer missing, 0: never; how long it waits for that
    fault_ns: i64
    fault_calls: i64            # since the last one
    closes: i64                 # messages of a connection after which it closes; 0: when the peer has
    listener: i64 = NO_SOCK     # to which it goes back after its connection
    free_entry: i64 = -1        # wait entries of connections that are gone: a list through item_next
    opened: i64                 # connections accepted, and closed again; of these, by a reset
    closed: i64
    resets: i64
    unwatched: i64              # for which there was no wait entry
    read_bytes: i64


@struct(align=CACHELINE)
class engine:
    """Virtual time.  key[slot] = time << SLOT_BITS | slot: when that slot happens next."""
    now: i64
    running: i64                # the CPU that runs ahead, and how far it may: at_time() lowers both
    horizon: i64
    private: i64
    one_step: i64               # exact engine: no running ahead
    nq: i64
    ncpu: i64
    nslot: i64
    second: i64                 # the key after the earliest
    host: i64 = NO_THREAD       # the Python thread that has a datagram
    turns: i64
    full: i64                   # a ring of outputs wants to be drained
    wall_start: i64             # real time: when it began, by the machine's clock
    reacts: i64                 # somebody reacts to the frames that leave: each is wanted at once
    any_shared: i64             # some ring may be looked at by another CPU than its interrupt's
    any_roams: i64              # some thread is not pinned
    cut: i64 = NEVER            # when a recording writes down its counters next
    epoch: i64 = NEVER          # HT: when siblings look at each other next
    sibling_factor: i64         # HT: how much slower beside a busy sibling, << 10
    idle_deepest: i64           # Idle: the deepest state that the governor may choose
    nhalt: i64                  # a guest's halts: after so much sleep the way back takes so much longer; between two, in proportion
    halt_slept: Array[i64] = array(8)
    halt_ns: Array[i64] = array(8)
    stall_every: i64            # means of the distances between stalls, and of their lengths
    stall_length: i64
    sender_slow: i64            # a sender begins the next call so many times its last one's time after that began, << 10; 0: at once
    sender_spin: i64            # a sender wakes up so long before its next call, and looks at its clock until then
    feed_next: i64              # when the first frame comes that is not on the cable yet
    key: Array[i64] = array(256)
    block: Array[i64] = array(32)       # the earliest key of each eight slots


@struct()
class softirq_source:
    """A device, or a subsystem, that is not modelled but for its softirqs: every so often an interrupt raises one that takes so long."""
    nr: i64                     # Softirq
    every: i64
    cost: i64
    at: i64                     # the next interrupt
    random: i64                 # exponential distances
    rng: i64
    next_of_cpu: i64
    raised: i64


@struct()
class trail_mark:
    """One station of one packet."""
    t: i64
    frame: i64
    stage: i64
    cost: i64
    ctx: i64
    arg: i64                    # reason, socket, queue: what the station says
    skb: i64
    parent: i64


@struct()
class out_frame:
    """A frame that left the path: sent, seen by a tap, or the subject of a LOG line.  Its bytes are copied into net.out_addr."""
    t: i64
    kind: i64                   # Out
    offset: i64                 # of its bytes in the CPU's share, counted up
    len: i64                    # on the wire
    caplen: i64                 # copied
    frame: i64
    dev: i64
    arg: i64                    # TAP: which tap; TX: queue; LOG: rule
