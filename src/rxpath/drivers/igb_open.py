"""igb_main.c, the device: rings and their interrupts set up, igb_open, igb_close, the net_device_ops.  The path's half is igb_main.py,
ethtool's igb_ethtool.py.  What a reset finds in the rings is lost, uncounted by igb; the books call it RX_RESET."""
from collections.abc import Callable
from typing import Any

from .. import path
from .._compile import entry, pages, region
from ..abi.kernels import Behaviour, Sysctl
from ..abi.limits import BUFSTRIDE, BUFSZ, JUMBO_BUFSZ, JUMBO_TRUESIZE, NDESC, NFIFO, NQ
from ..abi.net import Net
from ..abi.numbers import (
    E1000_RXD_STAT_EOP,
    ETH_FCS_LEN,
    ETH_HLEN,
    NAPI_STATE_SCHED,
    NO_SKB,
    VLAN_HLEN,
    NicMode,
)
from ..abi.reasons import Drop
from ..abi.timer import NAPI_HRTIMER
from ..irq.manage import request_irq, share_ring
from ..path import Stage
from ..skb import frames_end, skb_release
from ..timer import hrtimer_cancel, hrtimer_setup
from .igb_main import igb_alloc_rx_buffers
from .igb_tx import igb_clean_tx_ring
from .net_device import NetDevice, check_mac, get_stats64, set_rx_mode
from .nic import ring_cleaned
from .rows import MTU_LEAST

FRAME_ROOM = 1 << 14                                 # of a card's longest frame


# ---------------------------------------------------------------- what writes the tables
@entry
def igb_setup_rx_ring(net: Net, q: int, first_buffer: int, size: int) -> None:
    """igb_setup_rx_resources() and igb_configure_rx_ring(): descriptors and their DMA buffers.  A buffer that a descriptor has had stays
    its own: skbs and descriptors have exchanged theirs."""
    ring = net.ring[q]
    for i in range(size):
        desc = net.desc[q][i]
        if i >= ring.buffers:
            desc.buf = (first_buffer + i) * BUFSTRIDE
        desc.status = 0
    ring.buffers = max(ring.buffers, size)
    ring.size = size
    ring.skb = NO_SKB
    ring.next_to_clean, ring.next_to_use, ring.hw_head, ring.clean_at, ring.hw_at = 0, 0, 0, 0, 0
    igb_alloc_rx_buffers(net, 0, ring)


@entry
def igb_setup_tx_ring(net: Net, q: int, size: int) -> None:
    tx = net.tx[q]
    tx.size = size
    tx.next_to_use, tx.next_to_clean, tx.more, tx.wire_free, tx.poll_seen = 0, 0, 0, 0, -1
    for i in range(size):
        desc = net.txd[q][i]
        desc.cleaned = 0


@entry
def igb_clean_rx_ring(net: Net, q: int) -> int:
    """The frames that the ring still holds are lost; returns how many."""
    ring, lost = net.ring[q], 0
    while ring.next_to_clean != ring.hw_head:
        desc = net.desc[q][ring.clean_at]
        if desc.status & E1000_RXD_STAT_EOP:
            lost += 1
        desc.status = 0
        ring_cleaned(ring)
    if ring.skb >= 0:                                # its beginning; the rest was in the ring
        skb_release(net, 0, net.skb[ring.skb])
        ring.skb = NO_SKB
    pb = net.buffer[q]
    lost += pb.tail - pb.head                        # and what waited in front of it
    pb.head, pb.bytes, pb.xoff = pb.tail, 0, 0
    ring.reset += lost
    frames_end(net, ring.cpu, Stage.nic_dma, Drop.RX_RESET, lost)
    return lost


@entry
def igb_clean_all(net: Net, q: int) -> None:
    igb_clean_tx_ring(net, q, net.tx[q])


