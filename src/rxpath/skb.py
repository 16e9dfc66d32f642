"""net/core/skbuff.c: the life of an skb.  Packets are indices into net.skb; a pool of free ones for each CPU or one for all.

Everything that decides how a wire frame's story ends is here: an skb is one frame, its frag_list further frames of the same datagram,
`share` ties copies of one frame together, and skb_end() enters the end of each into the books (net.drop_stat;
of a loss also where it was, net.drop_at)."""
from ._compile import Mem, add64_with_carry, atomic_add, byte, cold, le16, le32, le64, mem_at, memcpy, path_function
from .abi.headers import IP_ADDRS, ip_hdr, udp_hdr
from .abi.limits import BUFSTRIDE, BUFSZ, NSHARE
from .abi.mib import Mib
from .abi.net import Net, skb_pool_t
from .abi.numbers import (
    CHECKSUM_UNNECESSARY,
    FEED_CSUM_GOOD,
    NET_RX_DROP,
    NET_SKB_PAD,
    NO_ROUTE,
    NO_SHARE,
    NO_SKB,
    NO_SOCK,
    PACKET_PAD,
    SEGMENT_TRUESIZE,
    SHARED_INFO,
    TRUESIZE_OVERHEAD,
    UDP_HLEN,
)
from .abi.reasons import Drop
from .abi.skbuff import ICMP_SKB_CB, sk_buff, sk_buff_list
from .open_loop import tcp_ends
from .path import Stage, Touch
from .spent import spent_copy
from .turn import at, charge, touch, trail_end, trail_mark


@path_function
def alloc_skb(net: Net, cpu: int) -> int:
    """A free skb with an empty buffer, or NO_SKB."""
    sd = net.sd[cpu]
    pool = net.pool[sd.pool]
    i = pool.free
    if i < 0:
        return skb_untaken(net, pool)
    skb = net.skb[i]
    pool.free = skb.next
    return i


@cold
@path_function
def skb_untaken(net: Net, pool: skb_pool_t) -> int:
    """One that nobody has taken before, with its number and its buffer, or NO_SKB: a run pays for the packets that it needs at once."""
    if pool.untaken == pool.end:
        return NO_SKB
    skb = net.skb[pool.untaken]
    skb.idx = pool.untaken
    skb.head = pool.untaken * BUFSTRIDE
    pool.untaken += 1
    return skb.idx


@path_function
def skb_init(net: Net, skb: sk_buff, data: int, length: int) -> None:
    """__build_skb_around(): a packet of `length` bytes at `data` in skb's buffer."""
    skb.data = data
    skb.len = length
    skb.data_len = 0
    skb.truesize = BUFSZ + TRUESIZE_OVERHEAD
    skb.users = 1
    skb.next = NO_SKB
    skb.frags = NO_SKB
    skb.frag_list = NO_SKB
    skb.share = NO_SHARE
    skb.sk = NO_SOCK
    skb.dst = NO_ROUTE
    skb.mac_header = data
    skb.csum_valid = 0
    skb.wire = 0
    skb.is_page = 0
    skb.vlan = 0
    skb.l4_hash = 0
    skb.sw_hash = 0
    skb.gso_size = 0
    skb.gso_segs = 0
    skb.mark = 0
    skb.nf_rule = -1


# ---------------------------------------------------------------- queues: include/linux/skbuff.h
@path_function
def __skb_queue_tail(net: Net, queue: sk_buff_list, skb: sk_buff) -> None:
    skb.next = NO_SKB
    if queue.head >= 0:
        tail = net.skb[queue.tail]
        tail.next = skb.idx
    else:
        queue.head = skb.idx
    queue.tail = skb.idx


@path_function
def __skb_dequeue(net: Net, queue: sk_buff_list) -> sk_buff:
    """The first of a queue that is not empty."""
    skb = net.skb[queue.head]
    queue.head = skb.next
    skb.next = NO_SKB
    return skb


@path_function
def skb_queue_splice_tail_init(net: Net, queue: sk_buff_list, to: sk_buff_list) -> None:
    """All of a queue that is not empty, to the end of another; it is empty then."""
    if to.head >= 0:
        tail = net.skb[to.tail]
        tail.next = queue.head
    else:
        to.head = queue.head
    to.tail = queue.tail
    queue.head = NO_SKB


