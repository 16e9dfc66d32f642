"""ixgbe_main.c, adaptive interrupt moderation: how far apart the card keeps a queue's interrupts (EITR).

When a poll completes, ixgbe_set_itr looks at what came since the last time, in both directions, and writes the smaller of the two at once;
a timer that runs is not cleared.  Values are microseconds; LATENCY beside one keeps it below those of a busy ring when the two are
compared.  rx-usecs 2 .. 1022 is a fixed distance in steps of 2 us, 0 none."""
from .._compile import path_function
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.nic import rx_ring

LATENCY = 0x80                                       # IXGBE_ITR_ADAPTIVE_LATENCY
LEAST, MOST, STEP = 10, 126, 2                       # IXGBE_ITR_ADAPTIVE_{MIN,MAX}_USECS, MIN_INC


@path_function
def ixgbe_itr_by_size(speed: int, mean: int, latency: int) -> int:
    """By the mean size of frames: what keeps a packet's wait, or (in bulk) the bytes of an interrupt, about the same."""
    wire = 32256
    if mean <= 60:
        wire = 5120
    elif mean <= 316:
        wire = mean * 40 + 2720
    elif mean <= 1084:
        wire = mean * 15 + 11452
    elif mean < 1968:
        wire = mean * 5 + 22420
    if latency:
        wire >>= 1
    unit = 256 * STEP
    if speed == 10 or speed == 1000 or speed == 2500:
        wire = min(wire, 8064)
        unit = 64 * STEP
    return latency + (wire + unit - 1) // unit * STEP


@path_function
def ixgbe_update_itr(speed: int, now_us: int, before: int, packets: int, nbytes: int, idle: bool) -> int:
    """One direction: `now_us` is what the vector has, `before` what this direction wanted last; idle: more than a jiffy since then."""
    if idle:
        return LEAST | LATENCY
    if packets == 0:
        return min(now_us + STEP, MOST) + (before & LATENCY)
    if packets < 4 and nbytes < 9000:
        return ixgbe_itr_by_size(speed, nbytes // packets, LATENCY)
    if packets < 48:
        return min(now_us + STEP, MOST)
    if packets < 96:
        return now_us
    if packets < 256:
        return max(now_us >> 1, LEAST)
    return ixgbe_itr_by_size(speed, nbytes // packets, 0)


@path_function
def ixgbe_set_itr(net: Net, q: int, ring: rx_ring, now: int) -> None:
    """The poll of queue q has completed: choose, and write."""
    tx, nic = net.tx[q], net.nic[ring.nic]
    jiffy, us = now // net.sysctl[Sysctl.jiffy_ns], ring.itr_val >> 2
    idle = jiffy > tx.itr_jiffy
    ring.itr_class = ixgbe_update_itr(nic.speed, us, ring.itr_class, ring.packets - ring.itr_packets, ring.bytes - ring.itr_bytes, idle)
    tx.itr_class = ixgbe_update_itr(nic.speed, us, tx.itr_class, tx.packets - ring.itr_tx_packets, tx.bytes - ring.itr_tx_bytes, idle)
    ring.itr_packets, ring.itr_bytes, ring.itr_tx_packets, ring.itr_tx_bytes = ring.packets, ring.bytes, tx.packets, tx.bytes
    tx.itr_jiffy = jiffy + 1
    ring.itr_val = (min(ring.itr_class, tx.itr_class) & LATENCY - 1) << 2
    ring.itr_ns = (ring.itr_val & 0xFF8) * 250       # IXGBE_MAX_EITR: the lowest bits are not there
