"""Recordings over time: the same bytes whoever runs ahead, sums that are the books', and nothing lost when a table halves."""
import hashlib
import random

import pytest

from rxpath import boot, record
from rxpath.abi.limits import NBUCKET, NCUT, NREASON, NSERIES
from rxpath.abi.reasons import Drop
from rxpath.abi.record import Recorded
from rxpath.vtime import cuts, setup

from .test_same import SCENARIOS, Run, whole_state


def tables(run):
    """sha256 of everything that has been recorded."""
    net, h = run.net, hashlib.sha256()
    rec = net.recording
    h.update(bytes(rec))
    for s in range(rec.nseries):
        h.update(bytes(net.record_series[s]))
        if net.record_series[s].used:
            h.update(bytes(net.record_bucket[s]))
    for k in range(rec.ncut):
        h.update(bytes(net.record_cut[k]))
    return h.hexdigest()


def buckets(net, s):
    """Those that hold samples: index -> (n, min, max, sum, moment)."""
    found = {}
    for i in range(NBUCKET):
        b = net.record_bucket[s][i]
        if b.n:
            found[i] = (b.n, b.min, b.max, b.sum, b.moment)
    return found


def of_kind(net, kind):
    return [s for s in range(net.recording.nseries) if net.record_series[s].kind == kind and net.record_series[s].used]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_recording_is_the_same_whoever_runs_ahead_and_changes_nothing(name):
    k = SCENARIOS[name]
    k = k | dict(n=min(k.get("n", 4000), 2000))
    ahead, exact = Run(**k, recorded=True).run(), Run(**k, recorded=True, one_step=True).run()
    sliced = Run(**k, recorded=True).run(slice_ns=10_000)
    assert ahead.digest() == exact.digest() == sliced.digest() == Run(**k).run().digest()
    assert tables(ahead) == tables(exact) == tables(sliced)


@pytest.mark.parametrize("name", ["RPS over 3 CPUs", "batches with timeouts", "kernel 3.10, shared socket"])
def test_a_recording_compiled_equals_plain(name):
    k = SCENARIOS[name] | dict(n=120, recorded=True)
    compiled, plain = Run(**k).run(), Run(**k, plain=True).run()
    assert tables(compiled) == tables(plain)
    if name == "RPS over 3 CPUs":
        assert whole_state(compiled.net) == whole_state(plain.net)


def test_sums_are_the_books():
    run = Run(**SCENARIOS["overload"] | dict(n=20_000), recorded=True).run()
    net, end = run.net, run.net.sim.now
    run.call(cuts.record_row)(net, NCUT, end)
    last = net.record_cut[NCUT]
    assert [last[r] for r in Drop] == [sum(net.drop_stat[c][r] for c in range(run.cpus)) for r in Drop]
    for c in range(run.cpus):
        assert [last[NREASON + 5 * c + k] for k in range(5)] == list(setup.cpu_time(net, c, end))
    for k in range(net.recording.ncut):                          # each row adds up to its own time
        t = k << net.recording.cut_shift
        assert all(sum(net.record_cut[k][NREASON + 5 * c + i] for i in range(5)) == t for c in range(run.cpus)), t
    missed = net.ring[0].missed
    assert missed > 1000
    assert sum(b[3] for s in of_kind(net, Recorded.RING_MISSED) for b in buckets(net, s).values()) == missed
    latency = [b for s in of_kind(net, Recorded.LATENCY) for b in buckets(net, s).values()]
    threads = [net.thread[n] for n in run.apps]
    assert sum(b[0] for b in latency) == sum(th.received for th in threads)
    assert sum(b[3] for b in latency) == sum(th.latency_sum for th in threads)
    assert max(b[2] for b in latency) == max(th.latency_max for th in threads)


def test_levels_end_where_the_state_is_and_know_their_extremes():
    run = Run(**SCENARIOS["shared socket, 2 readers"], recorded=True).run()
    net = run.net
    for kind, now, highest in ((Recorded.SOCK_MEM, net.socks[0].rmem_alloc, net.socks[0].rmem_max_seen),
                               (Recorded.SOCK_LEN, net.socks[0].qlen, net.socks[0].qlen_max),
                               (Recorded.RING_FILL, net.ring[0].hw_head - net.ring[0].next_to_clean, net.ring[0].fill_max)):
        s = of_kind(net, kind)[0]
        assert net.record_series[s].level == now == sum(b[3] for b in buckets(net, s).values())
        assert max(b[2] for b in buckets(net, s).values()) == highest, kind
        assert min(b[1] for b in buckets(net, s).values()) == 0


def test_halving_is_a_function_of_what_the_buckets_hold():
    dice = random.Random(5)
    samples = [(int(10 ** dice.uniform(2, 10)), dice.randrange(1000), dice.randrange(-50, 50)) for _ in range(3000)]
    seen = []
    for _ in range(3):
        dice.shuffle(samples)
        b = boot.Booted()
        b.net.record_series[0].shift = record.FIRST_SHIFT
        for t, value, amount in samples:
            record.record_sample(b.net, 0, t, value, amount)
        seen.append(buckets(b.net, 0))
    shift = b.net.record_series[0].shift
    assert seen[0] == seen[1] == seen[2]
    assert max(t for t, _, _ in samples) >> shift in range(NBUCKET // 2, NBUCKET)
    for i, (n, low, high, total, moment) in seen[0].items():     # the same, obviously
        here = [(t, value, amount) for t, value, amount in samples if t >> shift == i]
        assert (n, low, high) == (len(here), min(v for _, v, _ in here), max(v for _, v, _ in here))
        assert total == sum(a for _, _, a in here) and moment == sum(a * (t - (i << shift)) for t, _, a in here)


def test_sockets_beyond_the_last_series_are_summed():
    k = SCENARIOS["epoll"]
    alone, crowded = Run(**k, recorded=True), Run(**k, recorded=True)
    crowded.net.recording.nseries = NSERIES - 3                  # room for one socket; there are two
    for run in (alone, crowded):
        run.run()
    assert alone.digest() == crowded.digest()
    assert (alone.net.recording.rest, crowded.net.recording.rest) == (0, 1)
    mem = [s for s in of_kind(alone.net, Recorded.SOCK_MEM)]
    rest = crowded.net.recording.rest_mem
    assert buckets(crowded.net, rest) == buckets(alone.net, mem[1]) and buckets(crowded.net, rest)
    assert buckets(crowded.net, rest + 1) == buckets(alone.net, mem[1] + 1)