@path_function
def skb_release(net: Net, cpu: int, skb: sk_buff) -> None:
    """Back to the pool, with its pages; nothing is entered into the books."""
    sd = net.sd[cpu]
    pool = net.pool[sd.pool]
    i = skb.frags
    while i >= 0:
        page = net.skb[i]
        i = page.next
        page.users = 0
        page.next = pool.free
        pool.free = page.idx
    skb.users = 0
    skb.next = pool.free
    pool.free = skb.idx


@path_function
def skb_add_rx_frag(net: Net, skb: sk_buff, tail: int, page: sk_buff) -> None:
    """A further buffer behind the page `tail`; NO_SKB: it is the first.  What it weighs is the caller's to say."""
    page.is_page = 1
    if tail < 0:
        skb.frags = page.idx
    else:
        before = net.skb[tail]
        before.next = page.idx
    skb.len += page.len
    skb.data_len += page.len


@path_function
def skb_add_part(net: Net, skb: sk_buff, part: sk_buff) -> None:
    """A further frame of the same datagram, behind the last one of the frag_list.  Lengths and weight are the caller's to say."""
    part.next = NO_SKB
    if skb.frag_list >= 0:
        tail = net.skb[skb.frag_tail]
        tail.next = part.idx
    else:
        skb.frag_list = part.idx
    skb.frag_tail = part.idx


@path_function
def npages(net: Net, skb: sk_buff) -> int:
    n, i = 0, skb.frags
    while i >= 0:
        page = net.skb[i]
        n += 1
        i = page.next
    return n


@path_function
def skb_end(net: Net, cpu: int, skb: sk_buff, stage: int, reason: int) -> None:
    """The end, at `stage`, of an skb and of every frame that it stands for."""
    i = skb.frag_list
    skb_end_one(net, cpu, skb, stage, reason)
    while i >= 0:
        part = net.skb[i]
        i = part.next
        skb_end_one(net, cpu, part, stage, reason)


@path_function
def skb_end_one(net: Net, cpu: int, skb: sk_buff, stage: int, reason: int) -> None:
    """One frame into the books, its skb back to the pool."""
    if skb.share >= 0:
        share_end(net, cpu, skb.share, stage, reason)
    else:
        frames_end(net, cpu, stage, reason, 1)
    if net.trail > 0:
        trail_mark(net, cpu, skb, Stage.kfree_skb, 0, trail_end(stage, reason))
    if net.ntcp_seen:
        c = net.cpu[cpu]
        tcp_ends(net, c.now, skb.frame, reason)
    skb_release(net, cpu, skb)


@path_function
def frames_end(net: Net, cpu: int, stage: int, reason: int, n: int) -> None:
    """n frames of the wire into the books."""
    net.drop_stat[cpu][reason] += n
    if reason > Drop.CONSUMED:
        atomic_add(net.drop_at[reason], stage, n)


@path_function
def share_room(net: Net) -> bool:
    """Is there a record for one more packet with copies?"""
    return net.share_free >= 0 or net.share_used < NSHARE


@path_function
def share_begin(net: Net, skb: sk_buff, frames: int) -> None:
    """What skb and copies of it stand for in the books together, where there is room.  0: this host has made it,
    and whatever becomes of it, no frame of the wire ends."""
    if net.share_free >= 0:
        skb.share = net.share_free
        share = net.share[skb.share]
        net.share_free = share.next
    else:
        skb.share = net.share_used
        net.share_used += 1
        share = net.share[skb.share]
    share.refs, share.frames, share.delivered, share.reason, share.stage = 1, frames, 0, 0, 0


@cold
@path_function
def share_end(net: Net, cpu: int, shared: int, stage: int, reason: int) -> None:
    """One copy of a frame has ended.  The frame is delivered if any copy was; else it shares the first copy's reason."""
    share = net.share[shared]
    share.refs -= 1
    if reason <= Drop.CONSUMED:
        share.delivered = 1
        share.reason = reason
    elif share.delivered == 0 and share.reason == 0:
        share.reason, share.stage = reason, stage
    if share.refs == 0:
        frames_end(net, cpu, share.stage, share.reason, share.frames)
        share.next = net.share_free
        net.share_free = shared


