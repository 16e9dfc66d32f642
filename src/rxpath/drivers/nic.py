"""The network card itself: DMA into posted buffers, descriptor write-back, the interrupt line.  No CPU time is spent here.

The ring is private to the CPU that looks at it: whoever looks first pulls in, by DMA, every frame that has arrived by its clock;
nobody can tell the difference.  The driver above it is igb_main.py."""
from .._compile import mem_at, memcpy, memset, path_function
from ..abi.limits import BUFSZ, NFEED
from ..abi.net import Net
from ..abi.nic import arrival, rx_ring
from ..abi.numbers import E1000_RXD_STAT_DD, E1000_RXD_STAT_EOP, E1000_RXD_STAT_IPCS, NEVER
from ..path import Stage


@path_function
def nic_write_back(net: Net, q: int, ring: rx_ring, length: int, rss: int, t: int, frame: int, status: int) -> None:
    """One descriptor, DD last."""
    desc = net.desc[q][ring.hw_at]
    desc.length = length
    desc.rss = rss
    desc.ts = t
    desc.frame = frame
    desc.status = status | E1000_RXD_STAT_DD
    ring.hw_head += 1
    ring.hw_at += 1
    if ring.hw_at == ring.size:
        ring.hw_at = 0


@path_function
def nic_dma(net: Net, q: int, ring: rx_ring, a: arrival) -> bool:
    """Write one frame into the buffers that the driver has posted.  False: it is lost, there are not enough of them."""
    if ring.next_to_use - ring.hw_head < (a.len + BUFSZ - 1) // BUFSZ:
        ring.missed += 1
        return False
    status = nic_checksum(net, a)
    done = 0
    while a.len - done > BUFSZ:
        nic_copy(net, q, ring, a, done, BUFSZ)
        nic_write_back(net, q, ring, BUFSZ, a.hash, a.t, a.frame, status)
        done += BUFSZ
    nic_copy(net, q, ring, a, done, a.len - done)
    nic_write_back(net, q, ring, a.len - done, a.hash, a.t, a.frame, status | E1000_RXD_STAT_EOP)
    return True


@path_function
def nic_copy(net: Net, q: int, ring: rx_ring, a: arrival, start: int, n: int) -> None:
    """Bytes of the frame that the capture has; zeros for those that its snap length cut off."""
    desc = net.desc[q][ring.hw_at]
    mem = mem_at(net.mem_addr)
    have = min(max(a.caplen - start, 0), n)
    memcpy(mem, desc.buf, mem_at(net.feed_addr), a.offset + start, have)
    if have < n:
        memset(mem, desc.buf + have, 0, n - have)


@path_function
def nic_checksum(net: Net, a: arrival) -> int:
    """Checksum status bits."""
    return E1000_RXD_STAT_IPCS


@path_function
def nic_steer(net: Net, offset: int, caplen: int) -> int:
    """queue << 32 | hash of the frame in feed memory."""
    return 0


@path_function
def nic_pull(net: Net, q: int, now: int) -> None:
    """DMA every frame of this queue that has arrived by now."""
    ring = net.ring[q]
    i = ring.feed_head
    while i < ring.feed_tail:
        a = net.feed[q][i & NFEED - 1]
        if a.t > now:
            break
        ring.arrived += 1
        nic_dma(net, q, ring, a)
        i += 1
    ring.feed_head = i
    ring.fill_max = max(ring.fill_max, ring.hw_head - ring.next_to_clean)


@path_function
def irq_due(net: Net, q: int, now: int) -> int:
    """When the queue's interrupt comes, if it is unmasked: now if frames wait, else at the next arrival; not before ITR allows it."""
    ring = net.ring[q]
    allowed = ring.last_irq + ring.itr_ns
    latency = net.cost[ring.cpu][Stage.NIC_LATENCY]
    if ring.hw_head != ring.next_to_clean:
        return max(now + latency, allowed)
    if ring.feed_head < ring.feed_tail:
        a = net.feed[q][ring.feed_head & NFEED - 1]
        return max(a.t + latency, allowed)
    return NEVER
