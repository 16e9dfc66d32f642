"""struct Net: every table of the path, like the kernel's struct net, wider.  `net` is the first argument of every function; `cpu` is
the index of the CPU that runs it.  Tables stand on cache lines of their own; the long ones come last, so that a new field moves little."""
from .._compile import CACHELINE, Array, i64, struct, table
from .engine import cpu_t, engine, out_frame, softirq_source, thread_t, trail_mark
from .fib import fib_alias, icmp_peer, ip_mc_list, neighbour
from .filter import BPF_MEMWORDS, NBPF, sock_filter
from .flow import flow_keys, flowi4
from .frag import inet_peer, ipq_t
from .limits import (
    NBATCH,
    NBEHAVIOUR,
    NBUCKET,
    NCARD,
    NCPU,
    NCUT,
    NDESC,
    NDEV,
    NFDIR,
    NFEED,
    NFIFO,
    NFRAGQ,
    NHIST,
    NMETRICS,
    NMIB,
    NNAPI,
    NNEIGH,
    NNOTE,
    NOFFLOAD,
    NOUT,
    NQ,
    NREASON,
    NREQ,
    NROUTE,
    NSERIES,
    NSHARE,
    NSKB,
    NSOCK,
    NSOURCE,
    NSPILL,
    NSTAGE,
    NSYSCTL,
    NTCPSEEN,
    NTHREAD,
    NTRAIL,
    NTRAILMAP,
    NTW,
)
from .netfilter import NMATCH, NRULE_ENTRIES, nf_hook_entries, nf_match, nf_rule, nf_table, nf_walk
from .nic import arrival, fdir_filter, net_device, nic_t, packet_buffer, rx_desc, rx_ring, tx_desc, tx_ring
from .numbers import NO_REQ, NO_SHARE, NO_SKB, NO_SOCK, NO_TW, SMALL_HEAD, Secret
from .protocols import NPROTOCOL
from .record import bucket_t, cpu_times, recording_t, series_t
from .skbuff import share_t, sk_buff
from .sock import eventpoll, inet_sock, mc_member, sock, sock_reuseport, wait_entry
from .softnet import backlog_t, napi_struct, rps_dev_flow, softnet_data, spinlock
from .spent import NPLACE, NPROGRAM, NSAMPLE, NSPENT, sample_t, spent_t
from .tcp import TCP_EHASH, request_sock, tcp_metrics_block, tcp_sock, tcp_timewait_sock
from .tcp_options import tcp_fastopen_cookie, tcp_options_received, tcp_out_options
from .tcp_sent import (
    NTCPGAP,
    NTCPLOST,
    NTCPREPAIR,
    NTCPSENT,
    NTCPSPLIT,
    tcp_gap_t,
    tcp_ledger_t,
    tcp_lost_t,
    tcp_seen_t,
    tcp_sent_t,
    tcp_split_t,
)
from .timeline import NOPEN, NTIMELINE, open_slice, timeline_mark, timeline_t
from .timer import NHRTIMER, NTIMER, hrtimer, timer_base, timer_list

UDP_HASH, FIB_HASH, FRAG_HASH, NEIGH_HASH, NMCAST, NMULTIPORT = 65536, 16384, 4096, 1024, 4096, 65536
TCP_LHASH, ICMP_PEER_HASH, NICMP_PEER, MC_HASH, NMCGROUP = 4096, 16384, 65536, 256, 4096
NSOCKFLOW, NDEVFLOW = 1 << 17, 1 << 15          # rps_sock_flow_entries, and rps_flow_cnt of one queue, at most
NWAIT, NEPOLL, NGROUP = 1 << 17, 4096, 4096
NCOLUMN = NREASON + 5 * NCPU                    # of a cut: how frames have ended, and each CPU's time


@struct(align=CACHELINE)
class skb_pool_t:
    """Free packets: those that were used, the last first, linked by next; then those that nobody has taken yet."""
    free: i64 = NO_SKB
    first: i64                  # of this pool's own, up to end
    untaken: i64                # the next that has not been taken yet: its memory is not touched before
    end: i64


