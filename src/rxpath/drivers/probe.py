"""From a driver's name to its probe: the last line that a further driver needs.

What a host does not have is not imported: each driver's control plane comes with its first probe."""
from collections.abc import Callable
from typing import Any

from .. import path
from ..abi.net import Net
from .net_device import NetDevice
from .rows import IGB, IXGBE, LO, VETH, VIRTIO_NET


def _igb(*how: Any, **more: Any) -> NetDevice:
    from .igb_probe import igb_probe

    return igb_probe(*how, **more)


def _ixgbe(*how: Any, **more: Any) -> NetDevice:
    from .ixgbe_probe import ixgbe_probe

    return ixgbe_probe(*how, **more)


def _virtio(*how: Any, **more: Any) -> NetDevice:
    from .virtio_ethtool import virtnet_probe

    return virtnet_probe(*how, **more)


def _veth(*how: Any, **more: Any) -> NetDevice:
    from .veth_link import veth_newlink

    return veth_newlink(*how, **more)


# cards: (net, call, log, queues, mac, cpus, ...); devices without a ring: (net, call, log, mac, sender_cpu, mtu, ...)
RINGS: dict[str, Callable[..., NetDevice]] = {IGB.name: _igb, IXGBE.name: _ixgbe, VIRTIO_NET.name: _virtio}
SENDERS: dict[str, Callable[..., NetDevice]] = {VETH.name: _veth, LO.name: _veth}


def loopback_net_init(net: Net, index: int) -> None:
    """lo beside cards: nothing comes in by it but what this host answers to itself."""
    net.loopback, dev = index, net.dev[index]
    dev.ifindex, dev.up, dev.mtu, dev.xmit = index + 1, 1, LO.mtu, path.xmit.handler(LO.handlers["xmit"])
