"""The timer wheel against a slow one that a reader can check; hrtimers; and the face that a driver of time sees."""
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rxpath import boot, path, timer
from rxpath._compile import reset_struct
from rxpath.abi.kernels import Behaviour, Sysctl
from rxpath.abi.net import Net
from rxpath.abi.numbers import DONE, NEVER, YIELD, Out, Softirq
from rxpath.irq import timer as irq_timer

from ..frames import PEER, US, eth, ip
from ..lab import Lab

JIFFY, MS, SEC = 4_000_000, 1_000_000, 1_000_000_000
CPUS = 2


@dataclass
class Slow:
    """One CPU's wheel, jiffy by jiffy.  buckets: since 4.8; else the cascading one, whose slots are lists in the order of arrival."""
    buckets: bool
    clk: int = 0
    next: int = NEVER
    seq: int = 0
    timers: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)      # number -> goes off, level, sequence, slot

    def level_of(self, delta: int) -> int:
        if self.buckets:
            return next(level for level in range(9) if delta < 63 * 8 ** level or level == 8)
        return next(level for level in range(5) if delta < 256 * 64 ** level or level == 4)

    def place(self, expires: int) -> tuple[int, int, int]:
        """(goes off, level, slot of that level)"""
        if expires < self.clk:
            return self.clk, 0, self.clk
        level = self.level_of(expires - self.clk)
        width = 8 ** level if self.buckets else 1 if level == 0 else 256 * 64 ** (level - 1)
        slot = expires // width
        return ((slot + 1) * width, level, slot + 1) if self.buckets else (expires, level, slot)

    def forward(self, now: int) -> None:
        while self.clk < min(now, self.next):
            self.cascade()
            self.clk += 1
        self.cascade()

    def cascade(self) -> None:
        """Timers whose slot of a higher level begins at this jiffy are placed anew, in their order, the lower levels' first."""
        if self.buckets:
            return
        for level in range(1, 5):
            width = 256 * 64 ** (level - 1)
            if self.clk % width:
                return
            for i in sorted(self.timers, key=lambda i: self.timers[i][2]):
                if self.timers[i][1] == level and self.timers[i][3] == self.clk // width:
                    self.put(i, self.timers[i][0])

    def put(self, i: int, expires: int) -> None:
        self.seq += 1
        goes_off, level, slot = self.place(expires)
        self.timers[i] = goes_off, level, self.seq, slot
        self.next = min(self.next, goes_off)

    def take_due(self) -> list[int]:
        """Of the next jiffy, in their order."""
        self.forward(self.next)
        due = [i for i, t in self.timers.items() if t[0] == self.clk]
        due.sort(key=(lambda i: (-self.timers[i][1], -self.timers[i][2])) if self.buckets else (lambda i: self.timers[i][2]))
        for i in due:
            del self.timers[i]
        self.clk += 1
        self.next = min((t[0] for t in self.timers.values()), default=NEVER)
        return due


class SlowTimers:
    """The wheels of all CPUs, and what has gone off: (cpu, number, jiffy)."""

    def __init__(self, buckets: bool) -> None:
        self.buckets, self.wheels = buckets, [Slow(buckets) for _ in range(CPUS)]
        self.asked: dict[int, int] = {}
        self.expiring: list[list[int]] = [[] for _ in range(CPUS)]

    def mod(self, cpu: int, i: int, expires: int, now: int) -> None:
        if not self.buckets:
            expires = timer.apply_slack(expires, now)
        for home, wheel in enumerate(self.wheels):
            if i in wheel.timers or i in self.expiring[home]:
                if self.asked[i] == expires:
                    return
                if self.buckets:
                    wheel.forward(now)
                    there = wheel.place(expires)
                    if i in wheel.timers and there == (*wheel.timers[i][:2], wheel.timers[i][3]):
                        self.asked[i] = expires
                        return
                self.delete(i)
        self.wheels[cpu].forward(now)
        self.asked[i] = expires
        self.wheels[cpu].put(i, expires)

    def delete(self, i: int) -> None:
        for home, wheel in enumerate(self.wheels):
            wheel.timers.pop(i, None)
            if i in self.expiring[home]:
                self.expiring[home].remove(i)

    def run(self, cpu: int, now: int, went_off) -> None:
        while self.expiring[cpu] or self.wheels[cpu].next <= now:
            if not self.expiring[cpu]:
                self.expiring[cpu] = self.wheels[cpu].take_due()
                continue
            went_off(self, self.expiring[cpu].pop(0))


class FastTimers:
    """Ours, with the face of SlowTimers."""

    def __init__(self, buckets: bool, net: Net) -> None:
        self.net = net
        net.behaviour[Behaviour.timer_buckets] = int(buckets)

    def mod(self, cpu: int, i: int, expires: int, now: int) -> None:
        self.net.cpu[cpu].now = now * JIFFY + 77
        timer.mod_timer(self.net, cpu, i, expires)

    def delete(self, i: int) -> None:
        timer.timer_delete(self.net, i)

    def run(self, cpu: int, now: int, went_off) -> None:
        net, c = self.net, self.net.cpu[cpu]
        c.now, c.horizon = now * JIFFY, NEVER
        before, path.call_timer_function = path.call_timer_function, lambda function, net, cpu, data: went_off(self, data)
        try:
            irq_timer.run_local_timers(net, cpu, c.now)
            if net.sd[cpu].pending >> Softirq.TIMER & 1:
                net.sd[cpu].pending = 0
                while irq_timer.run_timer_softirq(net, cpu) == YIELD:          # a timer that was armed brings us back
                    c.horizon = NEVER
        finally:
            path.call_timer_function = before


