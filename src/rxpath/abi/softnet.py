"""Per-CPU receive state: softnet_data, the NAPIs, the backlog."""
from .._compile import CACHELINE, Array, array, i64, struct
from .numbers import NAPI_POLL_WEIGHT, NO_CPU, NO_NAPI, NO_SKB, NO_THREAD
from .skbuff import sk_buff_list


@struct(align=CACHELINE)
class napi_struct:
    state: i64
    weight: i64 = NAPI_POLL_WEIGHT
    batch: i64 = 1              # gro_normal_batch
    poll: i64                   # handler id of the napi_poll table
    ring: i64                   # queue; for a backlog the CPU
    next: i64 = NO_NAPI
    dev: i64
    thread: i64 = NO_THREAD     # napi/dev-N of threaded NAPI
    gro_bitmask: i64
    rx_list: sk_buff_list       # packets that GRO let go, up to gro_normal_batch
    rx_count: i64
    done: i64                   # locals of the poll, which can be left and re-entered
    dry: i64                    # of these: the ring has nothing more
    run: sk_buff_list           # neighbours of one protocol on their way up
    run_state: i64              # numbers.Run
    run_ptype: i64              # the packet type that they are for
    run_cursor: i64 = NO_SKB    # HOOK: the first that has not passed it
    run_next: i64 = NO_SKB      # the packet that ended the run, and its packet type
    run_next_ptype: i64
    up: i64                     # rx_list is on its way up
    flush_rest: i64
    gro_bucket: Array[i64] = array(8, init=NO_SKB)
    gro_count: Array[i64] = array(8)
    polls: i64
    work: i64
    full_polls: i64             # polls that used up their weight
    quota: i64                  # weight that the poll under way began with
    gro_flush_timeout: i64      # ns, 0: off; with defer_hard_irqs, how often to poll before the interrupt is enabled again
    defer_hard_irqs: i64
    defer_hard_irqs_count: i64
    timeout: i64                # of the poll under way: ns until napi_watchdog, 0: none
    deferred: i64               # and its interrupt stays masked
    watchdogs: i64              # times that it went off and found the NAPI free


@struct()
class napi_list:
    """NAPIs, linked by next.  Empty: there is no head; the tail counts only when there is one."""
    head: i64 = NO_NAPI
    tail: i64 = NO_NAPI


@struct(align=CACHELINE)
class softnet_data:
    """Per CPU.  Of all this, other CPUs see only the input queue (and the state of the backlog's napi)."""
    poll_list: napi_list
    work: napi_list             # of this net_rx_action pass
    repoll: napi_list           # NAPIs that have more, put back at the end of the pass
    pending: i64                # __softirq_pending
    processed: i64
    time_squeeze: i64
    received_rps: i64
    in_softirq: i64             # locals of __do_softirq
    restart: i64
    softirq_end: i64
    vec: i64
    in_rx: i64                  # locals of net_rx_action
    budget: i64
    rx_limit: i64
    poll_n: i64 = NO_NAPI
    parked_skb: i64 = NO_SKB    # a packet that waits for this CPU's turn, and the station that it will enter
    parked_at: i64
    process_queue: sk_buff_list  # the backlog's private half
    process_len: i64
    process_len_max: i64
    ipi_head: i64 = NO_CPU      # CPUs whose backlogs we have started: a list through rps_ipi_next
    rps_ipi_next: i64 = NO_CPU
    in_ipi_list: i64
    ipi_idle: i64               # that CPU was idle when it came onto the list
    note_head: i64
    note_tail: i64
    pool: i64                   # skbs come from here: one for all in virtual time, one for each thread in real time
    clones: sk_buff_list        # packets for the further handlers of a protocol, which go up before the next packet
    raised: Array[i64] = array(10)      # /proc/softirqs
    other_due: i64              # bits: which types have work of sources that are not modelled, and how much
    other_ns: Array[i64] = array(10)


@struct()
class spinlock:
    """It lies beside what it protects: whoever takes the lock wants that line next."""
    locked: Array[i64] = array(1)   # real time
    free_at: i64                # virtual time: a lock is the time at which it is free
    last_cpu: i64 = NO_CPU
    spin_ns: i64


@struct()
class rps_dev_flow:
    """One of a queue's flows: where its packets go now."""
    cpu: i64 = NO_CPU
    last_qtail: i64             # input_queue_tail of that CPU when its last packet was queued


@struct(align=CACHELINE)
class backlog_t:
    """What other CPUs see of a softnet_data: its input queue, and flow limit."""
    lock: spinlock
    input_pkt_queue: sk_buff_list
    len: i64
    len_max: i64
    dropped: i64
    flow_limit: i64             # on for this CPU
    flow_count: i64
    flow_head: i64
    input_queue_head: i64       # RFS: packets that this backlog has worked off, and taken in
    input_queue_tail: i64
    flow_history: Array[i64] = array(256)
    flow_bucket: Array[i64] = array(8192)
