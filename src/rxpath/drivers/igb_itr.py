"""igb_main.c, interrupt throttling: how far apart the card keeps a queue's interrupts.

rx-usecs 10 .. 8191 is a fixed distance, 0 none.  1 and 3 are adaptive: when a poll completes, igb_ring_irq_enable looks at what came since
the last time and chooses anew; 3, the default, is conservative: never above 20,000 interrupts a second.  A lone vector goes by classes
(igb_set_itr), several by the mean size of frames (igb_update_ring_itr).  The card hears of a new value at the next interrupt.
Values are those of the EITR register: quarters of a microsecond, its lowest two bits are not there."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.nic import rx_ring, tx_ring
from ..abi.numbers import IGB_4K_ITR, IGB_20K_ITR, IGB_70K_ITR

LOWEST_LATENCY, LOW_LATENCY, BULK_LATENCY = 0, 1, 2
CONSERVATIVE, LINE_1000 = 3, 1000


@path_function
def igb_write_itr(ring: rx_ring) -> None:
    """The register is written: from this interrupt on the new distance holds."""
    ring.itr_ns = (ring.itr_val & 0x7FFC) * 250
    ring.set_itr = 0


@path_function
def igb_itr_class(klass: int, packets: int, nbytes: int) -> int:
    """igb_update_itr(): big frames or many bytes pull towards bulk, few small packets towards low latency."""
    if packets == 0:
        return klass
    mean = nbytes // packets
    if klass == LOWEST_LATENCY:
        if mean > 8000:                              # segments of TSO
            return BULK_LATENCY
        if packets < 5 and nbytes > 512:
            return LOW_LATENCY
    elif klass == LOW_LATENCY:
        if nbytes > 10000:
            if mean > 8000 or packets < 10 or mean > 1200:
                return BULK_LATENCY
            if packets > 35:
                return LOWEST_LATENCY
        elif mean > 2000:
            return BULK_LATENCY
        elif packets <= 2 and nbytes < 512:
            return LOWEST_LATENCY
    elif nbytes > 25000:
        if packets > 35:
            return LOW_LATENCY
    elif nbytes < 1500:
        return LOW_LATENCY
    return klass


@path_function
def igb_set_itr(net: Net, ring: rx_ring, tx: tx_ring, packets: int, nbytes: int) -> int:
    """The value of the busier direction's class."""
    if net.nic[ring.nic].speed != LINE_1000:
        ring.itr_class = LOWEST_LATENCY
        return IGB_4K_ITR
    ring.itr_class = igb_itr_class(ring.itr_class, packets, nbytes)
    tx.itr_class = igb_itr_class(tx.itr_class, tx.packets - ring.itr_tx_packets, tx.bytes - ring.itr_tx_bytes)
    klass = max(ring.itr_class, tx.itr_class)
    if klass == LOWEST_LATENCY and ring.itr_mode == CONSERVATIVE:
        klass = LOW_LATENCY
    if klass == LOWEST_LATENCY:
        return IGB_70K_ITR
    if klass == LOW_LATENCY:
        return IGB_20K_ITR
    return IGB_4K_ITR


@path_function
def igb_update_ring_itr(net: Net, ring: rx_ring, tx: tx_ring, packets: int, nbytes: int) -> int:
    """By the mean size on the wire alone."""
    if net.nic[ring.nic].speed != LINE_1000:
        return IGB_4K_ITR
    mean, sent = 0, tx.packets - ring.itr_tx_packets
    if packets:
        mean = nbytes // packets
    if sent:
        mean = max(mean, (tx.bytes - ring.itr_tx_bytes) // sent)
    if mean == 0:
        return ring.itr_val
    mean = min(mean + 24, 3000)                      # FCS, preamble and gap
    value = mean // 3 if 300 < mean < 1200 else mean // 2
    if ring.itr_mode == CONSERVATIVE:
        value = max(value, IGB_20K_ITR)
    return value


@path_function
def igb_update_throttle(net: Net, q: int, ring: rx_ring) -> None:
    """What came since the last choice decides the next."""
    tx = net.tx[q]
    packets, nbytes = ring.packets - ring.itr_packets, ring.bytes - ring.itr_bytes
    if net.nic[ring.nic].nqueue > 1:
        value = igb_update_ring_itr(net, ring, tx, packets, nbytes)
    else:
        value = igb_set_itr(net, ring, tx, packets, nbytes)
    ring.itr_packets, ring.itr_bytes, ring.itr_tx_packets, ring.itr_tx_bytes = ring.packets, ring.bytes, tx.packets, tx.bytes
    if value != ring.itr_val:
        ring.itr_val = value
        ring.set_itr = 1