@pytest.fixture(scope="module")
def bare():
    return boot.Booted(plain=True, nskb=64)


def empty(b: boot.Booted) -> Net:
    net = b.net
    for cpu in range(CPUS):
        reset_struct(net.timer_bases[cpu])
        reset_struct(net.cpu[cpu])
        net.sd[cpu].pending = 0
    for i in range(32):
        net.timers[i].pending = 0
        timer.timer_setup(net, i, path.Timer.ip_expire, i)
    return net


OP = st.tuples(st.sampled_from(["mod", "mod", "mod", "delete", "run", "run"]), st.integers(0, CPUS - 1), st.integers(0, 5),
               st.one_of(st.integers(0, 70), st.integers(64, 80),
                         st.sampled_from([62, 63, 64, 255, 256, 257, 503, 504, 505, 4031, 4032, 16383, 16384]),
                         st.integers(0, 40_000)))


@pytest.mark.parametrize("buckets", [True, False])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(ops=[("mod", 0, 1, 65), ("mod", 0, 2, 66), ("mod", 1, 1, 67)], start=3000, react=[])          # 1 stays, behind 2 and on CPU 0
@example(ops=[("mod", 0, i, 10) for i in (0, 1, 0)], start=0, react=[])                                # 0 stays in front of 1
@example(ops=[("mod", 0, 0, 503), ("mod", 0, 1, 100), ("mod", 0, 2, 0), ("run", 0, 0, 1), ("run", 0, 0, 200)], start=3001, react=[])
@example(ops=[("mod", 0, 0, 16190), ("mod", 0, 1, 1000), ("mod", 0, 2, 0), ("run", 0, 0, 0), ("run", 0, 0, 2000)], start=200, react=[])
@given(ops=st.lists(OP, max_size=40), start=st.integers(0, 3000), react=st.lists(OP, max_size=6))
def test_timers_go_off_as_on_a_slow_wheel(bare, buckets, ops, start, react):
    """Armed, moved and deleted on two CPUs, also from within a timer that goes off, and run late."""
    seen = []
    for timers in (FastTimers(buckets, empty(bare)), SlowTimers(buckets)):
        log, now, left = [], start, list(react)
        for op, cpu, i, by in [*ops, ("run", 0, 0, 70_000), ("run", 1, 0, 70_000)]:
            if op == "mod":
                timers.mod(cpu, i, now + by, now)
            elif op == "delete":
                timers.delete(i)
            else:
                now += by

                def went_off(timers, i, cpu=cpu, log=log, left=left, now=now):
                    log.append((cpu, i, now))
                    if left:
                        what, _, j, later = left.pop()
                        timers.delete(j) if what == "delete" else timers.mod(cpu, j, now + later, now)
                timers.run(cpu, now, went_off)
        seen.append(log)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("delta,wait,width", [(0, 1, 1), (10, 11, 1), (62, 63, 1), (63, 64, 8), (250, 256, 8), (503, 504, 8),
                                              (504, 512, 64), (7500, 7680, 512), (3_000_000, 3_145_728, 1 << 18),
                                              (1 << 40, 1056964608, 1 << 24)])
def test_the_bucket_of_a_time_out(bare, delta, wait, width):
    """kernel/time/timer.c's table: 63 jiffies to their own, then 8 at a time, 64, 512, ...; the longest is cut."""
    net = empty(bare)
    net.behaviour[Behaviour.timer_buckets] = 1
    net.cpu[0].now = 0
    timer.mod_timer(net, 0, 3, delta)
    assert net.timers[3].goes_off == wait and wait % width == 0
    assert net.cpu[0].next_timer == wait * JIFFY and irq_timer.timer_next(net, 0) == wait * JIFFY


def test_before_4_8_a_long_time_out_had_a_slack():
    """apply_slack(): up to 1/256, to the roundest jiffy in it."""
    assert [timer.apply_slack(at, 0) for at in (255, 256, 511, 512, 7500, 16300)] == [255, 257, 512, 514, 7520, 16320]
    assert timer.apply_slack(1255, 1000) == 1255


