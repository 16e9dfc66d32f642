"""Who sends to a veth or to lo is a task of this host: it pays for its calls, sleeps, spins, waits for its CPU, and slows down."""
import pytest

from rxpath.abi.limits import NCPU, NTHREAD
from rxpath.abi.numbers import Kind
from rxpath.link.setup import set_rps
from rxpath.path import Stage
from rxpath.vtime.apps import Phase
from rxpath.vtime.costs import BM36
from rxpath.vtime.engine import add_thread
from rxpath.vtime.machine import add_stalls
from rxpath.vtime.setup import cpu_time, thread_start

from ..frames import fragments, udp, udp_frame

SENDER, FURTHER = 2_000, 300
COSTS = BM36 | {Stage.SENDER: SENDER, Stage.SENDER_FRAGMENT: FURTHER, Stage.IPI_SEND: 5_000, Stage.IPI_SEND_BUSY: 2_000}


def sender(host):
    return host.net.thread[NTHREAD - 1]


def made(lab, **more):
    return lab(driver="veth", costs=COSTS, **more)


def test_a_fragmented_datagram_is_one_call(lab):
    host = made(lab)
    host.app(host.udp(5000))
    host.send(*fragments(udp(b"x" * 4000), [1480, 1480]), gap=1, at=1_000_000)
    host.run()
    count = host.net.stage_count[0]
    assert host.ends() == {"RECEIVED": 3} and sender(host).calls == 1
    assert (count[Stage.SENDER], count[Stage.SENDER_FRAGMENT]) == (1, 2)


def test_datagrams_of_one_flow_and_moment_are_one_sendmmsg(lab):
    hosts = {}
    for gap in (1, 2):                                                   # in ns: at one moment, and at eight
        host = hosts[gap] = made(lab)
        host.app(host.udp(5000))
        host.send(*[udp_frame() for _ in range(8)], gap=gap, at=1_000_000)
        host.run()
        assert host.net.stage_count[0][Stage.SENDER] == 8
    together, apart = sender(hosts[1]), sender(hosts[2])
    system_call = COSTS[Stage.SYSCALL_ENTRY] + COSTS[Stage.SYSCALL_EXIT]
    assert together.calls == 1 and apart.calls == 8 and apart.ran_sys_ns - together.ran_sys_ns == 7 * system_call


def test_a_slower_sender_takes_so_many_times_as_long_for_what_is_due_at_once(lab):
    """Twice and four times; what is due later is no later, and a fragmented datagram stays one call."""
    ended, calls = {}, {}
    for slow in (1025, 2048, 4096):
        host = made(lab)
        host.net.sim.sender_slow = slow
        sk = host.udp(5000, rcvbuf=1 << 24)                              # nobody whom a call would have to wake
        host.send(*[udp_frame() for _ in range(101)], gap=1, at=1_000_000)
        host.send(*fragments(udp(b"x" * 4000), [1480, 1480]), gap=1)
        host.send(udp_frame(), at=9_000_000)
        t = 1_000_000
        while sender(host).calls < 101:
            t += 1_000
            host.run(t)
        ended[slow] = t - 1_000_000
        host.run()
        calls[slow] = sender(host).calls
        assert host.net.socks[sk].qlen == 103 and host.ends() == {} and host.net.sim.now >= 9_000_000
    assert set(calls.values()) == {103}
    assert ended[2048] == pytest.approx(2 * ended[1025], rel=0.05) and ended[4096] == pytest.approx(4 * ended[1025], rel=0.05)


def test_other_flows_and_other_moments_are_other_calls(lab):
    host = made(lab)
    host.app(host.udp(5000))
    host.send(*[udp_frame(sport=4000 + i % 2) for i in range(8)], gap=1, at=1_000_000)
    host.send(*[udp_frame() for _ in range(8)], gap=2)
    host.run()
    assert sender(host).calls == 16 and host.ends() == {"RECEIVED": 16}