@cold
@path_function
def kfree_skb_reason(net: Net, cpu: int, skb: sk_buff, stage: int, reason: int) -> int:
    """A loss, at the station `stage`.  Returns NET_RX_DROP, so that a loss is one line."""
    charge(net, cpu, Stage.kfree_skb)
    skb_end(net, cpu, skb, stage, reason)
    return NET_RX_DROP


@path_function
def consume_skb(net: Net, cpu: int, skb: sk_buff) -> None:
    """The kernel itself was the end that this packet was sent to."""
    skb_end(net, cpu, skb, Stage.kfree_skb, Drop.CONSUMED)


@cold
@path_function
def count_unhandled(net: Net, skb: sk_buff, kind: int, number: int) -> None:
    """Nobody handles it: what is it?  In frames of the wire."""
    n, i = 1, skb.frag_list
    while i >= 0:
        part = net.skb[i]
        n += 1
        i = part.next
    atomic_add(net.unhandled[kind], number, n)


@cold
@path_function
def icmp_send_and_drop(net: Net, cpu: int, skb: sk_buff, icmp_type: int, code: int, stage: int, reason: int) -> int:
    """icmp_send(), then the packet that it is about ends, there and for that reason.  The limits are everybody's: it waits for
    its turn."""
    return icmp_send_info_and_drop(net, cpu, skb, icmp_type, code, 0, stage, reason)


@cold
@path_function
def icmp_send_info_and_drop(net: Net, cpu: int, skb: sk_buff, icmp_type: int, code: int, info: int, stage: int, reason: int) -> int:
    """The same with the header's second word: the pointer of a parameter problem, the MTU."""
    cb = ICMP_SKB_CB(skb)
    cb.type, cb.code, cb.info = icmp_type, code, info
    skb.drop_stage, skb.drop_reason = stage, reason
    return touch(net, cpu, skb, Touch.icmp_send)


# ---------------------------------------------------------------- copies
@path_function
def skb_clone(net: Net, cpu: int, skb: sk_buff) -> int:
    """A copy, with all that hangs on it; NO_SKB: there is no room.  Bytes are copied, not referred to, so that either may be changed; each
    frame of it is tied to its copy's, and is delivered if any copy is."""
    at(net, cpu, skb, Stage.skb_clone)
    first = skb_copy_one(net, cpu, skb)
    if first < 0:
        return NO_SKB
    copy = net.skb[first]
    i = skb.frag_list
    while i >= 0:
        part = net.skb[i]
        k = skb_copy_one(net, cpu, part)
        if k < 0:
            skb_end(net, cpu, copy, Stage.skb_clone, Drop.NOMEM)
            return NO_SKB
        skb_add_part(net, copy, net.skb[k])
        i = part.next
    net.snmp[cpu][Mib.Rxpath_Copies] += 1
    return first


@path_function
def skb_copy_one(net: Net, cpu: int, skb: sk_buff) -> int:
    """One skb with its pages, without its parts."""
    if skb.share < 0 and not share_room(net):
        return NO_SKB
    i = alloc_skb(net, cpu)
    if i < 0:
        return NO_SKB
    copy, mem = net.skb[i], mem_at(net.mem_addr)
    start = min(skb.mac_header, skb.data)
    if start < skb.head:
        start = skb.data
    moved = copy.head - skb.head
    memcpy(mem, start + moved, mem, start, skb.data + skb.len - skb.data_len - start)
    skb_init(net, copy, skb.data + moved, skb.len)
    skb_copy_header(copy, skb, moved)
    if net.spends:
        spent_copy(net, copy, skb)
    tail, k = NO_SKB, skb.frags
    while k >= 0:
        page = net.skb[k]
        j = alloc_skb(net, cpu)
        if j < 0:
            skb_release(net, cpu, copy)
            return NO_SKB
        twin = net.skb[j]
        skb_init(net, twin, twin.head + page.data - page.head, page.len)
        memcpy(mem, twin.data, mem, page.data, page.len)
        twin.is_page = 1
        if tail < 0:
            copy.frags = j
        else:
            before = net.skb[tail]
            before.next = j
        tail, k = j, page.next
    if skb.share < 0:
        share_begin(net, skb, 1)
    tie = net.share[skb.share]
    tie.refs += 1
    copy.share = skb.share
    return i


