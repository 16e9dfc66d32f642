"""struct net_device: a device with its two tables of operations, which are called through at run time, as in the kernel:
dev.ndo("ndo_change_mtu", 9000), dev.ethtool("set_ringparam", rx=512).

Below every driver's file; boot.py and workbench/ call the operations, before a run or between two slices of one.  Each operation first
lets the card take in what has arrived (nic_sync), so that a knob acts from now on, and sets net.nic_changed, so that the driver of time
asks anew when interrupts come.  A card owns the rings [nic.first, nic.first + nic.max_queue) of the one pool of rings."""
from collections.abc import Callable
from typing import Any

from .._compile import entry
from ..abi.kernels import Behaviour
from ..abi.limits import NCARD, NQ
from ..abi.net import Net
from ..abi.nic import net_device, nic_t
from ..abi.numbers import IGMP_ALL_HOSTS, NIC_MULTI
from .nic_rx import nic_pull
from .rows import Driver

# of Microsoft's verification suite
RSS_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")


@entry
def nic_sync(net: Net, card: int) -> None:
    """What has arrived by now met the card as it was."""
    nic = net.nic[card]
    for q in range(nic.first, nic.first + nic.max_queue):
        nic_pull(net, -1, q, net.sim.now)
    net.nic_changed = 1


class NetDevice:
    """struct net_device with what its driver keeps beside it.  Sizes and queues are those that the next open takes."""

    def __init__(self, net: Net, call: Callable[[Any], Any], log: list[tuple[str, str]], driver: Driver, name: str, index: int, card: int,
                 first: int, mac: int, ops: dict[str, Callable[..., Any]], ethtool_ops: dict[str, Callable[..., Any]]) -> None:
        if card >= NCARD or first >= NQ:
            raise ValueError(f"{name}: at most {NCARD} cards and {NQ} queues in all")
        self.net, self.call, self.log, self.driver, self.name, self.index, self.card = net, call, log, driver, name, index, card
        self.netdev_ops, self.ethtool_ops = ops, ethtool_ops
        self.model, self.key, self.indir_is_default = driver.default_model, RSS_KEY, True
        self.queues = self.max_queues = 1
        self.cpus = [0]
        self.rx_size = driver.rx_ring.default if driver.rx_ring else 0
        self.tx_size = driver.tx_ring.default if driver.tx_ring else 0
        self.itr_setting = driver.moderation.default if driver.moderation else 0
        self.fifo_size = 0                           # bytes of its packet buffer
        self.tap_queue = driver.tap_queue            # packets of the host's tap
        self.fifo_memory: dict[int, Any] = {}        # of the frames that wait in a packet buffer
        self.rx_pause = self.tx_pause = False
        self.setup_rx_ring: Any = None               # the driver's entry that posts the first buffers of a ring
        self.filters: list[Any] = []
        self.beyond: Callable[[NetDevice], dict[str, int]] = lambda dev: {}      # counters of the other end, which this host cannot see
        net.ncard = max(net.ncard, card + 1)
        self.nic.first, self.nic.mac, self.nic.max_queue = first, mac, 0
        self.dev.ifindex, self.dev.mac, self.dev.mtu, self.dev.nic = index + 1, mac, driver.mtu, card
        self.dev.truesize_rule, self.dev.counts_multicast = driver.truesize_rule, int(driver.has_ring)

    @property
    def nic(self) -> nic_t:
        return self.net.nic[self.card]

    @property
    def dev(self) -> net_device:
        return self.net.dev[self.index]

    def vector(self, queue: int) -> str:
        """Its name in /proc/interrupts; a bus of our own counts cards."""
        return self.driver.vector(self.name, queue, f"virtio{self.card}")

    def pool(self, queues: int | None = None) -> range:
        """Its rings as numbers of the pool: the first `queues`, or all that it was probed with."""
        return range(self.nic.first, self.nic.first + (self.max_queues if queues is None else queues))

    def ndo(self, op: str, *args: Any) -> Any:
        """Call through net_device_ops."""
        if op not in self.netdev_ops:
            raise ValueError(f"{self.name} has no {op}; it has {', '.join(sorted(self.netdev_ops))}")
        return self.netdev_ops[op](self, *args)

    def ethtool(self, op: str, **args: Any) -> Any:
        """Call through ethtool_ops."""
        if op not in self.ethtool_ops:
            errno = f" ({self.driver.refuses[op]})" if op in self.driver.refuses else ""
            raise ValueError(f"{self.name} has no ethtool operation {op}{errno}; it has {', '.join(sorted(self.ethtool_ops)) or 'none'}")
        return self.ethtool_ops[op](self, **args)

    def open(self) -> None:
        """dev_open(): ip link set up."""
        if not self.running:
            self.ndo("ndo_open")

    def close(self) -> None:
        """dev_close(): ip link set down."""
        if self.running:
            self.ndo("ndo_stop")

    @property
    def running(self) -> bool:
        return bool(self.dev.up)

    def sync(self) -> None:
        self.call(nic_sync)(self.net, self.card)

    def say(self, function: str, detail: str) -> None:
        self.log.append((function.replace("igb_", f"{self.driver.name}_"), detail))     # what others share of igb's bears their names


