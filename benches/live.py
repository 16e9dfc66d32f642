"""What a received datagram costs a Python program: this host's kernel and ours, over one veth, from one sender.

    python benches/live.py [--rates 20000,100000,0] [--seconds 1] [--rounds 3] [--kinds ...] [--json]          (root)

Both ends of the veth are in network namespaces of this run.  The sender, a process of its own, sends UDP datagrams of 64 bytes in bursts
(sendmmsg); a rate of 0 is as fast as it can.  Each receiver is a process of its own, one round after the other, interleaved:

  kernel recvfrom, recv_into           CPython's socket
  kernel recvmmsg                      64 at a time by ctypes, without objects
  ours   recvfrom, recv_into, recv_many     on AF_PACKET (TPACKET_V3), AF_XDP and a TAP, to which the same sender sends

us: CPU time of the whole receiving process - of ours: the back end's thread and the reader's - for each datagram that was read.  What the
kernel does before it hands a datagram over (softirq) is done on the sender's CPU time in both, as veth has it; ours does it itself.
ratio: to kernel recvfrom of the same round, the median.  woken: how often a thread of the receiver went to sleep (voluntary context
switches), for each datagram."""
import argparse
import ctypes
import json
import os
import pathlib
import pickle
import select
import socket
import statistics
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benches.sender import flood, messages

os.environ.setdefault("RXPATH_WHOLE", "1")              # what ships is what is measured, also in a source tree

CLONE_NEWNET = 0x40000000
THEIRS, KERNEL, OURS, PORT = "10.9.0.1", "10.9.0.3", "10.9.0.2", 5000
SIZE, MANY = 64, 64
KINDS = ("kernel recvfrom", "kernel recv_into", "kernel recvmmsg", *(f"{device} {call}" for device in ("packet", "xdp", "tap")
                                                                     for call in ("recvfrom", "recv_into", "recv_many")))
FIRST_US, QUIET_US = 5_000_000, 300_000             # so long a receiver waits for its first datagram, for any other
libc = ctypes.CDLL(None, use_errno=True)


