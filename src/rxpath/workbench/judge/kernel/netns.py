"""A pair of network namespaces joined by a veth, as quiet as a cable in a drawer: no IPv6, no offloads, no ARP of its own from the sender.

    sender: peer0 (no address; raw frames go out of it and replies are seen there)  <->  receiver: the host file's NIC

Only ip (iproute2) is called; everything else is a file or a system call.  Not pyroute2: what it would take over is setns(), the ethtool
ioctl and one netlink question, some 25 lines, and the judge would need an extra for them.  A thread enters a namespace by setns(): sockets
and open files of /proc stay with the namespace in which they were opened."""
from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator

from rxpath.workbench.judge.kernel.undo import Journal
from rxpath.workbench.words.mistakes import BadInput

CLONE_NEWNET = 0x40000000
PEER, PEER_MAC = "peer0", "02:00:00:00:fe:fe"       # nobody's address in any case: replies are OTHERHOST there, and go no further
SIOCETHTOOL, SIOCGIFFLAGS, IFF_RUNNING = 0x8946, 0x8913, 0x40
OFFLOADS = {"tx": 0x17, "rx": 0x15, "sg": 0x19, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}     # ETHTOOL_S...
PACKAGES = {"ip": "iproute2", "iptables-legacy-restore": "iptables"}
STATS = ("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped", "multicast",
         "collisions", "rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors", "rx_fifo_errors", "rx_missed_errors",
         "tx_aborted_errors", "tx_carrier_errors", "tx_fifo_errors", "tx_heartbeat_errors", "tx_window_errors", "rx_compressed",
         "tx_compressed", "rx_nohandler", "rx_otherhost_dropped")                            # struct rtnl_link_stats64
RTM_GETSTATS, NLM_F_REQUEST, IFLA_STATS_LINK_64 = 94, 1, 1

libc = ctypes.CDLL(None, use_errno=True)


def tool(name: str) -> str:
    """The path of a program, or BadInput that names the Debian package which has it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise BadInput(f"{name} is not installed: apt-get install {PACKAGES.get(name, name)}")
    return found


def run(arguments: list[str], text: str = "") -> None:
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise BadInput(f"{' '.join(arguments)}: {said[0] if said else f'exit status {done.returncode}'}")


def setns(fd: int) -> None:
    if libc.setns(fd, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def disconnect(fd: int) -> None:
    """connect(AF_UNSPEC), which the standard library has not."""
    libc.connect(fd, ctypes.create_string_buffer(16), 16)


class Netns:
    """A named namespace of ours."""

    def __init__(self, name: str, journal: Journal) -> None:
        self.name, self.journal = name, journal
        journal.will_make("netns", name)
        run([tool("ip"), "netns", "add", name])
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is in the namespace, for as long as the block lasts."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(self.fd)
            yield
        finally:
            setns(before)
            os.close(before)

    def ip(self, lines: list[str]) -> None:
        """ip commands, in one go."""
        if lines:
            run([tool("ip"), "-n", self.name, "-batch", "-"], "\n".join(lines) + "\n")

    def close(self) -> None:
        os.close(self.fd)
        subprocess.run([tool("ip"), "netns", "del", self.name], capture_output=True, timeout=30, check=False)
        self.journal.gone("netns", self.name)


def write_sysctl(name: str, value: object) -> bool:
    """In the namespace that the thread is in.  False: it is not there, or may not be written there."""
    try:
        with open("/proc/sys/" + name.replace(".", "/"), "w") as file:
            file.write(f"{value}\n")
        return True
    except (FileNotFoundError, PermissionError):
        return False


def offload(device: str, what: str, on: int) -> None:
    """ethtool -K, by the ioctl that needs no ethtool."""
    value = ctypes.create_string_buffer(struct.pack("II", OFFLOADS[what], on))
    request = struct.pack("16sP8x", device.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        fcntl.ioctl(sock, SIOCETHTOOL, request)


def wait_until_running(device: str, seconds: float = 5.0) -> None:
    """IFF_RUNNING: the device's queue takes frames.  The kernel notices the carrier in work of its own, which a busy machine delays."""
    request, end = struct.pack("16sh14x", device.encode(), 0), time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        while not struct.unpack_from("16sh", fcntl.ioctl(sock, SIOCGIFFLAGS, request))[1] & IFF_RUNNING and time.monotonic() < end:
            time.sleep(0.0005)


class Cable:
    """Both ends, joined; `close()` leaves nothing."""

    def __init__(self, journal: Journal, number: int, nic: str, mac: str, mtu: int) -> None:
        base = f"rxj{os.getpid()}-{number}"
        self.sender = Netns(base + "a", journal)
        try:
            self.receiver = Netns(base + "b", journal)
        except BaseException:
            self.sender.close()
            raise
        try:
            self.sender.ip([f"link add {PEER} address {PEER_MAC} mtu 65535 type veth peer name {nic} address {mac} "
                            f"netns {self.receiver.name} mtu {mtu}"])
            for end, device in ((self.sender, PEER), (self.receiver, nic)):
                with end.inside():
                    for scope in ("all", "default", device):
                        write_sysctl(f"net.ipv6.conf.{scope}.disable_ipv6", 1)
                    for what in OFFLOADS:
                        offload(device, what, 0)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()


class DeviceStats:
    """rtnl_link_stats64 of one device by one small netlink question; ip -s -s link shows the same."""

    def __init__(self, ifindex: int) -> None:
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        body = struct.pack("=BBHII", 0, 0, 0, ifindex, IFLA_STATS_LINK_64)
        self.question = struct.pack("=IHHII", 16 + len(body), RTM_GETSTATS, NLM_F_REQUEST, 1, 0) + body
        self.sock.bind((0, 0))

    def read(self) -> tuple[int, ...]:
        self.sock.send(self.question)
        answer = self.sock.recv(4096)
        start = 16 + 12 + 4                             # nlmsghdr, if_stats_msg, nlattr
        values = struct.unpack_from(f"={min(len(STATS), (len(answer) - start) // 8)}Q", answer, start)
        return values

    def close(self) -> None:
        self.sock.close()
