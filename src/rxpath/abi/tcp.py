"""TCP: what a connection, a request of the SYN queue and a connection in TIME_WAIT hold beside struct sock.

struct tcp_sock stands at its socket's index in net.tcp, with struct inet_connection_sock in it: UDP's sockets never touch that table.
Requests and TIME_WAIT have tables of their own.  All three are found in one table, net.tcp_ehash, by both ends: an entry is a socket's
index, or EHASH_REQ + a request's, or EHASH_TW + one in TIME_WAIT.  Addresses have 128 bits, as everywhere.

Sequence numbers are 32 bits and wrap (transport/tcp_seq.py compares them); times are jiffies where the kernel's are, else ns."""
from .._compile import CACHELINE, Array, array, i32, i64, struct, u32
from .limits import NREQ, NSOCK, NTW
from .numbers import NO_CPU, NO_REQ, NO_SKB, NO_SOCK, NO_TW
from .tcp_options import TCP_NUM_SACKS

TCP_EHASH = 1 << 17
EHASH_REQ = NSOCK
EHASH_TW = NSOCK + NREQ
EHASH_END = NSOCK + NREQ + NTW
NO_EHASH = -1

# tcp_sock.write_pending: icsk_pending
ICSK_TIME_RETRANS, ICSK_TIME_LOSS_PROBE = 1, 5
# inet_connection_sock.icsk_ack.pending
ICSK_ACK_SCHED, ICSK_ACK_TIMER, ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2, ICSK_ACK_NOW, ICSK_ACK_NOMEM = 1, 2, 4, 8, 16, 32
# tcp_sock.urg_data beside the byte itself
TCP_URG_VALID, TCP_URG_NOTYET, TCP_URG_READ = 0x0100, 0x0200, 0x0400


@struct(align=CACHELINE)
class tcp_sock:
    # ---- header prediction, the receive window, the queue: what a segment in sequence touches
    pred_flags: i64             # the fourth word of the header that is expected; 0: none is
    rcv_nxt: u32
    copied_seq: u32             # the program has read up to here
    rcv_wup: u32                # rcv_nxt when the window was last told
    rcv_wnd: i32                # as told then
    snd_una: u32
    snd_nxt: u32
    tcp_header_len: i32         # of a segment without other options than time stamps
    rcv_tsval: u32              # rx_opt: of the segment in hand
    rcv_tsecr: u32
    saw_tstamp: i32
    ts_recent: u32
    ts_recent_stamp: i64        # when it was taken, in seconds of virtual time; 0: never
    ack_pending: i32            # ICSK_ACK_*
    ack_quick: i32
    ack_pingpong: i32
    ack_ato: i32                # jiffies
    ack_lrcvtime: i64           # jiffies
    last_seg_size: i32
    rcv_mss: i32                # what the peer's segments seem to hold
    rcv_ssthresh: i32
    window_clamp: i32           # of a listener: TCP_WINDOW_CLAMP, 0: not set
    scaling_ratio: i32          # of rcvbuf's bytes, how many of 256 are data
    advmss: i32
    rcv_rtt_us: i64             # << 3
    rcv_rtt_seq: u32
    rcv_rtt_last_tsecr: u32
    rcv_rtt_time: i64           # us
    rcvq_space: i64             # bytes that the program read in the last round trip
    rcvq_seq: u32
    ooo_root: i32 = NO_SKB      # out_of_order_queue: the root of a tree of skbs
    rcvq_time: i64              # us
    ooo_last: i32 = NO_SKB
    num_sacks: i32
    sel_start: Array[i64] = array(TCP_NUM_SACKS)        # selective_acks: newest first
    sel_end: Array[i64] = array(TCP_NUM_SACKS)
    dup_start: u32              # duplicate_sack[0]
    dup_end: u32
    dsack: i32                  # it is to be told
    compressed_ack: i32         # SACKs held back
    compressed_ack_rcv_nxt: u32
    dup_ack_counter: i32
    urg_data: i32               # TCP_URG_* and the byte
    urg_seq: u32
    incoming_cpu: i32 = NO_CPU  # sk_incoming_cpu: whose softirq brought the last segment
    # ---- what was agreed
    wscale_ok: i32
    snd_wscale: i32
    rcv_wscale: i32
    tstamp_ok: i32
    sack_ok: i32
    mss_clamp: i32              # the peer's
    mss_cache: i32
    tsoff: u32
    # ---- the sending side, as far as a receiver needs it
    write_seq: u32
    snd_wl1: u32
    snd_wnd: i64
    max_window: i64
    packets_out: i32            # segments of ours that are not acknowledged: a FIN
    fin_sent: i32
    synack_time: i64            # ns of the SYN-ACK that this connection answered; 0: it was sent twice
    srtt_us: i64                # << 3
    mdev_us: i64
    mdev_max_us: i64
    rttvar_us: i64
    rtt_seq: u32
    bytes_acked: i64
    ack_deferred: i32           # TCP_ACK_DEFERRED: the owner's release_sock() sends it
    rto: i32                    # jiffies
    retransmits: i32
    backoff: i32                # how often rto was doubled, and no round trip was measured since
    ack_timeout: i64            # jiffies: when the delayed ACK is due
    ack_retry: i32
    write_timeout: i64          # jiffies: when what we sent is sent again
    write_pending: i32          # ICSK_TIME_*: what its timer is for, 0: it may go off all the same, and finds nothing to do
    retrans_stamp: u32          # ms: the SYN, or the first retransmission
    user_timeout: i32           # TCP_USER_TIMEOUT, ms; 0: not set
    keepopen: i32               # SO_KEEPALIVE; then TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, 0: the sysctl's
    probes_out: i32
    keepalive_probes: i32
    keepalive_time_ns: i64
    keepalive_intvl_ns: i64
    linger: i32                 # SO_LINGER is on
    lingertime_ns: i64
    delack_deferred: i32        # a timer has gone off while the socket was owned: release_sock()'s
    write_deferred: i32
    last_oow_ack_time: i64      # ns + 1 of the last answer to something out of window; 0: none
    rcv_tstamp: i64             # jiffies of the last ACK
    bytes_received: i64
    segs_in: i64
    segs_out: i64
    rcvlowat: i32 = 1           # SO_RCVLOWAT
    min_ttl: i32                # IP_MINTTL
    linger2: i64                # TCP_LINGER2 in jiffies, -1: no FIN_WAIT2
    user_mss: i32               # TCP_MAXSEG
    dead: i32                   # SOCK_DEAD: no program has it any more
    urginline: i32              # SO_OOBINLINE
    done: i32                   # SOCK_DONE: the peer's FIN is here
    # ---- the way out: what the answers need of the device
    dev: i32                    # that its segments came by
    peer_mac: i64               # who sent them: where no neighbour is known, it is answered there
    frame: i64                  # the last one
    queue_mapping: i32
    rx_hash: i32
    # ---- a listener: struct request_sock_queue, and the accept queue
    max_ack_backlog: i32
    ack_backlog: i32
    accept_head: i32 = NO_SOCK  # children, linked by accept_next
    accept_tail: i32 = NO_SOCK
    accept_next: i32 = NO_SOCK
    qlen: i32                   # requests
    young: i32                  # of these, whose SYN-ACK was sent once only
    defer_accept: i32           # TCP_DEFER_ACCEPT as SYN-ACKs
    synq_overflow: i64          # jiffy + 1 of the last SYN cookie, 0: none
    listener: i32 = NO_SOCK     # of a child that nobody has accepted
    born_of: i32 = NO_SOCK      # of a child: the listener that it came from, and which of those that have had that place
    born_gen: i32
    # ---- a listener's: what its children had been when they ended (books; no kernel twin)
    born: i64                   # how many there were, those that are there too
    born_packets: i64           # reads
    born_qlen_max: i64          # of any one of them
    born_rmem_max: i64
    born_rcvbuf: i64            # of the one with that most
    # ---- of the program that has it (vtime/streams.py)
    app_read: i64               # bytes that it has read
    app_entry: i64 = -1         # its wait entry in the program's epoll instance


