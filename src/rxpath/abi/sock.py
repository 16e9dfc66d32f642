"""Sockets: struct sock / udp_sock, their wait queues.  Addresses have 128 bits; an IPv4 address is lo = its 32 bits, hi = 0."""
from .._compile import CACHELINE, i64, struct
from .softnet import spinlock


@struct(align=CACHELINE)
class sock:
    idx: i64
    gen: i64                    # goes up when the socket closes: a parked packet checks it
    state: i64                  # SOCK_*
    family: i64
    protocol: i64
    port: i64                   # bound port, host order
    rcv_saddr_hi: i64           # bound address, 0: any
    rcv_saddr_lo: i64
    daddr_hi: i64               # connected peer
    daddr_lo: i64
    dport: i64
    bound_dev: i64              # ifindex of SO_BINDTODEVICE, 0: none
    incoming_cpu: i64           # SO_INCOMING_CPU, -1: none
    reuse: i64
    reuseport: i64
    group: i64                  # SO_REUSEPORT group, -1
    bind_seq: i64               # order of binding, for ties
    hnext: i64                  # next socket in its hash chain
    mc_list: i64                # first joined group, -1
    mc_all: i64                 # IP_MULTICAST_ALL
    gro_enabled: i64            # UDP_GRO
    encap: i64
    no_check: i64
    busy_poll_ns: i64           # SO_BUSY_POLL
    peek_off: i64               # SO_PEEK_OFF, -1
    # ---- memory
    rcvbuf: i64
    rmem_alloc: i64
    forward_alloc: i64
    forward_threshold: i64
    drops: i64
    rmem_max_seen: i64          # high-water mark
    # ---- the softirq's side
    lock: spinlock
    head: i64                   # sk_receive_queue
    tail: i64
    qlen: i64
    owned: i64                  # sock_owned_by_user, as a thread number, NO_THREAD
    backlog_head: i64           # sk_backlog (3.10)
    backlog_tail: i64
    backlog_len: i64
    wq_head: i64                # sk_wq: waiting entries, first to be woken first
    wq_tail: i64
    # ---- the reader's side
    reader_head: i64            # reader_queue
    reader_tail: i64
    reader_len: i64
    deficit: i64                # memory that the reader has not given back yet
    readers: i64                # threads that read this socket
    packets: i64                # datagrams read
    bytes: i64
    in_packets: i64             # datagrams admitted
    qlen_max: i64
    napi_id: i64


@struct()
class wait_entry:
    """An entry of a socket's wait queue: a sleeping receiver, a poll, an epoll."""
    thread: i64
    next: i64
    prev: i64
    kind: i64                   # WAIT_*
    exclusive: i64
    sk: i64                     # the socket on whose queue it stands, -1
    epoll: i64
    watched: i64                # epoll, poll: the socket that this entry is for
    next_of_thread: i64


@struct()
class mc_member:
    """A joined multicast group."""
    addr_hi: i64
    addr_lo: i64
    ifindex: i64
    next: i64
