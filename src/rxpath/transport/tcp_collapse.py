"""Room by copying: net/ipv4/tcp_input.c (tcp_collapse, tcp_collapse_ofo_queue).

Many small segments weigh much more than their bytes.  When the buffer is over its limit they are copied together, up to a page each.  The
new skb is no frame of the wire; the old ones hang on it without their bytes, so that each keeps its own end in the books."""
from .._compile import cold, mem_at, path_function
from ..abi.limits import BUFSZ
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import NO_SKB, SHARED_INFO, TCPHDR_FIN, TRUESIZE_OVERHEAD
from ..abi.skbuff import TCP_READ_CB, TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..abi.tcp import tcp_sock
from ..path import Stage
from ..skb import alloc_skb, share_begin, share_room, skb_add_part, skb_add_rx_frag, skb_copy_bits, skb_init, skb_release
from ..spent import tstamp_joined
from ..turn import at, at_bytes
from .tcp_charge import skb_set_owner_r, tcp_rfree
from .tcp_seq import after, before, u32
from .tcp_tree import ooo_erase, ooo_first, ooo_insert_by_seq, ooo_last_of, ooo_next
from .tcp_window import tcp_win_from_space

COPY_MAX = 4096 - SHARED_INFO                        # SKB_MAX_ORDER(0, 0)


# ---------------------------------------------------------------- the copy
@path_function
def collapsed_head(net: Net, n: int) -> int:
    """Bytes that kmalloc takes for an skb of n bytes."""
    size = (n + 63 & ~63) + SHARED_INFO
    if size <= net.small_head:
        return net.small_head
    slab = 1024
    while slab < size:
        slab *= 2
    return slab


@path_function
def collapse_alloc(net: Net, cpu: int, skb: sk_buff, n: int) -> int:
    """An skb for n bytes that takes after `skb`; NO_SKB: none is to be had."""
    if not share_room(net):
        return NO_SKB
    i = alloc_skb(net, cpu)
    if i < 0:
        return NO_SKB
    new, head = net.skb[i], collapsed_head(net, n)
    skb_init(net, new, new.head, min(n, BUFSZ))
    if n > BUFSZ:
        k = alloc_skb(net, cpu)
        if k < 0:
            skb_release(net, cpu, new)
            return NO_SKB
        page = net.skb[k]
        skb_init(net, page, page.head, n - BUFSZ)
        skb_add_rx_frag(net, new, NO_SKB, page)
    share_begin(net, new, 0)
    new.truesize = head + TRUESIZE_OVERHEAD
    new.dev, new.tstamp, new.frame, new.rx_cpu, new.hash, new.gro_nr_frags = skb.dev, skb.tstamp, skb.frame, cpu, skb.hash, 0
    new.csum_valid, new.transport_header, new.network_header = 1, skb.transport_header, skb.network_header
    cb, old = TCP_SKB_CB(new), TCP_SKB_CB(skb)
    cb.tcp_flags, cb.tailroom = old.tcp_flags, head - SHARED_INFO - n
    return i


@path_function
def collapse_put(net: Net, cpu: int, new: sk_buff, done: int, skb: sk_buff, offset: int, n: int) -> None:
    """n bytes of skb, from offset on, to place `done` of the new one."""
    tstamp_joined(net, new, skb)
    mem = mem_at(net.mem_addr)
    at_bytes(net, cpu, skb, Stage.BYTE_COPY, n)
    first = min(max(BUFSZ - done, 0), n)
    if first:
        skb_copy_bits(net, skb, offset, mem, new.data + done, first)
    if n > first:
        page = net.skb[new.frags]
        skb_copy_bits(net, skb, offset + first, mem, page.data + done + first - BUFSZ, n - first)


@path_function
def hollow(net: Net, cpu: int, skb: sk_buff) -> None:
    """Its bytes are elsewhere: one skb, without its parts."""
    i = skb.frags
    while i >= 0:
        page = net.skb[i]
        i = page.next
        page.frags = NO_SKB                          # a page has none, whatever stood there before
        skb_release(net, cpu, page)
    skb.frags, skb.len, skb.data_len = NO_SKB, 0, 0


@path_function
def tcp_collapse_one(net: Net, cpu: int, sk: sock, new: sk_buff, skb: sk_buff) -> None:
    """A segment, out of its queue by now, has been copied: it hangs on the new one, and weighs nothing."""
    size, i = skb.truesize, skb.frag_list
    net.snmp[cpu][Mib.TcpExt_TCPRcvCollapsed] += 1
    skb.frag_list = NO_SKB
    hollow(net, cpu, skb)
    skb_add_part(net, new, skb)
    while i >= 0:
        part = net.skb[i]
        i = part.next
        hollow(net, cpu, part)
        skb_add_part(net, new, part)
    tcp_rfree(net, cpu, sk, size)


# ---------------------------------------------------------------- which segments
@path_function
def collapse_begins(net: Net, tp: tcp_sock, skb: sk_buff, following: int, start: int) -> bool:
    """Is copying of use from here on?  It weighs too much, or it overlaps what is beside it."""
    cb = TCP_SKB_CB(skb)
    if cb.tcp_flags & TCPHDR_FIN == 0 and (tcp_win_from_space(tp, skb.truesize) > skb.len or before(cb.seq, start)):
        return True
    if following >= 0:
        ncb = TCP_SKB_CB(net.skb[following])
        return cb.end_seq != ncb.seq
    return False