@cold
@path_function
def skb_clone_ours(net: Net, cpu: int, skb: sk_buff) -> int:
    """A copy of a packet that this host has made: tied to nothing, and no frame of the wire ends with it.  NO_SKB: there is no room."""
    if not share_room(net):
        return NO_SKB
    share_begin(net, skb, 0)
    shared, i = skb.share, skb_copy_one(net, cpu, skb)
    tie = net.share[shared]
    skb.share = NO_SHARE
    tie.refs -= 1
    if i < 0:
        tie.next = net.share_free
        net.share_free = shared
    return i


@path_function
def skb_copy_header(copy: sk_buff, skb: sk_buff, moved: int) -> None:
    """__copy_skb_header(): everything but what ties an skb to its lists and its buffer."""
    copy.data_len, copy.truesize, copy.sk, copy.sk_gen = skb.data_len, skb.truesize, skb.sk, skb.sk_gen
    copy.mac_header, copy.network_header = skb.mac_header + moved, skb.network_header + moved
    copy.transport_header = skb.transport_header + moved
    copy.tstamp, copy.frame, copy.hash, copy.protocol, copy.dev = skb.tstamp, skb.frame, skb.hash, skb.protocol, skb.dev
    copy.pkt_type, copy.ip_summed, copy.csum_valid, copy.encapsulated = skb.pkt_type, skb.ip_summed, skb.csum_valid, skb.encapsulated
    copy.vlan, copy.vlan_tci, copy.l4_hash, copy.sw_hash, copy.wire = skb.vlan, skb.vlan_tci, skb.l4_hash, skb.sw_hash, skb.wire
    copy.dst, copy.dst_type, copy.iif, copy.mark, copy.queue_mapping = skb.dst, skb.dst_type, skb.iif, skb.mark, skb.queue_mapping
    copy.gso_size, copy.gso_segs = skb.gso_size, skb.gso_segs


# ---------------------------------------------------------------- reading across buffers
@path_function
def csum_partial(mem: Mem, off: int, n: int, s: int) -> int:
    """ones-complement sum of n bytes (little-endian words, like the kernel on x86)"""
    k = 0
    if n >= 32:                                      # four sums side by side: each addition waits for the one before it in its sum
        a, b, c, d = 0, 0, 0, 0
        while k + 32 <= n:
            a = add64_with_carry(a, le64(mem, off + k))
            b = add64_with_carry(b, le64(mem, off + k + 8))
            c = add64_with_carry(c, le64(mem, off + k + 16))
            d = add64_with_carry(d, le64(mem, off + k + 24))
            k += 32
        a = add64_with_carry(add64_with_carry(a, b), add64_with_carry(c, d))
        s += (a & 0xFFFFFFFF) + (a >> 32 & 0xFFFFFFFF)
    while k + 4 <= n:
        s += le32(mem, off + k)
        k += 4
    if n & 2:
        s += le16(mem, off + (n & ~3))
    if n & 1:
        s += byte(mem, off + n - 1)
    return s


@path_function
def csum_fold(s: int) -> int:
    """The complement of the folded sum: 0 for a packet that is right."""
    s = (s & 0xFFFFFFFF) + (s >> 32)
    s = (s & 0xFFFF) + (s >> 16)
    s = (s & 0xFFFF) + (s >> 16)
    s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


@path_function
def ip_fast_csum(mem: Mem, iph: int, ihl: int) -> int:
    """The complement of the folded sum of an IPv4 header of ihl words, five at least: 0 for one that is right."""
    s = le32(mem, iph) + le32(mem, iph + 4) + le32(mem, iph + 8) + le32(mem, iph + 12) + le32(mem, iph + 16)
    for k in range(5, ihl):
        s += le32(mem, iph + 4 * k)
    s = (s & 0xFFFF) + (s >> 16)                     # at most 36 bits, 20, 17
    s = (s & 0xFFFF) + (s >> 16)
    s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


@path_function
def csum_tcpudp_nofold(net: Net, skb: sk_buff, n: int, protocol: int) -> int:
    """Sum of the pseudo header of n bytes (RFC 9293 3.1)."""
    mem, addrs = mem_at(net.mem_addr), skb.network_header + IP_ADDRS
    return le32(mem, addrs) + le32(mem, addrs + 4) + (protocol << 8) + ((n & 0xFF) << 8 | n >> 8)


