"""The pairs of test_sysctls.py for listeners, closing and the timers of TCP."""
from rxpath.abi.numbers import IPPROTO
from rxpath.user import socket as sockets
from rxpath.vtime import waiting

from .frames import arp, eth, ip, ip4, tcp

MS, SECOND, START = 1_000_000, 1_000_000_000, 1_000_000
LISTENER = {"socket": [{"name": "l", "bind": "*:80", "proto": "tcp"}, {"name": "u", "bind": "*:9"}],
            "app": [{"name": "u", "sockets": ["u"]}]}


class Peer:
    """The other end of a connection to port 80, without time stamps."""

    def __init__(self, sim, sport=40000):
        self.sim, self.sport, self.isn = sim, sport, 0
        self.send(flags=2, seq=-1)
        req = next((sim.net.reqs[i] for i in range(sim.net.req_used) if sim.net.reqs[i].in_use and sim.net.reqs[i].rport == sport), None)
        if req is not None:
            self.isn = req.snt_isn
            self.send()

    def send(self, seq=0, n=0, flags=16, ack=0):
        number = self.isn + 1 + ack & 0xFFFFFFFF if flags & 16 else 0
        segment = tcp(bytes(n), sport=self.sport, seq=1001 + seq, ack=number, flags=flags)
        self.sim.send(eth(ip(segment, proto=6)), at=max(self.sim.t, START) + 20_000)
        self.sim.run(self.sim.t + 200_000)


def called(sim, f, *args):
    """A program's call, at this moment, on CPU 0."""
    c = sim.net.cpu[0]
    c.now = max(c.now, sim.t)
    try:
        return f(sim.boot, *args)
    except BlockingIOError:
        return None
    finally:
        sim.call(waiting.host_wakes)(sim.net, 0)


def accepted(sim, **fields):
    listener = next(i for i in range(sim.net.nsock) if sim.net.socks[i].in_use and sim.net.socks[i].protocol == IPPROTO.TCP)
    for name, value in fields.items():
        setattr(sim.net.tcp[listener], name, value)
    peer = Peer(sim)
    return called(sim, sockets.accept, listener), peer


def closes(sim, *answers, wait=0):
    """The program closes; the peer answers with these (seq, n, flags, ack)."""
    sk, peer = accepted(sim)
    called(sim, sockets.close, sk)
    for answer in answers:
        if answer is None:
            sim.run(sim.t + wait)
        else:
            peer.send(*answer)


def syns(sim, n=8):
    for k in range(n):
        sim.send(eth(ip(tcp(sport=1000 + k), proto=6)), at=START + 20_000 * k)


def comes_back(sim):
    """A peer whose connection has ended in order sends SYNs."""
    closes(sim, FIN_ACK)
    for k in range(8):
        sim.send(eth(ip(tcp(sport=1000 + k), proto=6)), at=sim.t + 20_000 * (k + 1))
    sim.run(sim.t + MS)


def half_closes(sim):
    sk, _ = accepted(sim)
    called(sim, sockets.shutdown, sk, 1)
    sim.run(sim.t + 5 * SECOND)


def connects(sim, wait=10):
    sim.send(arp(), at=START)
    sim.run(START + MS)
    sk = sockets.create(sim.boot, IPPROTO.TCP)
    called(sim, sockets.connect, sk, ip4("10.0.0.2"), 80)
    sim.run(sim.t + wait * SECOND)


def idle(sim, wait=5):
    accepted(sim, keepopen=1)
    sim.run(sim.t + wait * SECOND)


def alive(**values):
    return {f"net.ipv4.tcp_keepalive_{name}": value for name, value in {"time": 1, "intvl": 1, "probes": 3, **values}.items()}


DATA, FIN_ACK, ACKED, RST = (1, 10, 24, 1), (0, 0, 17, 1), (0, 0, 16, 1), (1, 0, 4, 0)
PAIRS = {
    "net.ipv4.tcp_syncookies": (LISTENER, syns, *({"net.core.somaxconn": 2, "net.ipv4.tcp_syncookies": n} for n in (0, 1))),
    "net.ipv4.tcp_max_syn_backlog": (LISTENER, syns, *(
        {"net.ipv4.tcp_syncookies": 0, "net.ipv4.tcp_max_syn_backlog": n} for n in (4, 2048))),
    "net.ipv4.tcp_fin_timeout": (LISTENER, lambda sim: closes(sim, ACKED, None, DATA, wait=3 * SECOND), 1, 60),
    "net.ipv4.tcp_max_tw_buckets": (LISTENER, lambda sim: closes(sim, FIN_ACK), 0, 1000),
    "net.ipv4.tcp_rfc1337": (LISTENER, lambda sim: closes(sim, ACKED, FIN_ACK, RST, DATA), 0, 1),
    "net.ipv4.tcp_max_orphans": (LISTENER, closes, 0, 1000),
    "net.ipv4.tcp_orphan_retries": (LISTENER, lambda sim: closes(sim, None, wait=10 * SECOND), 1, 8),
    "net.ipv4.tcp_retries2": (LISTENER, half_closes, 1, 15),
    "net.ipv4.tcp_syn_retries": (LISTENER, connects, *(
        {"net.ipv4.tcp_syn_retries": n, "net.ipv4.tcp_syn_linear_timeouts": 0} for n in (1, 6))),
    "net.ipv4.tcp_syn_linear_timeouts": (LISTENER, connects, 0, 4),
    "net.ipv4.tcp_keepalive_time": (LISTENER, idle, alive(time=1), alive(time=7200)),
    "net.ipv4.tcp_keepalive_intvl": (LISTENER, idle, alive(intvl=1), alive(intvl=75)),
    "net.ipv4.tcp_keepalive_probes": (LISTENER, idle, alive(probes=1), alive(probes=9)),
}
PAIRS["net.ipv4.tcp_no_metrics_save"] = (LISTENER, comes_back, *(
    {"net.ipv4.tcp_syncookies": 0, "net.ipv4.tcp_max_syn_backlog": 4, "net.ipv4.tcp_no_metrics_save": n} for n in (0, 1)))
NO_EFFECT = {"net.ipv4.tcp_ecn": "it changes a bit of the SYN-ACK, which a run does not show: test_tcp_listener.py does"}
