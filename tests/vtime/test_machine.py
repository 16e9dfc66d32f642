"""The machine round the path: what hyper-threads, nodes, idle states, background load and other softirqs cost, and whom."""

import pytest

from rxpath.abi.numbers import Idle, Softirq
from rxpath.path import Stage
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.shapes.measure import datagram, measure

NIC = {"queues": 1, "addresses": ["10.0.0.1/16"], "mac": "02:00:00:00:00:01"}


def host(**more):
    """One queue on CPU 0, its reader on CPU 1."""
    return {"cpus": 4, "nic": NIC, "ethtool": {"rx-usecs": 0, "adaptive-rx": False}, "irq": {"0": 0},
            "socket": [{"name": "s", "bind": "0.0.0.0:5000"}], "app": [{"name": "a", "sockets": ["s"], "cpu": 1}]} | more


def p50(measured):
    return measured.books.latency.quantiles["p50"]


HOG = {"cpu": [2], "share": 100}


def test_a_busy_hyper_thread_slows_the_other_by_the_profiles_factor():
    alone = measure(host(), 4e6, 20)
    idle = measure(host(cpu={"siblings": [[0, 2]]}), 4e6, 20)
    busy = measure(host(cpu={"siblings": [[0, 2]]}, load=[HOG]), 4e6, 20)
    half = measure(host(cpu={"siblings": [[0, 2]]}, load=[HOG | {"share": "50%", "slice": "100us"}]), 4e6, 20)
    assert idle.read == pytest.approx(alone.read, rel=0.01), "an idle sibling costs nothing"
    assert alone.read / busy.read == pytest.approx(1.8, rel=0.03)
    assert alone.read / half.read == pytest.approx(1.4, rel=0.05)


def test_a_program_is_slowed_by_its_sibling_too():
    app = {"name": "a", "sockets": ["s"], "cpu": 1, "service": "10us"}
    alone, busy = (measure(host(app=[app], load=[HOG], cpu=cpu), 3e5, 20) for cpu in ({}, {"siblings": [[1, 2]]}))
    assert alone.read / busy.read == pytest.approx(1.8, rel=0.03)


def test_work_by_the_clock_holds_what_interrupts_and_others_take():
    """A loop that looks at its clock is done when that says so; work is what is left after others had their share."""
    def run(service, rate=3e5, ms=20, **more):
        return measure(host(app=[{"name": "a", "sockets": ["s"], "cpu": 1, "service": service}], **more), rate, ms).read

    source = {"softirq": [{"cpu": 1, "type": "TIMER", "every": "10us", "cost": "4us"}]}
    work, clock = {"constant": "50us"}, {"constant": "50us", "by_clock": True}
    assert run(clock) == pytest.approx(run(work), rel=0.005), "but for ticks nobody takes anything"
    assert run(work, **source) < 0.65 * run(work)
    assert run(clock, **source) == pytest.approx(run(clock), rel=0.1)
    beside = [{"cpu": [1], "share": 100}]
    assert run(clock | {"constant": "9ms"}, 1e3, 800, load=beside) > 1.4 * run({"constant": "9ms"}, 1e3, 800, load=beside)


def test_lines_that_cross_nodes_cost_more_on_both_sides():
    near, far = (measure(host(cpu={"nodes": nodes}), 2e5, 20).books.cpus for nodes in ([[0, 1], [2, 3]], [[0, 2], [1, 3]]))
    assert far[0].softirq > near[0].softirq and far[1].syscall > near[1].syscall


def test_a_queue_away_from_the_nics_node_pays_for_its_memory():
    spins = {"name": "a", "sockets": ["s"], "cpu": 1, "wait": "busy"}           # wake-ups would be most of the softirq's time
    near, far = (measure(host(cpu={"nodes": [[0, 1], [2, 3]]}, nic=NIC | {"node": node}, app=[spins]), 2e5, 20) for node in (0, 1))
    assert 1.01 < far.books.cpus[0].softirq / near.books.cpus[0].softirq < 1.25


def test_deeper_idle_states_cost_latency_when_it_is_quiet_and_nothing_when_it_is_busy():
    quiet = {idle: p50(measure(host(cpu={"idle": idle}), 200, 200)) for idle in ("poll", "C1", "C1E", "C3", "C6")}
    assert quiet["poll"] < quiet["C1"] < quiet["C1E"] < quiet["C3"] < quiet["C6"]
    assert quiet["C6"] - quiet["C1"] == pytest.approx(2 * (133_000 - 2_000), rel=0.1), "queue's CPU and reader's CPU, one after the other"
    busy = {idle: p50(measure(host(cpu={"idle": idle}), 5e5, 20)) for idle in ("C1", "C6")}
    assert busy["C6"] == pytest.approx(busy["C1"], rel=0.05), "the governor sees short naps"


def test_busy_polling_keeps_the_reader_out_of_idle_states():
    """R22: at low load the way through two idle CPUs is most of the latency; a reader that polls the NAPI itself waits for neither."""
    socket = {"name": "s", "bind": "0.0.0.0:5000"}
    asleep, polls = (p50(measure(host(cpu={"idle": "C6"}, socket=[socket | more]), 2e3, 100)) for more in ({}, {"busy_poll": "2ms"}))
    assert polls < 10_000 < asleep


