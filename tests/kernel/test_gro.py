"""GRO of TCP beside the kernel's: the same bursts of segments go into veth's NAPI and into ours, and a packet socket of each receiver says
which packets came up, to the byte.

veth polls after each frame; gro_flush_timeout keeps what is held until the timer, as long as the jiffy does not change.  So a burst begins
with a jiffy; one that differs is sent again, for the machine may have been away.  Flows are compared one by one: which list of a NAPI is
flushed first is a matter of the kernel's hash."""
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from rxpath.abi.numbers import Out
from rxpath.link import setup
from rxpath.workbench.judge import run
from rxpath.workbench.judge.kernel.netns import PEER, Cable, offload, tool
from rxpath.workbench.judge.kernel.undo import Journal

from ..frames import MAC_US, eth, ip, tcp
from ..lab import Lab

NIC, TIMEOUT_NS, SEEDS, REPEATS = "vb0", 10_000_000, 200, 5
SO_RCVBUFFORCE, CLOCK_MONOTONIC_COARSE = 33, 6
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
TIMESTAMPS = b"\1\1\x08\x0a"


class Veth:
    """A receiver whose veth does GRO, and what its taps see of a burst."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.cable = Cable(self.journal, 90, NIC, MAC_US.hex(":"), 1500)
        try:
            self.cable.receiver.ip([f"link set {NIC} up"])
            self.cable.sender.ip([f"link set {PEER} arp off up"])
            with self.cable.receiver.inside():
                offload(NIC, "gro", 1)
                self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(0x0800))
                self.tap.bind((NIC, 0x0800))
                self.tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            subprocess.run([tool("ip"), "netns", "exec", self.cable.receiver.name, "sh", "-c",
                            f"echo {TIMEOUT_NS} > /sys/class/net/{NIC}/gro_flush_timeout"], check=True, capture_output=True)
            with self.cable.sender.inside():
                self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
                self.wire.bind((PEER, 0x0800))
        except BaseException:
            self.cable.close()
            self.journal.close()
            raise

    def ups(self, frames: list[bytes]) -> list[bytes]:
        jiffy = time.clock_gettime(CLOCK_MONOTONIC_COARSE)
        while time.clock_gettime(CLOCK_MONOTONIC_COARSE) == jiffy:
            pass
        for frame in frames:
            self.wire.send(frame)
        time.sleep(2.5 * TIMEOUT_NS / 1e9)
        found = []
        while True:
            try:
                found.append(self.tap.recv(1 << 17))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self.tap.close()
        self.wire.close()
        self.cable.close()
        self.journal.close()


@pytest.fixture(scope="module")
def veth() -> Iterator[Veth]:
    why = run.cannot_judge() or run.other_kernel()
    if why:
        pytest.skip(why)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})                                  # a frame has been polled when send() returns
    both = Veth()
    yield both
    both.close()
    os.sched_setaffinity(0, before)


def ours(frames: list[bytes]) -> list[bytes]:
    host = Lab()
    setup.set_gro(host.boot, 0, True, False)
    setup.add_tap(host.boot, proto=0x0800)
    host.listen()
    host.send(*frames, gap=1)
    host.run()
    found = [o.data for o in host.left(Out.TAP)]
    host.close()
    return found


def flows(packets: list[bytes]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for p in packets:
        found.setdefault(p[26:38], []).append(p)
    return found


# ---------------------------------------------------------------- bursts
class Sender:
    """A connection's segments, mostly such as merge; now and then one field is another."""

    def __init__(self, rng: random.Random, port: int) -> None:
        self.rng, self.port = rng, port
        self.size = rng.choice([1, 100, 100, 536, 1448])
        self.seq, self.ident = rng.choice([1000, (1 << 32) - 3 * self.size]), rng.choice([1, 65534])
        self.moves = rng.random() < 0.7                                     # its IP id counts up
        self.stamps = rng.random() < 0.5
        self.tsval, self.ack, self.window, self.flags = 5, 77, 500, ACK | (CWR if rng.random() < 0.1 else 0)
        self.ttl, self.tos, self.df = 64, 0, 0x4000 if rng.random() < 0.8 else 0

    def segment(self) -> bytes:
        rng, flags, size, options, doff = self.rng, self.flags, self.size, b"", None
        fields: dict[str, int] = {}
        odd = rng.randrange(60)
        if odd == 0:
            size = rng.choice([0, 5, 7, 50, 700, 1460])
        elif odd == 1:
            flags |= rng.choice([FIN, SYN, RST, PSH, URG, ECE, CWR, FIN | PSH])
        elif odd == 2:
            self.seq += rng.choice([-self.size, 1, self.size])
        elif odd == 3:
            self.ack += 1
        elif odd == 4:
            self.window += 1
        elif odd == 5:
            self.tsval += 1
        elif odd == 6:
            self.ident += rng.choice([-1, 1, 2, 300])
        elif odd == 7:
            self.ttl -= 1
        elif odd == 8:
            self.tos = rng.choice([0, 1, 2, 3, 4, 16])
        elif odd == 9:
            self.df ^= 0x4000
        elif odd == 10:
            fields["frag"] = self.df | rng.choice([0x2000, 0x8000, 0x0001])
        elif odd == 11:
            fields["check"] = 0x1234
        elif odd == 12:
            options = rng.choice([b"\1\1\1\1", b"\0\0\0\0", bytes(8)])
        elif odd == 13:
            doff = rng.choice([0, 4, 6, 15])
        elif odd == 14:
            flags = rng.choice([0, FIN, SYN, PSH])
        if self.stamps:
            options = TIMESTAMPS + self.tsval.to_bytes(4, "big") + bytes(4) + options
        payload = bytes([rng.randrange(256)]) * size
        body = tcp(payload, sport=self.port, dport=80, seq=self.seq & 0xFFFFFFFF, ack=self.ack, flags=flags, options=options,
                   window=self.window, doff=doff)
        if odd == 15:
            body = body[:16] + b"\x12\x34" + body[18:]                      # a wrong checksum
        if odd == 16 and len(body) > 20:
            body = body[:12] + bytes([body[12] | 1]) + body[13:]            # a reserved bit, which AccECN uses; its checksum is wrong then
        packet = ip(body, proto=6, ident=self.ident & 0xFFFF, ttl=self.ttl, tos=self.tos, **{"frag": self.df, **fields})
        if odd == 17:
            packet += bytes(rng.choice([1, 6, 20]))                         # behind the packet: padding
        self.seq += size + int(flags & (FIN | SYN) != 0)
        self.ident += self.moves
        return eth(packet + bytes(max(0, 46 - len(packet))))                # as from a wire: at least 60 bytes