@path_function
def take_out(net: Net, sk: sock, tp: tcp_sock, before_it: int, i: int, ofo: bool) -> int:
    """Segment i leaves its queue, in which it follows `before_it`; the next one."""
    skb = net.skb[i]
    following = skb.next
    if ofo:
        ooo_erase(net, tp, i)
    else:
        if before_it < 0:
            sk.receive_queue.head = following
        else:
            left = net.skb[before_it]
            left.next = following
        if following < 0:
            sk.receive_queue.tail = before_it
        skb.next = NO_SKB
        sk.qlen -= 1
    return following


@path_function
def put_in(net: Net, sk: sock, tp: tcp_sock, before_it: int, new: sk_buff, ofo: bool) -> None:
    if ofo:
        ooo_insert_by_seq(net, tp, new)
        return
    read = TCP_READ_CB(new)
    read.part = NO_SKB
    if before_it < 0:
        new.next = sk.receive_queue.head
        sk.receive_queue.head = new.idx
    else:
        left = net.skb[before_it]
        new.next = left.next
        left.next = new.idx
    if new.next < 0:
        sk.receive_queue.tail = new.idx
    sk.qlen += 1


@cold
@path_function
def tcp_collapse(net: Net, cpu: int, sk: sock, tp: tcp_sock, first: int, tail: int, start: int, end: int, ofo: bool) -> None:
    """Segments from `first` up to `tail`, in a queue, whose bytes from start to end are wanted."""
    i, before_it = first, NO_SKB
    while i >= 0 and i != tail:
        skb = net.skb[i]
        cb = TCP_SKB_CB(skb)
        if not before(start, cb.end_seq) or collapse_begins(net, tp, skb, NO_SKB if skb.next == tail else skb.next, start):
            break
        start = cb.end_seq
        before_it, i = i, skb.next
    if i < 0 or i == tail:
        return
    at(net, cpu, net.skb[i], Stage.tcp_collapse)
    while before(start, end) and i >= 0 and i != tail:
        skb = net.skb[i]
        cb = TCP_SKB_CB(skb)
        if cb.tcp_flags & TCPHDR_FIN:
            return
        n = min(COPY_MAX, collapse_reach(net, i, tail, start, end))
        k = collapse_alloc(net, cpu, skb, n)
        if k < 0:
            return
        new = net.skb[k]
        ncb = TCP_SKB_CB(new)
        ncb.seq = start
        skb_set_owner_r(net, cpu, sk, new)
        done = 0
        while i >= 0 and i != tail:
            skb = net.skb[i]
            cb = TCP_SKB_CB(skb)
            if after(cb.end_seq, start):
                if done == n or cb.tcp_flags & TCPHDR_FIN:
                    break
                size = min(u32(cb.end_seq - start), n - done)
                collapse_put(net, cpu, new, done, skb, u32(start - cb.seq), size)
                done += size
                start = u32(start + size)
                if after(cb.end_seq, start):         # the rest of it goes into the next
                    break
            i = take_out(net, sk, tp, before_it, i, ofo)
            tcp_collapse_one(net, cpu, sk, new, skb)
        ncb.end_seq = start
        put_in(net, sk, tp, before_it, new, ofo)
        before_it = k


@path_function
def collapse_reach(net: Net, i: int, tail: int, start: int, end: int) -> int:
    """How many bytes from start on can be copied together, up to `end` or a FIN."""
    reach = start
    while i >= 0 and i != tail and before(reach, end) and u32(reach - start) < COPY_MAX:
        skb = net.skb[i]
        cb = TCP_SKB_CB(skb)
        if cb.tcp_flags & TCPHDR_FIN:
            break
        if after(cb.end_seq, reach):
            reach = cb.end_seq
        i = skb.next
    return u32(reach - start)


# ---------------------------------------------------------------- the queues
@cold
@path_function
def tcp_collapse_queue(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    if sk.receive_queue.head >= 0:
        tcp_collapse(net, cpu, sk, tp, sk.receive_queue.head, NO_SKB, tp.copied_seq, tp.rcv_nxt, False)


@cold
@path_function
def tcp_collapse_ofo_queue(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """Island by island; single small ones are left alone, until they are too many to look at."""
    i, sum_tiny = ooo_first(net, tp), 0
    while i >= 0:
        skb = net.skb[i]
        cb = TCP_SKB_CB(skb)
        head, start, end, weight = i, cb.seq, cb.end_seq, skb.truesize
        alone = skb.truesize
        i = ooo_next(net, i)
        while i >= 0:
            skb = net.skb[i]
            cb = TCP_SKB_CB(skb)
            if after(cb.seq, end) or before(cb.end_seq, start):
                break
            weight += skb.truesize
            if before(cb.seq, start):
                start = cb.seq
            if after(cb.end_seq, end):
                end = cb.end_seq
            i = ooo_next(net, i)
        if weight != alone or u32(end - start) >= COPY_MAX:
            tcp_collapse(net, cpu, sk, tp, head, i, start, end, True)
        else:
            sum_tiny += weight
            if sum_tiny > sk.rcvbuf >> 3:
                return
    tp.ooo_last = ooo_last_of(net, tp)
