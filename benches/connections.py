"""Memory of many connections, and of a flood of SYNs: `python benches/connections.py [--connections N] [--flood N]`.

Each connection is established by its peer's frames, accepted, and has one unread segment of 100 bytes; what is said is resident memory of
this process, before and after.  Then SYNs to a listener whose queue of requests is full, each from another port and address: what they hold
is bounded by the listener's backlog, and with cookies by nothing else.  Nothing here passes or fails."""
import argparse
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

BATCH = 500
PORTS = 50_000                          # of each address


def resident() -> int:
    """Bytes."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mib(n: float) -> str:
    return f"{n / (1 << 20):,.0f} MiB"


class Peers:
    def __init__(self, nskb: int) -> None:
        from rxpath.vtime import costs
        from tests.lab import Lab
        self.begin = resident()
        self.host = Lab(nskb=nskb, cpus=1, ring=4096, costs=dict.fromkeys(costs.BM36, 0))
        self.net = self.host.net

    def listener(self, port: int, backlog: int) -> int:
        from rxpath.abi.numbers import IPPROTO
        from rxpath.user import socket as sockets
        i = sockets.create(self.host.boot, IPPROTO.TCP)
        sockets.bind(self.host.boot, i, 0, port)
        sockets.listen(self.host.boot, i, backlog)
        return i

    def frame(self, n: int, **fields: object) -> bytes:
        from tests.frames import eth, ip, tcp
        src = f"10.0.{n // PORTS // 250}.{2 + n // PORTS % 250}"
        return eth(ip(tcp(sport=1 + n % PORTS, src=src, **fields), proto=6, src=src))   # type: ignore[arg-type]

    def establish(self, listener: int, total: int) -> None:
        from rxpath.user import socket as sockets
        for first in range(0, total, BATCH):
            batch = range(first, min(first + BATCH, total))
            self.host.send(*[self.frame(n, seq=1000, flags=2) for n in batch], gap=300)
            self.host.run(self.host.t + 100_000)
            requests = [self.net.reqs[i] for i in range(self.net.req_used) if self.net.reqs[i].in_use]
            isn = {(int(r.daddr_lo), int(r.rport)): int(r.snt_isn) for r in requests}
            for n in batch:
                number = isn[10 << 24 | n // PORTS // 250 << 8 | 2 + n // PORTS % 250, 1 + n % PORTS] + 1 & 0xFFFFFFFF
                last = {"seq": 1001, "ack": number}
                self.host.send(self.frame(n, flags=16, **last), self.frame(n, flags=24, payload=bytes(100), **last), gap=300)
            self.host.run(self.host.t + 100_000)
            for _ in batch:
                sockets.accept(self.host.boot, listener)
            self.host.collect()
            self.host.outputs.clear()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--connections", type=int, default=100_000)
    arguments.add_argument("--flood", type=int, default=1_000_000)
    args = arguments.parse_args()
    peers = Peers(nskb=max(8192, args.connections + 8192))
    host, net = peers.host, peers.net
    booted, t0 = resident(), time.monotonic()
    peers.establish(peers.listener(80, 4096), args.connections)
    now, queued = resident(), sum(net.socks[i].qlen for i in range(net.nsock) if net.socks[i].in_use)
    print(f"{args.connections:,} connections, {queued:,} unread segments: {mib(now - booted)} beside the process's {mib(booted)} at boot, "
          f"{(now - booted) / max(args.connections, 1):,.0f} bytes each; {time.monotonic() - t0:,.0f} s")
    flooded = peers.listener(81, 1024)
    before, t0 = resident(), time.monotonic()
    for first in range(0, args.flood, BATCH):
        host.send(*[peers.frame(n, seq=n, dport=81) for n in range(first, min(first + BATCH, args.flood))], gap=300)
        host.run(host.t + 20_000)
    requests = net.tcp[flooded].qlen
    cookies = host.mib().get("TcpExt.SyncookiesSent", 0)
    print(f"{args.flood:,} SYNs: {requests:,} requests, {cookies:,} cookies, {mib(resident() - before)} more; "
          f"{time.monotonic() - t0:,.0f} s")


if __name__ == "__main__":
    main()
