"""Under load: more than fits, in ways that do not depend on how fast anything is.  Every loss agrees to the packet.

A reader that sleeps while bursts come and then drains what is there; a burst into a backlog that is not polled meanwhile; more fragments
than reassembly may hold; more answers than ICMP may send."""
from __future__ import annotations

import random
from collections.abc import Iterator

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Burst, Case, Frags, GetOpt, Recv, Send, Step, Sysctl, Wait
from rxpath.workbench.judge.hosts import host

SOURCE = "rules 3, 6 and 7 of 6.18.44, and its backlog"
BACKLOG = "net.core.netdev_max_backlog"
PAYLOADS, RCVBUFS = (0, 64, 512, 1472), (2304, 8192, 65536, 106496)
LIMITS = (0, 1, 10, 20, 30, 38, 39, 40)
HIGH, LOW = "net.ipv4.ipfrag_high_thresh", "net.ipv4.ipfrag_low_thresh"
MS = 1_000_000
MEMORY = GetOpt("a", "SO_MEMINFO")
LIMITED = {"net.ipv4.icmp_ratemask": 6168}


def numbered(n: int, length: int, first: int = 0, dport: int = 5000) -> tuple[bytes, ...]:
    return tuple(f.udp_frame((first + i).to_bytes(4, "big")[:length] + b"x" * max(0, length - 4), dport=dport) for i in range(n))


# ---------------------------------------------------------------- a reader that sleeps
def sleepers() -> Iterator[Case]:
    """A burst larger than the buffer, then a drain, three times; and a reader that takes a few in between."""
    for size in RCVBUFS:
        for length in PAYLOADS:
            fits = size * 2 // (832 if length < 200 else 1280 if length < 600 else 2304)
            n = min(fits + fits // 3 + 3, 400)
            steps: list[Step] = []
            for k in range(3):
                steps += [Send(numbered(n, length, k * n)), MEMORY, Wait(MS), Recv("a", count=0), MEMORY]
            yield Case(f"bursts of {n} of {length} bytes into rcvbuf {2 * size}, drained after each", "user",
                       host([{"name": "a", "bind": "*:5000", "rcvbuf": size}]), tuple(steps), SOURCE)
    for seed in range(4):
        rng, steps = random.Random(f"sleeper {seed}"), []
        for k in range(30):
            steps += [Send(numbered(rng.randrange(1, 40), rng.choice(PAYLOADS), k * 40)), Recv("a", count=rng.randrange(1, 25)),
                      MEMORY]
        yield Case(f"a reader that is too slow for its bursts, {seed}", "user", host([{"name": "a", "bind": "*:5000", "rcvbuf": 16384}]),
                   tuple(steps), SOURCE)
    both = [s for k in range(3) for s in (Send(numbered(300, 64, 300 * k)), Send(numbered(110, 1472, 110 * k, 5001)), Recv("b", count=0))]
    yield Case("one reader never wakes, its neighbour drains", "user",
               host([{"name": "a", "bind": "*:5000"}, {"name": "b", "bind": "*:5001"}]), (*both, MEMORY), SOURCE)


# ---------------------------------------------------------------- the backlog
def backlog() -> Iterator[Case]:
    """Bottom halves are held while the burst comes: one more than the limit fits.  The sysctl is the machine's: it is put back at once."""
    for limit in LIMITS:
        yield Case(f"netdev_max_backlog {limit}, a burst of 40", "irq",
                   host([{"name": "a", "bind": "*:5000", "rcvbufforce": 1 << 22}], cpus=2, rps={"0": "1"}),
                   (Sysctl(BACKLOG, limit), Burst(b"x" * 64, 40), Sysctl(BACKLOG, 1000), Recv("a", count=0)), SOURCE)
    yield Case("netdev_max_backlog 10, bursts of 40, 11 and 12", "irq",
               host([{"name": "a", "bind": "*:5000", "rcvbufforce": 1 << 22}], cpus=2, rps={"0": "1"}),
               (Sysctl(BACKLOG, 10), Burst(b"x" * 64, 40), Burst(b"y" * 100, 11), Burst(b"z" * 1000, 12), Sysctl(BACKLOG, 1000),
                Recv("a", count=0)), SOURCE)


# ---------------------------------------------------------------- fragments
def firsts(n: int, length: int) -> tuple[bytes, ...]:
    """First fragments of n datagrams."""
    return tuple(f.eth(f.ip(bytes(length), ident=1 + i, frag=0x2000)) for i in range(n))


def fragments() -> Iterator[Case]:
    """Beyond ipfrag_high_thresh nothing is taken: floor(high / each) + 1 fit, and none makes room for another."""
    for high, length in ((1, 1480), (5000, 1480), (20000, 1480), (100000, 1480), (1000, 8), (5000, 8), (20000, 8), (20000, 256)):
        n = high // (200 + (832 if length < 200 else 1280 if length < 600 else 2304)) + 6
        yield Case(f"{n} first fragments of {length} bytes into {high}", "network", host(),
                   (Sysctl(LOW, 0), Sysctl(HIGH, high), Send(firsts(n, length)), Frags()), SOURCE)
    whole = [fragment for i in range(8) for fragment in f.fragments(f.udp(bytes([i]) * 2800), [1480], ident=50 + i)]
    yield Case("datagrams complete while others fill the memory", "network", host(),
               (Sysctl(LOW, 0), Sysctl(HIGH, 20000), Send(tuple(whole[:6])), Send(firsts(6, 1480)), Frags(), Send(tuple(whole[6:])),
                Send(firsts(9, 1480)), Frags(), Send(tuple(whole[:4])), Frags()), SOURCE)
    yield Case("the memory is free again after the time-out", "network", host(sysctl={"net.ipv4.ipfrag_time": 1}),
               (Sysctl(LOW, 0), Sysctl(HIGH, 5000), Send(firsts(5, 1480)), Frags(), Wait(1_300 * MS), Frags(),
                Send(firsts(4, 1480)), Frags()), SOURCE, slow=True)


# ---------------------------------------------------------------- ICMP answers by count
def answers() -> Iterator[Case]:
    """Six answers at once to one peer, then one for each icmp_ratelimit."""
    closed = f.udp_frame(dport=9)
    for n in (5, 6, 7, 100):
        yield Case(f"{n} at once to a closed port", "network", host(sysctl=LIMITED), (Send((closed,) * n),), SOURCE)
    after: list[Step] = [Send((closed,) * 20)]
    for _ in range(4):
        after += [Wait(104 * MS), Send((closed,) * 3)]
    yield Case("closed port, ratelimit 100 ms: one more after each", "network",
               host(sysctl={**LIMITED, "net.ipv4.icmp_ratelimit": 100}), tuple(after), SOURCE)


NOT_BUILT = (
    ("udp_mem under load", "user", "net.ipv4.udp_mem is machine-wide and its total drifts by 256 pages for each CPU: not judged"),
    ("losses of a reader that is slower than its sender", "user",
     "they depend on the speed of the machine: rxpath judge --load shows the bundled capture beside the kernel's own spread"),
)


def cases() -> list[Case]:
    return [*sleepers(), *backlog(), *fragments(), *answers(),
            *(Case(name, station, host(), (), SOURCE, not_built=why) for name, station, why in NOT_BUILT)]
