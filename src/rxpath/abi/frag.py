"""IP reassembly: struct ipq."""
from .._compile import i64, struct


@struct(align=64)
class ipq_t:
    saddr_hi: i64
    saddr_lo: i64
    daddr_hi: i64
    daddr_lo: i64
    id: i64
    protocol: i64
    iif: i64
    user: i64
    used: i64
    flags: i64
    len: i64                    # of the datagram, known from its last fragment
    meat: i64                   # bytes that are here
    mem: i64                    # charged to ipfrag_high_thresh
    head: i64                   # fragments, by offset, through skb.next
    tail: i64
    nfrag: i64
    expires: i64
    timer_next: i64             # the next to expire on the same CPU
    timer_prev: i64
    cpu: i64                    # whose timer it is
    hnext: i64
    rid: i64                    # ipfrag_max_dist
    max_size: i64
    ecn: i64
    stamp: i64
