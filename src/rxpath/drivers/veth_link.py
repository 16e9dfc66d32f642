"""veth and lo: their set-up, as veth_newlink() and loopback_net_init() do it, and their net_device_ops.  The path's half is veth.py."""
from collections.abc import Callable
from typing import Any

from .. import path
from ..abi.net import Net
from ..abi.numbers import NO_SKB, NicMode
from .net_device import NetDevice, check_mac, get_stats64
from .rows import LO, MTU_LEAST, VETH, Driver


def veth_newlink(net: Net, call: Callable[[Any], Any], log: list[tuple[str, str]], mac: int, sender_cpu: int = 0, mtu: int | None = None,
                 name: str = "veth0", index: int = 0, card: int = 0, first: int = 0, driver: Driver = VETH) -> NetDevice:
    """A device without a ring, up after open(): frames enter by netif_rx() on sender_cpu."""
    dev = NetDevice(net, call, log, driver, name, index, card, first, mac, dict(VETH_NETDEV_OPS), {})
    nic, nd, ring = dev.nic, dev.dev, net.ring[first]
    if driver is LO:
        net.loopback = index
    nd.mtu = driver.mtu if mtu is None else mtu
    nd.xmit, nd.gro = path.xmit.handler(driver.handlers["xmit"]), 0
    nic.nqueue, nic.max_queue, nic.sender_cpu, nic.rss, nic.speed, nic.rx_csum = 1, 1, sender_cpu, 0, 10000, 1
    ring.mode, ring.dev, ring.nic, ring.cpu, ring.size, ring.skb = NicMode.NETIF_RX, index, card, sender_cpu, 1, NO_SKB
    ring.irq_handler, ring.sender_xmit = -1, path.sender_xmit.handler(driver.handlers["sender_xmit"])
    ring.cable_rx = path.cable_rx.handler(driver.handlers["cable_rx"])
    net.nring = max(net.nring, first + 1)
    log.append(("loopback_net_init" if driver is LO else "veth_newlink",
                f"{name}: register_netdevice, frames enter by netif_rx on CPU {sender_cpu}"))
    return dev


def veth_open(dev: NetDevice) -> None:
    ring = dev.net.ring[dev.nic.first]
    dev.dev.up = dev.nic.link_up = ring.up = ring.unmasked = dev.net.nic_changed = 1
    dev.say("veth_open", f"{dev.name}: netif_carrier_on")


def veth_close(dev: NetDevice) -> None:
    """Frames of the sender are dropped from now on (is_skb_forwardable)."""
    dev.sync()
    dev.dev.up = 0
    dev.say("veth_close", f"{dev.name}: netif_carrier_off")


def veth_change_mtu(dev: NetDevice, mtu: int) -> None:
    if not MTU_LEAST <= mtu <= dev.driver.mtu_most:
        raise ValueError(f"mtu {mtu}: {MTU_LEAST} to {dev.driver.mtu_most}")
    dev.dev.mtu = mtu


def veth_set_mac(dev: NetDevice, mac: int) -> None:
    check_mac(mac)
    dev.nic.mac = dev.dev.mac = mac


VETH_NETDEV_OPS: dict[str, Callable[..., Any]] = {
    "ndo_open": veth_open, "ndo_stop": veth_close, "ndo_change_mtu": veth_change_mtu, "ndo_get_stats64": get_stats64,
    "ndo_set_mac_address": veth_set_mac, "ndo_set_rx_mode": lambda dev, promisc=None, allmulti=None, multicast=None: None,
}
