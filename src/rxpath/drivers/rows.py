"""The rows of the drivers: what each device has, takes and refuses.  Host files, checks, rules, knobs, views and replay ask a row; a
driver's name is compared nowhere else.

To add a driver: a row here, its own file with its operations, a line in probe.py; its counters are a row of counters.py.  Sources: the
driver's source in Linux 6.12 where nothing else is said."""
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..abi.kernels import BEHAVIOURS, Behaviour
from ..abi.numbers import ETH_FCS_LEN, ETH_HLEN, IGB_START_ITR, MAX_JUMBO_FRAME_SIZE, VLAN_HLEN

MTU_LEAST = 68                  # ETH_MIN_MTU: every IPv4 host takes as much


class Behaviours(Protocol):
    """What a kernel does: values by Behaviour."""

    def __getitem__(self, behaviour: int, /) -> int: ...


@dataclass(frozen=True)
class Ring:
    """Descriptors of a ring, as ethtool -G takes them: held between least and most, rounded up to a multiple.  multiple 0: only powers of
    two, and nothing is rounded."""

    least: int
    default: int
    most: int
    multiple: int = 8
    dated: Behaviour | None = None      # what `most` is under a kernel

    def under(self, behaviours: Behaviours) -> "Ring":
        """As a kernel has it."""
        return self if self.dated is None else replace(self, most=behaviours[self.dated])

    @property
    def history(self) -> str:
        """That an older kernel has less."""
        if self.dated is None:
            return ""
        row = BEHAVIOURS[self.dated]
        return f" ({row.before} before {row.since})"

    @property
    def allowed(self) -> str:
        return f"{self.least} to {self.most}" + ("" if self.multiple else ", a power of two")

    def nearest(self, n: int) -> int:
        """What comes next to a ring that another card has."""
        n = max(self.least, min(n, self.most))
        return n if self.multiple else 1 << n.bit_length() - 1

    def takes(self, n: int) -> bool:
        return self.least <= n <= self.most and (self.multiple > 0 or n & n - 1 == 0)

    def size(self, wanted: int) -> int:
        if not self.multiple:
            return wanted
        n = max(self.least, min(wanted, self.most))
        return (n + self.multiple - 1) // self.multiple * self.multiple


@dataclass(frozen=True)
class Moderation:
    """Interrupt moderation, ethtool -C rx-usecs: words that are no times, then a range of microseconds (least > most: none)."""

    words: dict[int, str]
    least: int
    most: int
    default: int
    adaptive: int               # what `adaptive-rx on` stands for
    start: int                  # quarters of a us that an adaptive one begins with
    start_class: int            # what each direction wants at first
    mask: int                   # of a fixed distance in quarters of a us: bits that the register has
    words_of: tuple[str, ...] = ()      # other drivers whose rx-usecs mean the same

    @property
    def allowed(self) -> str:
        words = ", ".join(f"{n} ({word})" for n, word in self.words.items())
        return f"{words}, or {self.least} to {self.most}" if self.least <= self.most else f"{words} only"

    def takes(self, usecs: int) -> bool:
        return usecs in self.words or self.least <= usecs <= self.most