# ---------------------------------------------------------------- the sender
def send(to: str, rate: int, told: Any, said: Any) -> None:
    """Now and then a datagram until somebody has read one; then traffic for as long as is asked.  It says how many were sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        while not select.select([told], [], [], 0.02)[0]:
            try:
                s.connect((to, PORT))
                s.send(b"first")
            except OSError:                             # no route yet: the link comes up
                pass
        n = flood(s.fileno(), SIZE, pickle.load(told), rate)
        put(said, n)


# ---------------------------------------------------------------- receivers
def spent() -> tuple[float, int]:
    """CPU seconds of this process; how often its threads went to sleep."""
    slept = 0
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/status") as file:
            slept += int(next(line for line in file if line.startswith("voluntary")).split()[1])
    return time.process_time(), slept


def counted(s: Any, read: Callable[[], int], ready: Callable[[], None]) -> dict[str, float]:
    """read(): how many datagrams it has read; BlockingIOError when none come any more.  ready(): the traffic may begin."""
    waits(s, FIRST_US)
    read()
    waits(s, QUIET_US)
    time.sleep(0.05)
    ready()
    begun, n = spent(), 0
    try:
        while True:
            n += read()
    except BlockingIOError:
        pass
    ended = spent()
    return {"n": n, "cpu_s": ended[0] - begun[0], "slept": ended[1] - begun[1]}


def waits(s: Any, us: int) -> None:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", *divmod(us, 1_000_000)))


def of_kernel(call: str, ready: Callable[[], None]) -> dict[str, float]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)                 # SO_RCVBUFFORCE
        s.bind((KERNEL, PORT))
        if call == "recvmmsg":
            msgs, _keep = messages(MANY, 2048, names=16)

            def many() -> int:
                n = int(libc.recvmmsg(s.fileno(), msgs, MANY, 0x10000, None))            # MSG_WAITFORONE
                if n < 0:
                    raise BlockingIOError(ctypes.get_errno(), "recvmmsg")
                return n
            return counted(s, many, ready)
        return counted(s, one(s, call), ready)


def one(s: Any, call: str) -> Callable[[], int]:
    buffer, recvfrom, recv_into = bytearray(2048), s.recvfrom, s.recv_into

    def by_recvfrom() -> int:
        recvfrom(2048)
        return 1

    def by_recv_into() -> int:
        recv_into(buffer)
        return 1
    return by_recvfrom if call == "recvfrom" else by_recv_into


def of_ours(device: Any, call: str, within: float, ready: Callable[[], None]) -> dict[str, float]:
    import numpy as np

    from rxpath.live import Host
    with Host(device, f"{OURS}/24") as host, host.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        s.bind(("", PORT))
        if call == "recv_many":
            data, rows = np.empty((MANY, 2048), np.uint8), np.empty((MANY, 4), np.int64)
            out = counted(s, lambda: s.recv_many(data, rows, within), ready)
        else:
            out = counted(s, one(s, call), ready)
        return out | {"turns": host.time.turns, "lost": sum(device.statistics().lost.values()) + sum(host.drops().values())}


def receive(kind: str, retire_ms: int, within: float, ready: Callable[[], None]) -> dict[str, float]:
    device, call = kind.split()
    if device == "kernel":
        return of_kernel(call, ready)
    from rxpath import packet, tap, xdp
    made: Any
    if device == "packet":
        made = packet.Packet("vb", retire_ms=retire_ms)
    elif device == "xdp":
        made = xdp.Xdp("vb")
    else:
        made = tap.Tap("tap0")
        tap.configure(made.name, f"{THEIRS}/24")
    return of_ours(made, call, within, ready)


# ---------------------------------------------------------------- a round
@contextmanager
def child(work: Callable[[Any, Any], None]) -> Iterator[tuple[Any, Any]]:
    """A process that has two pipes to us: what it is told, what it says."""
    told, say, heard, said = *os.pipe(), *os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(say)
            os.close(heard)
            work(os.fdopen(told, "rb"), os.fdopen(said, "wb"))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(told)
    os.close(said)
    try:
        with os.fdopen(say, "wb") as tell, os.fdopen(heard, "rb") as hear:
            yield tell, hear
    finally:
        os.waitpid(pid, 0)


def put(pipe: Any, what: Any) -> None:
    pickle.dump(what, pipe)
    pipe.flush()


def namespace() -> None:
    if libc.unshare(CLONE_NEWNET):
        raise SystemExit(f"a network namespace: {os.strerror(ctypes.get_errno())} (root)")


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True)


def no_ipv6(name: str) -> None:
    with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as file:
        file.write("1")


def veth(receiver: int) -> None:
    """In the sender's namespace: va; vb is in that process's."""
    ip("link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", str(receiver))
    no_ipv6("va")
    ip("addr", "add", f"{THEIRS}/24", "dev", "va")
    ip("link", "set", "va", "up")


def a_round(kind: str, rate: int, seconds: float, retire_ms: int = 1, within: float = 0) -> dict[str, float]:
    """One receiver, one stretch of traffic."""
    device = kind.split()[0]

    def sending(told: Any, said: Any) -> None:
        receiver = pickle.load(told)
        if device != "tap":
            namespace()
            veth(receiver)
            if device == "xdp":                         # AF_XDP does not know that a checksum was left to the device
                subprocess.run(["ethtool", "-K", "va", "tx", "off"], check=True, stdout=subprocess.DEVNULL)
        put(said, "there")
        send(KERNEL if device == "kernel" else OURS, rate, told, said)

    def receiving(told: Any, said: Any) -> None:
        namespace()
        with child(sending) as (tell, hear):
            put(tell, os.getpid())
            pickle.load(hear)
            if device != "tap":
                no_ipv6("vb")
                if device == "kernel":
                    ip("addr", "add", f"{KERNEL}/24", "dev", "vb")
                ip("link", "set", "vb", "up")
            out = receive(kind, retire_ms, within, lambda: put(tell, seconds))
            out["sent"], out["seconds"] = pickle.load(hear), seconds
            put(said, out)

    with child(receiving) as (_, hear):
        return dict(pickle.load(hear))


def main() -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("--rates", default="20000,100000,0", help="datagrams a second, with commas; 0: as fast as the sender can")
    p.add_argument("--seconds", type=float, default=1.0, help="of traffic for each receiver in each round")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--kinds", default=",".join(KINDS), help="receivers, with commas")
    p.add_argument("--retire-ms", type=int, default=1, help="a packet socket's block that is not full is handed over after so long")
    p.add_argument("--within-ms", type=float, default=0, help="recv_many() that has found fewer than its rows sleeps so long, for more")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    a = p.parse_args()
    kinds, rates = [k.strip() for k in a.kinds.split(",")], [int(r) for r in a.rates.split(",")]
    if unknown := [k for k in kinds if k not in KINDS]:
        raise SystemExit(f"{unknown[0]}: one of {', '.join(KINDS)}")
    from rxpath import boot
    boot.Booted(nskb=256)                               # compiled before anything is measured
    rounds = {(rate, kind): list[dict[str, float]]() for rate in rates for kind in kinds}
    for _ in range(a.rounds):
        for rate, kind in rounds:
            rounds[rate, kind].append(a_round(kind, rate, a.seconds, a.retire_ms, a.within_ms / 1000))
    out = [row(rate, kind, of, rounds.get((rate, KINDS[0]))) for (rate, kind), of in rounds.items()]
    if a.json:
        print(json.dumps(out))
        return
    print(f"{'asked/s':>8s} {'sent/s':>8s} {'read/s':>8s}  {'receiver':18s} {'us':>7s} {'us min':>7s} {'ratio':>6s} {'woken':>6s}")
    for r in out:
        print(f"{r['asked']:8,d} {r['sent']:8,.0f} {r['read']:8,.0f}  {r['kind']:18s} {r['us']:7.2f} {r['us_min']:7.2f} {r['ratio']:6.2f} "
              f"{r['woken']:6.3f}")


def row(rate: int, kind: str, rounds: list[dict[str, float]], base: list[dict[str, float]] | None) -> dict[str, Any]:
    us = [r["cpu_s"] / max(r["n"], 1) * 1e6 for r in rounds]
    ratios = [u / (b["cpu_s"] / max(b["n"], 1) * 1e6) for u, b in zip(us, base, strict=True)] if base else [float("nan")]

    def middle(key: str) -> float:
        return statistics.median(r.get(key, 0) / r["seconds"] for r in rounds)
    return {"asked": rate, "kind": kind, "sent": middle("sent"), "read": middle("n"), "us": statistics.median(us), "us_min": min(us),
            "ratio": statistics.median(ratios), "woken": statistics.median(r["slept"] / max(r["n"], 1) for r in rounds),
            "lost": sum(r.get("lost", 0) for r in rounds), "turns": sum(r.get("turns", 0) for r in rounds)}


if __name__ == "__main__":
    main()
