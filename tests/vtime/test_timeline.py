"""The timeline of CPUs: slices that nest, in the order of time, as long in sum as the books say, whoever runs ahead; it changes nothing."""
from collections import Counter
from itertools import islice

import pytest

from rxpath.abi.limits import NTRAILMAP
from rxpath.abi.numbers import DRAIN, Trail
from rxpath.abi.timeline import LATER, WINDOW_SHIFT, Slice
from rxpath.outputs import Drain
from rxpath.path import Stage
from rxpath.vtime import engine, setup

from .test_same import SCENARIOS, Run


class Watched:
    """A run whose CPUs are watched: marks of each in their order, drained as a driver of time does it."""

    def __init__(self, frames=False, slice_ns=0, stride=1, **k):
        self.run = Run(**k)
        net, call = self.run.net, self.run.call
        net.trail = Trail.TIMELINE
        for w in range(NTRAILMAP * frames):
            net.trail_map[w] = 0xFFFFFFFF
        self.marks = [[] for _ in range(self.run.cpus)]
        self.open = []                                      # CPU, window, what was open when it began
        drain = Drain(self.run.lab.boot)

        def take(last=False):
            told = drain.timeline(stride, last)
            for t, cpu, kind, arg, frame in told:
                if kind >> 1 & 127 == Slice.OPEN:
                    self.open.append((cpu, t >> WINDOW_SHIFT, [mark[2:] for mark in islice(told, arg)]))
                else:
                    self.marks[cpu].append((t, kind, arg, frame))
            list(drain.marks(last))

        def through(net, until, worked):
            while call(engine.run)(net, until, worked) == DRAIN:
                take()

        self.run.call = lambda f: through if f is engine.run else call(f)
        self.run.run(slice_ns)
        take(last=True)
        assert not any(net.timeline[c].lost for c in range(self.run.cpus))


def own_time(marks, end):
    """ns that each kind of slice has for itself, by what is innermost; -1: nothing is open.  Fails if slices do not nest."""
    found, opened, t = Counter(), [], 0
    for at, kind, _, _ in marks:
        what = kind >> 1 & 127
        assert t <= at < LATER, (t, at, kind)
        found[opened[-1] if opened else -1] += at - t
        t = at
        if what == Slice.END:
            continue
        if kind & 1 == 0:
            opened.append(what)
            continue
        while (inner := opened.pop()) != what:
            assert inner == Slice.CALL and what == Slice.TASK, (inner, what)
    found[opened[-1] if opened else -1] += end - t
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_slices_nest_and_add_up_to_the_books(name):
    k = SCENARIOS[name]
    k = k | dict(n=min(k.get("n", 4000), 2000))
    watched, plain = Watched(frames=True, **k), Run(**k).run()
    assert watched.run.digest() == plain.digest()
    net = watched.run.net
    for cpu, marks in enumerate(watched.marks):
        own, books = own_time(marks, net.sim.now), setup.cpu_time(net, cpu, net.sim.now)
        hard = own[Slice.HARDIRQ] + own[Slice.STALL]
        soft = own[Slice.SOFTIRQ] + own[Slice.ACTION] + own[Slice.POLL] + own[Slice.STATION]
        assert (hard, soft) == books[:2], cpu
        assert own[-1] + own[Slice.IDLE_EXIT] == books.idle, cpu
        assert own[Slice.TASK] + own[Slice.CALL] + own[Slice.SWITCH] == books.syscall + books.application, cpu
        if not net.stage_count[cpu][Stage.SENDER] and "pause" not in k:
            assert abs(own[Slice.TASK] - books.application) <= 1000, cpu


@pytest.mark.parametrize("name", ["other CPU 0.9", "RPS over 3 CPUs", "threaded NAPI", "busy polling", "hogs"])
def test_the_same_marks_whoever_runs_ahead(name):
    k = SCENARIOS[name] | dict(n=600)
    ahead = Watched(frames=True, **k).marks
    assert ahead == Watched(frames=True, one_step=True, **k).marks == Watched(frames=True, slice_ns=10_000, **k).marks


@pytest.mark.parametrize("name", ["other CPU, ITR, overload", "epoll, busy polling", "threaded NAPI beside its reader"])
def test_compiled_equals_plain(name):
    k = SCENARIOS[name] | dict(n=120)
    assert Watched(frames=True, **k).marks == Watched(frames=True, plain=True, **k).marks


@pytest.mark.parametrize("plain", [False, True])
def test_of_some_windows_what_is_open_and_what_happens(plain):
    """Of every 3 windows the first: the marks of those alone, and at the beginning of each what all marks before it have left open."""
    k = SCENARIOS["hogs"] | dict(n=900, plain=plain)
    whole, some = Watched(frames=True, **k), Watched(frames=True, stride=3, **k)
    assert some.run.digest() == whole.run.digest()
    assert not any(Watched(frames=True, stride=0, **k).marks)
    for cpu, marks in enumerate(whole.marks):
        assert some.marks[cpu] == [m for m in marks if (m[0] >> WINDOW_SHIFT) % 3 == 0]
        given = [(window, found) for c, window, found in some.open if c == cpu]
        assert given and all(window % 3 == 0 for window, _ in given) and len(dict(given)) == len(given)
        for window, found in given:
            opened = []
            for t, kind, arg, frame in marks:
                what = kind >> 1 & 127
                if t >= window << WINDOW_SHIFT:
                    break
                if kind & 1:
                    while opened.pop()[0] >> 1 & 127 != what:
                        pass
                elif what != Slice.END:
                    opened.append((kind, arg, frame))
            assert found == opened, (cpu, window)
    assert any(found for _, _, found in some.open)