def test_a_timer_waits_for_this_cpus_turn(bare):
    """Others see the wheel: with somebody earlier, the softirq comes back, and goes on where it was."""
    net = empty(bare)
    for i in (1, 2):
        net.cpu[0].now = 0
        timer.mod_timer(net, 0, i, 5)
    c, log = net.cpu[0], []
    c.now, c.horizon = 6 * JIFFY, 6 * JIFFY - 1
    assert irq_timer.run_timer_softirq(net, 0) == YIELD

    def went_off(function, net, cpu, data):
        log.append(data)
        c.now += 10
        return 0
    before, path.call_timer_function = path.call_timer_function, went_off
    try:
        c.horizon = 6 * JIFFY
        assert irq_timer.run_timer_softirq(net, 0) == YIELD and log == [2]
        timer.timer_delete(net, 1)                           # another CPU takes one off that is about to go off
        c.horizon = NEVER
        assert irq_timer.run_timer_softirq(net, 0) == DONE and log == [2]
    finally:
        path.call_timer_function = before


def test_hrtimers_go_off_at_their_time_in_its_order(bare):
    net, log = empty(bare), []
    for i, at in ((0, 500), (1, 300), (2, 300), (3, 900), (4, 100)):
        timer.hrtimer_setup(net, i, path.Hrtimer.napi_watchdog, 10 + i)
        timer.hrtimer_start(net, 0, i, at)
    timer.hrtimer_cancel(net, 4)
    timer.hrtimer_start(net, 1, 0, 450)                      # moves to the other CPU
    assert irq_timer.timer_next(net, 0) == 300 and irq_timer.timer_next(net, 1) == 450
    before, path.call_hrtimer_function = path.call_hrtimer_function, lambda function, net, cpu, data: log.append((cpu, data))
    try:
        for cpu in (0, 1):
            irq_timer.run_timers(net, cpu, 899)
        assert log == [(0, 11), (0, 12), (1, 10)] and irq_timer.timer_next(net, 0) == 900
        irq_timer.run_timers(net, 0, 900)
        assert log[3:] == [(0, 13)] and irq_timer.timer_next(net, 0) == NEVER
    finally:
        path.call_hrtimer_function = before


# ---------------------------------------------------------------- through the path, compiled too
def fragment(ident: int, at: int = 0, more: bool = True) -> bytes:
    return eth(ip(bytes(80), PEER, US, ident=ident, frag=0x2000 * more | at >> 3))


@pytest.mark.parametrize("kernel", ["6.18", "3.10"])
def test_queues_with_many_time_outs_expire_in_the_order_of_a_slow_wheel(lab, kernel):
    """The time-out is changed between fragments; some queues are killed meanwhile (an overlap)."""
    host = lab(kernel=kernel, cpus=1).listen()
    host.net.sysctl[Sysctl.icmp_ratemask] = 0
    slow, ident, expected, t = SlowTimers(kernel == "6.18"), 0, [], 10 * MS
    for k in range(60):
        wait = (250, 249, 8, 70, 71, 600, 0, 300, 505, 63)[k * 7 % 10]
        host.net.sysctl[Sysctl.ipfrag_time_ns] = wait * JIFFY
        t += (k * 13 % 5) * JIFFY // 2 + 1000
        ident += 1
        host.send(fragment(ident), at=t)
        if k % 6 == 5:
            host.send(fragment(ident, 40) if kernel == "6.18" else fragment(ident, 80), at=t + 50_000)
        host.run(t + 200_000)
        now = t // JIFFY
        slow.run(0, now, lambda _, i: expected.append(i))
        slow.mod(0, ident, now + wait, now)
        if k % 6 == 5 and kernel == "6.18":
            slow.delete(ident)
    host.run(4 * SEC)
    slow.run(0, 4 * SEC // JIFFY, lambda _, i: expected.append(i))
    told = [int.from_bytes(o.data[46:48], "big") for o in host.left(Out.TX) if o.data[12:14] == b"\x08\0" and o.data[34] == 11]
    assert told == expected and len(told) >= 50
    assert host.mib()["Ip.ReasmTimeout"] == len(told) and host.net.frag_nqueues == 0


@pytest.mark.parametrize("far,oks,timeouts", [(0, 20, 60), (64, -1, 90)])
def test_running_ahead_changes_no_timer(far, oks, timeouts):
    """Queues of four CPUs, created by one, completed by another, or begun anew (ipfrag_max_dist), which moves their timer."""
    from ..network.test_ip_fragment import COSTS, send_on
    seen = []
    for one_step in (False, True):
        host = Lab(cpus=4, queues=4, one_step=one_step, costs=COSTS)
        host.net.sysctl[Sysctl.ipfrag_max_dist] = far
        for i in range(300):
            d, piece = i * 37 % 100, i // 100
            if piece == 2 and d % 3:
                continue                                 # never whole
            host.net.sysctl[Sysctl.ipfrag_time_ns] = (20 + i % 7 * 9) * MS
            send_on(host, i * 7 % 4, fragment(d, 80 * piece, piece < 2), 1000 + 110_000 * i)
            if i % 10 == 0:
                host.run(1000 + 110_000 * i)
        host.run(400 * MS)
        seen.append((host.ends(), host.mib(), [(host.net.cpu[c].softirq_ns, host.net.sd[c].raised[1]) for c in range(4)]))
        host.close()
    assert seen[0] == seen[1] and seen[0][1].get("Ip.ReasmOKs", 0) > oks and seen[0][1]["Ip.ReasmTimeout"] > timeouts
