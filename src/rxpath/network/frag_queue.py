"""net/ipv4/inet_fragment.c: the queues of reassembly: find or create, insert, take apart, put together.

Called by ip_fragment.py, under net.frag_lock and in the order of the clocks.  A queue holds runs (abi/frag.py); since 4.19 a fragment
that only touches a run in the middle begins a run of its own, and that is visible: a duplicate is what lies within one run."""
from .._compile import path_function, reset_struct
from ..abi.frag import COMPLETE, ipq_t
from ..abi.headers import ip_hdr
from ..abi.kernels import Behaviour, Sysctl
from ..abi.limits import NFRAGQ
from ..abi.mib import Mib
from ..abi.net import FRAG_HASH, Net
from ..abi.numbers import CHECKSUM_NONE, CHECKSUM_UNNECESSARY, NO_SKB
from ..abi.reasons import Drop
from ..abi.skbuff import FRAG_CB, sk_buff
from ..abi.timer import FRAG_TIMER
from ..path import Stage, Timer
from ..record import record_level
from ..skb import kfree_skb_reason
from ..timer import jiffies, mod_timer, timer_delete, timer_setup

IPFRAG_OK, IPFRAG_DUP, IPFRAG_OVERLAP = 0, 1, 2
IPQ_SIZE = 200                          # sizeof(struct ipq): what an empty queue weighs; measured on 6.18
SKB_STRUCT_SIZE = 256                   # what a buffer's truesize counts for its sk_buff
BUILD_SKB_ROOM = 2048 - 320 - 64 - 14   # of igb's half page, less skb_shared_info, headroom and Ethernet header
MAX_SKB_FRAGS = 17


# ---------------------------------------------------------------- find, create, kill, destroy
@path_function
def ipqhashfn(saddr: int, daddr: int, ident: int, protocol: int) -> int:
    h = (saddr * 0x9E3779B1 ^ daddr * 0x85EBCA6B ^ (ident << 8 | protocol) * 0xC2B2AE35) & 0x7FFF_FFFF_FFFF_FFFF
    return (h >> 20) & FRAG_HASH - 1


@path_function
def inet_frag_find(net: Net, cpu: int, skb: sk_buff, user: int) -> int:
    """That user's queue of this fragment's datagram, a new one if need be, -1: the account is full, whether there is a queue or not."""
    high = net.sysctl[Sysctl.ipfrag_high_thresh]
    if net.behaviour[Behaviour.frag_rbtree] and (high == 0 or net.frag_mem > high):
        return -1
    ip = ip_hdr(net, skb)
    ident, protocol, saddr, daddr = ip.id, ip.protocol, ip.saddr, ip.daddr
    h = ipqhashfn(saddr, daddr, ident, protocol)
    i = net.frag_hash[h]
    while i >= 0:
        queue = net.fragq[i]
        if queue.id == ident and queue.saddr_lo == saddr and queue.daddr_lo == daddr and queue.protocol == protocol \
                and queue.user == user:
            return i
        i = queue.hnext
    i = inet_frag_alloc(net)
    if i < 0:
        return -1
    made = net.fragq[i]
    reset_struct(made)
    made.id, made.saddr_lo, made.daddr_lo, made.protocol, made.user = ident, saddr, daddr, protocol, user
    made.hnext = net.frag_hash[h]
    net.frag_hash[h] = i
    net.frag_mem += IPQ_SIZE
    frag_mem_recorded(net, cpu)
    net.frag_nqueues += 1
    if net.sysctl[Sysctl.ipfrag_max_dist]:
        made.peer = inet_getpeer(net, saddr)
        peer = net.peer[made.peer]
        made.rid = peer.rid
    timer_setup(net, FRAG_TIMER + i, Timer.ip_expire, i)
    inet_frag_start_timer(net, cpu, i)
    lru_add_tail(net, i)
    return i


@path_function
def frag_mem_recorded(net: Net, cpu: int) -> None:
    """The account has grown, or what a queue weighed has left it."""
    net.frag_mem_max = max(net.frag_mem_max, net.frag_mem)
    if net.record:
        c = net.cpu[cpu]
        record_level(net, net.recording.frag_mem, c.now, net.frag_mem)


