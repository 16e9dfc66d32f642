"""Softirq policy and net_rx_action, against what was seen on 6.18 (EXACT rows) and the livelock rule."""

import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.abi.limits import NCPU
from rxpath.abi.numbers import Kind
from rxpath.vtime import engine, setup
from rxpath.vtime.costs import BM36

from ..frames import udp_frame

MS = 1_000_000


# netdev_budget: time_squeeze of 100 single packets; of one batch of 256 (polls 64, 64, 64, 64, 0)
@pytest.mark.parametrize(
    ("budget", "singles", "batch"), [(0, 100, 5), (1, 100, 4), (2, 0, 4), (64, 0, 4), (65, 0, 0), (128, 0, 0), (300, 0, 0)]
)
def test_time_squeeze_counts_passes_that_use_up_the_budget(lab, budget, singles, batch):
    host = lab(ring=512, costs={})
    host.net.sysctl[Sysctl.netdev_budget] = budget
    host.udp(5000, rcvbuf=1 << 24)
    host.send(*[udp_frame() for _ in range(100)], gap=100_000)
    host.run()
    assert host.net.sd[0].time_squeeze == singles
    host.net.ring[0].itr_ns = 500_000  # one interrupt for all
    first = host.t + MS
    host.send(udp_frame(), at=first)  # it starts the throttle's clock
    host.run(first + 1000)
    before, polls = host.net.sd[0].time_squeeze, host.net.napi[0].polls
    host.send(*[udp_frame() for _ in range(256)], gap=100)
    host.run()
    assert host.net.napi[0].polls - polls == 5
    assert host.net.sd[0].time_squeeze - before == batch


def test_310_polls_a_lone_napi_on_within_a_pass(lab):
    host = lab(kernel="3.10", ring=512, costs={})
    host.net.ring[0].itr_ns = 500_000
    host.udp(5000, rcvbuf=1 << 24)
    host.send(udp_frame(), at=10_000)
    host.run(20_000)
    raised = host.net.sd[0].raised[3]
    host.send(*[udp_frame() for _ in range(256)], gap=100)
    host.run()
    assert host.net.sd[0].raised[3] - raised == 1  # one pass: 256 are within the budget of 300


def flood(host, n, gap):
    for _ in range(0, n, 500):
        host.send(*[udp_frame()] * 500, gap=gap)


def test_livelock_the_readers_own_call_runs_ten_passes_of_64(lab, request):
    """At saturation recv ends in spin_unlock_bh -> do_softirq: one datagram for about 640 packets, whatever the reader's priority."""
    if "plain" in request.node.name:
        pytest.skip("20,000 packets")
    host = lab(ring=512, costs=BM36)
    host.app(host.udp(5000), cpu=0)
    flood(host, 30_000, 200)
    host.run(host.t)
    th, sd = host.net.thread[NCPU], host.net.sd[0]
    taken = host.net.napi[0].work
    assert 100 < taken / th.received < 1300
    assert host.net.ring[0].missed > 1000  # and the rest is lost in the ring, at no cost
    assert host.net.cpu[0].ksoftirqd_ns > 0 and sd.time_squeeze < 5
    host.run()


def test_ksoftirqd_is_woken_when_a_reader_wants_the_cpu(lab):
    """The reader's own wake-up sets need_resched: the loop does not restart, and what is pending is ksoftirqd's."""
    host = lab(costs=BM36)
    host.app(host.udp(5000, rcvbuf=1 << 20), cpu=0)
    host.send(*[udp_frame() for _ in range(150)], gap=300)
    host.run()
    assert host.net.thread[0].woken > 0
    assert host.ends() == {"RECEIVED": 150}


def test_an_interrupt_moves_with_its_affinity(lab):
    host = lab()
    host.udp(5000)
    host.send(*[udp_frame() for _ in range(5)], gap=100_000)
    host.run()
    assert host.net.cpu[1].irqs == 0 and host.net.sd[0].processed == 5
    host.call(setup.irq_set_affinity)(host.net, 0, 1)
    host.send(*[udp_frame() for _ in range(5)], gap=100_000)
    host.run()
    assert host.net.sd[1].processed == 5 and host.net.cpu[1].irqs >= 5


def test_irqbalance_spreads_the_queues(lab):
    host = lab(cpus=4, queues=8)
    assert setup.irqbalance(host.net) == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [host.net.ring[q].cpu for q in range(8)] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_threaded_napi_polls_in_its_own_thread(lab):
    host = lab(cpus=3)
    app = host.app(host.udp(5000), cpu=2)
    host.call(engine.add_thread)(host.net, 800, 1, Kind.NAPI)
    host.call(setup.set_threaded)(host.net, 0, 800)
    host.send(*[udp_frame() for _ in range(200)], gap=700)
    host.run()
    assert host.net.thread[app].received == 200
    assert host.net.sd[0].raised[3] == 0 and host.net.sd[0].processed == 0  # no NET_RX_SOFTIRQ where the interrupt comes
    assert host.net.sd[1].processed == 200 and host.net.cpu[1].ksoftirqd_ns > 0


def test_a_busy_polling_reader_takes_packets_without_interrupts(lab):
    plain, busy = [], []
    for ns, out in ((0, plain), (200_000, busy)):
        host = lab()
        sk = host.udp(5000)
        host.net.socks[sk].napi_id = 1
        if ns:
            host.call(setup.set_busy_poll)(host.net, sk, ns)
        app = host.app(sk, cpu=1)
        host.send(*[udp_frame() for _ in range(100)], gap=30_000)
        host.run()
        th = host.net.thread[app]
        assert th.received == 100
        out += [host.net.ring[0].irqs, th.latency_sum / 100]
    assert busy[0] < 10 < 90 < plain[0]
    assert busy[1] < plain[1] / 2


@pytest.mark.parametrize("kernel, fair", [("6.18", False), ("6.1", True), ("3.10", False)])
def test_a_reader_has_its_share_where_softirqs_are_left_to_ksoftirqd(lab, kernel, fair):
    """One CPU, more packets than it can take.  4.9 to 6.4: once ksoftirqd runs, interrupts leave softirqs to it, and it competes with the
    reader for the CPU.  Before and after, each interrupt and system call runs them on the spot: receive livelock."""
    host = lab(kernel=kernel, cpus=1, ring=1024, hz=1000)
    app = host.app(host.udp(5000), cpu=0, service=2000)
    host.send(*[udp_frame() for _ in range(8_000 if host.boot.plain else 20_000)], gap=400)
    host.run(host.t)
    cpu, th = host.net.cpu[0], host.net.thread[app]
    share = th.ran_app_ns / host.net.sim.now
    assert cpu.ksoftirqd_ns > 0 or host.boot.plain              # which is over too soon on 3.10
    assert (share > (0.1 if host.boot.plain else 0.2)) is fair, share
    host.run()
