"""ixgbe_main.c, probe: igb's rings and operations with ixgbe's own moderation, counters and filters."""
from collections.abc import Callable
from typing import Any

from ..abi.net import Net
from .igb_probe import igb_probe
from .ixgbe_ethtool import IXGBE_ETHTOOL_OPS, ixgbe_get_stats64
from .net_device import NetDevice
from .rows import IXGBE, Driver


def ixgbe_probe(net: Net, call: Callable[[Any], Any], log: list[tuple[str, str]], queues: int, mac: int, cpus: list[int],
                driver: Driver = IXGBE, **where: Any) -> NetDevice:
    """As igb_probe() takes it."""
    dev = igb_probe(net, call, log, queues, mac, cpus, driver=driver, **where)
    dev.ethtool_ops, dev.netdev_ops["ndo_get_stats64"] = dict(IXGBE_ETHTOOL_OPS), ixgbe_get_stats64
    dev.nic.speed, dev.nic.l4_hash = 10_000, 1
    return dev
