"""Control plane of the devices: igb's module_init, probe, open and close, the net_device_ops; veth and loopback; driver without NAPI.

boot.py and workbench/ call it, before a run or between two slices of one: each function first lets the card take in what has arrived, so
that a knob acts from now on, and sets nic.changed, so that the driver of time asks anew when interrupts come.  A device is a table of
operations that is called through at run time, as in the kernel: dev.ndo("ndo_change_mtu", 9000), dev.ethtool("set_ringparam", rx=512).
ethtool's half is igb_ethtool.py.  What a reset finds in the rings is lost, uncounted by igb; the books call it RX_RESET."""
from collections.abc import Callable
from typing import Any

from .. import path
from .._compile import entry, pages, region
from ..abi.kernels import Behaviour, Sysctl
from ..abi.limits import BUFSTRIDE, FIFOSTRIDE, NDESC, NFIFO, NQ
from ..abi.net import Net
from ..abi.numbers import (
    E1000_RXD_STAT_EOP,
    ETH_FCS_LEN,
    ETH_HLEN,
    IGB_DEFAULT_ITR,
    IGB_DEFAULT_RXD,
    IGB_DEFAULT_TXD,
    IGB_MAX_RX_QUEUES,
    IGB_START_ITR,
    MAX_JUMBO_FRAME_SIZE,
    NAPI_STATE_SCHED,
    NIC_MULTI,
    NO_SKB,
    VLAN_HLEN,
    NicMode,
)
from ..abi.reasons import Drop
from ..abi.timer import NAPI_HRTIMER
from ..irq.manage import request_irq
from ..path import Stage
from ..skb import frames_end, skb_release
from ..timer import hrtimer_cancel, hrtimer_setup
from .igb_itr import LOWEST_LATENCY
from .igb_main import igb_alloc_rx_buffers
from .igb_nfc import MODELS, Nfc
from .igb_tx import igb_clean_tx_ring
from .nic import nic_pull

# of Microsoft's verification suite
RSS_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
MAX_STD_JUMBO_FRAME_SIZE = 9216 + ETH_HLEN + ETH_FCS_LEN + VLAN_HLEN     # igb: "MTU > 9216 not supported"
VETH_MTU_MAX = 65536
FIFO_MIN, FIFO_MAX = 16 << 10, 128 << 10


# ---------------------------------------------------------------- what writes the tables
@entry
def nic_sync(net: Net) -> None:
    """What has arrived by now met the card as it was."""
    for q in range(max(net.nic.max_queue, 1)):
        nic_pull(net, q, net.sim.now)
    net.nic.changed = 1


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
        ring.next_to_clean += 1
        ring.clean_at += 1
        if ring.clean_at == ring.size:
            ring.clean_at = 0
    if ring.skb >= 0:                                # its beginning; the rest was in the ring
        skb_release(net, 0, net.skb[ring.skb])
        ring.skb = NO_SKB
    lost += ring.fifo_tail - ring.fifo_head          # and what waited in the card
    ring.fifo_head, ring.fifo_bytes, ring.xoff = ring.fifo_tail, 0, 0
    ring.reset += lost
    frames_end(net, ring.cpu, Stage.nic_dma, Drop.RX_RESET, lost)
    return lost


@entry
def igb_clean_all(net: Net, q: int) -> None:
    igb_clean_tx_ring(net, q, net.tx[q])


# ---------------------------------------------------------------- devices
class NetDevice:
    """struct net_device with what its driver keeps beside it.  Sizes and queues are those that the next open takes."""

    def __init__(self, net: Net, call: Callable[[Any], Any], log: list[tuple[str, str]], first_buffer: int, index: int, name: str,
                 ops: dict[str, Callable[..., Any]], ethtool_ops: dict[str, Callable[..., Any]]) -> None:
        self.net, self.call, self.log, self.first_buffer, self.index, self.name = net, call, log, first_buffer, index, name
        self.netdev_ops, self.ethtool_ops = ops, ethtool_ops
        self.queues = self.max_queues = 1
        self.rx_size, self.tx_size = IGB_DEFAULT_RXD, IGB_DEFAULT_TXD
        self.itr_setting = IGB_DEFAULT_ITR
        self.cpus = [0]
        self.key = RSS_KEY
        self.indir_is_default = True
        self.model = "82576"
        self.fifo_size = 0
        self.fifo_memory: Any = None
        self.rx_pause = self.tx_pause = False
        self.filters: list[Nfc] = []

    def ndo(self, op: str, *args: Any) -> Any:
        """Call through net_device_ops."""
        if op not in self.netdev_ops:
            raise ValueError(f"{self.name} has no {op}; it has {', '.join(sorted(self.netdev_ops))}")
        return self.netdev_ops[op](self, *args)

    def ethtool(self, op: str, **args: Any) -> Any:
        """Call through ethtool_ops."""
        if op not in self.ethtool_ops:
            raise ValueError(f"{self.name} has no ethtool operation {op}; it has {', '.join(sorted(self.ethtool_ops)) or 'none'}")
        return self.ethtool_ops[op](self, **args)

    def open(self) -> None:
        """dev_open(): ip link set up."""
        if not self.net.dev[self.index].up:
            self.ndo("ndo_open")

    def close(self) -> None:
        """dev_close(): ip link set down."""
        if self.net.dev[self.index].up:
            self.ndo("ndo_stop")

    @property
    def running(self) -> bool:
        return bool(self.net.dev[self.index].up)

    def say(self, function: str, detail: str) -> None:
        self.log.append((function, detail))


