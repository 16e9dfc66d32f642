"""The scheduler against what was measured on 6.18: shares, slices, and how often a wake-up takes the CPU at once."""

import itertools

import pytest

from rxpath import boot
from rxpath.abi.limits import NCPU
from rxpath.abi.numbers import Kind
from rxpath.path import Stage
from rxpath.vtime import engine, setup
from rxpath.vtime.apps import Phase
from rxpath.vtime.costs import BM36

MS, S = 1_000_000, 1_000_000_000


class Threads:
    """One CPU, no packets: threads that compute (work, sleep, nice)."""

    def __init__(self, *threads: tuple[int, int, int], plain: bool = False, costs: dict[Stage, int] | None = None) -> None:
        self.boot = boot.Booted(nskb=64, plain=plain)
        self.net, self.call = self.boot.net, self.boot.call
        self.call(engine.vtime_init)(self.net, 0, 1, False)
        for stage, ns in (costs or {}).items():
            self.net.cost[0][stage] = ns
        self.n = len(threads)
        for i, (work, sleep, nice) in enumerate(threads):
            n = NCPU + i
            self.call(engine.add_thread)(self.net, n, 0, Kind.HOG)
            th = self.net.thread[n]
            th.service, th.period, th.weight = work, sleep, setup.nice_weight(nice)
            self.call(setup.thread_start)(self.net, n, Phase.COMPUTE, 1000 + i)
            th.timed_out = 1

    def run(self, ns: int) -> "Threads":
        self.call(engine.run)(self.net, ns, 0)
        return self

    def shares(self) -> list[float]:
        threads = [self.net.thread[NCPU + i] for i in range(self.n)]
        return [100 * (th.ran_app_ns + th.ran_sys_ns) / self.net.sim.now for th in threads]


def test_two_hogs_alternate_at_every_tick():
    host = Threads((MS, 0, 0), (MS, 0, 0))
    switches = []
    for t in range(20 * MS, 200 * MS, MS // 2):
        host.run(t)
        curr = host.net.cpu[0].curr
        if not switches or switches[-1][1] != curr:
            switches.append((t, curr))
    gaps = [b[0] - a[0] for a, b in itertools.pairwise(switches[1:])]
    assert set(gaps) == {4 * MS}
    assert host.shares() == pytest.approx([50, 50], abs=3)


def test_three_hogs_get_a_third_each():
    assert Threads((MS, 0, 0), (MS, 0, 0), (MS, 0, 0)).run(3 * S).shares() == pytest.approx([33.3] * 3, abs=0.4)


def test_nice_5_gets_a_quarter_beside_nice_0():
    assert Threads((MS, 0, 0), (MS, 0, 5)).run(10 * S).shares() == pytest.approx([75.3, 24.6], abs=0.7)


# sleep, work (us): share and immediate wake-ups in %, as measured on 6.18
MEASURED = [
    (500, 5, 3.9, 99),
    (500, 300, 37.7, 99),
    (1000, 900, 45.1, 96),
    (200, 1000, 47.1, 62),
    (100, 300, 43.2, 87),
    (1000, 3000, 47.3, 40),
    (50, 50, 33.0, 98),
    (5000, 100, 2.2, 96),
]


@pytest.mark.parametrize(("sleep", "work", "share", "at_once"), MEASURED)
def test_a_sleeper_beside_a_hog(sleep, work, share, at_once):
    host = Threads((MS, 0, 0), (work * 1000, sleep * 1000, 0), costs=BM36).run(20 * S)  # without costs, ticks and sleeps resonate
    got = host.shares()[1]
    th = host.net.thread[NCPU + 1]
    if work != 5:  # 5 us of work: what the real one spent on sleeping itself is three times that
        assert got == pytest.approx(share, rel=0.10)
    assert 100 * th.preempted / th.woken == pytest.approx(at_once, abs=8)


def test_a_sleeper_beside_two_hogs():
    host = Threads((MS, 0, 0), (MS, 0, 0), (100_000, 200_000, 0)).run(20 * S)
    assert host.shares()[2] == pytest.approx(20.0, rel=0.7)
    th = host.net.thread[NCPU + 2]
    assert th.preempted / th.woken > 0.9


def test_two_sleepers_do_not_preempt_each_other():
    """Measured on 6.18: half each, wake-ups wait about 810 us (1000 of work less 200 of sleep)."""
    host = Threads((1_000_000, 200_000, 0), (1_000_000, 200_000, 0), costs=BM36).run(5 * S)
    assert host.shares() == pytest.approx([50, 50], abs=2)
    for i in range(2):
        th = host.net.thread[NCPU + i]
        assert th.preempted / th.woken < 0.1


def test_cpu_time_adds_up_at_every_cut():
    host = Threads((MS, 0, 0), (300_000, 100_000, 0))
    for t in range(5000, 60 * MS, 77_777):
        host.run(t)
        assert sum(setup.cpu_time(host.net, 0, t)) == t
