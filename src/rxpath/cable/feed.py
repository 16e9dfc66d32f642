"""The cable itself: for each queue of the NIC the frames that are on their way, in order of time.  Readers and generators put them
on, the NIC pulls them in (drivers/nic.py, nic_pull).  Who fills the cable then tells virtual time (vtime/feed.py, feed_arm)."""
from .._compile import entry, path_function
from ..abi.limits import NFEED
from ..abi.net import Net
from ..drivers.nic import nic_pull


@path_function
def feed_add(net: Net, q: int, t: int, offset: int, length: int, caplen: int, rss: int, flags: int, frame: int) -> bool:
    """One frame whose last bit arrives at t.  `frame` is its name in trails.  False: that queue's cable is full."""
    ring = net.ring[q]
    if ring.feed_tail - ring.feed_head >= NFEED:
        return False
    a = net.feed[q][ring.feed_tail & NFEED - 1]
    a.t, a.offset, a.len, a.caplen, a.hash, a.flags, a.frame = t, offset, length, caplen, rss, flags, frame
    net.offered += 1
    ring.feed_tail += 1
    return True


@entry
def feed_consume(net: Net, t: int) -> None:
    """Every frame until t has left feed memory, which may be filled again.  All clocks have passed t: nobody can tell."""
    for q in range(net.sim.nq):
        nic_pull(net, q, t)


@entry
def feed_waiting(net: Net) -> int:
    """Frames on the cable that the NIC has not pulled in."""
    n = 0
    for q in range(net.sim.nq):
        ring = net.ring[q]
        n += ring.feed_tail - ring.feed_head
    return n
