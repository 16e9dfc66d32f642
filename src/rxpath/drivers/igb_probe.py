"""igb_main.c, module_init and probe: the card is found and becomes a net_device with both tables of operations, not up yet."""
from collections.abc import Callable
from typing import Any

from .. import path
from ..abi.limits import NQ
from ..abi.net import Net
from ..abi.numbers import NicMode
from .igb_ethtool import IGB_ETHTOOL_OPS, write_indirection
from .igb_open import IGB_NETDEV_OPS, add_queues, igb_setup_rx_ring, max_frame
from .net_device import NetDevice
from .rows import IGB, Driver
from .rss import rss_write_key


def igb_init_module(log: list[tuple[str, str]], name: str) -> None:
    """module_init: pci_register_driver(), which finds the card and calls igb_probe."""
    log.append((f"{name}_init_module", f"pci_register_driver({name}): probe = {name}_probe"))


def igb_probe(net: Net, call: Callable[[Any], Any], log: list[tuple[str, str]], queues: int, mac: int, cpus: list[int],
              name: str = "eth0", index: int = 0, mode: NicMode = NicMode.NAPI, model: str | None = None, card: int = 0, first: int = 0,
              driver: Driver = IGB) -> NetDevice:
    """cpus: affinity of the queues' interrupts, in turn.  NicMode.NAPI is igb as it is; NicMode.IRQ_PER_PACKET the same card under a driver
    without NAPI.  card, first: its number, and that of its first ring in the pool."""
    if not 1 <= queues <= NQ:
        raise ValueError(f"{queues} queues: 1 to {NQ}")
    igb_init_module(log, driver.name)
    chosen = driver.default_model if model is None else model
    if chosen not in driver.models:
        raise ValueError(f"model {chosen}: {', '.join(driver.models)}")
    driver = driver.of(chosen, net.behaviour)
    dev = NetDevice(net, call, log, driver, name, index, card, first, mac, dict(IGB_NETDEV_OPS), dict(IGB_ETHTOOL_OPS))
    dev.setup_rx_ring = igb_setup_rx_ring
    dev.queues, dev.cpus, dev.model = queues, list(cpus), chosen
    if queues > driver.most_queues:
        dev.say("igb_probe", f"{queues} queues: a real {driver.name} has at most {driver.most_queues}")
    if mode == NicMode.NAPI and driver.models[dev.model] < queues <= driver.most_queues:
        raise ValueError(f"{queues} queues: 1 to {driver.models[dev.model]} for {dev.model}")
    nic, nd = dev.nic, dev.dev
    nd.xmit, nd.head_frag = path.xmit.handler(driver.handlers["xmit"]), int(driver.head_frag and mode == NicMode.NAPI)
    nic.nqueue, nic.speed, nic.rx_csum, nic.vlan_strip, nic.rss = queues, 1000, 1, 1, 1
    nic.rss_tcp_ports, nic.rss_udp_ports = 1, int(driver.rss_udp == "sdfn")
    nic.max_frame = max_frame(dev)
    dev.say("igb_probe", f"{name}: net_device_ops {len(dev.netdev_ops)}, ethtool_ops {len(dev.ethtool_ops)} operations")
    call(rss_write_key)(net, card, bytearray(dev.key))
    write_indirection(dev, driver.indirection(queues))
    add_queues(dev, queues, mode)
    dev.say("igb_alloc_q_vector", f"{queues} q_vectors, netif_napi_add({driver.handlers['napi_poll']})")
    return dev
