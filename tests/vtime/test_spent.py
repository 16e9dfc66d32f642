"""Where the time of a datagram goes: every ns of it in one place, the same whoever runs ahead, compiled as plain."""
import hashlib

import pytest

from rxpath.abi.limits import NHIST
from rxpath.abi.numbers import MSG_WAITFORONE
from rxpath.abi.spent import NPLACE, NPROGRAM, NSAMPLE, Place
from rxpath.spent import spent_thread
from rxpath.vtime.latency import latency_bucket

from ..frames import udp_frame
from .test_same import SCENARIOS, Run

SOME = ["same CPU, ITR", "overload", "other CPU, tiny latencies", "nothing costs anything", "4 + 4 apart", "random service", "batches of 8",
        "batches of 8, until full", "batches with timeouts", "shared socket, 2 readers", "RPS over 3 CPUs", "3 readers of one CPU", "epoll",
        "poll", "threaded NAPI beside its reader", "busy polling beside the interrupt", "hyper-threads", "RFS", "roaming", "virtio_net",
        "a service that works and sleeps, in batches", "work by the clock, in batches",
        "pauses that compute", "pauses amid batches", "kernel 3.10, shared socket"]


def run(name, n=900, **more):
    k = SCENARIOS[name]
    r = Run(**k | dict(n=min(k.get("n", 4000), n)), **more)
    r.net.spends = 1
    for n in r.apps:
        assert r.call(spent_thread)(r.net, n, 0)
    return r


def tables(r):
    """sha256 of everything that was booked."""
    net, h = r.net, hashlib.sha256()
    for row in range(NPROGRAM):
        for table in (net.spent_sum, net.spent_max, net.spent_hist):
            h.update(bytes(table[row]))
    for n in r.apps:
        th = net.thread[n]
        h.update(repr((th.served, th.served_sum, th.served_max, th.received)).encode() + bytes(net.served[n]))
    for i in range(NSAMPLE):
        h.update(bytes(net.sample[i]))
    h.update(repr([net.ring[q].burst_needs for q in range(r.queues)] + [net.socks[s].burst_needs for s in range(net.nsock)]).encode())
    return h.hexdigest()


def samples(r):
    return [s for s in (r.net.sample[i] for i in range(NSAMPLE)) if s.used]


@pytest.mark.parametrize("name", SOME)
def test_it_is_the_same_whoever_runs_ahead_adds_up_and_changes_nothing(name):
    ahead, exact = run(name).run(), run(name, one_step=True).run()
    assert ahead.digest() == exact.digest()
    assert tables(ahead) == tables(exact)
    net = ahead.net
    assert sum(net.spent_sum[0][p] for p in range(NPLACE)) == sum(net.thread[n].served_sum for n in ahead.apps)
    for s in samples(ahead):
        assert all(s.ns[p] >= 0 for p in range(NPLACE)) and sum(s.ns[p] for p in range(NPLACE)) > 0
    for n in ahead.apps:
        th = net.thread[n]
        assert th.received - th.batch - 1 <= th.served <= th.received
        assert sum(net.served[n][b] for b in range(NHIST)) == th.served


def test_compiled_equals_plain():
    compiled, plain = run("RPS over 3 CPUs", n=60).run(), run("RPS over 3 CPUs", n=60, plain=True).run()
    assert tables(compiled) == tables(plain)


def mean(r, place):
    done = sum(r.net.thread[n].served for n in r.apps)
    return r.net.spent_sum[0][place] / done


def test_the_throttle_and_a_batch_are_waited_for_to_the_ns(lab):
    """Nothing costs anything but 100 ns of work on each: the second and the third come 5 and 6 us after the first, and an interrupt is
    allowed each 20 us; one call brings both."""
    host = lab(itr_ns=20_000, costs={})
    n = host.app(host.udp(5000), service=100, batch=4)
    host.net.thread[n].flags |= MSG_WAITFORONE
    host.net.spends = 1
    assert host.call(spent_thread)(host.net, n, 0)
    for t in (1_000_000, 1_005_000, 1_006_000):
        host.send(udp_frame(dport=5000), at=t)
    host.run()
    kept = sorted((s.frame, {Place(p): s.ns[p] for p in range(NPLACE) if s.ns[p]}) for s in samples(host))
    assert [ns for _, ns in kept] == [{Place.WORK: 100}, {Place.THROTTLE: 15_000, Place.WORK: 100},
                                      {Place.THROTTLE: 14_000, Place.BATCH: 100, Place.WORK: 100}]


def test_where_there_is_no_batch_none_is_waited_for():
    assert mean(run("same CPU 0.9").run(), Place.BATCH) == 0
    assert mean(run("batches of 8").run(), Place.BATCH) > 0


def test_only_what_rps_steers_waits_on_a_backlog():
    assert mean(run("4 + 4").run(), Place.BACKLOG) == 0
    assert mean(run("RPS over 3 CPUs").run(), Place.BACKLOG) > 100


def test_a_latency_is_counted_within_3_percent_of_itself():
    """The buckets of a power of two are 32, smaller numbers are exact, and the largest of 63 bits has one."""
    assert [latency_bucket(ns) for ns in (-5, 0, 1, 31, 63)] == [0, 0, 1, 31, 63]
    assert [latency_bucket(ns) for ns in (64, 65, 66, 127, 128)] == [64, 64, 65, 95, 96]
    assert latency_bucket((1 << 63) - 1) < NHIST
