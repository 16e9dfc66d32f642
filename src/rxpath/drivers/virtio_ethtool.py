"""drivers/net/virtio_net.c, the control plane: probe, and what differs from igb's operations.  The device is one with RSS and
RING_RESET, without NOTF_COAL, HASH_REPORT and DEVICE_STATS, as QEMU makes it."""
from collections.abc import Callable
from typing import Any

from .._compile import entry
from ..abi.limits import BUFSTRIDE
from ..abi.net import Net
from .igb_ethtool import IGB_ETHTOOL_OPS, igb_set_ringparam, rings_of
from .igb_open import (
    first_buffer,
    igb_clean_all,
    igb_request_irq,
    igb_setup_all_tx_resources,
    igb_setup_rx_ring,
    igb_up,
    napi_stop,
)
from .igb_probe import igb_probe
from .net_device import NetDevice, ring_stats
from .rows import VIRTIO_NET, Driver
from .virtio_net import VIRTIO_PIECE, try_fill_recv

RX = "drops xdp_packets xdp_tx xdp_redirects xdp_drops kicks".split()
TX = "xdp_tx xdp_tx_drops kicks tx_timeouts".split()


@entry
def virtnet_setup_rx_ring(net: Net, q: int, first_buffer: int, size: int) -> None:
    """init_vqs() and the first try_fill_recv(): a new virtqueue, all of it posted."""
    ring = net.ring[q]
    for i in range(ring.buffers, size):
        for k in range(1, 4):
            piece = net.desc[q][i + k * VIRTIO_PIECE]
            piece.buf = (first_buffer + i + k * VIRTIO_PIECE) * BUFSTRIDE
    igb_setup_rx_ring(net, q, first_buffer, size)
    ring.next_to_use = 0
    try_fill_recv(net, 0, q, ring)


# ---------------------------------------------------------------- open and close
def virtnet_open(dev: NetDevice) -> None:
    """ndo_open.  Rings of before keep their buffers, and what has come into them meanwhile is received now; virtnet_napi_enable() schedules
    NAPI once, here the interrupt does."""
    dev.say("virtnet_open", f"{dev.name} comes up")
    dev.sync()
    igb_setup_all_tx_resources(dev)
    for q in dev.pool(dev.queues):
        if dev.net.ring[q].size != dev.rx_size:
            dev.call(virtnet_setup_rx_ring)(dev.net, q, first_buffer(dev, q), dev.rx_size)
    igb_request_irq(dev)
    igb_up(dev)


def virtnet_close(dev: NetDevice) -> None:
    """ndo_stop: NAPI is off.  Buffers stay posted, and the host goes on writing into them, then into the tap's queue."""
    dev.sync()
    for q in dev.pool():
        napi_stop(dev, q)
        dev.call(igb_clean_all)(dev.net, q)
    dev.dev.up = 0
    dev.say("virtnet_close", f"{dev.name} is down, its buffers stay posted")


def tap_stats(dev: NetDevice) -> dict[str, int]:
    """The host's side, TX dropped of `ip -s link show tap0` there: what the tap has lost because its queue was full."""
    return {"tap_tx_dropped": sum(dev.net.ring[q].missed for q in dev.pool())}


# ---------------------------------------------------------------- ethtool
def virtnet_set_ringparam(dev: NetDevice, rx: int | None = None, tx: int | None = None) -> None:
    """ethtool -G: a split virtqueue has a power of two, and nothing is rounded."""
    for name, wanted, ring in zip(("rx", "tx"), (rx, tx), rings_of(dev), strict=True):
        if wanted is not None and not ring.takes(wanted):
            raise ValueError(f"{name} {wanted}: {ring.allowed} (EINVAL)")
    igb_set_ringparam(dev, rx, tx)


def virtnet_set_coalesce(dev: NetDevice, rx_usecs: int = 0, rx_frames: int = 1, tx_frames: int = 1, **others: int) -> None:
    """ethtool -C without VIRTIO_NET_F_NOTF_COAL: nothing to set."""
    if others:
        raise ValueError(f"{next(iter(others)).replace('_', '-')}: virtio_net does not have it (EOPNOTSUPP)")
    if rx_usecs:
        raise ValueError(f"rx-usecs {rx_usecs}: 0 only, the device has no VIRTIO_NET_F_NOTF_COAL (EOPNOTSUPP)")
    if rx_frames != 1:
        raise ValueError(f"rx-frames {rx_frames}: 1 only (EINVAL)")
    if not 0 <= tx_frames <= 1:
        raise ValueError(f"tx-frames {tx_frames}: 0 or 1 (EINVAL)")


def virtnet_get_stats64(dev: NetDevice) -> dict[str, int]:
    """ndo_get_stats64: what the host has lost is in none of them, and rx_errors does not count lengths."""
    return ring_stats(dev.net, dev.card) | {"rx_errors": 0, "rx_fifo_errors": 0, "rx_missed_errors": 0, "multicast": 0}


def virtnet_get_ethtool_stats(dev: NetDevice) -> dict[str, int]:
    """ethtool -S, in its order: sums, then receive queues, then transmit queues.  Whenever buffers are posted or a frame is sent the host
    wants to know, a kick."""
    net = dev.net
    pool = dev.pool(dev.queues)
    rx = [dict.fromkeys(RX, 0) | {"drops": net.ring[q].alloc_failed, "kicks": net.ring[q].kicks} for q in pool]
    tx = [dict.fromkeys(TX, 0) | {"kicks": net.tx[q].packets} for q in pool]
    out = {f"rx_{name}": sum(one[name] for one in rx) for name in RX} | {f"tx_{name}": sum(one[name] for one in tx) for name in TX}
    for word, queues in (("rx", rx), ("tx", tx)):
        for n, one in enumerate(queues):
            out |= {f"{word}{n}_{name}": value for name, value in one.items()}
    return out


REFUSED = ("get_pauseparam", "set_pauseparam", "set_rxclsrlins", "set_rxclsrldel", "set_features")
VIRTNET_ETHTOOL_OPS: dict[str, Callable[..., Any]] = {name: op for name, op in IGB_ETHTOOL_OPS.items() if name not in REFUSED} | {
    "set_ringparam": virtnet_set_ringparam, "set_coalesce": virtnet_set_coalesce, "get_ethtool_stats": virtnet_get_ethtool_stats,
}


def virtnet_probe(net: Net, call: Callable[[Any], Any], log: list[tuple[str, str]], queues: int, mac: int, cpus: list[int],
                  driver: Driver = VIRTIO_NET, **where: Any) -> NetDevice:
    """As igb_probe() takes it."""
    dev = igb_probe(net, call, log, queues, mac, cpus, driver=driver, **where)
    dev.ethtool_ops = dict(VIRTNET_ETHTOOL_OPS)
    dev.beyond = tap_stats
    dev.netdev_ops |= {"ndo_open": virtnet_open, "ndo_stop": virtnet_close, "ndo_get_stats64": virtnet_get_stats64}
    dev.setup_rx_ring = virtnet_setup_rx_ring
    dev.nic.speed, dev.nic.vlan_strip, dev.dev.counts_multicast = 10_000, 0, 0
    return dev
