"""The rate limits of ICMP errors: by destination exactly, by count; the limit of the whole host within its own spread.

Times are chosen far from the moments at which another message would be allowed, so that a busy machine decides nothing.  The host's credit
loses 0, 1 or 2 by lot with each message: those cases count messages of many bursts on both sides and compare the means."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Observation, Send, Step, Sysctl, Wait
from rxpath.workbench.judge.hosts import host

SOURCE = "ICMP limits of 6.18.44"
MS = 1_000_000
DEFAULT_MASK = 6168                                     # destination unreachable, source quench, time exceeded, parameter problem
PEERS = [{"ip": f"10.0.0.{i}", "mac": f"02:00:00:00:00:{i:02x}"} for i in range(2, 32)]
CLOSED = 9000


def limited(**sysctl: Any) -> dict[str, Any]:
    """Linux's own limits, but for what is said."""
    named = {f"net.ipv4.icmp_{name}": value for name, value in sysctl.items()}
    return host(sysctl={"net.ipv4.icmp_ratemask": DEFAULT_MASK, **named}, neighbour=PEERS)


def closed(n: int, src: str = f.PEER, dport: int = CLOSED) -> Send:
    return Send((f.udp_frame(b"?", dport=dport, src=src),) * n)


def pings(n: int) -> Send:
    return Send((f.eth(f.ip(f.icmp(), proto=1)),) * n)


def case(name: str, described: dict[str, Any], *steps: Step, slow: bool = False) -> Case:
    return Case(name, "network", described, steps, SOURCE, slow=slow)


def by_destination() -> Iterator[Case]:
    for n in (1, 5, 6, 7, 100):
        yield case(f"{n} at once to one peer", limited(), closed(n))
    yield case("four peers have six each", limited(), *(closed(9, f"10.0.0.{i}") for i in range(2, 6)))
    yield case("two peers by turns", limited(), *(closed(1, f"10.0.0.{2 + i % 2}") for i in range(20)))
    # T since the first, in multiples of the limit: 0, 1.25, 2.5, 5, 5.25 and then long after
    yield case("ratelimit 200 ms: six, then one for each 200 ms", limited(ratelimit=200), closed(10), Wait(250 * MS), closed(5),
               Wait(250 * MS), closed(5), Wait(500 * MS), closed(5), Wait(50 * MS), closed(5), slow=True)
    yield case("ratelimit 40 ms: no more than six are saved", limited(ratelimit=40), closed(10), Wait(500 * MS), closed(10), slow=True)
    yield case("ratelimit 1 s: five seconds", limited(), closed(10), *(s for _ in range(5) for s in (Wait(1100 * MS), closed(3))),
               slow=True)
    yield case("ratelimit changed: the next message knows", limited(ratelimit=5000), closed(8), Wait(100 * MS), closed(2),
               Sysctl("net.ipv4.icmp_ratelimit", 30), Wait(20 * MS), closed(9), slow=True)
    yield case("ratemask 0: no limit", limited(ratemask=0), closed(300))
    yield case("ratemask of echo replies only", limited(ratemask=1), closed(20), pings(20))
    stamp = f.eth(f.ip(f.icmp(13, rest=b"\0\1\0\1", payload=bytes(12)), proto=1))
    yield case("ratemask of echo and time stamp replies", limited(ratemask=1 | 1 << 14), pings(4), Send((stamp,) * 9), pings(4))
    yield case("ratemask of time stamp replies only", limited(ratemask=1 << 14), Send((stamp,) * 9), pings(9))
    yield case("echo replies are not in the mask", limited(), pings(150))
    yield case("ratemask of everything", limited(ratemask=0x7FFFFFFF), closed(3), pings(7), closed(3))
    yield case("both kinds of unreachable share a bucket", host(
        sysctl={"net.ipv4.icmp_ratemask": DEFAULT_MASK}, neighbour=PEERS,
        rules="*filter\n-A INPUT -p udp -m udp --dport 7 -j REJECT --reject-with icmp-host-prohibited\nCOMMIT\n"),
        closed(4), Send((f.udp_frame(dport=7),) * 4))
    yield case("unknown protocols too", limited(), Send((f.eth(f.ip(b"x" * 8, proto=200)),) * 4), closed(4))
    yield case("no errors about fragments behind the first, none spent", limited(), *(closed(2) for _ in range(2)),
               Send((f.eth(f.ip(f.udp(b"x"), frag=0x2001)),) * 9), closed(4))
    yield case("msgs_per_sec 0: none", limited(msgs_per_sec=0), closed(5))
    yield case("msgs_per_sec 0, ratemask 0", limited(msgs_per_sec=0, ratemask=0), closed(5))
    yield case("one message at a time, ratelimit 0", limited(ratelimit=0), *(s for _ in range(6) for s in (closed(3), Wait(30 * MS))),
               slow=True)


# ---------------------------------------------------------------- the host's own credit
def bursts(name: str, n: int, wait_ms: int, runs: int, described: dict[str, Any], skip: int = 0, slow: bool = False) -> Case:
    """`runs` bursts of n; the numbers that were answered, but for the first `skip` bursts."""
    steps = tuple(s for k in range(runs) for s in (closed(n, dport=CLOSED + k), Wait(wait_ms * MS)))

    def answered(seen: Observation) -> list[float]:
        counts = [0] * runs
        for reply in seen.replies:                      # Ethernet, IP, ICMP, IP, UDP: the port that was asked for
            if reply[12:14] == b"\x08\x00" and reply[34:36] == b"\x03\x03":
                counts[int.from_bytes(reply[64:66], "big") - CLOSED] += 1
        return [float(c) for c in counts[skip:]]

    return Case(name, "network", described, steps, SOURCE, spread=answered, slow=slow)


def global_credit() -> Iterator[Case]:
    yield bursts("global limit: bursts of 120, 0.12 s apart", 120, 120, 10, limited(ratelimit=0), slow=True)
    yield bursts("global limit: bursts of 120, 0.12 s apart, many", 120, 120, 80, limited(ratelimit=0), slow=True)
    yield bursts("global limit: burst 200", 300, 300, 12, limited(ratelimit=0, msgs_burst=200), slow=True)
    yield bursts("global limit: burst 1", 20, 40, 30, limited(ratelimit=0, msgs_burst=1))
    yield bursts("global limit: 100 a second, 0.2 s apart", 60, 200, 20, limited(ratelimit=0, msgs_per_sec=100), skip=1, slow=True)
    yield bursts("global limit: 40 a second, 0.25 s apart", 30, 250, 16, limited(ratelimit=0, msgs_per_sec=40), skip=2, slow=True)
    yield bursts("global limit: 10000 a second, 0.05 s apart", 120, 50, 20, limited(ratelimit=0, msgs_per_sec=10000), skip=1, slow=True)


def unresolved() -> Iterator[Case]:
    yield case("gateway unresolved: answers wait for ARP", host(route=[{"dst": "default", "via": "10.0.0.99"}]), closed(3, "172.16.0.9"))
    yield case("gateway unresolved: 200 answers", host(route=[{"dst": "default", "via": "10.0.0.99"}]), closed(200, "172.16.0.9"))


def cases() -> list[Case]:
    return [*by_destination(), *global_credit(), *unresolved()]