@path_function
def inet_frag_start_timer(net: Net, cpu: int, i: int) -> None:
    """The rest of the datagram has ipfrag_time from now on."""
    mod_timer(net, cpu, FRAG_TIMER + i, jiffies(net, cpu) + net.sysctl[Sysctl.ipfrag_time_ns] // net.sysctl[Sysctl.jiffy_ns])


@path_function
def inet_frag_alloc(net: Net) -> int:
    """A free ipq, -1: NFRAGQ are in use."""
    i = net.fragq_free
    if i >= 0:
        queue = net.fragq[i]
        net.fragq_free = queue.hnext
        return i
    if net.fragq_used >= NFRAGQ:
        return -1
    net.fragq_used += 1
    return net.fragq_used - 1


@path_function
def inet_frag_kill(net: Net, i: int) -> None:
    """Nobody finds the queue any more, and its timer is off."""
    queue = net.fragq[i]
    if queue.flags & COMPLETE:
        return
    queue.flags |= COMPLETE
    timer_delete(net, FRAG_TIMER + i)
    lru_del(net, i)
    h = ipqhashfn(queue.saddr_lo, queue.daddr_lo, queue.id, queue.protocol)
    j = net.frag_hash[h]
    if j == i:
        net.frag_hash[h] = queue.hnext
    else:
        before = net.fragq[j]
        while before.hnext != i:
            before = net.fragq[before.hnext]
        before.hnext = queue.hnext


@path_function
def inet_frag_destroy(net: Net, cpu: int, i: int, stage: int, reason: int) -> None:
    """After inet_frag_kill(): what is left of its fragments ends."""
    queue = net.fragq[i]
    inet_frag_rbtree_purge(net, cpu, queue, stage, reason)
    if queue.peer >= 0:
        inet_putpeer(net, queue.peer)
    net.frag_mem -= IPQ_SIZE
    frag_mem_recorded(net, cpu)
    net.frag_nqueues -= 1
    queue.hnext = net.fragq_free
    net.fragq_free = i


@path_function
def inet_frag_rbtree_purge(net: Net, cpu: int, queue: ipq_t, stage: int, reason: int) -> None:
    i = queue.head
    net.frag_mem -= queue.mem
    queue.mem, queue.head, queue.tail, queue.last_run = 0, NO_SKB, NO_SKB, NO_SKB
    while i >= 0:
        run = net.skb[i]
        j, i = i, FRAG_CB(run).next_run
        while j >= 0:
            skb = net.skb[j]
            j = skb.next
            kfree_skb_reason(net, cpu, skb, stage, reason)


# ---------------------------------------------------------------- the pieces
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
        tail_run.run_tail = skb.idx
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
    run.run_tail = skb.idx
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
    nfrags, listed, tail, run_next, i = frag_npages(net, head), 0, NO_SKB, FRAG_CB(head).next_run, head.next
    while i >= 0 or run_next >= 0:
        if i < 0:
            i = run_next
            begin = net.skb[i]
            run_next = FRAG_CB(begin).next_run
        part = net.skb[i]
        i = part.next
        part.next = NO_SKB
        if tail >= 0:
            link = net.skb[tail]
            link.next = part.idx
        else:
            head.frag_list = part.idx
        tail = part.idx
        if part.ip_summed != head.ip_summed:
            head.ip_summed = CHECKSUM_NONE
        head.wire |= part.wire
        more = 1 + frag_npages(net, part)
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
    head.frag_tail = tail
    head.next = NO_SKB
    head.dst, head.dst_type, head.dev, head.iif, head.tstamp = skb.dst, skb.dst_type, skb.dev, skb.iif, queue.stamp
    head.csum_valid = 0
    net.frag_mem -= queue.mem
    queue.mem, queue.head, queue.tail, queue.last_run = 0, NO_SKB, NO_SKB, NO_SKB
    return head


@path_function
def frag_npages(net: Net, skb: sk_buff) -> int:
    n, i = 0, skb.frags
    while i >= 0:
        page = net.skb[i]
        n += 1
        i = page.next
    return n


# ---------------------------------------------------------------- 3.10: overlaps are trimmed, the oldest queue is evicted
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


@path_function
def ip_evictor(net: Net, cpu: int) -> None:
    """Before 4.19 a full account made room: the queues that were touched longest ago go, down to ipfrag_low_thresh."""
    if net.frag_mem <= net.sysctl[Sysctl.ipfrag_high_thresh]:
        return
    while net.frag_mem > net.sysctl[Sysctl.ipfrag_low_thresh] and net.frag_lru_head >= 0:
        i = net.frag_lru_head
        inet_frag_kill(net, i)
        inet_frag_destroy(net, cpu, i, Stage.ip_defrag, Drop.FRAG_QUEUE_KILLED)
        net.frag_evicted += 1
        net.snmp[cpu][Mib.Ip_ReasmFails] += 1


@path_function
def lru_add_tail(net: Net, i: int) -> None:
    queue = net.fragq[i]
    queue.lru_prev, queue.lru_next = net.frag_lru_tail, -1
    if queue.lru_prev >= 0:
        before = net.fragq[queue.lru_prev]
        before.lru_next = i
    else:
        net.frag_lru_head = i
    net.frag_lru_tail = i


@path_function
def lru_del(net: Net, i: int) -> None:
    queue = net.fragq[i]
    if queue.lru_prev >= 0:
        before = net.fragq[queue.lru_prev]
        before.lru_next = queue.lru_next
    else:
        net.frag_lru_head = queue.lru_next
    if queue.lru_next >= 0:
        after = net.fragq[queue.lru_next]
        after.lru_prev = queue.lru_prev
    else:
        net.frag_lru_tail = queue.lru_prev


# ---------------------------------------------------------------- peers
@path_function
def inet_getpeer(net: Net, addr: int) -> int:
    """One for each source that has a queue: there are never more than queues."""
    h = ipqhashfn(addr, 0, 0, 0)
    i = net.peer_hash[h]
    while i >= 0:
        peer = net.peer[i]
        if peer.addr_lo == addr:
            peer.refs += 1
            return i
        i = peer.hnext
    i = net.peer_free
    if i < 0:
        i = net.peer_used
        net.peer_used += 1
    made = net.peer[i]
    if i == net.peer_free:
        net.peer_free = made.hnext
    reset_struct(made)
    made.addr_lo, made.refs, made.hnext = addr, 1, net.peer_hash[h]
    net.peer_hash[h] = i
    return i


@path_function
def inet_putpeer(net: Net, i: int) -> None:
    peer = net.peer[i]
    peer.refs -= 1
    if peer.refs:
        return
    h = ipqhashfn(peer.addr_lo, 0, 0, 0)
    j = net.peer_hash[h]
    if j == i:
        net.peer_hash[h] = peer.hnext
    else:
        before = net.peer[j]
        while before.hnext != i:
            before = net.peer[before.hnext]
        before.hnext = peer.hnext
    peer.hnext = net.peer_free
    net.peer_free = i
