"""Frames of any bytes: both engines, and running ahead or one step at a time, say the same of each; the books balance."""
import random

from rxpath.abi.numbers import Out

from ..frames import arp, eth, fragments, icmp, ip, tcp, udp, udp_frame
from ..lab import Lab

SEEDS = [udp_frame(), udp_frame(dport=9), udp_frame(options=bytes([7, 7, 4, 0, 0, 0, 0, 0])), eth(ip(icmp(), proto=1)),
         eth(ip(icmp(kind=3, code=3, rest=bytes(4), payload=ip(udp(b"q"))), proto=1)), eth(ip(tcp(dport=81, options=bytes(8)), proto=6)),
         eth(ip(tcp(dport=80), proto=6)), arp(), *fragments(udp(b"f" * 300), [104, 104]), eth(ip(bytes(20), proto=200))]


def damaged(n: int, seed: int) -> list[bytes]:
    """Each one of SEEDS, cut, extended or with bytes changed: mostly in the headers, or it would all end at a checksum."""
    dice, out = random.Random(seed), []
    for _ in range(n):
        f = bytearray(dice.choice(SEEDS))
        for _ in range(dice.randrange(4)):
            f[dice.randrange(12, min(len(f), 60))] = dice.randrange(256)
        if dice.randrange(4) == 0:
            f = f[:dice.randrange(14, len(f) + 1)]
        if dice.randrange(3) and len(f) >= 34:                   # mend the header's checksum
            f[24:26] = b"\0\0"
            s = sum(int.from_bytes(f[k:k + 2], "big") for k in range(14, 34, 2))
            s = (s & 0xFFFF) + (s >> 16)
            f[24:26] = (~((s & 0xFFFF) + (s >> 16)) & 0xFFFF).to_bytes(2, "big")
        out.append(bytes(f))
    return out


def outcome(plain: bool, one_step: bool, frames: list[bytes]) -> tuple[object, ...]:
    host = Lab(plain=plain, one_step=one_step, itr_ns=30_000).listen()
    host.net.nic[0].promisc = 1
    host.app(host.udp(5000))
    host.boot.tcp_listener(0, 80)
    host.send(*frames, gap=700).run()
    host.close()
    return host.ends(), host.mib(), host.every_packet(), [(o.t, o.data) for o in host.left(Out.TX)], host.net.nneigh


def test_both_engines_and_both_ways_of_running_say_the_same_of_damaged_frames():
    for seed in range(3):
        frames = damaged(500, seed)
        expected = outcome(plain=False, one_step=False, frames=frames)
        assert len(expected[0]) > 8                              # many ways to end
        assert outcome(plain=True, one_step=False, frames=frames) == expected
        assert outcome(plain=False, one_step=True, frames=frames) == expected


def test_many_damaged_frames_leave_balanced_books():
    ends, *_ = outcome(plain=False, one_step=False, frames=damaged(20_000, 99))
    assert sum(ends.values()) > 19_000                           # the rest waits for its fragments