@path_function
def skb_vlan_tag_present(skb: sk_buff) -> bool:
    """A tag was taken off and stands in vlan_tci."""
    return skb.vlan != 0


@path_function
def skb_csum_unnecessary(skb: sk_buff) -> bool:
    """Has the NIC, GRO or an earlier look said that it is right?"""
    return skb.ip_summed == CHECKSUM_UNNECESSARY or skb.csum_valid != 0


@path_function
def skb_csum_right(skb: sk_buff, total: int) -> bool:
    """The sum over a packet and its pseudo header: is it right?  Where the capture has not the bytes that the wire had, it is taken so."""
    return csum_fold(total) == 0 or skb.wire & FEED_CSUM_GOOD != 0


@cold
@path_function
def csum_shifted(mem: Mem, off: int, n: int, s: int, odd: int) -> int:
    """csum_partial() of a piece that begins at an odd place of its packet: its bytes stand the other way round."""
    piece = csum_partial(mem, off, n, 0)
    piece = (piece & 0xFFFF) + (piece >> 16 & 0xFFFF) + (piece >> 32)
    piece = (piece & 0xFFFF) + (piece >> 16)
    piece = (piece & 0xFFFF) + (piece >> 16)
    if odd:
        piece = (piece & 0xFF) << 8 | piece >> 8
    return s + piece


@path_function
def skb_checksum(net: Net, skb: sk_buff, s: int) -> int:
    """Sum of skb.len bytes from skb.data over every buffer of the packet."""
    mem = mem_at(net.mem_addr)
    linear = skb.len - skb.data_len
    s = csum_partial(mem, skb.data, linear, s)
    if skb.data_len == 0:
        return s
    left, odd, i = skb.data_len, linear & 1, skb.frags
    while left > 0:
        if i < 0:                                    # pages of this skb are done: the parts follow, each with its own
            return parts_checksum(net, skb, s, left, odd)
        page = net.skb[i]
        n = min(page.len, left)
        s = csum_shifted(mem, page.data, n, s, odd)
        odd ^= n & 1
        left -= n
        i = page.next
    return s


@cold
@path_function
def parts_checksum(net: Net, skb: sk_buff, s: int, left: int, odd: int) -> int:
    mem, i = mem_at(net.mem_addr), skb.frag_list
    while i >= 0 and left > 0:
        part = net.skb[i]
        n = min(part.len - part.data_len, left)
        s = csum_shifted(mem, part.data, n, s, odd)
        odd ^= n & 1
        left -= n
        j = part.frags
        while j >= 0 and left > 0:
            page = net.skb[j]
            n = min(page.len, left)
            s = csum_shifted(mem, page.data, n, s, odd)
            odd ^= n & 1
            left -= n
            j = page.next
        i = part.next
    return s


@path_function
def skb_copy_bits(net: Net, skb: sk_buff, start: int, buf: Mem, to: int, n: int) -> int:
    """Copy up to n bytes from `start` (counted from skb.data) over every buffer; returns how many there were."""
    mem = mem_at(net.mem_addr)
    done, pos, linear = 0, start, skb.len - skb.data_len
    n = min(n, skb.len - start)
    if pos < linear:
        k = min(linear - pos, n)
        memcpy(buf, to, mem, skb.data + pos, k)
        done = k
    if done >= n:
        return max(done, 0)
    pos = start + done - linear                      # within what is not linear
    i = skb.frags
    part_next = skb.frag_list
    while done < n:
        while i < 0:                                 # its pages are done: the next part
            if part_next < 0:
                return done
            part = net.skb[part_next]
            k = part.len - part.data_len
            if pos < k:
                take = min(k - pos, n - done)
                memcpy(buf, to + done, mem, part.data + pos, take)
                done += take
                pos = 0
            else:
                pos -= k
            i, part_next = part.frags, part.next
            if done >= n:
                return done
        page = net.skb[i]
        if pos < page.len:
            take = min(page.len - pos, n - done)
            memcpy(buf, to + done, mem, page.data + pos, take)
            done += take
            pos = 0
        else:
            pos -= page.len
        i = page.next
    return done


