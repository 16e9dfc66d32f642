"""struct sk_buff.  An skb is an index into net.skb; packet memory lies outside, by offset from net.mem_addr.

    head ... data [ len - data_len bytes, linear ] ... head + BUFSZ
    frags      further buffers of a frame that was longer than one (skb_shinfo()->frags): skbs used as pages, linked by next
    frag_list  fragments of one datagram (ip_defrag) or parts of a GRO list, linked by next; each stands for a frame of the wire"""
from .._compile import Array, Overlay, array, i8, i32, i64, struct, u32
from .numbers import NO_SKB


@struct(align=64)
class sk_buff:
    """One packet.  A free one keeps a buffer in `head`: igb swaps it for the one that the NIC has filled."""
    idx: i32                    # own index in net.skb
    next: i32                   # next skb on the same list, NO_SKB at the end
    len: i32                    # bytes in all, from data
    data_len: i32               # of these, not linear
    truesize: i32               # what the socket is charged
    sk: i32                     # socket that it is on its way to, NO_SOCK: not known yet
    head: i64                   # offset of the buffer in packet memory
    data: i64                   # offset of the first byte not yet consumed
    network_header: i64
    transport_header: i64
    tstamp: i64                 # ns: when the last bit of the frame reached the NIC
    frame: i64                  # its number on the wire, from 0; clones and parts keep their parent's or their own
    hash: i32                   # RSS hash of the NIC, as signed 32 bits
    protocol: i32
    dev: i32
    users: i8                   # 0: free
    pkt_type: i8
    ip_summed: i8
    csum_valid: i8              # verified by software on the way
    is_page: i8                 # 1: not a packet but a further buffer of one; 2: a frame that we send.  Neither is in the books
    vlan: i8                    # vlan_tci holds a tag that was taken off: 1 of 802.1Q, 2 of 802.1AD
    l4_hash: i8                 # the hash covers ports
    encapsulated: i8
    wire: i8                    # what the capture knows of it beside its bytes: bits of FEED_WIRE
    mac_header: i64
    frags: i32
    frag_list: i32
    frag_tail: i32
    share: i32                  # NO_SHARE, or the record of its copies
    # ---- second line: what some packets need
    sk_gen: i32                 # generation of that socket: it may close while the packet waits for its turn
    dst: i32                    # route, NO_ROUTE before routing; its kind in dst_type
    dst_type: i32
    queue_mapping: i32
    vlan_tci: i32
    mark: i32
    drop_reason: i32            # how it will end when it has waited for its turn, and where
    drop_stage: i32
    gso_size: i32               # GRO merged segments of this many payload bytes, 0: no
    gso_segs: i32
    gro_next: i32               # NAPI_GRO_CB
    gro_count: i32
    gro_age: i64
    cb: Array[i64] = array(4)   # who has the packet now keeps its own data here, also while it waits for its turn: see below
    nf_rule: i32                # where in the rules a walk goes on, -1: not begun
    nf_depth: i32
    iif: i32
    rx_cpu: i32                 # the CPU that queued it to its socket: its lines lie in that cache
    gro_offset: i32             # headers before the payload that GRO merges
    gro_nr_frags: i32           # pages and heads that hang on its last packet, up to MAX_SKB_FRAGS
    gro_flush: i8
    gro_same_flow: i8
    gro_fixedid: i8
    sw_hash: i8                 # the hash is the software's
    dropcount: i32              # SO_RXQ_OVFL: what its socket had lost when it was queued


@struct()
class sk_buff_list:
    """A queue of packets, linked by next.  Empty: there is no head; the tail counts only when there is one."""
    head: i32 = NO_SKB
    tail: i32 = NO_SKB


# ---------------------------------------------------------------- control blocks: skb.cb under its owners' names
@struct()
class inet_skb_parm:
    dst_type: i32               # what the route said, where dst.input is to be a parameter problem
    bad: i32                    # the octet of the options that made no sense, as the pointer of that message
    understood: i32             # up to where they did
    error: i32                  # dst.error


@struct()
class icmp_skb_cb:
    """A packet whose sender is told why it ends."""
    header: inet_skb_parm
    type: i32
    code: i32
    info: u32                   # the second word of the ICMP header


@struct()
class udp_skb_cb:
    """A datagram to several sockets."""
    first: i32                  # the first match gets the packet itself, last of all
    first_gen: i32
    next: i32                   # where the walk through the chain goes on


@struct()
class tcp_skb_cb:
    """A segment.  In the out-of-order queue it is a node of a red-black tree."""
    seq: u32
    end_seq: u32                # with SYN and FIN
    tcp_flags: i32
    tailroom: i32               # bytes that could still be copied behind its linear ones
    left: i32
    right: i32
    parent_color: i32           # parent << 1 | colour
    prev: i32


@struct()
class tcp_read_cb:
    """The same of a segment in the receive queue.  One that holds many is read in many calls: where the last one ended."""
    seq: u32
    end_seq: u32
    tcp_flags: i32
    tailroom: i32
    part: i32                   # of its frag_list, NO_SKB: at the beginning
    part_at: i32                # bytes of the parts before that one


@struct()
class ipfrag_skb_cb:
    """A fragment in its queue.  Of a run, the first one stands for all (abi/frag.py)."""
    offset: i32
    end: i32
    next_run: i32
    run_end: i32


@struct()
class rps_skb_cb:
    flow: i64                   # its entry in the queue's table of flows, -1: none


@struct()
class packet_type_skb_cb:
    handler: i64                # of a clone: the handler that it is for


IPCB = Overlay(sk_buff, "cb", inet_skb_parm)
ICMP_SKB_CB = Overlay(sk_buff, "cb", icmp_skb_cb)
UDP_SKB_CB = Overlay(sk_buff, "cb", udp_skb_cb)
TCP_SKB_CB = Overlay(sk_buff, "cb", tcp_skb_cb)
TCP_READ_CB = Overlay(sk_buff, "cb", tcp_read_cb)
FRAG_CB = Overlay(sk_buff, "cb", ipfrag_skb_cb)
RPS_SKB_CB = Overlay(sk_buff, "cb", rps_skb_cb)
PTYPE_SKB_CB = Overlay(sk_buff, "cb", packet_type_skb_cb)


@struct()
class share_t:
    """Copies of one frame: a multicast datagram, a tap's clone.  The frame is delivered if any copy is."""
    refs: i32
    frames: i32                 # wire frames that it stands for
    delivered: i32
    reason: i32                 # of the first copy that was lost, and where
    stage: i32
    next: i32                   # free list
