"""Who talks to a live host: sockets of the real kernel in a network namespace that goes with its thread, and what a test needs to be root
for.

    with Side() as side:                             # a namespace; side.tap(): a TAP in it, configured
        side.ping(); side.udp().sendto(b"x", (OURS, 5000))"""
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import time

import pytest

from rxpath.backends.tap import Tap, configure

CLONE_NEWNET = 0x40000000
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
OURS, THEIRS = "10.9.0.2", "10.9.0.1"
libc = ctypes.CDLL(None, use_errno=True)


def cannot():
    """Why live tests cannot run here; empty: they can."""
    if os.geteuid():
        return "live devices want root"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    return ""


needs_root = pytest.mark.skipif(bool(cannot()), reason=cannot())


def checksum(b):
    b += b"\0" * (len(b) % 2)
    total = sum(struct.unpack(f">{len(b) // 2}H", b))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Side:
    """A network namespace, of the thread that enters it: sockets and devices made meanwhile belong to it for good."""

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        configure("lo")
        return self

    def __exit__(self, *_):
        assert libc.setns(self.home, CLONE_NEWNET) == 0
        os.close(self.home)

    def tap(self, name="tap0", address=f"{THEIRS}/24", queues=1, mtu=None):
        taps = Tap.open_queues(name, queues)
        with open(f"/proc/sys/net/ipv6/conf/{taps[0].name}/disable_ipv6", "w") as file:
            file.write("1")                          # silence: no router solicitations
        configure(name, address, mtu)
        return taps[0] if queues == 1 else taps

    def veth(self, address=f"{THEIRS}/24"):
        """va has the kernel's address, vb is ours."""
        subprocess.run(["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"], check=True)
        for name in ("va", "vb"):
            with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as file:
                file.write("1")
        configure("va", address)
        configure("vb")

    def udp(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(5)
        return s

    def ping(self, size=56, times=3, to=OURS):
        """Echo requests; the round trips in seconds.  TimeoutError: one was not answered."""
        took = []
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
            s.settimeout(5)
            for k in range(times):
                body = bytes(i & 255 for i in range(size))
                head = struct.pack(">BBHHH", 8, 0, 0, 77, k)
                head = head[:2] + struct.pack(">H", checksum(head + body)) + head[4:]
                begun = time.perf_counter()
                s.sendto(head + body, (to, 0))
                answer, (who, _) = s.recvfrom(65536)
                took.append(time.perf_counter() - begun)
                assert who == to and answer[20:22] == b"\0\0" and answer[24:28] == head[4:] and answer[28:] == body
        return took


def until(true, seconds=5.0):
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.005)


def tx_checksums_off(name):
    """ethtool -K NAME tx off"""
    value = struct.pack("II", ETHTOOL_STXCSUM, 0)
    memory = ctypes.create_string_buffer(value, 8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCETHTOOL, struct.pack("16sQ16x", name.encode(), ctypes.addressof(memory)))
