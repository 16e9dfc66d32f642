"""Sockets: struct sock / udp_sock, their wait queues, SO_REUSEPORT groups, epoll instances.

Addresses have 128 bits; an IPv4 address is lo = its 32 bits, hi = 0.  What a packet and its reader touch of a socket comes first, in
three lines of 64 bytes: with a thousand sockets these are what the caches hold."""
from .._compile import CACHELINE, Array, array, i32, i64, struct
from .numbers import NO_CPU, NO_PROG, NO_ROUTE, NO_SOCK, NO_THREAD, TCP
from .skbuff import sk_buff_list
from .softnet import spinlock

RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK = 1, 2, 3      # bits of sock.shutdown
NREUSEPORT = 1024               # members of one SO_REUSEPORT group
WAIT_RECV, WAIT_POLL, WAIT_EPOLL = 0, 1, 2              # wait_entry.kind
EP_ET, EP_EXCLUSIVE, EP_ONESHOT, EP_DISABLED = 1, 2, 4, 8
SOCK_SNDBUF_LOCK, SOCK_RCVBUF_LOCK, SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK = 1, 2, 4, 8        # sock.userlocks


@struct(align=CACHELINE)
class sock:
    # ---- what the lookup reads
    rcv_saddr_lo: i64           # bound address, 0: any
    daddr_lo: i64               # connected peer
    port: i32                   # bound port, host order
    dport: i32
    bound_dev: i32              # ifindex of SO_BINDTODEVICE, 0: none
    incoming_cpu: i32 = NO_CPU  # SO_INCOMING_CPU
    hnext2: i32 = NO_SOCK       # next in its chain of udp_hash2 (address and port)
    idx: i32
    gen: i32                    # goes up when the socket closes: a parked packet checks it
    family: i32
    reuseport: i32
    group: i32 = -1             # SO_REUSEPORT group
    protocol: i32
    gro_enabled: i32            # UDP_GRO
    # ---- the softirq's side
    lock: spinlock
    receive_queue: sk_buff_list
    qlen: i32                   # datagrams in both queues
    wq_head: i32 = -1           # sk_wq: waiting entries, first to be woken first
    rmem_alloc: i64
    forward_alloc: i64
    # ---- both, and the reader's: these three lines are all that a datagram needs
    rcvbuf: i32
    reader_queue: sk_buff_list
    deficit: i32                # memory that the reader has not given back yet
    forward_threshold: i32
    wq_tail: i32 = -1
    reader_cpu: i32 = NO_CPU    # the CPU that took the queue over last
    err: i32                    # sk_err, as a positive errno: what an ICMP error has left for the next call
    in_packets: i64             # datagrams admitted
    packets: i64                # datagrams read
    rmem_max_seen: i32          # high-water marks
    qlen_max: i32
    peek_off: i32 = -1          # SO_PEEK_OFF
    napi_id: i32                # queue + 1 that its datagrams come from, 0: none, as in the kernel: for busy polling
    # ---- what is rarer
    owned: i32 = NO_THREAD      # sock_owned_by_user, as a thread number
    readers: i32                # threads that read this socket
    drops: i64
    takers: i64                 # the last four CPUs that took its lines from another, + 1, eight bits each
    state: i32 = TCP.CLOSE      # sk_state: TCP.*, whatever the protocol; of UDP, ESTABLISHED is connected and CLOSE is not
    in_use: i32 = 1             # this slot holds a socket
    rcv_saddr_hi: i64
    daddr_hi: i64
    userlocks: i64              # SOCK_*_LOCK: what the program has said itself; the rest may be chosen anew
    hnext: i64 = NO_SOCK        # next in its chain of udp_hash (port)
    hnext4: i64 = NO_SOCK       # next in its chain of udp_hash4 (connection)
    hprev2: i64 = NO_SOCK       # and of tcp_bhash: before it
    hashed: i32                 # it stands in tcp_ehash
    sndbuf: i32
    reuse: i64
    mc_list: i64 = -1           # first joined group
    mc_all: i64 = 1             # IP_MULTICAST_ALL
    no_check: i32
    nonblock: i32               # O_NONBLOCK
    pktinfo: i64                # IP_PKTINFO
    rxq_ovfl: i64               # SO_RXQ_OVFL
    ll_ns: i64                  # sk_ll_usec: how long its readers busy-poll (SO_BUSY_POLL)
    rcvtimeo_ns: i64            # SO_RCVTIMEO, 0: none
    backlog: sk_buff_list       # 3.10
    backlog_len: i64            # truesize
    backlog_qlen: i64           # datagrams
    backlog_max: i64
    backlog_taken: i32          # of these, the first that the owner has taken already: nothing joins them any more
    filter: i32 = NO_PROG       # SO_ATTACH_FILTER: where its program begins in net.bpf
    filter_len: i32             # and how many instructions it has
    filter_locked: i32          # SO_LOCK_FILTER
    lock_wait: i64 = NO_THREAD  # threads that sleep in lock_sock(): a list through thread_t.lock_next
    rx_dst: i64 = NO_ROUTE      # sk_rx_dst: the route of what came last through early demux, and its kind
    rx_dst_type: i64
    rx_dst_gen: i64             # net.rt_genid then
    rx_dst_cpus: i64            # which CPUs have seen it, bit by bit: each finds it out for itself, so that running ahead changes nothing
    shutdown: i64               # SHUT_RD is bit 0, SHUT_WR bit 1
    recverr: i32                # IP_RECVERR: errors that are not fatal are told too, and without a connection
    freebind: i32               # IP_FREEBIND
    wmem_alloc: i32             # sk_wmem_alloc: truesize of what it has sent and the device has not
    nospace: i32                # SOCK_NOSPACE: somebody waits for room
    broadcast: i32              # SO_BROADCAST
    encap_type: i32             # 1: a tunnel's, of the kernel's own (net.udp_tunnels)
    rxhash: i64                 # sk_rxhash: flow hash of the last datagram of a connected socket
    series: i64                 # of a recording: the first of its two, + 1
    recorded_mem: i64           # what they have been told last
    recorded_len: i64
    burst_lost: i64             # bytes that its buffer has refused since a reader found it empty, and the most that it would have held
    burst_needs: i64


