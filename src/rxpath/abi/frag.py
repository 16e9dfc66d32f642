"""IP reassembly: struct ipq, and the peers that ipfrag_max_dist counts fragments of.

    ipq.head -> run -> run -> run      through FRAG_CB; a run is one piece without holes that arrived in order, its fragments linked
                 |      |      |       by skb.next.  Two runs that touch stay two."""
from .._compile import i64, struct
from .numbers import NO_SKB

IP_DEFRAG_LOCAL_DELIVER = 0                     # users of ip_defrag()
FIRST_IN, LAST_IN, COMPLETE = 1, 2, 4           # ipq.flags: INET_FRAG_*


@struct(align=64)
class ipq_t:
    """One datagram in reassembly.  Addresses have 128 bits; IPv4 uses the low half."""
    saddr_hi: i64
    saddr_lo: i64
    daddr_hi: i64
    daddr_lo: i64
    id: i64
    protocol: i64
    user: i64                   # IP_DEFRAG_*: fragments of one datagram are collected for each
    hnext: i64                  # hash chain, or free list
    flags: i64
    len: i64                    # of the datagram's payload, as far as it is known
    meat: i64                   # bytes that are here
    mem: i64                    # truesize of the fragments
    head: i64 = NO_SKB          # first run
    last_run: i64 = NO_SKB
    tail: i64 = NO_SKB          # last fragment of the last run
    dev: i64                    # the last fragment's
    lru_next: i64               # 3.10: the one that was touched longest ago is evicted first
    lru_prev: i64
    peer: i64 = -1              # -1: ipfrag_max_dist was 0 when it was created
    rid: i64                    # the peer's count at our last fragment
    max_size: i64
    max_df_size: i64
    ecn: i64                    # 1 << ECN field, of every fragment
    stamp: i64


@struct()
class inet_peer:
    """A source of fragments, as long as a queue refers to it."""
    addr_hi: i64
    addr_lo: i64
    rid: i64                    # fragments that it has sent us
    refs: i64
    hnext: i64
