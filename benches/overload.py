"""A live host under more than it can take: what it sheds is counted, memory stays flat, and afterwards all is as before.

    sudo python benches/overload.py [--seconds 60] [--kind tap --kind packet --kind xdp]

In a network namespace of its own.  For a second a sender in another process sends as fast as it can, which tells what the host and one
reader (recv_many(), then some work on each datagram) can do; then it sends at least twice as much for so many seconds.  Every datagram
must be read, unread, or lost with a reason or by a counter of the back end; the resident memory of a tenth of the time and of its end is
printed, and how long after the end of the flood a ping is answered."""
from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from rxpath.backends.packet import Packet
from rxpath.backends.xdp import Xdp
from rxpath.live import Host
from tests.live.namespaces import OURS, Side, tx_checksums_off, until

PORT, SIZE = 5000, 64
PROBE_S = 1.0
KINDS = ("tap", "packet", "xdp")
SENDER = pathlib.Path(__file__).parent / "sender.py"


@dataclasses.dataclass
class Overload:
    """What one back end did.  can, offered: datagrams a second; rss: KiB, at a tenth of the time and at its end."""
    kind: str
    seconds: float
    can: float
    offered: float
    sent: int
    read: int
    refused: int
    lost: dict[str, int]
    rss: tuple[int, int]
    answered_s: float

    @property
    def unexplained(self) -> int:
        return self.sent - self.read - self.refused - sum(self.lost.values())


def resident() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


class Reader(threading.Thread):
    """Reads all there is, and works on each datagram for so long."""

    def __init__(self, s: object, work_ns: int) -> None:
        super().__init__()
        self.socket, self.work_ns, self.read = s, work_ns, 0

    def run(self) -> None:
        data, rows = bytearray(64 * 128), bytearray(64 * 32)
        self.socket.settimeout(0.3)                                         # type: ignore[attr-defined]
        while True:
            try:
                n = self.socket.recv_many(memoryview(data).cast("B", (64, 128)), memoryview(rows).cast("q", (64, 4)))   # type: ignore[attr-defined]
            except TimeoutError:
                return
            self.read += n
            end = time.monotonic_ns() + n * self.work_ns
            while time.monotonic_ns() < end:
                pass


def flood(seconds: float, rate: float = 0.0) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(SENDER), OURS, str(PORT), str(SIZE), str(seconds), str(rate)], stdout=subprocess.PIPE,
                            text=True)


def sent_by(sender: subprocess.Popen[str]) -> int:
    assert sender.stdout is not None
    said = sender.stdout.read()
    assert sender.wait() == 0
    sender.stdout.close()
    return int(said)


@contextlib.contextmanager
def host_on(side: Side, kind: str):                                         # type: ignore[no-untyped-def]
    if kind == "tap":
        device = side.tap()
    else:
        side.veth()
        if kind == "xdp":
            tx_checksums_off("va")                                          # AF_XDP has no word for a checksum that is left to the card
        device = {"packet": Packet, "xdp": Xdp}[kind]("vb")
    with Host(device, f"{OURS}/24") as host, host.socket() as s:
        s.bind(("", PORT))
        side.ping(times=1)                                                  # they know each other
        yield host, s


def overload(kind: str, seconds: float, work_ns: int = 5_000) -> Overload:
    """One back end, from a fresh namespace on."""
    with Side() as side, host_on(side, kind) as (host, s):
        reader = Reader(s, work_ns)
        reader.start()
        sent = sent_by(flood(PROBE_S))
        reader.join()
        can = reader.read / PROBE_S
        reader = Reader(s, work_ns)
        before = resident()
        reader.start()
        sender = flood(seconds, max(2 * can, 1.0))
        begun = time.monotonic()
        time.sleep(seconds / 10)
        early = max(resident(), before)
        more = sent_by(sender)
        took, late, ended = time.monotonic() - begun, resident(), time.monotonic()
        side.ping(times=1)
        answered = time.monotonic() - ended
        read = int(can * PROBE_S)
        reader.join()
        read, sent = read + reader.read, sent + more
        backend = host.time.backends[0]

        def settled() -> bool:
            refused = host.drops().get("SOCKET_RCVBUFF", 0)
            return read + refused + sum(backend.statistics().lost.values()) == sent
        with contextlib.suppress(AssertionError):
            until(settled, 5)
        lost = {name: n for name, n in backend.statistics().lost.items() if n}
        side.ping(times=3)
        return Overload(kind, seconds, can, more / took, sent, read, host.drops().get("SOCKET_RCVBUFF", 0), lost, (early, late), answered)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    wrong = 0
    for kind in asked.kind or KINDS:
        o = overload(kind, asked.seconds)
        wrong += o.unexplained != 0
        if asked.json:
            print(json.dumps(dataclasses.asdict(o) | {"unexplained": o.unexplained}))
        else:
            lost = ", ".join(f"{name} {n:,}" for name, n in o.lost.items()) or "nothing"
            print(f"{kind}: {o.offered:,.0f} a second for {o.seconds:.0f} s, where {o.can:,.0f} can be read; of {o.sent:,} sent {o.read:,} "
                  f"read, {o.refused:,} SOCKET_RCVBUFF, lost before us: {lost}; unexplained {o.unexplained}; resident {o.rss[0]:,} then "
                  f"{o.rss[1]:,} KiB; a ping answered {o.answered_s * 1000:.0f} ms after the flood", flush=True)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
