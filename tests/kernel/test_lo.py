"""What a host answers itself by lo: a namespace of its own is asked, its traffic is replayed, and the counters are the same."""
import json
import subprocess
import sys

import pytest

import rxpath
from rxpath.workbench.judge import run

from ..cable.captures import pcap

# lo up, three pings, two datagrams to a closed port, one to an open one, a SYN to a closed port; every frame that lo brought in
ASKED = r"""
import ctypes, errno, json, socket, struct, subprocess

def csum(b):
    s = sum(struct.unpack(f">{len(b) // 2}H", b))
    s = (s >> 16) + (s & 0xFFFF)
    return ~(s + (s >> 16)) & 0xFFFF

def counters():
    out, names = {}, {}
    for line in open("/proc/thread-self/net/snmp"):
        head, *words = line.split()
        if head in names:
            out |= {head[:-1] + "." + n: int(v) for n, v in zip(names[head], words)}
        else:
            names[head] = words
    return out

ctypes.CDLL(None).unshare(0x40000000)                   # CLONE_NEWNET
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
seen.bind(("lo", 0))
reader = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
reader.bind(("127.0.0.1", 5000))
before = counters()
pings = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
for i in range(3):
    body = struct.pack(">BBHHH", 8, 0, 0, 7, i) + b"x" * 56
    pings.sendto(body[:2] + struct.pack(">H", csum(body)) + body[4:], ("127.0.0.1", 0))
for port in (9, 9, 5000):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello!", ("127.0.0.1", port))
assert socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect_ex(("127.0.0.1", 9)) == errno.ECONNREFUSED
reader.recv(64)
moved = {k: n - before.get(k, 0) for k, n in counters().items() if n != before.get(k, 0)}
frames = []
seen.settimeout(0.3)
try:
    while True:
        data, (_, _, way, *_) = seen.recvfrom(65536)
        if way != 4:                                        # PACKET_OUTGOING: the same frame on its way out
            frames.append(data.hex())
except TimeoutError:
    pass
print(json.dumps([moved, frames]))
"""
SAME = ("Ip.InReceives", "Ip.InDelivers", "Icmp.InMsgs", "Icmp.InErrors", "Icmp.InEchos", "Icmp.InEchoReps", "Icmp.InDestUnreachs",
        "Icmp.OutEchoReps", "Icmp.OutDestUnreachs", "Udp.InDatagrams", "Udp.NoPorts", "Tcp.InSegs", "Tcp.OutRsts")


@pytest.fixture(scope="module")
def asked():
    if why := run.cannot_judge():
        pytest.skip(why)
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    moved, frames = json.loads(done.stdout)
    return moved, [bytes.fromhex(f) for f in frames]


def test_the_kernel_answers_itself_and_so_does_the_path(asked, tmp_path):
    moved, frames = asked
    assert moved["Icmp.InEchoReps"] == 3 and moved["Icmp.InDestUnreachs"] == 2 and len(frames) == 13
    file = tmp_path / "lo.pcap"
    file.write_bytes(pcap([(i * 100_000, frame, len(frame)) for i, frame in enumerate(frames)]))
    ran = rxpath.replay(file)
    assert ran.not_offered == {"own": 6}                       # three replies, two errors, a reset: the path makes its own
    ours = ran.books.snmp
    assert {k: ours.get(k, 0) for k in SAME} == {k: moved.get(k, 0) for k in SAME}
    assert ran.books.device["rx_packets"] == ran.books.device["tx_packets"] == 13
