"""A frame of any bytes ends in the books under one reason; it never raises, hangs or crashes; compiled and plain do the same to the byte.

Run again with RXPATH_BOUNDS=1, every index of the compiled path is checked."""
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..frames import arp, eth, fragments, icmp, ip, tcp, udp, udp_frame
from ..lab import Lab, whole_state

pytestmark = pytest.mark.fuzz

GOOD = [
    udp_frame(b"x" * 20), udp_frame(b"y" * 1400), udp_frame(b"z", dport=9),
    arp(), eth(ip(icmp(), proto=1)), eth(ip(udp(b"v")), vlan=5),
    eth(ip(tcp(dport=80), proto=6)), eth(ip(tcp(b"data" * 50, flags=0x18), proto=6)), eth(ip(udp(b"o"), options=b"\x07\x07\x04\0\0\0\0\0")),
    udp_frame(b"b", dst="255.255.255.255"), udp_frame(b"m", dst="224.0.0.251"), eth(ip(b"?" * 30, proto=200)),
    eth(b"\xaa" * 40, proto=0x86DD),
    *fragments(udp(bytes(3000)), [1480, 1480]), *fragments(udp(bytes(64)), [8, 16, 24], ident=9),
]


def mutated(rng: random.Random) -> bytes:
    """A good frame, or one with bytes changed, cut off, or added."""
    f = bytearray(rng.choice(GOOD))
    if rng.random() < 0.6:
        for _ in range(rng.randrange(1, 5)):
            f[rng.randrange(len(f))] = rng.choice((0, 1, 0x45, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    if rng.random() < 0.2:
        del f[rng.randrange(len(f)):]
    if rng.random() < 0.05:
        f += rng.randbytes(rng.randrange(3000))
    return bytes(f)


def host(plain: bool) -> Lab:
    lab = Lab(plain=plain, cpus=3, queues=2, ring=80, nskb=2048)
    for port in (5000, 9, 53):
        lab.udp(port, rcvbuf=8000)
    lab.app(0, cpu=2)
    return lab


@pytest.mark.parametrize("seed", range(3))
def test_compiled_equals_plain_on_frames_of_any_kind_state_and_all(seed):
    rng = random.Random(seed)
    frames = [mutated(rng) for _ in range(300)]
    hosts = [host(plain=False), host(plain=True)]
    for h in hosts:
        h.send(*frames, gap=700)
        h.run()
        h.close()
    assert hosts[0].ends() == hosts[1].ends()
    assert hosts[0].mib() == hosts[1].mib()
    assert whole_state(hosts[0].net) == whole_state(hosts[1].net)


def test_twenty_thousand_mutated_frames_leave_the_books_balanced():
    rng = random.Random(99)
    h = host(plain=False)
    for _ in range(40):
        h.send(*[mutated(rng) for _ in range(500)], gap=rng.choice((50, 700, 3000)))
        h.run()
        h.close()
    assert sum(h.ends().values()) > 15_000
    assert len(h.ends()) > 8, h.ends()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.binary(min_size=0, max_size=200), min_size=1, max_size=20))
def test_bytes_that_are_no_frames_at_all(frames):
    h = host(plain=False)
    h.send(*frames)
    h.run()
    h.close()