# ---------------------------------------------------------------- igb: probe
def igb_init_module(log: list[tuple[str, str]]) -> None:
    """module_init: pci_register_driver(), which finds the card and calls igb_probe."""
    log.append(("igb_init_module", "pci_register_driver(igb): probe = igb_probe"))


def igb_probe(net: Net, call: Callable[[Any], Any], log: list[tuple[str, str]], first_buffer: int, queues: int, mac: int,
              cpus: list[int], name: str = "eth0", index: int = 0, mode: NicMode = NicMode.NAPI,
              model: str = "82576") -> NetDevice:
    """The card is found: its net_device with both tables of operations, q_vectors with their NAPI polls.  Not up yet.

    first_buffer: index of the first of NDESC buffers for each queue; cpus: affinity of the queues' interrupts, in turn.  NicMode.NAPI is
    igb as it is; NicMode.IRQ_PER_PACKET the same card under a driver without NAPI."""
    from .igb_ethtool import IGB_ETHTOOL_OPS, write_indirection
    if not 1 <= queues <= NQ:
        raise ValueError(f"{queues} queues: 1 to {NQ}")
    igb_init_module(log)
    dev = NetDevice(net, call, log, first_buffer, index, name, dict(IGB_NETDEV_OPS), dict(IGB_ETHTOOL_OPS))
    dev.queues = dev.max_queues = queues
    dev.cpus = list(cpus)
    if queues > IGB_MAX_RX_QUEUES:
        dev.say("igb_probe", f"{queues} queues: a real igb has at most {IGB_MAX_RX_QUEUES}")
    nic, nd = net.nic, net.dev[index]
    nd.ifindex, nd.mac, nd.mtu, nd.kind, nd.xmit, nd.truesize_rule = index + 1, mac, 1500, mode, path.xmit.handler("igb_xmit_frame"), 0
    nic.mac, nic.nqueue, nic.max_queue, nic.speed, nic.rx_csum, nic.vlan_strip, nic.rss = mac, queues, queues, 1000, 1, 1, 1
    nic.rss_tcp_ports, nic.rss_udp_ports = 1, 0
    if model not in MODELS:
        raise ValueError(f"model {model}: {', '.join(MODELS)}")
    if mode == NicMode.NAPI and queues <= IGB_MAX_RX_QUEUES and queues > MODELS[model]:
        raise ValueError(f"{queues} queues: 1 to {MODELS[model]} for {model}")
    dev.model = model
    nic.max_frame = nd.mtu + ETH_HLEN + ETH_FCS_LEN + VLAN_HLEN
    dev.say("igb_probe", f"{name}: net_device_ops {len(dev.netdev_ops)}, ethtool_ops {len(dev.ethtool_ops)} operations")
    from .rss import rss_write_key
    call(rss_write_key)(net, bytearray(dev.key))
    write_indirection(dev, [i * queues // 128 for i in range(128)])
    nic.max_queue = 0
    add_queues(dev, queues, mode)
    dev.say("igb_alloc_q_vector", f"{queues} q_vectors, netif_napi_add(igb_poll)")
    return dev


def add_queues(dev: NetDevice, queues: int, mode: int | None = None) -> None:
    """igb_alloc_q_vector() of the queues that are new: their NAPI polls.  The driver of time sees nic.max_queue grow."""
    net, index = dev.net, dev.index
    for q in range(net.nic.max_queue, queues):
        ring, napi = net.ring[q], net.napi[q]
        hrtimer_setup(net, NAPI_HRTIMER + q, path.Hrtimer.napi_watchdog, q)
        napi.gro_flush_timeout, napi.defer_hard_irqs = net.napi[0].gro_flush_timeout, net.napi[0].defer_hard_irqs
        napi.poll, napi.ring, napi.dev = path.napi_poll.handler("igb_poll"), q, index
        napi.batch = net.sysctl[Sysctl.gro_normal_batch] if net.behaviour[Behaviour.rx_lists] else 1
        ring.mode, ring.dev, ring.last_irq = net.ring[0].mode if mode is None else mode, index, -(1 << 50)
        ring.cpu = dev.cpus[q % len(dev.cpus)]
    net.nic.max_queue = dev.max_queues = queues


# ---------------------------------------------------------------- igb: open and close
def igb_open(dev: NetDevice) -> None:
    """ndo_open: __igb_open()."""
    dev.say("__igb_open", f"{dev.name} comes up")
    igb_setup_all_tx_resources(dev)
    igb_setup_all_rx_resources(dev)
    igb_request_irq(dev)
    igb_up(dev)


def igb_setup_all_tx_resources(dev: NetDevice) -> None:
    for q in range(dev.queues):
        dev.call(igb_setup_tx_ring)(dev.net, q, dev.tx_size)
    dev.say("igb_setup_all_tx_resources", f"{dev.queues} rings of {dev.tx_size} descriptors")


def igb_setup_all_rx_resources(dev: NetDevice) -> None:
    for q in range(dev.queues):
        dev.call(igb_setup_rx_ring)(dev.net, q, dev.first_buffer + q * NDESC, dev.rx_size)
    dev.say("igb_setup_all_rx_resources", f"{dev.queues} rings of {dev.rx_size} descriptors, a DMA buffer of 2 kB for each")


def igb_request_irq(dev: NetDevice, first: int = 0) -> None:
    """igb_request_msix(): a vector for each queue, from `first` on.  A vector keeps its affinity when the device goes down and up."""
    for q in range(first, dev.queues):
        ring = dev.net.ring[q]
        if not ring.irqs and not ring.arrived:
            ring.cpu = dev.cpus[q % len(dev.cpus)]
        handler = "nonapi_interrupt" if ring.mode == NicMode.IRQ_PER_PACKET else "igb_msix_ring"
        request_irq(dev.net, q, handler, ring.cpu)
        dev.say("igb_request_msix", f"{dev.name}-TxRx-{q}: request_irq({handler}) on CPU {ring.cpu}")


def igb_up(dev: NetDevice) -> None:
    """napi_enable, rings and interrupts on.  A NAPI that is still scheduled unmasks its vector itself when it completes."""
    net, nic = dev.net, dev.net.nic
    for q in range(dev.max_queues):
        ring, napi = net.ring[q], net.napi[q]
        ring.up = int(q < dev.queues)
        ring.unmasked = int(ring.up and not napi.state & NAPI_STATE_SCHED)
    igb_configure_itr(dev)
    nic.nqueue = dev.queues
    configure_fifo(dev)
    nic.link_up = 1
    net.dev[dev.index].up = 1
    nic.changed = 1
    dev.say("napi_enable", f"{dev.queues} NAPIs; igb_irq_enable, link up at {nic.speed} Mbit/s")


def configure_fifo(dev: NetDevice) -> None:
    """igb_reset()'s packet buffer and flow control: the water marks leave room for a frame of each side that is on its way.

    With several queues each drops for itself (DROP_EN), so that nothing waits in front of them and no pause frame is ever sent."""
    nic = dev.net.nic
    nic.fifo = dev.fifo_size if dev.queues == 1 else 0
    if nic.fifo and not dev.net.fifo_addr:
        dev.fifo_memory = pages(NFIFO * FIFOSTRIDE)
        dev.net.fifo_addr = region(dev.fifo_memory)
    nic.high_water = max(nic.fifo - nic.max_frame - MAX_JUMBO_FRAME_SIZE, nic.fifo // 2) & ~15
    nic.low_water = nic.high_water - 16
    nic.tx_pause = int(dev.tx_pause)


def set_rx_fifo(dev: NetDevice, size: int) -> None:
    """The card's packet buffer in bytes: 64 kB in a 82576, 34 kB in an i210; 0: none, a frame without a descriptor is lost at once."""
    if size and not FIFO_MIN <= size <= FIFO_MAX:
        raise ValueError(f"rx_fifo {size}: 0, or {FIFO_MIN} to {FIFO_MAX} bytes")

    def change() -> None:
        dev.fifo_size = size
    igb_reinit(dev, change)


def igb_configure_itr(dev: NetDevice) -> None:
    """igb_reset_interrupt_capability's start values: adaptive from 162 us, fixed, or none."""
    for q in range(dev.max_queues):
        ring, setting = dev.net.ring[q], dev.itr_setting
        ring.itr_mode = setting if setting in (1, 3) else 0
        ring.itr_val = IGB_START_ITR if ring.itr_mode else setting << 2
        if ring.mode == NicMode.IRQ_PER_PACKET:
            ring.itr_mode, ring.itr_val = 0, 0
        ring.itr_ns = ring.itr_val * 250
        ring.itr_class, ring.set_itr = LOWEST_LATENCY, 0
        ring.itr_packets, ring.itr_bytes = ring.packets, ring.bytes
        ring.itr_tx_packets, ring.itr_tx_bytes = dev.net.tx[q].packets, dev.net.tx[q].bytes


def igb_down(dev: NetDevice) -> None:
    """Interrupts and rings off; what they hold is lost."""
    net, lost = dev.net, 0
    dev.call(nic_sync)(net)
    for q in range(dev.max_queues):
        net.ring[q].up = net.ring[q].unmasked = 0
        hrtimer_cancel(net, NAPI_HRTIMER + q)        # napi_disable()
        net.napi[q].defer_hard_irqs_count = 0
        if net.ring[q].size:
            lost += dev.call(igb_clean_rx_ring)(net, q)
            dev.call(igb_clean_all)(net, q)
    dev.say("igb_down", f"napi_disable, rings emptied: {lost} frames lost")


def igb_close(dev: NetDevice) -> None:
    """ndo_stop: __igb_close()."""
    igb_down(dev)
    dev.net.nic.link_up = 0
    dev.net.dev[dev.index].up = 0
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
    if mac >> 40 & 1 or not 0 < mac < 1 << 48:
        raise ValueError(f"{mac:012x} is no unicast MAC address")
    dev.call(nic_sync)(dev.net)
    dev.net.nic.mac = dev.net.dev[dev.index].mac = mac
    dev.say("igb_set_mac", f"{mac:012x}")


def igb_set_rx_mode(dev: NetDevice, promisc: bool | None = None, allmulti: bool | None = None, multicast: list[int] | None = None) -> None:
    """ndo_set_rx_mode: IFF_PROMISC, IFF_ALLMULTI, the multicast list (MAC addresses).  What is None stays.  More groups than the card has
    places for: all multicast passes."""
    nic = dev.net.nic
    dev.call(nic_sync)(dev.net)
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
    dev.say("igb_set_rx_mode", f"promisc {nic.promisc}, allmulti {nic.allmulti or nic.multi_overflow}, {nic.nmulti} groups")


def dev_mc_add(dev: NetDevice, mac: int) -> None:
    """A group was joined: its MAC address passes the filter."""
    nic = dev.net.nic
    dev.ndo("ndo_set_rx_mode", None, None, [nic.multi[i] for i in range(nic.nmulti)] + [mac])


def dev_mc_del(dev: NetDevice, mac: int) -> None:
    nic = dev.net.nic
    dev.ndo("ndo_set_rx_mode", None, None, [nic.multi[i] for i in range(nic.nmulti) if nic.multi[i] != mac])


def multicast_mac(group: int) -> int:
    """ip_eth_mc_map(): the low 23 bits of the group behind 01:00:5e."""
    return 0x01005E000000 | group & 0x7FFFFF


def igb_change_mtu(dev: NetDevice, mtu: int) -> None:
    """ndo_change_mtu: the card takes frames of mtu + 22 bytes, FCS and a VLAN tag included."""
    largest = MAX_STD_JUMBO_FRAME_SIZE - ETH_HLEN - ETH_FCS_LEN - VLAN_HLEN
    if not 68 <= mtu <= largest or mtu + ETH_HLEN + ETH_FCS_LEN + VLAN_HLEN > MAX_JUMBO_FRAME_SIZE:
        raise ValueError(f"mtu {mtu}: 68 to {largest}")

    def change() -> None:
        dev.net.dev[dev.index].mtu = mtu
        dev.net.nic.max_frame = mtu + ETH_HLEN + ETH_FCS_LEN + VLAN_HLEN
    igb_reinit(dev, change)
    dev.say("igb_change_mtu", str(mtu))


def napi_defer(dev: NetDevice, napi_defer_hard_irqs: int | None = None, gro_flush_timeout: int | None = None) -> None:
    """/sys/class/net/DEV/napi_defer_hard_irqs (polls) and gro_flush_timeout (ns): for all NAPIs of the device, from their next poll on."""
    from ..abi.kernels import Behaviour
    if not dev.ethtool_ops:
        raise ValueError(f"{dev.name} has no NAPI of its own: its frames enter by netif_rx")
    for name, value, since, top in (("napi_defer_hard_irqs", napi_defer_hard_irqs, Behaviour.napi_defer, (1 << 31) - 1),
                                    ("gro_flush_timeout", gro_flush_timeout, Behaviour.gro_flush_timeout, 10**10)):
        if value is None:
            continue
        if not 0 <= value <= top:
            raise ValueError(f"{name} {value}: 0 to {top}")
        if value and not dev.net.behaviour[since]:
            raise ValueError(f"{name}: not in this kernel")
        for q in range(dev.max_queues):
            if name == "gro_flush_timeout":
                dev.net.napi[q].gro_flush_timeout = value
            else:
                dev.net.napi[q].defer_hard_irqs = value


IGB_NETDEV_OPS: dict[str, Callable[..., Any]] = {
    "ndo_open": igb_open, "ndo_stop": igb_close, "ndo_set_mac_address": igb_set_mac, "ndo_set_rx_mode": igb_set_rx_mode,
    "ndo_change_mtu": igb_change_mtu,
}


# ---------------------------------------------------------------- veth, loopback
def veth_probe(net: Net, call: Callable[[Any], Any], log: list[tuple[str, str]], mac: int, sender_cpu: int = 0, mtu: int = 1500,
               name: str = "veth0", index: int = 0) -> NetDevice:
    """A device without a ring, up after open(): frames enter by netif_rx() on sender_cpu.  For loopback: mtu 65536."""
    dev = NetDevice(net, call, log, 0, index, name, dict(VETH_NETDEV_OPS), {})
    nic, nd, ring = net.nic, net.dev[index], net.ring[0]
    nd.ifindex, nd.mac, nd.mtu, nd.kind, nd.xmit, nd.truesize_rule, nd.gro = \
        index + 1, mac, mtu, NicMode.VETH, path.xmit.handler("veth_xmit"), 1, 0
    nic.mac, nic.nqueue, nic.max_queue, nic.sender_cpu, nic.rss, nic.speed, nic.rx_csum = mac, 1, 1, sender_cpu, 0, 10000, 1
    ring.mode, ring.dev, ring.cpu, ring.size, ring.skb = NicMode.VETH, index, sender_cpu, 1, NO_SKB
    ring.irq_handler, ring.sender_xmit = -1, path.sender_xmit.handler("veth_forward")
    log.append(("veth_newlink", f"{name}: register_netdevice, frames enter by netif_rx on CPU {sender_cpu}"))
    return dev


def veth_open(dev: NetDevice) -> None:
    dev.net.dev[dev.index].up = dev.net.nic.link_up = dev.net.ring[0].up = dev.net.ring[0].unmasked = dev.net.nic.changed = 1
    dev.say("veth_open", f"{dev.name}: netif_carrier_on")


def veth_close(dev: NetDevice) -> None:
    """Frames of the sender are dropped from now on (is_skb_forwardable)."""
    dev.call(nic_sync)(dev.net)
    dev.net.dev[dev.index].up = 0
    dev.say("veth_close", f"{dev.name}: netif_carrier_off")


def veth_change_mtu(dev: NetDevice, mtu: int) -> None:
    if not 68 <= mtu <= VETH_MTU_MAX:
        raise ValueError(f"mtu {mtu}: 68 to {VETH_MTU_MAX}")
    dev.net.dev[dev.index].mtu = mtu


def veth_set_mac(dev: NetDevice, mac: int) -> None:
    dev.net.nic.mac = dev.net.dev[dev.index].mac = mac


VETH_NETDEV_OPS: dict[str, Callable[..., Any]] = {
    "ndo_open": veth_open, "ndo_stop": veth_close, "ndo_change_mtu": veth_change_mtu, "ndo_set_mac_address": veth_set_mac,
    "ndo_set_rx_mode": lambda dev, promisc=None, allmulti=None, multicast=None: None,
}