def burst(seed: int) -> list[bytes]:
    rng = random.Random(seed)
    senders = [Sender(rng, 40000 + k) for k in range(rng.choice([1, 1, 2, 3]))]
    found: list[bytes] = []
    for _ in range(rng.choice([8, 24, 60])):
        s = rng.choice(senders)
        found += [s.segment() for _ in range(rng.choice([1, 2, 5]))]
    return [frame for frame in found if len(frame) <= 1514][:60]


def test_what_goes_up_of_a_burst_is_what_the_kernel_lets_go(veth):
    merged, differ = 0, []
    for seed in range(SEEDS):
        frames = burst(seed)
        mine = flows(ours(frames))
        for _ in range(REPEATS):
            theirs = flows(veth.ups(frames))
            if theirs == mine:
                break
        else:
            differ.append(seed)
        merged += len(frames) - sum(map(len, mine.values()))
    assert not differ, f"bursts of the seeds {differ[:20]}"
    assert merged > 20 * SEEDS


def test_a_merge_that_would_be_too_long_begins_anew_as_in_the_kernel(veth):
    """Of 60 segments of 1,448 bytes: 64 KiB in all, by GRO's limit without BIG TCP."""
    frames = [eth(ip(tcp(bytes(1448), seq=1 + k * 1448, flags=ACK), proto=6, ident=1 + k)) for k in range(60)]
    for _ in range(REPEATS):
        theirs = veth.ups(frames)
        if [len(p) for p in theirs] == [len(p) for p in ours(frames)]:
            break
    assert ours(frames) == theirs