@struct()
class packet_type:
    """An entry of ptype_base or ptype_all."""
    type: i64
    handler: i64
    list_handler: i64           # list_func, -1: none
    next: i64
    dev: i64                    # -1: any
    snaplen: i64                # of a tap
    count: i64
    tap: i64                    # a packet socket: its number, -1: none


@struct()
class packet_offload:
    """An entry of offload_base: how GRO merges packets of an EtherType."""
    type: i64
    gro_receive: i64
    gro_complete: i64


@struct()
class net_offload:
    """An entry of inet_offloads, by IP protocol."""
    gro_receive: i64 = -1       # -1: its packets are not merged
    gro_complete: i64 = -1


@struct(align=CACHELINE)
class Net:
    mem_addr: i64               # packet memory, frames of the cable, frames that left: outside, by address
    feed_addr: i64
    out_addr: i64
    service_addr: i64           # lists of service times
    nic_changed: i64            # a knob of a card has moved: the driver of time asks every queue when its interrupt comes
    ncard: i64
    small_head: i64 = SMALL_HEAD        # bytes of skb_small_head_cache's objects: the kernel's configuration
    nring: i64                  # rings in use, of all cards
    real_time: i64              # threads of this process that are CPUs; 0: virtual time
    trail: i64                  # Trail: whose marks are wanted
    record: i64                 # a recording is wanted
    spends: i64                 # where datagrams spend their time is wanted
    nspent: i64                 # of spent_batch, those that threads have
    nskb: i64
    rps_ncpu: i64               # any queue has rps_cpus
    nptype_all: i64             # taps
    noffload: i64
    ptype_all: i64 = -1
    nf_active: i64              # any table at any hook
    nf_nrules: i64
    udp_memory: i64             # pages, of all sockets
    frag_mem: i64               # bytes in reassembly, against ipfrag_high_thresh
    frag_mem_max: i64           # at its fullest
    fragq_free: i64 = -1        # free lists; before they are used, tables are taken from the front
    fragq_used: i64
    frag_nqueues: i64
    frag_lru_head: i64 = -1
    frag_lru_tail: i64 = -1
    peer_free: i64 = -1
    peer_used: i64
    udp_hash_seed: i64 = 0x5DEECE66  # the secret of the hashes that choose
    udp_nconn: i64              # connected sockets
    rxq_ovfl: i64               # sockets with SO_RXQ_OVFL
    rt_genid: i64               # goes up with each change of routes: what sockets have remembered is old
    sock_free: i64 = NO_SOCK    # closed ones, through hnext4
    nepoll: i64
    nwait: i64                  # wait entries in use beyond the threads' own
    ngroup: i64
    group_free: i64 = -1        # through next, as the next
    nbpf: i64                   # instructions of classic BPF programs
    nmcast: i64
    mcast_free: i64 = -1
    bind_seq: i64
    icmp_credit: i64
    icmp_stamp: i64 = -(1 << 32)  # jiffy of the last refill; long ago: the credit fills up at the first look
    icmp_rng: i64 = 0x9E3779B97F4A7C1  # dice: what one message takes from the credit
    ip_ident: i64               # the next identification of a packet of ours
    nicmp_peer: i64             # icmp_peer records in use; at the limit the oldest is taken again
    icmp_peer_oldest: i64
    nneigh: i64
    neigh_resolve: i64          # somebody at the other end of the cable answers ARP: answers of ours ask, too, and entries age
    neigh_unres_discards: i64   # /proc/net/stat/arp_cache: packets that a full arp_queue has lost
    neigh_res_failed: i64       # and addresses that nobody has answered for
    nfib: i64
    nsock: i64
    share_free: i64 = NO_SHARE  # through next; before they are used, records are taken from the front
    share_used: i64
    loopback: i64 = -1          # lo's device; -1: there is none
    offered: i64                # frames that the reader put on the cable
    made: i64                   # of these, frames that somebody made in reaction to others
    made_at: i64                # where in feed memory there is room for such frames: MADE_BYTES
    feed_room: i64              # places of each queue's cable that are kept for them
    out_size: i64               # bytes of each CPU's share of out_addr
    udp_tunnels: i64            # sockets of the kernel's own: encap_type
    tcp_memory: i64             # pages, of all connections
    tcp_memory_pressure: i64    # jiffy + 1 at which they came under pressure (tcp_mem), 0: they are not
    tcp_sockets: i64            # listeners, too
    req_free: i64 = NO_REQ      # request_sock, through next; before it is used the table is taken from the front
    req_used: i64
    tw_free: i64 = NO_TW           # tcp_timewait_sock, the same
    tw_used: i64
    tw_count: i64
    tcp_orphans: i64            # connections that no program has any more
    ntcp_seen: i64              # tcp_seen and tcp_seen_port hold so many
    tcp_seen_mss: i64           # the smallest MSS of tcp_seen; 0: none is known
    tcp_seen_spilled: i64       # there are ports
    tcp_adopter: i64 = NO_SOCK  # who accepts captured connections that no listener is for
    tcp_offered: i64            # segments of such connections that came onto the cable, with repairs
    tcp_offered_octets: i64     # bytes of data in them
    tcp_nlost: i64              # of tcp_lost; with those for which there was no room
    tcp_fills: i64              # somebody makes segments of what is in tcp_gap
    tcp_ngap: i64               # of tcp_gap, and the bytes of all of them
    tcp_gap_octets: i64
    nnot_modelled: i64
    udp_encap_needed: i64       # sockets with UDP_GRO: GRO looks sockets up only if there are any
    hash_key: i64 = 0x5DEECE66D # hashrnd: of the software flow hash
    nvlan: i64                  # VLAN devices
    rfs: i64                    # RFS is on: rps_sock_flow_entries, and a queue with rps_flow_cnt
    rps_sock_flow_mask: i64     # entries - 1
    rps_cpu_mask: i64           # low bits of an entry: its CPU
    cards_apart: i64            # cards on several nodes: whose memory a CPU works on is asked again and again
    nnode: i64                  # NUMA nodes; up to one: nobody asks for whose
    sysctl: Array[i64] = table(NSYSCTL)
    behaviour: Array[i64] = table(NBEHAVIOUR)
    softirq_vec: Array[i64] = table(16, init=-1)
    vlan_dev: Array[i64] = table(NDEV)
    ptype_base: Array[i64] = table(16, init=-1)
    ptype: Array[packet_type] = table(64)
    inet_protos: Array[i64] = table(256, init=-1)
    inet_not_modelled: Array[i64] = table(256)          # protocols that a real host would handle
    ptype_not_modelled: Array[i64] = table(16)          # and EtherTypes: nnot_modelled of them
    offload_base: Array[packet_offload] = table(NOFFLOAD)
    inet_offloads: Array[net_offload] = table(256)
    nf_hooks: Array[nf_hook_entries] = table(4)
    nf_tables: Array[nf_table] = table(16)
    nf_lock: spinlock = table()                 # credits of limit
    frag_lock: spinlock = table()               # the line that every fragment writes: the account of memory
    trail_map: Array[i64] = table(NTRAILMAP)
    sim: engine = table()
    nic: Array[nic_t] = table(NCARD)
    dev: Array[net_device] = table(NDEV)
    cpu: Array[cpu_t] = table(NCPU)
    sd: Array[softnet_data] = table(NCPU)
    flow: Array[flow_keys] = table(NCPU)        # of the packet in hand
    fl4: Array[flowi4] = table(NCPU)             # of what a program sends
    tcp_opt: Array[tcp_options_received] = table(NCPU)      # of the segment in hand
    tcp_foc: Array[tcp_fastopen_cookie] = table(NCPU)
    tcp_out: Array[tcp_out_options] = table(NCPU)           # of the one that leaves
    cost: Array[Array[i64]] = table(NCPU, NSTAGE)
    cost_memory: Array[Array[i64]] = table(NCPU, NSTAGE)     # cards_apart: what cost and cost_alone have not, of near memory or of far
    cost_alone: Array[Array[i64]] = table(NCPU, NSTAGE)      # HT: beside an idle sibling
    siblings: Array[i64] = table(NCPU)          # HT: bits of the CPUs of the same core, itself left out
    node: Array[i64] = table(NCPU)              # NUMA node of a CPU
    source: Array[softirq_source] = table(NSOURCE)
    stage_count: Array[Array[i64]] = table(NCPU, NSTAGE)
    drop_stat: Array[Array[i64]] = table(NCPU, NREASON)
    drop_at: Array[Array[i64]] = table(NREASON, NSTAGE)      # where they were lost, of all CPUs
    snmp: Array[Array[i64]] = table(NCPU, NMIB)
    dev_stat: Array[Array[Array[i64]]] = table(NCPU, NDEV, 32)
    note: Array[Array[i64]] = table(NCPU, NNOTE)
    input: Array[backlog_t] = table(NCPU)
    napi: Array[napi_struct] = table(NNAPI)
    ring: Array[rx_ring] = table(NQ)
    tx: Array[tx_ring] = table(NQ)
    rps_map: Array[Array[i64]] = table(NQ, 128)
    rps_len: Array[i64] = table(NQ)
    rfs_len: Array[i64] = table(NQ)             # rps_flow_cnt of a queue, a power of two; 0 while RFS is off
    thread: Array[thread_t] = table(NTHREAD, taken_later=True)
    udp_hash: Array[i64] = table(UDP_HASH)      # by port: index + 1 (transport/udp_hash.py says why), as the next two
    udp_hash2: Array[i64] = table(UDP_HASH)     # by address and port
    udp_hash4: Array[i64] = table(UDP_HASH)     # connected ones, by both ends
    fib_hash: Array[i64] = table(FIB_HASH, init=-1)
    fib_plens: Array[i64] = table(64, init=-1)   # prefix lengths that have routes, longest first, -1 ends
    neigh_hash: Array[i64] = table(NEIGH_HASH, init=-1)
    frag_hash: Array[i64] = table(FRAG_HASH, init=-1)
    peer_hash: Array[i64] = table(FRAG_HASH, init=-1)
    tcp_lhash: Array[i64] = table(TCP_LHASH, init=-1)   # listeners by port
    tcp_bhash: Array[i64] = table(TCP_LHASH, init=-1)   # bound ones by port
    icmp_peer_hash: Array[i64] = table(ICMP_PEER_HASH, init=-1)
    mc_hash: Array[i64] = table(MC_HASH, init=-1)   # groups that devices have joined
    socks: Array[sock] = table(NSOCK, taken_later=True)
    tcp: Array[tcp_sock] = table(NSOCK, taken_later=True)           # beside them, of those that are TCP's
    tcp_ehash: Array[i64] = table(TCP_EHASH)    # by both ends: entry + 1 (abi/tcp.py)
    reqs: Array[request_sock] = table(NREQ, taken_later=True)
    tws: Array[tcp_timewait_sock] = table(NTW, taken_later=True)
    tcp_metrics: Array[tcp_metrics_block] = table(NMETRICS)         # by peer, in buckets (transport/tcp_metrics.py)
    wait: Array[wait_entry] = table(NWAIT, taken_later=True)
    epolls: Array[eventpoll] = table(NEPOLL, taken_later=True)
    reuseport: Array[sock_reuseport] = table(NGROUP, taken_later=True)
    bpf: Array[sock_filter] = table(NBPF)
    nfiltered: i64              # some socket has had a filter (SO_ATTACH_FILTER)
    bpf_mem: Array[Array[i64]] = table(NCPU, BPF_MEMWORDS)
    mcast: Array[mc_member] = table(NMCAST)
    neigh: Array[neighbour] = table(NNEIGH, taken_later=True)
    icmp_peers: Array[icmp_peer] = table(NICMP_PEER)
    mc_group: Array[ip_mc_list] = table(NMCGROUP)
    fib: Array[fib_alias] = table(NROUTE)
    rule: Array[nf_rule] = table(NRULE_ENTRIES)
    nf_matches: Array[nf_match] = table(NMATCH)
    rule_stat: Array[Array[Array[i64]]] = table(NCPU, NRULE_ENTRIES, 2)     # packets, bytes
    nf_walks: Array[nf_walk] = table(NCPU)
    multiport: Array[i64] = table(NMULTIPORT)
    rps_sock_flow: Array[i64] = table(NSOCKFLOW)        # upper bits of a flow's hash | CPU of its reader, -1; begins when RFS does
    dev_flow: Array[Array[rps_dev_flow]] = table(NQ, NDEVFLOW, taken_later=True)
    latency: Array[Array[i64]] = table(NTHREAD, NHIST)
    batch: Array[Array[i64]] = table(NTHREAD, NBATCH)       # arrival times of the datagrams of the recvmmsg() under way
    desc: Array[Array[rx_desc]] = table(NQ, NDESC)
    txd: Array[Array[tx_desc]] = table(NQ, NDESC)
    feed: Array[Array[arrival]] = table(NQ, NFEED)
    buffer: Array[packet_buffer] = table(NQ)
    fifo: Array[Array[arrival]] = table(NQ, NFIFO)          # the frames in each of them
    timer_bases: Array[timer_base] = table(NCPU)
    hrtimers: Array[hrtimer] = table(NHRTIMER)
    timers: Array[timer_list] = table(NTIMER)
    fragq: Array[ipq_t] = table(NFRAGQ, taken_later=True)
    peer: Array[inet_peer] = table(NFRAGQ)
    share: Array[share_t] = table(NSHARE)
    tcp_seen: Array[tcp_seen_t] = table(NTCPSEEN * 2)   # open addressing
    tcp_sent: Array[tcp_sent_t] = table(NTCPSENT + NTCPREPAIR)          # by the frame's number
    tcp_split: Array[tcp_split_t] = table(NTCPSPLIT)
    tcp_lost: Array[tcp_lost_t] = table(NTCPLOST)       # since somebody looked
    tcp_gap: Array[tcp_gap_t] = table(NTCPGAP)          # the same
    tcp_ended: Array[tcp_ledger_t] = table(NREASON)     # by reason
    tcp_again: Array[i64] = table(NREASON)              # what is lost for it is sent again: 1, a SYN makes its connection wait for that
    tcp_ended_gap: Array[tcp_ledger_t] = table(NREASON) # of these, behind a gap in the capture: SENT_GAP
    tcp_seen_port: Array[i64] = table(2048)             # a bit for each port, 32 a word
    unhandled: Array[Array[i64]] = table(4, NPROTOCOL)  # frames of each number that nobody handles: rows are abi.protocols.Seen
    trail_ring: Array[Array[trail_mark]] = table(NCPU, NTRAIL)
    out: Array[Array[out_frame]] = table(NCPU, NOUT)
    skb: Array[sk_buff] = table(NSKB)
    pool: Array[skb_pool_t] = table(NCPU)
    cpu_time: Array[cpu_times] = table(NCPU)                # as vtime.cuts.cpu_time_at() was asked last
    recording: recording_t = table()
    record_series: Array[series_t] = table(NSERIES)
    record_cut: Array[Array[i64]] = table(NCUT + 1, NCOLUMN)        # the last row: as it is now
    record_bucket: Array[Array[bucket_t]] = table(NSERIES, NBUCKET)
    fdir: Array[Array[fdir_filter]] = table(NCARD, NFDIR)
    spill: Array[Array[arrival]] = table(NQ, NSPILL)        # what did not fit onto a queue's cable when its card began to steer otherwise
    work_end: Array[Array[i64]] = table(NTHREAD, NBATCH)    # after how many ns of work each datagram of the last call is done
    served: Array[Array[i64]] = table(NTHREAD, NHIST)
    spent: Array[spent_t] = table(NSKB)
    spent_batch: Array[spent_t] = table(NSPENT)             # of calls under way, or whose datagrams are worked on: each thread its own
    spent_sum: Array[Array[i64]] = table(NPROGRAM, NPLACE)
    spent_max: Array[Array[i64]] = table(NPROGRAM, NPLACE)
    spent_hist: Array[Array[Array[i64]]] = table(NPROGRAM, NPLACE, NHIST)
    sample: Array[sample_t] = table(NSAMPLE)
    siphash_key: Array[Array[i64]] = table(len(Secret), 4, init=0x5DEECE66)  # each four words of 32 bits
    inet: Array[inet_sock] = table(NSOCK, taken_later=True)               # beside socks: what sending asks for
    timeline: Array[timeline_t] = table(NCPU)
    timeline_ring: Array[Array[timeline_mark]] = table(NCPU, NTIMELINE)
    timeline_open: Array[Array[open_slice]] = table(NCPU, NOPEN)
    timeline_call: Array[i64] = table(NTHREAD)              # that thread is in a call, which has begun in its CPU's timeline
