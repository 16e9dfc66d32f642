"""net/ipv4/inet_fragment.c: what lies in one queue of reassembly: insert, take apart, put together.

A queue holds runs (abi/frag.py); since 4.19 a fragment that only touches a run in the middle begins a run of its own, and that is visible:
a duplicate is what lies within one run.  Before, overlaps were trimmed (ip_frag_trim.py)."""
from .._compile import path_function
from ..abi.frag import ipq_t
from ..abi.net import Net
from ..abi.numbers import CHECKSUM_NONE, NO_SKB
from ..abi.skbuff import FRAG_CB, sk_buff
from ..skb import npages, skb_add_part
from ..spent import spent_copy

IPFRAG_OK, IPFRAG_DUP, IPFRAG_OVERLAP = 0, 1, 2
SKB_STRUCT_SIZE = 256                   # what a buffer's truesize counts for its sk_buff
BUILD_SKB_ROOM = 2048 - 320 - 64 - 14   # of igb's half page, less skb_shared_info, headroom and Ethernet header
MAX_SKB_FRAGS = 17


@path_function
def frag_cut_pages(net: Net, skb: sk_buff) -> None:
    """What was trimmed off the end of a fragment must not be read when it stands in the middle of a datagram."""
    left, i = skb.data_len, skb.frags
    while i >= 0:
        page = net.skb[i]
        page.len = min(page.len, left)
        left -= page.len
        i = page.next


@path_function
def inet_frag_queue_insert(net: Net, queue: ipq_t, skb: sk_buff) -> int:
    """IPFRAG_OK, IPFRAG_DUP: within a run, or IPFRAG_OVERLAP."""
    cb = FRAG_CB(skb)
    offset, end = cb.offset, cb.end
    if queue.tail < 0:
        fragrun_create(net, queue, skb, NO_SKB)
        return IPFRAG_OK
    last = net.skb[queue.tail]
    last_end = FRAG_CB(last).end
    if last_end < end:                                   # the common case: it belongs at the end
        if offset < last_end:
            return IPFRAG_OVERLAP
        if offset > last_end:
            fragrun_create(net, queue, skb, queue.last_run)
            return IPFRAG_OK
        skb.next = NO_SKB                                # fragrun_append_to_last()
        last.next = skb.idx
        queue.tail = skb.idx
        tail_run = FRAG_CB(net.skb[queue.last_run])
        tail_run.run_end = end
        return IPFRAG_OK
    before, i = NO_SKB, queue.head
    while i >= 0:
        run = FRAG_CB(net.skb[i])
        if end <= run.offset:
            break
        if offset < run.run_end:
            if offset >= run.offset and end <= run.run_end:
                return IPFRAG_DUP
            return IPFRAG_OVERLAP
        before = i
        i = run.next_run
    fragrun_create(net, queue, skb, before)
    return IPFRAG_OK


@path_function
def fragrun_create(net: Net, queue: ipq_t, skb: sk_buff, before: int) -> None:
    """A run of one fragment, behind the run `before` (NO_SKB: in front of all)."""
    skb.next = NO_SKB
    run = FRAG_CB(skb)
    run.run_end = run.end
    if before >= 0:
        previous = FRAG_CB(net.skb[before])
        run.next_run = previous.next_run
        previous.next_run = skb.idx
    else:
        run.next_run = queue.head
        queue.head = skb.idx
    if run.next_run < 0:
        queue.last_run = skb.idx
        queue.tail = skb.idx


@path_function
def frag_pull_head(net: Net, queue: ipq_t) -> int:
    """inet_frag_pull_head(): the first fragment leaves its queue, which is about to be destroyed."""
    i = queue.head
    if i < 0:
        return NO_SKB
    head = net.skb[i]
    if head.next >= 0:
        heir = FRAG_CB(net.skb[head.next])
        heir.next_run = FRAG_CB(head).next_run
        queue.head = head.next
    else:
        queue.head = FRAG_CB(head).next_run
    head.next = NO_SKB
    net.frag_mem -= head.truesize
    queue.mem -= head.truesize
    return i


@path_function
def inet_frag_reasm_finish(net: Net, queue: ipq_t, skb: sk_buff, ihl: int) -> sk_buff:
    """The first fragment with its IP header becomes the datagram, the others hang on its frag_list; `skb` is the last that came.

    Truesize is the kernel's: what it can copy into the first buffer's tail, or take over as a page (skb_try_coalesce), weighs less."""
    head = net.skb[queue.head]
    dev = net.dev[head.dev]
    head.data -= ihl
    head.len += ihl
    nfrags, listed, run_next, i = npages(net, head), 0, FRAG_CB(head).next_run, head.next
    while i >= 0 or run_next >= 0:
        if i < 0:
            i = run_next
            begin = net.skb[i]
            run_next = FRAG_CB(begin).next_run
        part = net.skb[i]
        i = part.next
        skb_add_part(net, head, part)
        if part.ip_summed != head.ip_summed:
            head.ip_summed = CHECKSUM_NONE
        head.wire |= part.wire
        more = 1 + npages(net, part)
        if dev.head_frag and nfrags == 0 and listed == 0 and part.len <= BUILD_SKB_ROOM - head.len:
            pass                                         # copied into the tail of the first buffer
        elif dev.head_frag and listed == 0 and nfrags + more <= MAX_SKB_FRAGS:
            head.truesize += part.truesize - SKB_STRUCT_SIZE
            nfrags += more
        else:
            head.truesize += part.truesize
            listed = 1
        head.len += part.len
        head.data_len += part.len
    head.next = NO_SKB
    head.dst, head.dst_type, head.dev, head.iif, head.tstamp = skb.dst, skb.dst_type, skb.dev, skb.iif, queue.stamp
    head.csum_valid = 0
    if net.spends:
        spent_copy(net, head, skb)
    net.frag_mem -= queue.mem
    queue.mem, queue.head, queue.tail, queue.last_run = 0, NO_SKB, NO_SKB, NO_SKB
    return head
