"""Frames that are still under way, counted: on the cable, in rings, in every live skb.  The books need it: offered = ended + queued."""
from .._compile import entry, path_function
from ..abi.limits import NCPU
from ..abi.net import Net
from ..abi.numbers import E1000_RXD_STAT_EOP


@path_function
def ring_queued(net: Net, q: int) -> int:
    """Frames that the NIC has written and igb_poll has not taken yet; one whose first buffers are taken already is a live skb."""
    ring = net.ring[q]
    frames, at = 0, ring.clean_at
    for _ in range(ring.hw_head - ring.next_to_clean):
        desc = net.desc[q][at]
        if desc.status & E1000_RXD_STAT_EOP:
            frames += 1
        at += 1
        if at == ring.size:
            at = 0
    if ring.skb >= 0:
        frames -= 1
    return frames


@entry
def frames_queued(net: Net) -> int:
    """Wire frames whose story has not ended.  Copies of one frame count once: as long as any of them lives."""
    frames, sim = 0, net.sim
    for q in range(sim.nq):
        ring = net.ring[q]
        pb = net.buffer[q]
        frames += ring.feed_tail - ring.feed_head + ring.spilled + pb.tail - pb.head + ring_queued(net, q)
    for p in range(NCPU):
        pool = net.pool[p]
        for i in range(pool.first, pool.untaken):
            skb = net.skb[i]
            if skb.users and not skb.is_page and skb.frame >= 0 and skb.share < 0:
                frames += 1
    for s in range(net.share_used):
        share = net.share[s]
        if share.refs > 0:
            frames += share.frames
    return frames


@entry
def frames_on_cable(net: Net) -> int:
    """Of these, not yet pulled in by the NIC."""
    frames, sim = 0, net.sim
    for q in range(sim.nq):
        ring = net.ring[q]
        frames += ring.feed_tail - ring.feed_head + ring.spilled
    return frames


@entry
def next_event(net: Net) -> int:
    """When something happens next (ns), NEVER if nothing does."""
    from_key, sim = net.sim.key[0], net.sim
    for i in range(sim.nslot):
        from_key = min(from_key, sim.key[i])
    return from_key >> 8
