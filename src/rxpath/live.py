"""A live host: boot, addresses, back ends and their threads in one call.

    with rxpath.live.Host(rxpath.tap.Tap("tap0"), "10.9.0.2/24") as host:
        s = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", 5000))
        print(s.recvfrom(2048))

What it answers by itself: ARP, ping, ICMP errors, resets.  rxpath.socket has the same under the standard library's names (docs/live.md)."""
import ipaddress
import socket as std
from collections.abc import Sequence
from typing import Any, Self

from .abi.limits import NCPU
from .abi.mib import Mib
from .abi.reasons import Drop
from .backends.face import Backend
from .boot import Booted
from .drivers.probe import loopback_net_init
from .link.setup import set_gro
from .network.setup import add_route
from .walltime.live import LiveTime
from .walltime.live_program import LiveProcess, LiveSocket

RING = 1024                                          # descriptors of each queue
LO = 1                                               # the loopback device's number
OF_THE_CARD = {"RX_MISSED": "missed", "NIC_FILTER": "filtered", "RX_LENGTH": "length_errors", "LINK_DOWN": "link_down"}


def mac_of(address: ipaddress.IPv4Interface) -> int:
    """A locally administered address that two hosts on one cable do not share: 02:00 and the IPv4 address."""
    return 0x0200 << 32 | int(address.ip)


class Host:
    """backends: one for each queue of its card, or one.  address: "10.9.0.2/24"; gateway: where all else goes.  kernel: whose behaviour
    (`rxpath help kernels`).  ValueError for an address that is none."""

    def __init__(self, backends: Backend | Sequence[Backend], address: str, gateway: str | None = None, mac: int | None = None,
                 kernel: str = "6.18", plain: bool = False) -> None:
        self.address = ipaddress.IPv4Interface(address)
        self.mac = mac_of(self.address) if mac is None else mac
        ends = [backends] if isinstance(backends, Backend) else list(backends)
        for end in ends:
            if not end.capabilities.ethernet:
                raise ValueError("a TUN device has no Ethernet header: the host wants a TAP")
        self.boot = Booted(kernel, plain=plain)
        b = self.boot
        card = b.igb_open(len(ends), RING, [0], mac=self.mac)
        loopback_net_init(b.net, LO)
        b.add_address(0x7F000001, 8, LO)
        b.add_address(int(self.address.ip), self.address.network.prefixlen)
        if gateway is not None:
            via = ipaddress.IPv4Address(gateway)
            if via not in self.address.network:
                raise ValueError(f"gateway {gateway}: not in {self.address.network}")
            add_route(b, 0, 0, via=int(via))
        set_gro(b)
        self.card = card
        self.time = LiveTime(b, ends)
        self.process = LiveProcess(self.time)
        self.time.start()

    def socket(self, family: int = std.AF_INET, type: int = std.SOCK_DGRAM, proto: int = 0) -> LiveSocket:
        return LiveSocket(self.process, family, type, proto)

    # ------------------------------------------------------------ what has happened
    def counters(self) -> dict[str, int]:
        """Counters of /proc/net/snmp and netstat that have moved, by their names."""
        with self.time.lock:
            return {m.text(): n for m in Mib if (n := sum(int(self.boot.net.snmp[c][m]) for c in range(NCPU)))}

    def drops(self) -> dict[str, int]:
        """Frames by the reason with which they ended, those that the card let go (RX_MISSED, NIC_FILTER ...) among them."""
        net = self.boot.net
        with self.time.lock:
            found = {r.name: n for r in Drop if (n := sum(int(net.drop_stat[c][r]) for c in range(NCPU)))}
            for name, field in OF_THE_CARD.items():
                n = sum(int(getattr(net.ring[q], field)) for q in range(net.nring))
                if n:
                    found[name] = found.get(name, 0) + n
        return found

    # ------------------------------------------------------------ the end
    def close(self) -> None:
        """Calls that wait end with an error, the back ends are closed."""
        self.time.close()
        self.process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
