"""The same frames to a receiver of the real kernel and to a live host: what the sockets read, what each side answers, which counters move.

rxpath judge compares a frame at a time, in virtual time, with far more of each side; here real devices and threads are between."""
import contextlib
import random
import socket
import subprocess
import time
from collections import Counter

import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.abi.mib import Mib
from rxpath.backends.packet import Packet
from rxpath.backends.tap import configure
from rxpath.live import Host
from rxpath.network.setup import add_neighbour
from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.compare import comparable
from rxpath.workbench.judge.generated import US2, one

from .namespaces import Side, needs_root, until

pytestmark = needs_root
FRAMES, LOT = 1500, 25
PORTS = range(5000, 5011)
ETH_P_ALL, SOL_PACKET, PACKET_IGNORE_OUTGOING = 3, 263, 23
NEIGHBOURS = {f.PEER: "02:00:00:00:00:02", f.OTHER: "02:00:00:00:00:03"}
HOSTS = [bytes(map(int, a.split("."))) for a in NEIGHBOURS]
SEEN = {m.text() for m in Mib if m.text().split(".")[0] in ("Ip", "Icmp", "Udp")} - {"Ip.OutRequests", "Ip.OutTransmits"}


def some_frames(seed):
    """Frames of the judge's generator, but for those that ask for time (fragments that stay, ARP of strangers), what no wire carries (less
    than 60 bytes, which our card fills up), and sources that are no host (the subnet's broadcast address: a deviation that is known)."""
    rng = random.Random(seed)
    found = []
    while len(found) < FRAMES:
        what, _, frame = one(rng)
        if 60 <= len(frame) <= 1514 and not what.startswith(("arp", "igmp", "fragment")) and frame[26:30] in HOSTS:
            found.append(frame)
    return found


class Wire:
    """The sender's end of the cable."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ETH_P_ALL))
        self.socket.bind((name, ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)               # SO_RCVBUFFORCE

    def answers(self):
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.socket.recv(65536))
        return found


def read_all(sockets):
    """(port, payload, sender) of all that is there."""
    found = []
    for port, s in zip(PORTS, sockets, strict=True):
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append((port, *s.recvfrom(65536)))
    return found


def told(answers):
    """IPv4 answers without what may differ, in their order; questions for addresses are each side's own matter."""
    return [c for frame in answers if frame[12:14] == b"\x08\x00" and (c := comparable(frame)) is not None]


def bound(make):
    sockets = [make() for _ in PORTS]
    for port, s in zip(PORTS, sockets, strict=True):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.bind(("0.0.0.0", port))
    return sockets


def veth(ours):
    subprocess.run(["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb", "address", f.MAC_US.hex(":")], check=True)
    for name in ("va", "vb"):
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as file:
            file.write("1")
    subprocess.run(["ip", "link", "set", "va", "arp", "off", "up"], check=True)
    configure("vb", f"{f.US}/24" if not ours else None)


def snmp():
    """/proc/net/snmp of this thread's namespace."""
    with open("/proc/thread-self/net/snmp") as file:
        lines = file.read().splitlines()
    return {f"{head.split(':')[0]}.{name}": int(n) for head, values in zip(lines[::2], lines[1::2], strict=True)
            for name, n in zip(head.split()[1:], values.split()[1:], strict=True)}


def by_the_kernel(frames):
    with Side():
        veth(ours=False)
        for line in ("ethtool -K va tso off", "ethtool -K vb gro on"):       # as ours: GRO, which sums up what no card has
            subprocess.run(line.split(), check=True)
        for line in (f"ip addr add {US2}/24 dev vb",
                     *(f"ip neigh replace {a} lladdr {mac} dev vb nud permanent" for a, mac in NEIGHBOURS.items())):
            subprocess.run(line.split(), check=True)
        with open("/proc/sys/net/ipv4/icmp_ratemask", "w") as file:
            file.write("0")
        wire, sockets, read, answers = Wire("va"), bound(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)), [], []
        before = snmp()
        for k in range(0, len(frames), LOT):
            for frame in frames[k:k + LOT]:
                wire.socket.send(frame)
            time.sleep(0.002)
            read += read_all(sockets)
            answers += wire.answers()
        after = snmp()
        for s in (*sockets, wire.socket):
            s.close()
    return read, told(answers), {name: after[name] - before[name] for name in after if name in SEEN and after[name] != before[name]}


def by_us(frames, kind):
    with Side() as side, contextlib.ExitStack() as at_end:
        if kind == "tap":
            device, end = side.tap(address=None), "tap0"
            subprocess.run(["ip", "link", "set", "tap0", "arp", "off"], check=True)
        else:
            veth(ours=True)
            device, end = Packet("vb"), "va"
        host = at_end.enter_context(Host(device, f"{f.US}/24", mac=int.from_bytes(f.MAC_US)))
        with host.time.lock:
            for a, mac in NEIGHBOURS.items():
                add_neighbour(host.boot, f.ip4(a), int(mac.replace(":", ""), 16), permanent=True)
            host.boot.net.sysctl[Sysctl.icmp_ratemask] = 0
            host.boot.add_address(f.ip4(US2), 24)
            host.card.ndo("ndo_set_rx_mode", None, True, None)               # a veth filters no group, and checks nothing
            host.card.ethtool("set_features", rx_checksumming=False)
        wire, sockets, read, answers = Wire(end), bound(host.socket), [], []
        for k in range(0, len(frames), LOT):
            for frame in frames[k:k + LOT]:
                wire.socket.send(frame)
            until(lambda k=k: host.time.backends[0].statistics().rx_frames >= min(k + LOT, len(frames)))
            with host.time.lock:
                host.time.step()
            read += read_all(sockets)
            answers += wire.answers()
        assert not any(device.statistics().lost.values()) and host.time.refused == 0
        counters = {name: n for name, n in host.counters().items() if name in SEEN}
        for s in (*sockets, wire.socket):
            s.close()
    return read, told(answers), counters


@pytest.mark.parametrize("kind", ["tap", "packet"])
def test_what_is_read_answered_and_counted(kind):
    frames = some_frames(3)
    read, answers, counters = by_the_kernel(frames)
    ours_read, ours_answers, ours_counters = by_us(frames, kind)
    assert len(read) > 100 and len(answers) > 100 and len(counters) > 12
    assert ours_read == read
    assert Counter(ours_answers) == Counter(answers)
    assert ours_counters == counters
