"""net/ipv4/ip_fragment.c before 4.19: fragments that overlap are trimmed; what came first stays."""
from .._compile import path_function
from ..abi.frag import ipq_t
from ..abi.net import Net
from ..abi.numbers import CHECKSUM_NONE, CHECKSUM_UNNECESSARY, NO_SKB
from ..abi.reasons import Drop
from ..abi.skbuff import FRAG_CB, sk_buff
from ..path import Stage
from ..skb import kfree_skb_reason
from .inet_frag_queue import fragrun_create


@path_function
def trim_and_insert(net: Net, cpu: int, queue: ipq_t, skb: sk_buff) -> bool:
    """3.10's ip_frag_queue(): what came first stays, but a later fragment swallows whole ones behind its start.  False: nothing is new."""
    cb, before, i = FRAG_CB(skb), NO_SKB, queue.head
    while i >= 0:
        walk = FRAG_CB(net.skb[i])
        if walk.offset >= cb.offset:
            break
        before = i
        i = walk.next_run
    if before >= 0:
        previous = FRAG_CB(net.skb[before])
        if previous.end > cb.offset:
            if cb.end <= previous.end:
                return False
            frag_pull_front(net, skb, previous.end - cb.offset)
    while i >= 0:
        after, place = net.skb[i], FRAG_CB(net.skb[i])
        if place.offset >= cb.end:
            break
        over = cb.end - place.offset
        if over < after.len:
            queue.meat -= over
            frag_pull_front(net, after, over)
            break
        i = place.next_run
        queue.meat -= after.len
        queue.mem -= after.truesize
        net.frag_mem -= after.truesize
        if before >= 0:
            keeper = FRAG_CB(net.skb[before])
            keeper.next_run = i
        else:
            queue.head = i
        kfree_skb_reason(net, cpu, after, Stage.ip_defrag, Drop.DUP_FRAG)
    if i < 0:                                            # what was last is gone or lies in front
        queue.last_run, queue.tail = before, before
    fragrun_create(net, queue, skb, before)
    return True


@path_function
def frag_pull_front(net: Net, skb: sk_buff, n: int) -> None:
    """pskb_pull(): n bytes of a fragment are somebody else's."""
    cb = FRAG_CB(skb)
    cb.offset += n
    skb.len -= n
    linear = skb.len + n - skb.data_len
    k = min(n, linear)
    skb.data += k
    n -= k
    skb.data_len -= n
    i = skb.frags
    while i >= 0 and n > 0:
        page = net.skb[i]
        k = min(n, page.len)
        page.data += k
        page.len -= k
        n -= k
        i = page.next
    if skb.ip_summed != CHECKSUM_UNNECESSARY:
        skb.ip_summed = CHECKSUM_NONE