# ---------------------------------------------------------------- queues
def add_queues(dev: NetDevice, queues: int, mode: int | None = None) -> None:
    """igb_alloc_q_vector() of the queues that are new: their NAPI polls.  The driver of time sees net.nring grow."""
    net, nic = dev.net, dev.nic
    if nic.first + queues > NQ:
        raise ValueError(f"{queues} queues: at most {NQ} of all cards together")
    for n in range(nic.max_queue, queues):
        q = nic.first + n
        ring, napi, lead = net.ring[q], net.napi[q], net.napi[nic.first]
        hrtimer_setup(net, NAPI_HRTIMER + q, path.Hrtimer.napi_watchdog, q)
        napi.gro_flush_timeout, napi.defer_hard_irqs = lead.gro_flush_timeout, lead.defer_hard_irqs
        napi.poll, napi.ring, napi.dev = path.napi_poll.handler(dev.driver.handlers["napi_poll"]), q, dev.index
        napi.batch = net.sysctl[Sysctl.gro_normal_batch] if net.behaviour[Behaviour.rx_lists] else 1
        ring.mode, ring.dev, ring.nic = net.ring[nic.first].mode if mode is None else mode, dev.index, dev.card
        ring.last_irq, ring.cable_rx = -(1 << 50), path.cable_rx.handler(dev.driver.handlers["cable_rx"])
        ring.cable_dma = path.cable_dma.handler(dev.driver.handlers["cable_dma"])
        ring.cpu = dev.cpus[n % len(dev.cpus)]
    nic.max_queue = dev.max_queues = queues
    net.nring = max(net.nring, nic.first + queues)


# ---------------------------------------------------------------- open and close
def igb_open(dev: NetDevice) -> None:
    """ndo_open: __igb_open()."""
    dev.say("__igb_open", f"{dev.name} comes up")
    igb_setup_all_tx_resources(dev)
    igb_setup_all_rx_resources(dev)
    igb_request_irq(dev)
    igb_up(dev)


def igb_setup_all_tx_resources(dev: NetDevice) -> None:
    for q in dev.pool(dev.queues):
        dev.call(igb_setup_tx_ring)(dev.net, q, dev.tx_size)
    dev.say("igb_setup_all_tx_resources", f"{dev.queues} rings of {dev.tx_size} descriptors")


def first_buffer(dev: NetDevice, q: int) -> int:
    """Of ring q's descriptors: behind those of the skbs."""
    return dev.net.nskb + q * NDESC


def igb_set_rx_buffer_len(dev: NetDevice) -> tuple[int, int]:
    """(bytes of a frame that a buffer takes, its truesize): half a page, or half of two pages for long frames.  ixgbe's is alike."""
    if dev.driver.jumbo_buffers and dev.net.behaviour[Behaviour.jumbo_buffers] and dev.dev.mtu > dev.driver.mtu:
        return JUMBO_BUFSZ, JUMBO_TRUESIZE
    return BUFSZ, BUFSZ


def igb_setup_all_rx_resources(dev: NetDevice) -> None:
    length, truesize = igb_set_rx_buffer_len(dev)
    for q in dev.pool(dev.queues):
        dev.net.ring[q].buf_len, dev.net.ring[q].buf_truesize = length, truesize
        dev.call(dev.setup_rx_ring)(dev.net, q, first_buffer(dev, q), dev.rx_size)
    dev.say("igb_setup_all_rx_resources", f"{dev.queues} rings of {dev.rx_size} descriptors, a DMA buffer of {length >> 10} kB for each")


def igb_request_irq(dev: NetDevice, begin: int = 0) -> None:
    """igb_request_msix(): a vector for each queue, from `begin` on.  A vector keeps its affinity when the device goes down and up."""
    for n in range(begin, dev.queues):
        q = dev.nic.first + n
        ring = dev.net.ring[q]
        if not ring.irqs and not ring.arrived:
            ring.cpu = dev.cpus[n % len(dev.cpus)]
        handler = "nonapi_interrupt" if ring.mode == NicMode.IRQ_PER_PACKET else dev.driver.handlers["irq_handler"]
        request_irq(dev.net, q, handler, ring.cpu)
        dev.say("igb_request_msix", f"{dev.vector(n)}: request_irq({handler}) on CPU {ring.cpu}")