@struct(align=64)
class inet_sock:
    """What of a socket only sending asks for, beside its struct sock."""
    uc_ttl: i64 = -1            # IP_TTL, -1: the default
    tos: i64                    # IP_TOS
    mc_ttl: i64 = 1             # IP_MULTICAST_TTL, _LOOP, _IF (ifindex, address)
    mc_loop: i64 = 1
    mc_index: i64
    mc_addr: i64
    pmtudisc: i64 = 1           # IP_MTU_DISCOVER: IP_PMTUDISC_WANT
    inet_id: i32                # the last identification of a connected socket's packets that may not be cut up
    dontroute: i32              # SO_DONTROUTE


@struct(align=64)
class wait_entry:
    """An entry of a wait queue: a sleeping receiver, a poll, an epoll item.  The first NTHREAD are the threads' own."""
    thread: i64
    next: i64                   # in its socket's (or its epoll's) queue
    prev: i64
    kind: i64                   # WAIT_*
    exclusive: i64
    sk: i64 = NO_SOCK           # the socket in whose queue it is
    epoll: i64 = -1              # kind EPOLL: its instance.  A thread's own entry: the instance in whose queue it is
    # ---- an epoll item, and a poll's other entries
    events: i64                 # EP_*
    mask: i64                   # which events are asked for: EPOLLIN, ...
    revents: i64                # and which there were
    item_sk: i64                # the socket that it watches
    item_next: i64 = -1         # entries of one poll; the list begins in the thread's own entry
    ready_next: i64
    ready: i64                  # on the ready list.  A thread's own entry: its poll has been woken


@struct(align=64)
class eventpoll:
    """An epoll instance: items that are ready, threads that wait."""
    ready_head: i64 = -1
    ready_tail: i64 = -1
    wq_head: i64 = -1
    wq_tail: i64 = -1
    napi_id: i64                # of the socket that became ready last (net.core.busy_poll), as sock.napi_id


@struct()
class mc_member:
    """A joined multicast group.  A row with a source lets only that source in (IP_ADD_SOURCE_MEMBERSHIP)."""
    addr_hi: i64
    addr_lo: i64
    ifindex: i64
    next: i64
    src_hi: i64
    src_lo: i64


@struct(align=CACHELINE)
class sock_reuseport:
    """A SO_REUSEPORT group: members by place; closing one moves the last into its hole."""
    num_socks: i64
    incoming_cpu: i64           # members with SO_INCOMING_CPU
    next: i64                   # free list
    prog: i64 = NO_PROG         # who chooses, instead of the hash: where its program begins in net.bpf
    synq_overflow: i64          # of listeners: jiffy + 1 of the last SYN cookie, 0: none
    socks: Array[i64] = array(NREUSEPORT)