@path_function
def pskb_may_pull(net: Net, skb: sk_buff, n: int) -> bool:
    """Are n bytes from skb.data linear?  Pull them together from the other buffers if not."""
    linear = skb.len - skb.data_len
    if n <= linear:
        return True
    if n > skb.len:
        return False
    return pull_tail(net, skb, n - linear)


@cold
@path_function
def pull_tail(net: Net, skb: sk_buff, n: int) -> bool:
    """__pskb_pull_tail(): n bytes move from the pages and parts behind the linear ones.  False: the buffer has no room."""
    mem = mem_at(net.mem_addr)
    linear = skb.len - skb.data_len
    if skb.data + linear + n > skb.head + BUFSZ:
        return False
    skb_copy_bits(net, skb, linear, mem, skb.data + linear, n)
    left, i = n, skb.frags
    while left > 0 and i >= 0:
        page = net.skb[i]
        k = min(page.len, left)
        page.data += k
        page.len -= k
        left -= k
        i = page.next
    i = skb.frag_list
    while left > 0 and i >= 0:
        part = net.skb[i]
        k = min(part.len - part.data_len, left)
        part.data += k
        part.len -= k
        left -= k
        i = part.next
    skb.data_len -= n
    return left == 0


@path_function
def skb_trim(net: Net, skb: sk_buff, length: int) -> None:
    """pskb_trim_rcsum(): the packet ends after `length` bytes; what hangs behind stays allocated until it is freed."""
    linear = skb.len - skb.data_len
    skb.len = length
    skb.data_len = max(0, length - linear)


@path_function
def skb_head_room(net: Net, skb: sk_buff, head: int) -> int:
    """skb_tailroom(): free bytes behind the linear ones, as the kernel's buffer would have them.  head: what that buffer weighs."""
    dev = net.dev[skb.dev]
    pad = PACKET_PAD if dev.truesize_rule else NET_SKB_PAD
    return max(0, head - TRUESIZE_OVERHEAD - SHARED_INFO - pad - (skb.data + skb.len - skb.data_len - skb.mac_header))


@cold
@path_function
def skb_condense(net: Net, skb: sk_buff) -> None:
    """Behind a cut: if what is left of the parts fits into the head, the kernel copies it there, and the parts weigh nothing any more."""
    head, i = skb.truesize, skb.frag_list
    while i >= 0:
        part = net.skb[i]
        head -= part.truesize
        i = part.next
    if skb.data_len <= skb_head_room(net, skb, head):
        skb.truesize = head


@path_function
def ip_send_check(net: Net, skb: sk_buff) -> None:
    """The IP header's checksum, made anew."""
    ip = ip_hdr(net, skb)
    ip.check = 0
    ip.check = ip_fast_csum(mem_at(net.mem_addr), skb.network_header, ip.ihl)


# ---------------------------------------------------------------- segments
@path_function
def udp_rcv_segment(net: Net, cpu: int, skb: sk_buff) -> int:
    """Turn a datagram that GRO has merged back into its segments; returns the first, the others follow through next.

    skb.data stands at the UDP header, there and in every segment; each has its own headers, frame and time.  Truesize is that of
    skb_segment()'s new skbs: a small kmalloc'ed head and the payload (measured: 896 for 64 bytes)."""
    ip, uh, size, i = ip_hdr(net, skb), udp_hdr(net, skb), skb.gso_size, skb.frag_list
    linear = skb.len - skb.data_len
    skb.len = UDP_HLEN + size
    skb.data_len = max(0, skb.len - linear)
    ip.tot_len = ip.ihl * 4 + skb.len                        # the header fields that udp_gro_complete() mended
    ip_send_check(net, skb)
    uh.len = skb.len
    skb.truesize = SEGMENT_TRUESIZE + size
    skb.gso_size = 0
    skb.gso_segs = 0
    skb.frag_list = NO_SKB
    skb.next = i
    while i >= 0:
        part = net.skb[i]
        i = part.next
        part.truesize = SEGMENT_TRUESIZE + part.len
        part.data -= UDP_HLEN
        part.len += UDP_HLEN
        part.sk, part.sk_gen, part.dst, part.dst_type, part.mark, part.iif = skb.sk, skb.sk_gen, skb.dst, skb.dst_type, skb.mark, skb.iif
        part.dev, part.pkt_type, part.ip_summed, part.csum_valid = skb.dev, skb.pkt_type, skb.ip_summed, 1
    return skb.idx
