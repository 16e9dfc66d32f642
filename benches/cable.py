"""What reading a capture costs, without the path behind it: a million frames from a file on disk onto the cable.

    python benches/cable.py [--frames 1000000] [--size 64]

Prints one JSON object: ns a frame, median and best of the rounds, for the replay's scanner (file to cable, emptied without a NIC), for the
census that infers the receiver, and for a bare read of the same file in the same pieces."""
import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable

from rxpath import boot
from rxpath.cable.capture import Capture
from rxpath.cable.receiver import Receiver, take_census
from rxpath.cable.write import write_repeated
from rxpath.vtime import engine


def frame(size: int) -> bytes:
    """IPv4 UDP to 10.0.0.1:5000, without a UDP checksum."""
    ip = bytes([0x45, 0, (size - 14) >> 8, (size - 14) & 255, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1])
    total = sum(int.from_bytes(ip[i:i + 2], "big") for i in range(0, 20, 2))
    check = ~(total + (total >> 16)) & 0xFFFF
    ip = ip[:10] + check.to_bytes(2, "big") + ip[12:]
    udp = bytes([0x9C, 0x40, 0x13, 0x88, (size - 34) >> 8, (size - 34) & 255, 0, 0])
    return bytes.fromhex("020000000001 020000000002 0800") + ip + udp + bytes(size - 42)


def scan(path: str) -> int:
    b = boot.Booted(nskb=4096)
    b.call(engine.vtime_init)(b.net, 1, 1, 0)
    ring = b.net.ring[0]
    c = Capture(path, receiver=Receiver(mac=0x020000000001, addresses=["10.0.0.1"]))
    c.attach(b.net)
    while c.load():
        ring.feed_head = ring.feed_tail         # instead of a NIC
    n = c.counts()["offered"]
    c.close()
    return n


def read(path: str) -> int:
    piece = bytearray(1 << 20)
    with open(path, "rb", buffering=0) as f:
        while f.readinto(piece):
            pass
    return 0


def main() -> None:
    a = argparse.ArgumentParser()
    a.add_argument("--frames", type=int, default=1_000_000)
    a.add_argument("--size", type=int, default=64)
    a.add_argument("--rounds", type=int, default=7)
    args = a.parse_args()
    path = os.path.join(tempfile.gettempdir(), f"rxpath-bench-{os.getpid()}.pcap")
    try:
        write_repeated(path, [frame(args.size)], args.frames, 300)
        cases: dict[str, Callable[[], object]] = {"scan": lambda: scan(path), "census": lambda: take_census(path),
                                                  "read": lambda: read(path)}
        took: dict[str, list[float]] = {k: [] for k in cases}
        for _ in range(args.rounds):
            for name, case in cases.items():
                started = time.perf_counter()
                case()
                took[name].append((time.perf_counter() - started) * 1e9 / args.frames)
        print(json.dumps({k: {"ns": round(statistics.median(v), 1), "ns_min": round(min(v), 1)} for k, v in took.items()}))
    finally:
        if os.path.exists(path):
            os.unlink(path)


if __name__ == "__main__":
    main()
