"""How full each queue was since the last look: the high-water marks that the path keeps, read and begun anew.  And bursts: the busiest
millisecond of what came onto the cable.

Called between two slices of the engine by who watches a run that has no end (workbench/twin): its figures are of a window, and memory does
not grow with it.  A high-water mark begins at what stands there now.  With it begins qlen_max, by which a reader knows whether it may run
ahead (user/recvmsg.py): so each window's marks are exact."""
from .._compile import Mem, entry, mem_at, path_function, put_le64
from ..abi.depths import BURST_NS, DEPTH_ROW, burst_t
from ..abi.kernels import Sysctl
from ..abi.limits import NFEED
from ..abi.net import Net
from ..abi.numbers import IPPROTO
from ..abi.record import Recorded


@path_function
def depth_row(mem: Mem, n: int, kind: int, owner: int, most: int, limit: int) -> int:
    """One row more."""
    at = n * DEPTH_ROW * 8
    put_le64(mem, at, kind)
    put_le64(mem, at + 8, owner)
    put_le64(mem, at + 16, most)
    put_le64(mem, at + 24, limit)
    return n + 1


@entry
def depths_take(net: Net, addr: int, room: int) -> int:
    """Rows at addr, as many as there is room for, at least three: rings and backlogs, fragment memory, UDP sockets that held anything; then
    the fullest of the UDP sockets that found no room, and of all connections.  How many."""
    mem, n = mem_at(addr), 0
    for q in range(net.sim.nq):
        ring = net.ring[q]
        if ring.fill_max > 0 and n < room - 3:
            n = depth_row(mem, n, Recorded.RING_FILL, q, ring.fill_max, ring.size)
        ring.fill_max = ring.hw_head - ring.next_to_clean
    for cpu in range(net.sim.ncpu):
        queue = net.input[cpu]
        if queue.len_max > 0 and n < room - 3:
            n = depth_row(mem, n, Recorded.BACKLOG, cpu, queue.len_max, net.sysctl[Sysctl.netdev_max_backlog])
        queue.len_max = queue.len
    if net.frag_mem_max > 0:
        n = depth_row(mem, n, Recorded.FRAG_MEM, 0, net.frag_mem_max, net.sysctl[Sysctl.ipfrag_high_thresh])
    net.frag_mem_max = net.frag_mem
    rest, fullest = -1, -1
    for i in range(net.nsock):
        sk = net.socks[i]
        if sk.in_use and sk.rmem_max_seen > 0:
            if sk.protocol != IPPROTO.UDP:
                if fullest < 0 or is_fuller(net, i, fullest):
                    fullest = i
            elif n < room - 2:
                n = depth_row(mem, n, Recorded.SOCK_MEM, i, sk.rmem_max_seen, sk.rcvbuf)
            elif rest < 0 or is_fuller(net, i, rest):
                rest = i
    if rest >= 0:
        n = depth_row(mem, n, Recorded.SOCK_MEM, rest, net.socks[rest].rmem_max_seen, net.socks[rest].rcvbuf)
    if fullest >= 0:
        n = depth_row(mem, n, Recorded.SOCK_MEM, fullest, net.socks[fullest].rmem_max_seen, net.socks[fullest].rcvbuf)
    for i in range(net.nsock):
        sk = net.socks[i]
        sk.rmem_max_seen, sk.qlen_max = sk.rmem_alloc, sk.qlen
    return n


@path_function
def is_fuller(net: Net, i: int, than: int) -> bool:
    """Of two sockets, which was nearer to its limit?"""
    a, b = net.socks[i], net.socks[than]
    return a.rmem_max_seen * max(b.rcvbuf, 1) > b.rmem_max_seen * max(a.rcvbuf, 1)


@entry
def bursts_count(net: Net, b: burst_t, until: int) -> None:
    """The frames that have arrived since the last call, before `until`, of all queues in the order of time.  Before more is loaded: what
    has been pulled in is written over."""
    for q in range(net.sim.nq):
        b.at[q] = max(b.seen[q], net.ring[q].feed_tail - NFEED)
    while True:
        soonest, t = -1, until
        for q in range(net.sim.nq):
            if b.at[q] < net.ring[q].feed_tail and net.feed[q][b.at[q] & NFEED - 1].t < t:
                soonest, t = q, net.feed[q][b.at[q] & NFEED - 1].t
        if soonest < 0:
            break
        burst_frame(b, t, net.feed[soonest][b.at[soonest] & NFEED - 1].len)
        b.at[soonest] += 1
    for q in range(net.sim.nq):
        b.seen[q] = b.at[q]


@path_function
def burst_frame(b: burst_t, t: int, octets: int) -> None:
    """One that arrives at t."""
    if t // BURST_NS != b.bin:
        b.bin, b.n, b.octets = t // BURST_NS, 0, 0
    b.n += 1
    b.octets += octets
    b.frames += 1
    b.frame_octets += octets
    if b.n > b.most:
        b.most, b.most_octets, b.most_bin = b.n, b.octets, b.bin