def test_a_sender_behind_its_schedule_sends_as_fast_as_its_calls_allow_and_loses_nothing(lab):
    host = made(lab)
    sk = host.udp(5000, rcvbuf=1 << 24)
    host.send(*[udp_frame() for _ in range(600)], gap=100, at=1_000_000)
    host.run(1_000_000 + 60_000)
    first = host.net.socks[sk].qlen
    host.run()
    ring = host.net.ring[0]
    each = SENDER + COSTS[Stage.SOFTIRQ]                                 # and more
    assert host.ends() == {} and host.net.socks[sk].qlen == 600 and ring.staged == 0
    assert 0 < first < 60_000 // each + 1
    assert 600 * each - 60_000 < ring.late_max < 600 * 2 * each


def test_it_sleeps_over_a_long_gap_and_looks_at_its_clock_over_a_short_one(lab):
    host = made(lab)
    host.app(host.udp(5000))
    host.net.trail = 1
    host.send(*[udp_frame() for _ in range(10)], gap=1_010_000, at=1_000_000)         # not on a tick
    host.send(*[udp_frame() for _ in range(10)], gap=50_000)
    host.run()
    th = sender(host)
    assert th.timeouts == 10 and th.woken == 10
    host.collect(last=True)
    sent = [m.t for m in host.trail if m.stage == Stage.veth_xmit]
    assert sent[:10] == [1_000_000 + 1_010_000 * k + SENDER for k in range(10)] and sent[11] - sent[10] == 50_000
    assert 10 * 150_000 < th.ran_app_ns < 10 * 150_000 + 10 * 50_000     # awake 150 us before each, all the time between the close ones
    assert host.net.ring[0].late_max == 0


def test_its_time_is_a_tasks(lab):
    host = made(lab)
    host.app(host.udp(5000))
    host.send(*[udp_frame() for _ in range(100)], gap=20_000, at=1_000_000)
    host.run()
    t = cpu_time(host.net, 0, host.t)
    assert sum(t) == host.t and t.application == sender(host).ran_app_ns
    assert t.hardirq == COSTS[Stage.TIMER] + host.net.cpu[0].ticks * COSTS[Stage.TICK]


def test_who_wakes_a_thread_of_another_cpu_pays_for_the_interrupt(lab):
    woken = {}
    for cpu in (0, 1):
        host = made(lab)
        host.app(host.udp(5000), cpu=cpu)
        host.send(*[udp_frame() for _ in range(10)], gap=1_000_000, at=1_000_000)
        host.run()
        woken[cpu] = (host.net.stage_count[0][Stage.IPI_SEND], host.net.cpu[0].softirq_ns)
    assert woken[0][0] == 0 and woken[1][0] == 10
    assert woken[1][1] - woken[0][1] >= 10 * COSTS[Stage.IPI_SEND]


def test_a_call_does_not_reach_into_another_cpus_backlog_ahead_of_its_time(lab):
    """RPS: CPU 1 must not spin for a lock that is taken in its future."""
    host = made(lab)
    host.app(host.udp(5000), cpu=1)
    set_rps(host.boot, 0, [1])
    host.send(*[udp_frame() for _ in range(500)], gap=20_000, at=1_000_000)
    host.run()
    assert host.ends() == {"RECEIVED": 500}
    assert host.net.input[1].lock.spin_ns < 500 * 300


@pytest.mark.parametrize("reader", [0, 1])
@pytest.mark.parametrize("slow", [0, 1500])
def test_running_ahead_equals_one_step_with_a_sender(lab, reader, slow):
    seen = []
    for one_step in (False, True):
        host = made(lab, one_step=one_step)
        host.net.sim.sender_slow = slow
        app = host.app(host.udp(5000), cpu=reader, service=4_000)
        set_rps(host.boot, 0, [1])
        host.send(*[udp_frame(sport=4000 + i % 3) for i in range(400)], gap=3_000, at=1_000_000)
        host.send(*[udp_frame() for _ in range(400)], gap=1)
        host.send(*[udp_frame() for _ in range(20)], gap=400_000)
        host.run()
        th = sender(host)
        seen.append((host.net.thread[app].latency_hash, host.ends(), [tuple(cpu_time(host.net, c, host.t)) for c in (0, 1)],
                     th.ran_sys_ns, th.ran_app_ns, th.calls, host.net.ring[0].late_max))
    assert seen[0] == seen[1]