def igb_up(dev: NetDevice) -> None:
    """napi_enable, rings and interrupts on.  A NAPI that is still scheduled unmasks its vector itself when it completes."""
    net, nic = dev.net, dev.nic
    for q in dev.pool():
        ring, napi = net.ring[q], net.napi[q]
        ring.up = int(q - nic.first < dev.queues)
        ring.unmasked = int(ring.up and not napi.state & NAPI_STATE_SCHED)
    igb_configure_itr(dev)
    nic.nqueue = dev.queues
    configure_buffers(dev)
    nic.link_up = 1
    dev.dev.up = 1
    net.nic_changed = 1
    dev.say("napi_enable", f"{dev.queues} NAPIs; igb_irq_enable, link up at {nic.speed} Mbit/s")


def blocks(dev: NetDevice) -> bool:
    """Without DROP_EN, of several queues: igb_setup_srrctl() and ixgbe_set_rx_drop_en() ask one direction of flow control each."""
    return dev.queues > 1 and (dev.rx_pause if dev.driver.blocking_pause == "rx" else dev.tx_pause)


def configure_buffers(dev: NetDevice) -> None:
    """What stands in front of the rings.  A tap's queue: one in front of each.  A packet buffer (igb_reset(), ixgbe_configure_pb()): one of
    all, with the water marks of flow control - unless several queues drop each for itself (DROP_EN), so that nothing waits in front of
    them and no pause frame is ever sent."""
    driver, nic = dev.driver, dev.nic
    if dev.tap_queue is not None:
        for q in dev.pool(dev.queues):
            put_buffer(dev, q, 1, 1 << 40, dev.tap_queue, driver.own_max_frame + 63 & ~63)
        return
    size = dev.fifo_size if dev.queues == 1 or blocks(dev) else 0
    for q in dev.pool():
        ring = dev.net.ring[q]
        ring.pb, ring.cable_rx = -1, path.cable_rx.handler(driver.handlers["cable_rx"])
    pb = dev.net.buffer[nic.first]
    pb.tx_pause = 0
    if size:
        if dev.queues > 1:
            size -= driver.flow_director
        put_buffer(dev, nic.first, dev.queues, size, NFIFO, FRAME_ROOM)
        pb.high_water, pb.low_water = driver.water_marks(size, dev.dev.mtu)
        pb.tx_pause = int(dev.tx_pause)
        for q in dev.pool(dev.queues):
            dev.net.ring[q].cable_rx = path.cable_rx.handler("nic_receive_buffered")
            if dev.queues > 1:
                dev.call(share_ring)(dev.net, q)


def put_buffer(dev: NetDevice, first: int, rings: int, size: int, most: int, stride: int) -> None:
    """A buffer of so many bytes and frames in front of those rings; `stride`: room for the longest frame."""
    pb = dev.net.buffer[first]
    pb.size, pb.most, pb.first, pb.rings, pb.stride = size, most, first, rings, stride
    if first not in dev.fifo_memory:
        dev.fifo_memory[first] = pages(NFIFO * stride)
        pb.addr = region(dev.fifo_memory[first])
    for q in range(first, first + rings):
        dev.net.ring[q].pb = first


def set_rx_fifo(dev: NetDevice, size: int) -> None:
    """The card's packet buffer in bytes: 64 kB in a 82576, 34 kB in an i210; 0: none, a frame without a descriptor is lost at once."""
    least, most = dev.driver.rx_fifo or (0, 0)
    if size and not least <= size <= most:
        raise ValueError(f"rx_fifo {size}: 0, or {least} to {most} bytes")

    def change() -> None:
        dev.fifo_size = size
    igb_reinit(dev, change)


def set_tap_queue(dev: NetDevice, packets: int) -> None:
    """On the host: ip link set tap0 txqueuelen N.  Applies to what the tap takes from now on."""
    if not 0 <= packets <= NFIFO:
        raise ValueError(f"tap queue {packets}: 0 to {NFIFO} packets")
    dev.sync()
    dev.tap_queue = packets
    configure_buffers(dev)