def igb_water_marks(fifo: int, mtu: int) -> tuple[int, int]:
    """Bytes of the packet buffer above which the card sends a pause frame, and below which it lifts it.  igb_reset(): room for a frame of
    each side that is on its way."""
    high = max(fifo - (mtu + ETH_HLEN + ETH_FCS_LEN + VLAN_HLEN) - MAX_JUMBO_FRAME_SIZE, fifo // 2) & ~15
    return high, high - 16


def ixgbe_water_marks(fifo: int, mtu: int) -> tuple[int, int]:
    """ixgbe_hpbthresh() and ixgbe_lpbthresh(): whole kB.  High leaves room for what comes until a pause frame has acted (IXGBE_DV, in bits:
    a frame of each side, cable, PHY, MAC); low is what the host must have by then (IXGBE_LOW_DV)."""
    return _ixgbe_water_marks(fifo, mtu, 18944, 2)


def x540_water_marks(fifo: int, mtu: int) -> tuple[int, int]:
    """The same with IXGBE_DV_X540 and IXGBE_LOW_DV_X540: the PHY, which is within the card, takes longer."""
    return _ixgbe_water_marks(fifo, mtu, 37888, 1)


def _ixgbe_water_marks(fifo: int, mtu: int, interface: int, lows: int) -> tuple[int, int]:
    frame = (mtu + ETH_HLEN + ETH_FCS_LEN + 20) * 8
    delay = 36 * (frame + 672 + 2 * 5556 + 2 * interface + 6144) // 25 + 1 + 2 * frame
    low = lows * (2 * frame + 36 * 10000 // 25 + 1)
    return max(fifo - (delay + 8191) // 8192 * 1024, fifo // 2), (low + 8191) // 8192 * 1024


def rss_of_16(i: int, queues: int, size: int) -> int:
    """ixgbe_setup_reta(): in turn; RSS of an 82599 knows 16 queues."""
    return i % min(queues, 16)


def in_turn(i: int, queues: int, size: int) -> int:
    """ethtool_rxfh_indir_default()"""
    return i % queues


def blocks(i: int, queues: int, size: int) -> int:
    """The default RSS table in blocks of equal queues."""
    return i * queues // size


@functools.cache
def _table(default: Callable[[int, int, int], int], queues: int, size: int) -> tuple[int, ...]:
    return tuple(default(i, queues, size) for i in range(size))


@dataclass(frozen=True)
class Driver:
    """One driver.  `models`: the cards that it drives, each with its most queues; the first is the default, whose the other values are;
    `by_model` has what another's are.  of() gives the row of a card under a kernel."""

    name: str
    what: str                                       # in a few words, for people
    speed: str                                      # line rate, unless the host file says another
    models: dict[str, int]
    default_queues: Callable[[int, int], int]       # of (most, CPUs)
    mtu: int
    mtu_most: int
    rx_ring: Ring | None = None                     # None: no ring, frames enter by netif_rx in the sender's context
    tx_ring: Ring | None = None
    moderation: Moderation | None = None            # None: no interrupts
    rx_fifo: tuple[int, int] | None = None          # bytes that a packet buffer may have
    packet_buffer: int = 0                          # bytes that the card's own has
    flow_director: int = 0                          # bytes of it that filters take, with several queues
    tap_queue: int | None = None                    # no packet buffer: packets that the queue of the host's tap holds
    water_marks: Callable[[int, int], tuple[int, int]] = igb_water_marks        # of it, by its size and the MTU
    blocking_pause: str = "rx"                      # the direction of flow control that turns DROP_EN off
    queues_by_cpus: bool = False                    # no more queues than CPUs
    reta_size: int = 128
    reta_default: Callable[[int, int, int], int] = blocks
    rss_most: int = 64                              # queues that RSS can spread over; the others get traffic by filters
    filter_models: tuple[str, ...] = ()             # that take ethtool -N rules
    rss_udp: str = "sd"                             # fields of the hash of UDP by default
    pci_ids: Mapping[int, str] = field(default_factory=dict)    # device -> model, the nearest one of cards that are not simulated
    nonapi: bool = True                             # nic.napi = "none" can drive it
    irq_name: str = "{dev}-TxRx-{queue}"            # a queue's vector in /proc/interrupts; {bus}: the name of the device on its bus
    own_max_frame: int = 0                          # longest frame that it takes, whatever the MTU; 0: the MTU says
    jumbo_buffers: bool = False                     # it takes larger ones at an MTU above 1500
    gro: bool = True                                # by default
    head_frag: bool = True                          # an skb's head is a page fragment, which reassembly can take over
    truesize_rule: int = 0                          # TRUESIZE_*
    by_model: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    handlers: dict[str, str] = field(default_factory=dict)      # its functions in the tables of path.py
    refuses: dict[str, str] = field(default_factory=dict)       # ethtool operation or key -> errno

    def of(self, model: str, behaviours: Behaviours) -> "Driver":
        """This row as that card has it under that kernel."""
        rings = {name: ring.under(behaviours) for name in ("rx_ring", "tx_ring")
                 if (ring := getattr(self, name)) is not None and ring.dated is not None}
        own = rings | dict(self.by_model.get(model, {}))
        return replace(self, **own) if own else self

    def indirection(self, queues: int) -> tuple[int, ...]:
        """The RSS table as the driver fills it."""
        return _table(self.reta_default, queues, self.reta_size)

    @property
    def has_ring(self) -> bool:
        return self.rx_ring is not None

    @property
    def has_interrupts(self) -> bool:
        return self.moderation is not None

    @property
    def most_queues(self) -> int:
        return max(self.models.values())

    def vector(self, dev: str, queue: int, bus: str) -> str:
        """What /proc/interrupts calls the vector of a receive queue."""
        return self.irq_name.format(dev=dev, queue=queue, bus=bus)

    @property
    def packet_buffers(self) -> str:
        """In words, for people."""
        return ", ".join(f"{self.by_model.get(model, {}).get('packet_buffer', self.packet_buffer) >> 10}KiB in an {model}"
                         for model in self.models)

    @property
    def default_model(self) -> str:
        return next(iter(self.models))


TRUESIZE_BUFFER, TRUESIZE_SENDER = 0, 1             # net_device.truesize_rule: by receive buffer; by the memory that the sender took

_NO_RING = dict.fromkeys(("set_ringparam", "set_channels", "set_coalesce", "set_rxfh", "set_rxnfc", "set_rxclsrlins", "set_pauseparam"),
                         "EOPNOTSUPP")


def _one(most: int, cpus: int) -> int:
    return 1


def _ids(by_model: dict[str, str]) -> dict[int, str]:
    """PCI device numbers: igb_pci_tbl, ixgbe_pci_tbl [K]."""
    return {int(number, 16): model for model, numbers in by_model.items() for number in numbers.split()}


IGB = Driver(
    "igb", "Intel gigabit", "1Gbit", {"82576": 8, "i350": 8, "i210": 4}, min, mtu=1500, mtu_most=9216, jumbo_buffers=True,
    rx_ring=Ring(64, 256, 4096), tx_ring=Ring(64, 256, 4096),              # igb.h: IGB_MIN_RXD ... (at least 80 up to 6.5 [K])
    moderation=Moderation({0: "off", 1: "dynamic", 3: "conservative"}, 10, 8191, 3, 3, IGB_START_ITR, 0, 0x7FFC, ("e1000e", "igc")),
    rx_fifo=(16 << 10, 128 << 10), packet_buffer=64 << 10, filter_models=("i350", "i210"),
    by_model={"i350": {"packet_buffer": 36 << 10}, "i210": {"packet_buffer": 34 << 10}},
    pci_ids=_ids({"82576": "10A7 10A9 10D6 10C9 10E6 10E7 10E8 1526 150A 1518 150D",        # the first three are 82575
                  "i350": "150E 150F 1510 1511 1516 1527 1521 1522 1523 1524 1546 1F40 1F41 1F45",   # 82580, i350, i354
                  "i210": "1533 1536 1537 1538 157B 157C 1539"}),                           # the last one is an i211
    handlers={"cable_rx": "nic_receive", "cable_dma": "nic_dma_waiting", "irq_handler": "igb_msix_ring", "napi_poll": "igb_poll",
              "xmit": "igb_xmit_frame"},
    refuses={"rx-frames": "EOPNOTSUPP", "adaptive-rx": "EOPNOTSUPP", "hkey": "EOPNOTSUPP"},
)
IXGBE = Driver(
    "ixgbe", "Intel 10 gigabit", "10Gbit", {"82599": 63, "X540": 63, "X550": 63}, min, mtu=1500, mtu_most=9710, jumbo_buffers=True,
    rx_ring=Ring(64, 512, 8192, dated=Behaviour.ixgbe_most_descriptors),
    tx_ring=Ring(64, 512, 8192, dated=Behaviour.ixgbe_most_descriptors),
    moderation=Moderation({0: "off", 1: "adaptive"}, 2, 1022, 1, 1, 200, 126 | 0x80, 0xFF8),
    rx_fifo=(16 << 10, 512 << 10), packet_buffer=512 << 10, flow_director=64 << 10, water_marks=ixgbe_water_marks,
    blocking_pause="tx", queues_by_cpus=True,
    reta_default=rss_of_16, rss_most=16, filter_models=("82599", "X540", "X550"),
    pci_ids=_ids({"82599": "10F7 1514 1517 10F8 10F9 10FB 10FC 1507 151C 1529 152A 154A 154D 154E 1557 1558",
                  "X540": "1528 1560", "X550": "1563 15D1 15AA 15AB 15AC 15AD 15AE 15B0 15C2 15C3 15C4 15C6 15C7 15C8 15CE 15E4 15E5"}),
    by_model={"X540": {"rx_fifo": (16 << 10, 384 << 10), "packet_buffer": 384 << 10, "water_marks": x540_water_marks},
              "X550": {"rx_fifo": (16 << 10, 384 << 10), "packet_buffer": 384 << 10, "water_marks": x540_water_marks, "reta_size": 512,
                       "reta_default": in_turn, "rss_most": 63}},             # a real X550 has rings up to 32,768
    handlers={"cable_rx": "nic_receive", "cable_dma": "nic_dma_waiting", "irq_handler": "ixgbe_msix_clean_rings",
              "napi_poll": "ixgbe_poll", "xmit": "igb_xmit_frame"},
    refuses={"rx-frames": "EOPNOTSUPP", "adaptive-rx": "EOPNOTSUPP"},
)
VIRTIO_NET = Driver(
    "virtio_net", "a guest's device: the host is its card", "10Gbit", {"virtio": 63}, min, mtu=1500, mtu_most=65535,
    rx_ring=Ring(64, 256, 1024, 0), tx_ring=Ring(64, 256, 1024, 0),        # the host's choice; QEMU: 256, up to 1024
    moderation=Moderation({0: "off"}, 1, 0, 0, 0, 0, 0, 0), reta_default=in_turn, rss_udp="sdfn", nonapi=False,
    irq_name="{bus}-input.{queue}", tap_queue=1000,                        # DEFAULT_TX_QUEUE_LEN, ether_setup()
    own_max_frame=65536 + ETH_HLEN + ETH_FCS_LEN + VLAN_HLEN,
    handlers={"cable_rx": "virtio_receive", "cable_dma": "virtio_dma", "irq_handler": "skb_recv_done", "napi_poll": "virtnet_poll",
              "xmit": "igb_xmit_frame"},
    refuses={"rx-usecs": "EOPNOTSUPP", "rx-frames": "EINVAL (but 1)", "adaptive-rx": "EOPNOTSUPP", "set_pauseparam": "EOPNOTSUPP",
             "set_rxclsrlins": "EOPNOTSUPP", "set_features": "fixed on"},
)
VETH = Driver(
    "veth", "a pair of devices between two namespaces", "10Gbit", {"veth": 1}, _one, mtu=1500, mtu_most=65535,
    gro=False, head_frag=False, truesize_rule=TRUESIZE_SENDER,
    handlers={"cable_rx": "veth_stage", "sender_xmit": "veth_forward", "xmit": "veth_xmit"}, refuses=_NO_RING,
)
LO = Driver(
    "lo", "the host's own loopback device", "10Gbit", {"lo": 1}, _one, mtu=65536, mtu_most=65536,
    gro=False, head_frag=False, truesize_rule=TRUESIZE_SENDER,
    handlers={"cable_rx": "veth_stage", "sender_xmit": "loopback_send", "xmit": "loopback_xmit"},
    refuses=_NO_RING | {"set_features": "fixed on"},
)

DRIVERS: dict[str, Driver] = {row.name: row for row in (IGB, IXGBE, VIRTIO_NET, VETH, LO)}
ALIASES = {"loopback": "lo"}                        # how host files of before named it
DEFAULT = IGB.name


def is_lo(name: object) -> bool:
    """Whether a host file means lo."""
    return name == LO.name or (isinstance(name, str) and ALIASES.get(name) == LO.name)


def driver(name: str) -> Driver:
    """The row of a name or its alias.  ValueError: which there are."""
    row = DRIVERS.get(ALIASES.get(name, name))
    if row is None:
        raise ValueError(f"no driver {name}: {', '.join(DRIVERS)}")
    return row
