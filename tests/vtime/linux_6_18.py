"""Record sockets_6_18.json: socket_script.py on the kernel that runs here.  As root: python -m tests.vtime.linux_6_18

Two network namespaces and a veth pair; gone when it ends."""
import ctypes
import fcntl
import json
import pathlib
import select
import socket
import struct
import subprocess
import termios
import time

from rxpath.programs.sockopt import CONSTANTS

from .socket_script import PEER, PLAN, US, script

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
        return {**CONSTANTS, "SO_PROTOCOL": 38, "SO_DOMAIN": 39, "SO_MARK": 36, "SO_PRIORITY": 12}[name]

    def disconnect(self, s):
        assert LIBC.connect(s.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16) == 0

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


def main():
    def sh(*commands):
        for c in commands:
            subprocess.run(c.split(), check=True)
    try:
        sh("ip netns add rx_us", "ip netns add rx_peer", "ip link add eth0 netns rx_us type veth peer name eth0 netns rx_peer",
           f"ip -n rx_us addr add {US}/24 dev eth0", f"ip -n rx_peer addr add {PEER}/24 dev eth0", "ip -n rx_us link set eth0 up",
           "ip -n rx_peer link set eth0 up", "ip -n rx_us link set lo up")
        time.sleep(0.2)
        deliver = sender(PLAN)
        answers = script(Real(), deliver)
    finally:
        for name in ("rx_us", "rx_peer"):
            subprocess.run(["ip", "netns", "del", name], check=False)
    OUT.write_text("[\n" + ",\n".join(json.dumps(a) for a in json.loads(json.dumps(answers))) + "\n]\n")
    print(len(answers), "answers")


if __name__ == "__main__":
    main()