def igb_configure_itr(dev: NetDevice) -> None:
    """igb_reset_interrupt_capability's start values: adaptive (igb from 162 us, ixgbe from 50), fixed, or none."""
    moderation = dev.driver.moderation
    assert moderation is not None
    for q in dev.pool():
        ring, setting = dev.net.ring[q], dev.itr_setting
        ring.itr_mode = setting if setting in moderation.words else 0
        ring.itr_val = moderation.start if ring.itr_mode else setting << 2 & moderation.mask
        if ring.mode == NicMode.IRQ_PER_PACKET:
            ring.itr_mode, ring.itr_val = 0, 0
        ring.itr_ns = ring.itr_val * 250
        ring.itr_class, ring.set_itr = moderation.start_class, 0
        if moderation.start_class:
            dev.net.tx[q].itr_class = moderation.start_class
        ring.itr_packets, ring.itr_bytes = ring.packets, ring.bytes
        ring.itr_tx_packets, ring.itr_tx_bytes = dev.net.tx[q].packets, dev.net.tx[q].bytes


def napi_stop(dev: NetDevice, q: int) -> None:
    """napi_disable(), and the vector is off."""
    net = dev.net
    net.ring[q].up = net.ring[q].unmasked = 0
    hrtimer_cancel(net, NAPI_HRTIMER + q)
    net.napi[q].defer_hard_irqs_count = 0


def igb_down(dev: NetDevice) -> None:
    """Interrupts and rings off; what they hold is lost."""
    net, lost = dev.net, 0
    dev.sync()
    for q in dev.pool():
        napi_stop(dev, q)
        if net.ring[q].size:
            lost += dev.call(igb_clean_rx_ring)(net, q)
            dev.call(igb_clean_all)(net, q)
    dev.say("igb_down", f"napi_disable, rings emptied: {lost} frames lost")


def igb_close(dev: NetDevice) -> None:
    """ndo_stop: __igb_close()."""
    igb_down(dev)
    dev.nic.link_up = dev.dev.up = 0
    dev.say("__igb_close", f"{dev.name} is down")


def igb_reinit(dev: NetDevice, change: Callable[[], None]) -> None:
    """Down, change, up, as igb does for rings, queues and MTU; a device that is down only takes the new values."""
    if not dev.running:
        change()
        return
    igb_down(dev)
    change()
    igb_setup_all_tx_resources(dev)
    igb_setup_all_rx_resources(dev)
    igb_up(dev)


# ---------------------------------------------------------------- net_device_ops
def igb_set_mac(dev: NetDevice, mac: int) -> None:
    """ndo_set_mac_address: at once, on a running device too (IFF_LIVE_ADDR_CHANGE is not asked for here)."""
    check_mac(mac)
    dev.sync()
    dev.nic.mac = dev.dev.mac = mac
    dev.say("igb_set_mac", f"{mac:012x}")


def igb_set_rx_mode(dev: NetDevice, promisc: bool | None = None, allmulti: bool | None = None, multicast: list[int] | None = None) -> None:
    set_rx_mode(dev, promisc, allmulti, multicast)
    nic = dev.nic
    dev.say("igb_set_rx_mode", f"promisc {nic.promisc}, allmulti {nic.allmulti or nic.multi_overflow}, {nic.nmulti} groups")


def max_frame(dev: NetDevice) -> int:
    """What the card lets in, by its MTU; a guest's host does not ask."""
    return dev.driver.own_max_frame or dev.dev.mtu + ETH_HLEN + ETH_FCS_LEN + VLAN_HLEN


def igb_change_mtu(dev: NetDevice, mtu: int) -> None:
    """ndo_change_mtu: the card takes frames of mtu + 22 bytes, FCS and a VLAN tag included."""
    if not MTU_LEAST <= mtu <= dev.driver.mtu_most:
        raise ValueError(f"mtu {mtu}: {MTU_LEAST} to {dev.driver.mtu_most}")

    def change() -> None:
        dev.dev.mtu = mtu
        dev.nic.max_frame = max_frame(dev)
    igb_reinit(dev, change)
    dev.say("igb_change_mtu", str(mtu))


IGB_NETDEV_OPS: dict[str, Callable[..., Any]] = {
    "ndo_open": igb_open, "ndo_stop": igb_close, "ndo_set_mac_address": igb_set_mac, "ndo_set_rx_mode": igb_set_rx_mode,
    "ndo_change_mtu": igb_change_mtu, "ndo_get_stats64": get_stats64,
}
