"""Boot, in the seeds' order: ksoftirqd, net_dev_init, inet_init, igb.  Importing this module links the path: it imports every station, so
that handlers are registered with the tables of path.py and have their numbers.

This is the control plane: it writes the tables that the path only reads.  `log` says what was done, step by step."""
import ctypes
import importlib
import mmap
import pkgutil
from typing import Any

from . import path
from ._compile import entry, init_struct, install, new, options, pages, region
from ._compile.loader import ROOMS
from .abi.kernels import Sysctl
from .abi.kernels import kernel as profile
from .abi.limits import BUFSTRIDE, NDESC, NQ, NTHREAD
from .abi.net import Net
from .abi.numbers import IPPROTO
from .abi.sysctls import SYSCTLS
from .drivers.net_device import NetDevice, dev_mc_add, dev_mc_del, ip_mc_up, multicast_mac
from .drivers.probe import RINGS
from .drivers.rows import DEFAULT
from .link.setup import dev_add_pack, net_dev_init
from .network import setup
from .user import mcast
from .user import socket as sockets

REGISTERING = ("drivers", "irq", "link", "network", "transport", "user")       # rooms whose stations the path calls through tables
MEMORY_UNIT = 128 << 20             # a run of a little more or fewer packets finds the memory of the one before
CONTROL = ("setup", "ethtool", "probe", "nfc", "_link")                         # ends of names: control plane, imported by who needs it


def link_path(whole: bool = options.BUILDING) -> None:
    """Import the stations, so that they register, then give the handlers their numbers.  whole: every module that the core is made from."""
    for room in ROOMS if whole else REGISTERING:
        folder = importlib.import_module(f"{__package__}.{room}")
        for m in pkgutil.iter_modules(folder.__path__):
            if room != "_compile" and (whole or not m.name.endswith(CONTROL)):
                importlib.import_module(f"{__package__}.{room}.{m.name}")
    install(path.__dict__, whole)


link_path()


@entry
def net_init(net: Net, npool: int, nskb: int) -> None:
    """The initial values of abi/, then the free packets: npool pools share nskb of them; a buffer for each."""
    init_struct(net)
    net.nskb = nskb
    for p in range(npool):
        pool = net.pool[p]
        pool.first = pool.untaken = p * (nskb // npool)
        pool.end = pool.first + nskb // npool
    for t in range(NTHREAD):
        init_struct(net.wait[t])                                    # the threads' own


class Booted:
    """A network state with its packet memory: what boot made."""

    def __init__(self, kernel: str = "6.18", nskb: int = 32768, npool: int = 1, hz: int = 250, plain: bool = False,
                 extra_memory: int = 0) -> None:
        self.plain = plain or options.PLAIN                                     # RXPATH_PLAIN=1: there is nothing else
        self.log: list[tuple[str, str]] = []
        self.netdevs: list[NetDevice] = []
        self.net_memory = pages(ctypes.sizeof(Net))                             # type: ignore[arg-type]
        self.net: Net = new(Net, self.net_memory)
        self.memory = pages(-(-((nskb + NQ * NDESC) * BUFSTRIDE + extra_memory) // MEMORY_UNIT) * MEMORY_UNIT)
        self.nskb = nskb
        self.net.mem_addr = region(self.memory)
        self.call(net_init)(self.net, npool, nskb)
        for behaviour, does in profile(kernel).behaviours().items():
            self.net.behaviour[behaviour] = does
        s = self.net.sysctl
        s[Sysctl.jiffy_ns] = 1_000_000_000 // hz
        for sysctl in SYSCTLS:
            for knob, value in sysctl.knobs(sysctl.default_for(kernel, hz)):
                s[knob] = value
        net_dev_init(self)
        setup.inet_init(self, dev_add_pack)

    def call(self, f: Any) -> Any:
        """The compiled entry or its plain twin."""
        return f.plain if self.plain else f.bind()

    def igb_open(self, nq: int, size: int, cpus: list[int], itr_ns: int = 0, mac: int = 0x020000000001, card: int = 0,
                 first: int = 0, driver: str = DEFAULT) -> NetDevice:
        """An igb (or an ixgbe) with nq queues, up: module_init, probe, ndo_open.  Interrupts come on `cpus` in turn, at least itr_ns apart.
        A further card has its number, and its first ring in the pool; device 1 is left to lo."""
        dev = RINGS[driver](self.net, self.call, self.log, nq, mac, cpus, name=f"eth{card}", index=card + 1 if card else 0, card=card,
                            first=first)
        dev.ethtool("set_ringparam", rx=size)
        dev.open()
        ip_mc_up(dev)
        for q in dev.pool():
            self.net.ring[q].itr_mode, self.net.ring[q].itr_ns, self.net.ring[q].itr_val = 0, itr_ns, itr_ns // 250
        self.netdevs.append(dev)
        return dev

    @property
    def netdev(self) -> NetDevice:
        """The first card."""
        return self.netdevs[0]

    def card_of(self, dev: int) -> NetDevice | None:
        """The card that has that device's number; lo and VLAN devices have no filter of their own."""
        return next((card for card in self.netdevs if card.index == dev), None)

    def add_address(self, addr: int, plen: int, dev: int = 0) -> None:
        setup.add_address(self, addr, plen, dev)

    def add_route(self, dst: int, plen: int, kind: int) -> None:
        setup.add_route(self, dst, plen, kind)

    def join_group(self, sk: int, group: int, source: int = 0) -> None:
        """IP_ADD_MEMBERSHIP: the socket's list, the device's, and the card's filter."""
        more = mcast.join(self, sk, group, self.net.dev[0].ifindex, source)
        if more and setup.join_group(self, group):
            dev_mc_add(self.netdev, multicast_mac(group))

    def leave_group(self, sk: int, group: int, source: int = 0) -> None:
        """IP_DROP_MEMBERSHIP"""
        mcast.leave(self, sk, group, self.net.dev[0].ifindex, source)
        if setup.leave_group(self, group):
            dev_mc_del(self.netdev, multicast_mac(group))

    def udp_socket(self, addr: int, port: int, rcvbuf: int = 212992) -> int:
        """socket() and bind() in one, with sk_rcvbuf as given."""
        i = sockets.create(self)
        self.net.socks[i].rcvbuf, self.net.socks[i].forward_threshold = rcvbuf, rcvbuf >> 2
        sockets.bind(self, i, addr, port)
        return i

    def tcp_listener(self, addr: int, port: int, bound_dev: int = 0) -> int:
        """socket(), bind() and listen() of a TCP server."""
        i = sockets.create(self, IPPROTO.TCP)
        self.net.socks[i].bound_dev = bound_dev
        sockets.bind(self, i, addr, port)
        sockets.listen(self, i)
        return i


def buffer(size: int) -> tuple[mmap.mmap, int]:
    """Memory of the given size that the path may be given the address of."""
    m = pages(size)
    return m, region(m)
