"""TAP and TUN: drivers/net/tun.c, Documentation/networking/tuntap.rst.  A device of the host's kernel whose cable is a descriptor: what the
kernel sends by it is read here, what is written here the kernel receives.  One frame for each read() and write().

    with Tap("tap0") as tap:
        configure(tap.name, "10.9.0.1/24")           # the kernel's side: address, up
        ...

The device belongs to the network namespace of the thread that opens it, and goes when it is closed, unless somebody made it to stay.  A
TUN device has no Ethernet header: its frames are IP packets."""
import errno
import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable

from .face import Backend, BackendError, Batch, Capabilities, Statistics

TUN = "/dev/net/tun"
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 1, 2, 0x1000, 0x0100
SIOCSIFFLAGS, SIOCGIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFMTU, SIOCGIFMTU = 0x8914, 0x8913, 0x8916, 0x891C, 0x8922, 0x8921
IFF_UP = 1
NAME_MOST = 15
ETH_HLEN, VLAN_HLEN = 14, 4
GONE = (errno.EBADFD, errno.ENODEV, errno.EBADF)
WHY = {errno.ENOENT: f"{TUN} is not there: the module tun is not loaded (modprobe tun)",
       errno.EACCES: f"{TUN} may not be opened: root, or write permission on it", errno.ENODEV: "the kernel has no TUN driver",
       errno.EPERM: "CAP_NET_ADMIN is missing (sudo, or unshare -Urn for a namespace of your own)",
       errno.EBUSY: "somebody has opened that device already",
       errno.EINVAL: "a device of that name is no TAP or TUN of this kind, or the name is none"}


class Tap(Backend):
    """One queue of a TAP (or, with tun=True, TUN) device, made if there is none of that name.  name: 15 characters at most; with %d the
    kernel counts.  queues: more than one opens IFF_MULTI_QUEUE; open_queues() opens all of them."""

    def __init__(self, name: str = "tap%d", tun: bool = False, multi_queue: bool = False) -> None:
        super().__init__()
        if not 0 < len(name.encode()) <= NAME_MOST or "/" in name:
            raise BackendError(errno.EINVAL, f"{name}: an interface's name has 1 to {NAME_MOST} characters and no slash")
        kind = (IFF_TUN if tun else IFF_TAP) | IFF_NO_PI | (IFF_MULTI_QUEUE if multi_queue else 0)
        try:
            self.fd = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise BackendError(error.errno, f"{name}: {WHY.get(error.errno or 0, error.strerror)}") from None
        try:
            answer = fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), kind))
            fcntl.ioctl(self.fd, TUNSETOFFLOAD, 0)   # checksums are complete, no frame is longer than the MTU
            self.name = answer[:16].split(b"\0")[0].decode()
            self.mtu = mtu_of(self.name)
            self._counters = os.open("/proc/thread-self/net/dev", os.O_RDONLY | os.O_CLOEXEC)      # stays with this namespace
        except OSError as error:
            os.close(self.fd)
            raise BackendError(error.errno, f"{name}: {WHY.get(error.errno or 0, error.strerror)}") from None
        self.tun, self._cut = tun, 0
        self._lost_before = self._kernel_lost()

    @classmethod
    def open_queues(cls, name: str, n: int, tun: bool = False) -> list["Tap"]:
        """All queues of one device: flows are spread over them by the kernel, a flow stays where its answers come from."""
        first = cls(name, tun, n > 1)
        return [first, *(cls(first.name, tun, True) for _ in range(n - 1))]

    def fileno(self) -> int:
        return self.fd

    def pull(self, batch: Batch) -> int:
        fd, views, n, total = self.fd, batch.views, 0, 0
        try:
            while n < batch.most:
                length = os.readv(fd, (views[n],))
                if length == batch.room:             # the rest of it is gone: somebody has raised the MTU
                    self._cut += 1
                    continue
                batch.put(n, length)
                total += length
                n += 1
        except BlockingIOError:
            pass
        except OSError as error:
            if n == 0:
                self._gone(error)
        self.counted.rx_frames += n
        self.counted.rx_bytes += total
        return n

    def transmit(self, frames: Iterable[bytes]) -> int:
        """A device that is down refuses (EIO), and so does one whose kernel is short of memory."""
        return self._send(frames, lambda frame: os.write(self.fd, frame), self._failed)

    def _failed(self, error: OSError) -> None:
        if error.errno in GONE:
            self._gone(error)

    def _gone(self, error: OSError) -> None:
        raise BackendError(error.errno, f"{self.name}: the device is gone ({error.strerror})") from None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.mtu + (0 if self.tun else ETH_HLEN + VLAN_HLEN), ethernet=not self.tun)

    def _kernel_lost(self) -> int:
        """What the kernel could not queue for us: TX dropped of the device."""
        for line in os.pread(self._counters, 1 << 16, 0).decode().splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == self.name:
                return int(numbers.split()[11])
        return 0

    def statistics(self) -> Statistics:
        """lost["tx_dropped"]: frames that the kernel dropped because the device's queue (txqueuelen) was full, of all its queues;
        lost["cut"]: frames that were longer than the batch has room for each."""
        self.counted.lost = {"tx_dropped": max(self._kernel_lost() - self._lost_before, 0), "cut": self._cut}
        return self.counted

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self._counters)
            os.close(self.fd)
            self.fd = -1


# ---------------------------------------------------------------- the kernel's side
def _ifreq(name: str, what: bytes) -> bytes:
    return struct.pack("16s24s", name.encode(), what)


def _sockaddr(address: ipaddress.IPv4Address) -> bytes:
    return struct.pack("=HH4s8x", socket.AF_INET, 0, address.packed)


def mtu_of(name: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return int(struct.unpack_from("i", fcntl.ioctl(s, SIOCGIFMTU, _ifreq(name, b"")), 16)[0])


def configure(name: str, address: str | None = None, mtu: int | None = None, up: bool = True) -> None:
    """An address such as 10.9.0.1/24, the MTU, up: what `ip addr add`, `ip link set` do, in the namespace of the calling thread."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        if mtu is not None:
            fcntl.ioctl(s, SIOCSIFMTU, _ifreq(name, struct.pack("i", mtu)))
        if address is not None:
            interface = ipaddress.IPv4Interface(address)
            fcntl.ioctl(s, SIOCSIFADDR, _ifreq(name, _sockaddr(interface.ip)))
            fcntl.ioctl(s, SIOCSIFNETMASK, _ifreq(name, _sockaddr(interface.netmask)))
        flags = struct.unpack_from("H", fcntl.ioctl(s, SIOCGIFFLAGS, _ifreq(name, b"")), 16)[0]
        fcntl.ioctl(s, SIOCSIFFLAGS, _ifreq(name, struct.pack("H", flags | IFF_UP if up else flags & ~IFF_UP)))