# ---------------------------------------------------------------- what a wake-up costs
def test_an_interrupt_for_a_cpu_at_work_costs_other_than_one_for_an_idle_cpu(lab):
    """RPS to a CPU that a hog keeps busy, and to an idle one."""
    seen = []
    for busy in (False, True):
        host = made(lab)
        host.app(host.udp(5000), cpu=1)
        if busy:
            host.call(add_thread)(host.net, NTHREAD - 2, 1, Kind.HOG)
            host.net.thread[NTHREAD - 2].service = 1_000_000
            host.call(thread_start)(host.net, NTHREAD - 2, Phase.COMPUTE, 1000)
        set_rps(host.boot, 0, [1])
        host.send(*[udp_frame() for _ in range(10)], gap=1_010_000, at=1_000_000)
        host.run()
        sent, handled = host.net.stage_count[0], host.net.stage_count[1]
        seen.append((sent[Stage.IPI_SEND], sent[Stage.IPI_SEND_BUSY], handled[Stage.IPI], handled[Stage.IPI_BUSY]))
    assert seen == [(10, 0, 10, 0), (0, 10, 0, 10)]


def test_a_guests_cpu_comes_back_later_the_longer_it_was_halted(lab):
    latency = {}
    for gap in (120_000, 1_000_000, 10_000_000):
        host = made(lab)
        for i, (slept, ns) in enumerate([(20_000, 0), (1_020_000, 50_000)]):
            host.net.sim.halt_slept[i], host.net.sim.halt_ns[i] = slept, ns
        host.net.sim.nhalt = 2
        host.app(host.udp(5000), cpu=1, service=0)
        host.send(udp_frame(), at=1_000_000)
        host.send(udp_frame(), at=1_000_000 + gap)
        host.run()
        latency[gap] = host.net.thread[NCPU].latency_sum                 # the first one's is the same each time
    short, middle, long = latency.values()
    assert middle - short == pytest.approx(44_000, abs=500)              # it sleeps some 70 us, and 950: 50 us in proportion
    assert long - short == pytest.approx(47_500, abs=1_000)


# ---------------------------------------------------------------- stalls
@pytest.mark.parametrize("driver", ["igb", "veth"])
def test_in_a_stall_nothing_runs_and_interrupts_wait(lab, driver):
    seen, plain = {}, lab().boot.plain
    for stalls in (0, 400):
        for one_step in (False,) if plain else (False, True):
            host = lab(driver=driver, costs=COSTS, one_step=one_step)
            app = host.app(host.udp(5000), cpu=1, service=8_000)
            if stalls:
                for cpu in (0, 1):
                    host.call(add_stalls)(host.net, cpu, 1_000_000_000 // stalls, 1_000_000, 7 + cpu)
            host.send(*[udp_frame() for _ in range(1500)], gap=15_000, at=1_000_000)
            host.run()
            c, th = host.net.cpu[1], host.net.thread[app]
            assert all(sum(cpu_time(host.net, k, host.t)) == host.t for k in (0, 1))
            seen[stalls, one_step] = (host.ends(), th.latency_hash, th.latency_max, c.stalls, c.stalled_ns, c.hardirq_ns)
    assert plain or (seen[0, False] == seen[0, True] and seen[400, False] == seen[400, True])
    calm, rough = seen[0, False], seen[400, False]
    assert calm[3:5] == (0, 0) and 5 < rough[3] < 40
    assert rough[2] > 1_000_000 > calm[2]
    assert rough[4] > 1_000_000 and rough[5] - calm[5] == pytest.approx(rough[4], rel=0.2)
