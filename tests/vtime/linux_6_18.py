"""Record sockets_6_18.json and streams_6_18.json: socket_script.py and stream_script.py on the kernel that runs here.  As root:
python -m tests.vtime.linux_6_18 sockets streams

Two network namespaces and a veth pair; gone when it ends."""
import ctypes
import fcntl
import json
import pathlib
import select
import socket
import struct
import subprocess
import sys
import termios
import time

from rxpath.programs.sockopt import CONSTANTS

from ..frames import MAC_PEER, MAC_US
from .socket_script import PEER, PLAN, US, script
from .stream_script import PLAN as STREAM_PLAN
from .stream_script import Peer
from .stream_script import script as stream_script

OUT = pathlib.Path(__file__).with_name("sockets_6_18.json")
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(name):
    with open(f"/var/run/netns/{name}") as f:
        assert LIBC.setns(f.fileno(), 0) == 0


class Real:
    """The modules under one name, as a simulated program sees them."""
    poll, epoll, FIONREAD = select.poll, select.epoll, termios.FIONREAD
    select, ioctl = staticmethod(select.select), staticmethod(fcntl.ioctl)

    def __getattr__(self, name):
        for place in (socket, select):
            if hasattr(place, name):
                return getattr(place, name)
        return {**CONSTANTS, "SO_PROTOCOL": 38, "SO_DOMAIN": 39, "SO_MARK": 36, "SO_PRIORITY": 12, "TCP_INQ": 36, "TCP_WINDOW_CLAMP": 10,
                "TCP_USER_TIMEOUT": 18}[name]

    def disconnect(self, s):
        assert LIBC.connect(s.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16) == 0

    def fionread(self, s):
        return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, bytes(4)))[0]

    def masks(self, s):
        p = select.poll()
        p.register(s, 0xFFFF & ~32)
        return [mask for _, mask in p.poll(0)]


def csum(b):
    t = sum(struct.unpack(f">{len(b) // 2}H", b))
    while t >> 16:
        t = (t & 0xFFFF) + (t >> 16)
    return ~t & 0xFFFF


def sender(plan):
    """In the neighbour's namespace: sends the batches."""
    enter("rx_peer")
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    ports = {}
    for port in {f[1] for batch in plan for f in batch if isinstance(f[0], bytes)}:
        ports[port] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ports[port].bind((PEER, port))
        ports[port].setsockopt(0, socket.IP_MULTICAST_IF, socket.inet_aton(PEER))
    enter("rx_us")

    def deliver(n):
        for f in plan[n]:
            if isinstance(f[0], bytes):
                payload, sport, dport, dst, tos, ttl = f
                x = ports[sport]
                x.setsockopt(0, socket.IP_TOS, tos)
                x.setsockopt(0, socket.IP_TTL, ttl)
                x.sendto(payload, (dst, dport))
            else:
                kind, code, ours, theirs = f
                quoted = struct.pack(">BBHHHBBH4s4sHHHH", 0x45, 0, 36, 1, 0, 64, 17, 0, socket.inet_aton(US), socket.inet_aton(PEER),
                                     ours, theirs, 16, 0)
                body = struct.pack(">BBHI", kind, code, 0, 0) + quoted
                raw.sendto(body[:2] + struct.pack(">H", csum(body)) + body[4:], (US, 0))
        time.sleep(0.05)
    return deliver


def stream_peer(plan):
    """In the neighbour's namespace, whose kernel has no address and hears nothing: frames as stream_script.Peer makes them."""
    enter("rx_peer")
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    raw.bind(("eth0", 0))
    enter("rx_us")
    peer = Peer()

    def deliver(n):
        for step in peer.steps(plan[n]):
            raw.send(peer.frame(step))
            time.sleep(0.01)
            while select.select([raw], [], [], 0)[0]:
                peer.heard(raw.recv(65536))
        time.sleep(0.02)
    return deliver


def sh(*commands):
    for c in commands:
        subprocess.run(c.split(), check=True)


def streams():
    sh(f"ip -n rx_us link set eth0 address {mac(MAC_US)}", f"ip -n rx_us addr add {US}/24 dev eth0",
       f"ip -n rx_us neigh add {PEER} lladdr {mac(MAC_PEER)} dev eth0 nud permanent", "ip -n rx_peer link set eth0 arp off",
       "ip netns exec rx_us sysctl -q net.ipv4.tcp_no_metrics_save=1")
    time.sleep(0.2)
    return stream_script(Real(), stream_peer(STREAM_PLAN))


def mac(raw):
    return ":".join(f"{b:02x}" for b in raw)


def main():
    for name in sys.argv[1:]:
        record(name)


def datagrams():
    sh(f"ip -n rx_us addr add {US}/24 dev eth0", f"ip -n rx_peer addr add {PEER}/24 dev eth0")
    time.sleep(0.2)
    return script(Real(), sender(PLAN))


def record(which):
    try:
        sh("ip netns add rx_us", "ip netns add rx_peer", "ip link add eth0 netns rx_us type veth peer name eth0 netns rx_peer",
           "ip -n rx_us link set eth0 up", "ip -n rx_peer link set eth0 up", "ip -n rx_us link set lo up")
        answers = {"sockets": datagrams, "streams": streams}[which]()
    finally:
        for name in ("rx_us", "rx_peer"):
            subprocess.run(["ip", "netns", "del", name], check=False)
    out = OUT.with_name(f"{which}_6_18.json")
    out.write_text("[\n" + ",\n".join(json.dumps(a) for a in json.loads(json.dumps(answers))) + "\n]\n")
    print(len(answers), "answers")


if __name__ == "__main__":
    main()
