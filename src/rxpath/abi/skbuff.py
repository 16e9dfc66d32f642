"""struct sk_buff.  An skb is an index into net.skb; packet memory lies outside, by offset from net.mem_addr.

    head ... data [ len - data_len bytes, linear ] ... head + BUFSZ
    frags      further buffers of a frame that was longer than one (skb_shinfo()->frags): skbs used as pages, linked by next
    frag_list  fragments of one datagram (ip_defrag) or parts of a GRO list, linked by next; each stands for a frame of the wire"""
from .._compile import i8, i32, i64, struct


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
    gro_last: i32
    gro_age: i64
    cb_a: i64                   # skb->cb: the continuation's own data while it waits for its turn
    cb_b: i64
    cb_c: i64
    cb_d: i64
    nf_rule: i32                # where in the rules a walk goes on, -1: not begun
    nf_depth: i32
    frag_offset: i32            # IPCB / frag queue
    frag_end: i32
    iif: i32
    rx_cpu: i32                 # the CPU that queued it to its socket: its lines lie in that cache
    gro_offset: i32             # headers before the payload that GRO merges
    gro_nr_frags: i32           # pages and heads that hang on gro_last, up to MAX_SKB_FRAGS
    gro_flush: i8
    gro_same_flow: i8
    gro_fixedid: i8
    sw_hash: i8                 # the hash is the software's
    dropcount: i32              # SO_RXQ_OVFL: what its socket had lost when it was queued


@struct()
class share_t:
    """Copies of one frame: a multicast datagram, a tap's clone.  The frame is delivered if any copy is."""
    refs: i32
    frames: i32                 # wire frames that it stands for
    delivered: i32
    reason: i32                 # of the first copy that was lost, and where
    stage: i32
    next: i32                   # free list