# ---------------------------------------------------------------- addresses
def dev_mc_add(dev: NetDevice, mac: int) -> None:
    """A group was joined: its MAC address passes the filter."""
    nic = dev.nic
    dev.ndo("ndo_set_rx_mode", None, None, [nic.multi[i] for i in range(nic.nmulti)] + [mac])


def dev_mc_del(dev: NetDevice, mac: int) -> None:
    nic = dev.nic
    dev.ndo("ndo_set_rx_mode", None, None, [nic.multi[i] for i in range(nic.nmulti) if nic.multi[i] != mac])


def ip_mc_up(dev: NetDevice) -> None:
    """inetdev_event(NETDEV_UP): a device that is up is in 224.0.0.1, all hosts, and its card's filter lets that group through."""
    dev_mc_add(dev, multicast_mac(IGMP_ALL_HOSTS))


def multicast_mac(group: int) -> int:
    """ip_eth_mc_map(): the low 23 bits of the group behind 01:00:5e."""
    return 0x01005E000000 | group & 0x7FFFFF


def check_mac(mac: int) -> None:
    if mac >> 40 & 1 or not 0 < mac < 1 << 48:
        raise ValueError(f"{mac:012x} is not a unicast MAC address")


def set_rx_mode(dev: NetDevice, promisc: bool | None = None, allmulti: bool | None = None, multicast: list[int] | None = None) -> None:
    """ndo_set_rx_mode of a card: IFF_PROMISC, IFF_ALLMULTI, the multicast list (MAC addresses).  What is None stays.  More groups than the
    card has places for: all multicast passes."""
    nic = dev.nic
    dev.sync()
    if promisc is not None:
        nic.promisc = int(promisc)
    if allmulti is not None:
        nic.allmulti = int(allmulti)
    if multicast is not None:
        groups = sorted(set(multicast))
        nic.nmulti = min(len(groups), NIC_MULTI)
        nic.multi_overflow = int(len(groups) > NIC_MULTI)
        for i, group in enumerate(groups[:NIC_MULTI]):
            nic.multi[i] = group


# ---------------------------------------------------------------- statistics
def ring_stats(net: Net, card: int = 0) -> dict[str, int]:
    """A card's own part of rtnl_link_stats64 (/proc/net/dev, ip -s link): what was lost before there was an skb, as igb_update_stats() has
    it.  `overruns` of ifconfig is rx_fifo_errors."""
    nic = net.nic[card]
    rings = [net.ring[q] for q in range(nic.first, nic.first + nic.max_queue)]
    length, fifo = sum(r.length_errors for r in rings), sum(r.fifo for r in rings)
    return {"rx_errors": length, "rx_length_errors": length, "rx_fifo_errors": fifo,
            "rx_missed_errors": sum(r.missed for r in rings) - fifo, "multicast": sum(r.multicast for r in rings)}


def get_stats64(dev: NetDevice) -> dict[str, int]:
    """ndo_get_stats64"""
    return ring_stats(dev.net, dev.card)


# ---------------------------------------------------------------- NAPI of the device
def napi_defer(dev: NetDevice, napi_defer_hard_irqs: int | None = None, gro_flush_timeout: int | None = None) -> None:
    """/sys/class/net/DEV/napi_defer_hard_irqs (polls) and gro_flush_timeout (ns): for all NAPIs of the device, from their next poll on."""
    if not dev.driver.has_interrupts:
        raise ValueError(f"{dev.name} has no NAPI of its own: its frames enter by netif_rx")
    for name, value, since, top in (("napi_defer_hard_irqs", napi_defer_hard_irqs, Behaviour.napi_defer, (1 << 31) - 1),
                                    ("gro_flush_timeout", gro_flush_timeout, Behaviour.gro_flush_timeout, 10**10)):
        if value is None:
            continue
        if not 0 <= value <= top:
            raise ValueError(f"{name} {value}: 0 to {top}")
        if value and not dev.net.behaviour[since]:
            raise ValueError(f"{name}: not in this kernel")
        for q in dev.pool():
            if name == "gro_flush_timeout":
                dev.net.napi[q].gro_flush_timeout = value
            else:
                dev.net.napi[q].defer_hard_irqs = value