@struct(align=64)
class request_sock:
    """A SYN that was answered: struct tcp_request_sock."""
    saddr_hi: i64               # ours (ir_loc_addr)
    saddr_lo: i64
    daddr_hi: i64               # theirs (ir_rmt_addr)
    daddr_lo: i64
    lport: i32
    rport: i32
    hnext: i32 = NO_EHASH       # in net.tcp_ehash
    in_use: i32
    listener: i32
    listener_gen: i32
    rcv_isn: u32
    snt_isn: u32
    ts_recent: u32
    mss: i32                    # theirs
    advmss: i32                 # ours
    rcv_wnd: i32
    window_clamp: i32
    snd_wscale: i32
    rcv_wscale: i32
    wscale_ok: i32
    tstamp_ok: i32
    sack_ok: i32
    ecn_ok: i32
    num_timeout: i32
    num_retrans: i32
    acked: i32                  # the bare ACK has come: TCP_DEFER_ACCEPT, or the accept queue was full
    timeout: i32                # jiffies until the next SYN-ACK
    tsoff: u32
    snt_tsval_first: u32        # time stamps of our SYN-ACKs, the first and the last: what the peer may echo
    snt_tsval_last: u32
    last_oow_ack_time: i64
    synack_time: i64            # ns
    dev: i32
    queue_mapping: i32
    hash: i32
    bound_dev: i32
    peer_mac: i64
    frame: i64
    next: i32 = NO_REQ          # free list


@struct(align=64)
class tcp_timewait_sock:
    """What is left of a connection in TIME_WAIT, or in FIN_WAIT2 when its program has closed it."""
    saddr_hi: i64
    saddr_lo: i64
    daddr_hi: i64
    daddr_lo: i64
    lport: i32
    rport: i32
    hnext: i32 = NO_EHASH
    substate: i32               # TCP.FIN_WAIT2 or TCP.TIME_WAIT
    rcv_nxt: u32
    snd_nxt: u32
    rcv_wnd: i32
    rcv_wscale: i32
    ts_recent: u32
    ts_recent_stamp: i64        # s
    tsoff: u32
    bound_dev: i32
    last_oow_ack_time: i64      # ns + 1
    next: i32 = NO_TW           # free list


@struct()
class tcp_metrics_block:
    """What connections of one pair of addresses have left behind."""
    saddr: i64                  # ours
    daddr: i64
    stamp: i64                  # jiffies
    rtt_us: i64                 # << 3
    in_use: i32
