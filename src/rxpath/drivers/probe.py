"""From a driver's name to its probe: the last line that a further driver needs."""
from collections.abc import Callable

from .igb_probe import igb_probe
from .ixgbe_probe import ixgbe_probe
from .net_device import NetDevice
from .rows import IGB, IXGBE, LO, VETH, VIRTIO_NET
from .veth_link import veth_newlink
from .virtio_ethtool import virtnet_probe

# cards: (net, call, log, queues, mac, cpus, ...); devices without a ring: (net, call, log, mac, sender_cpu, mtu, ...)
RINGS: dict[str, Callable[..., NetDevice]] = {IGB.name: igb_probe, IXGBE.name: ixgbe_probe, VIRTIO_NET.name: virtnet_probe}
SENDERS: dict[str, Callable[..., NetDevice]] = {VETH.name: veth_newlink, LO.name: veth_newlink}