def test_background_load_takes_its_share_and_no_more():
    with Simulation(hostfile.build(host(load=[{"cpu": [1, 2], "share": "30%", "slice": "1ms"}]), "a host")) as sim:
        sim.run(500_000_000)
        cpus = sim.books().cpus
    assert cpus[1].application / 5e8 == pytest.approx(0.3, abs=0.01) and cpus[2].application / 5e8 == pytest.approx(0.3, abs=0.01)
    assert cpus[0].application == cpus[3].application == 0


def test_nice_decides_between_background_load_and_the_reader():
    app = {"name": "a", "sockets": ["s"], "cpu": 1, "service": "10us"}
    kind, hard = (measure(host(app=[app], load=[{"cpu": 1, "nice": nice}]), 3e5, 100).read for nice in (19, -19))
    assert kind > 5 * hard


def test_other_softirqs_take_the_queues_cpu_and_are_counted():
    quiet = measure(host(), 1e5, 20)
    other = [{"type": "BLOCK", "cpu": 0, "every": "1ms", "cost": "400us"}]
    with Simulation(hostfile.build(host(softirq=other), "a host")) as sim:
        sim.run(100_000_500)
        assert sim.net.sd[0].raised[Softirq.BLOCK] == 100 and sim.net.sd[1].raised[Softirq.BLOCK] == 0
        assert sim.books().cpus[0].softirq == pytest.approx(100 * 400_000, rel=0.02)
    loud = measure(host(softirq=other), 1e5, 20)
    assert loud.books.latency.quantiles["p99"] > quiet.books.latency.quantiles["p99"] + 300_000
    assert loud.books.latency.quantiles["p50"] < 1.2 * quiet.books.latency.quantiles["p50"] + 400_000


@pytest.mark.parametrize(("kind", "later"), [("TIMER", True), ("RCU", False)])
def test_vectors_run_in_their_order(kind, later):
    """A datagram that finds another softirq pending waits for it iff its vector comes first."""
    when = []
    for source in ([], [{"type": kind, "cpu": 0, "every": "10ms", "cost": "300us", "start": "2ms"}]):
        with Simulation(hostfile.build(host(softirq=source), "a host")) as sim:
            sim.send(datagram(4000, 5000), at=2_000_000 - 1_000)       # its interrupt comes while the source's handler runs
            sim.run(5_000_000)
            when.append(sim.books().latency.max)
    waited = when[1] - when[0]
    assert (waited > 300_000) if later else (waited < 50_000), when


def test_a_roaming_reader_leaves_a_cpu_that_is_busy_and_stays_on_one_that_is_idle():
    app = {"name": "a", "sockets": ["s"], "cpu": "any"}
    with Simulation(hostfile.build(host(app=[app], load=[{"cpu": 0, "start": "4500us"}]), "a host")) as sim:
        th = sim.net.thread[sim.threads[0].index]
        for t in range(2, 9):
            sim.send(datagram(4000, 5000), at=t * 1_000_000)
            sim.run(t * 1_000_000 + 900_000)
            if t < 5:
                assert th.cpu == 0 and th.migrations == 0
        assert th.cpu == 1 and th.migrations == 1 and th.received == 7


@pytest.mark.parametrize(("kernel", "cpu"), [("6.18", 1), ("3.10", 0)])
def test_before_4_17_an_interrupt_pulls_its_reader_to_its_own_cpu(kernel, cpu):
    app = {"name": "a", "sockets": ["s"], "cpu": "any"}
    with Simulation(hostfile.build(host(kernel=kernel, app=[app], load=[{"cpu": 0, "share": 10}]), "a host")) as sim:
        th = sim.net.thread[sim.threads[0].index]
        for t in (10_500_000, 15_000_000):           # the load works in the first millisecond of each ten, and idles at 15
            sim.send(datagram(4000, 5000), at=t)
            sim.run(t + 400_000)
            assert th.cpu == (1 if t < 12_000_000 else cpu)


def test_a_roaming_reader_that_waits_for_a_busy_cpu_goes_to_an_idle_one_at_a_tick():
    """Eight datagrams of 3 ms each, and a load that comes in between: pinned, the reader gets half of the CPU."""
    longest = {}
    for cpu in ("any", 0):
        app = {"name": "a", "sockets": ["s"], "cpu": cpu, "service": "3ms"}
        with Simulation(hostfile.build(host(app=[app], load=[{"cpu": 0, "start": "2ms"}]), "a host")) as sim:
            th = sim.net.thread[sim.threads[0].index]
            for i in range(8):
                sim.send(datagram(4000, 5000), at=1_000_000 + i)
            sim.run(80_000_000)
            assert th.received == 8 and (th.migrations > 0) == (cpu == "any")
            longest[cpu] = th.latency_max
    assert longest["any"] < longest[0] - 10_000_000


def test_idle_states_are_the_stages_in_their_order():
    assert [Stage.IDLE_EXIT + i for i in Idle] == [Stage.IDLE_EXIT, Stage.IDLE_EXIT_C1E, Stage.IDLE_EXIT_C3, Stage.IDLE_EXIT_C6,
                                                   Stage.IDLE_EXIT_POLL]
