"""napi_defer_hard_irqs and gro_flush_timeout: a timer polls in place of the interrupt; GRO keeps packets over the end of a poll."""
import pytest

from rxpath.drivers.net_device import napi_defer
from rxpath.link.setup import set_gro
from rxpath.path import Stage

from ..frames import eth, ip, tcp, udp_frame

US = 1000


def deferring(lab, polls, ns, **options):
    host = lab(**options)
    napi_defer(host.boot.netdev, polls, ns)
    return host


def segment(seq):
    return eth(ip(tcp(b"a" * 100, seq=seq, flags=0x10), proto=6))


def flow(host, n=200, gap=5 * US):
    host.app(host.udp(5000), cpu=1)
    host.send(*[udp_frame(b"x") for _ in range(n)], gap=gap).run()
    return host


def test_packets_per_interrupt_rise(lab):
    plain, deferred = flow(lab()), flow(deferring(lab, 10, 20 * US))
    assert plain.ends() == deferred.ends() == {"RECEIVED": 200}
    assert plain.net.ring[0].irqs > 100 and deferred.net.ring[0].irqs == 1         # every 20 us the timer finds four packets
    assert 40 <= deferred.net.napi[0].watchdogs <= 60
    assert deferred.net.stage_count[0][Stage.napi_watchdog] >= deferred.net.napi[0].watchdogs


def test_the_interrupt_comes_back_after_so_many_empty_polls(lab):
    host = deferring(lab, 3, 50 * US)
    host.app(host.udp(5000), cpu=1)
    host.send(udp_frame(b"x")).run()
    assert (host.net.ring[0].irqs, host.net.napi[0].watchdogs, host.net.ring[0].unmasked) == (1, 3, 1)
    host.send(udp_frame(b"x")).run()
    assert host.net.ring[0].irqs == 2 and host.ends() == {"RECEIVED": 2}


@pytest.mark.parametrize("polls,ns", [(10, 0), (0, 50 * US)])
def test_one_without_the_other_defers_nothing(lab, polls, ns):
    host = flow(deferring(lab, polls, ns), n=20)
    assert host.net.ring[0].irqs > 10 and host.net.napi[0].watchdogs == 0


def test_latency_is_the_price(lab):
    slow, fast = flow(deferring(lab, 10, 100 * US), n=50, gap=200 * US), flow(lab(), n=50, gap=200 * US)
    assert slow.net.thread[64].latency_max > fast.net.thread[64].latency_max + 50 * US


def test_a_ring_that_is_too_small_for_the_time_out_overflows(lab):
    """300 packets in 300 us, and nobody looks for 400: what helped the interrupts loses packets."""
    lossy, large = deferring(lab, 10, 400 * US, ring=80), deferring(lab, 10, 400 * US, ring=512)
    for host in (lossy, large):
        flow(host, n=300, gap=1 * US)
    assert lossy.ends()["RX_MISSED"] > 100
    assert large.ends() == {"RECEIVED": 300}


def test_gro_keeps_segments_until_the_time_out(lab):
    """Two segments 30 us apart: each poll of its own flushes the first, unless gro_flush_timeout lets GRO keep it."""
    merged = []
    for ns in (0, 100 * US):
        host = deferring(lab, 0, ns)
        set_gro(host.boot)
        host.send(segment(1000), gap=30 * US)
        host.send(segment(1100), gap=30 * US)
        host.run()
        merged.append(host.net.stage_count[0][Stage.skb_gro_receive])
    assert merged == [0, 1]


def test_a_reset_cancels_the_timer(lab):
    host = deferring(lab, 10, 100 * US)
    host.app(host.udp(5000), cpu=1)
    host.send(udp_frame(b"x")).run(host.t + 20 * US)
    before = host.net.napi[0].watchdogs
    host.boot.netdev.close()
    host.run(host.t + 2_000 * US)
    assert host.net.napi[0].watchdogs == before
    host.boot.netdev.open()
    host.send(udp_frame(b"x")).run()
    assert host.ends() == {"RECEIVED": 2}


def test_running_ahead_changes_nothing(lab):
    seen = []
    for one_step in (False, True):
        host = deferring(lab, 2, 15 * US, one_step=one_step, cpus=3, queues=2, costs=None)
        host.app(host.udp(5000), cpu=2)
        host.send(*[udp_frame(b"x", sport=k) for k in range(100)], gap=3 * US).run()
        th, c = host.net.thread[64], host.net.cpu[0]
        seen.append((host.ends(), th.latency_hash, c.irqs, c.hardirq_ns, c.softirq_ns, [host.net.napi[q].watchdogs for q in range(2)]))
    assert seen[0] == seen[1]


def test_wrong_values_and_devices_are_refused(lab):
    host = lab()
    for wrong in ({"napi_defer_hard_irqs": -1}, {"gro_flush_timeout": 10**10 + 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            napi_defer(host.boot.netdev, **wrong)
    with pytest.raises(ValueError, match="no NAPI of its own"):
        napi_defer(lab(driver="veth").boot.netdev, 1, 1)
    with pytest.raises(ValueError, match="not in this kernel"):
        napi_defer(lab(kernel="3.10").boot.netdev, 1, 1)
