"""States: what a burst would have needed is what it needs, by running it, and a burst that nothing holds is said."""
import pytest

import rxpath
from rxpath.workbench.advice.states import states
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.jobs.unit import Unit, run
from rxpath.workbench.run import replay
from rxpath.workbench.scenarios import scenario
from rxpath.workbench.traffic import spec as trafficfile


def bursts(length, gap="8ms", **more):
    return trafficfile.build({"traffic": [{"kind": "onoff", "burst": length, "gap": gap, "count": 3 * length, **more}]})


def slow(**host):
    return {"app": [{"name": "slow", "service": "5us", "cpu": 1}], **host}


@pytest.mark.parametrize("kernel", ["6.18", "3.10"])
def test_a_smaller_buffer_than_a_burst_needs_does_not_hold_it(kernel):
    """Since 4.10 a reader gives memory back in lumps of a quarter of the buffer: up to so much more is needed."""
    host = slow(kernel=kernel, socket=[{"name": "s", "bind": "*:5000"}])
    sock, = rxpath.replay(bursts(400, size=100), hostfile.build(host, "host")).books.sockets
    assert sock.drops and sock.burst_needs > sock.rcvbuf

    def lost(rcvbuf):
        return run(Unit(bursts(400, size=100), host, (f"socket.s.rcvbufforce={round(rcvbuf) // 2}",))).lost
    assert lost(sock.burst_needs * (4 / 3 if kernel == "6.18" else 1) + 2) == 0 < lost(sock.burst_needs * 0.98)


def test_a_ring_of_what_a_burst_needs_holds_it():
    host = {"nic": {"speed": "10Gbit", "queues": 1}, "ethtool": {"rx": 128}}
    queue, = rxpath.replay(bursts(1500), hostfile.build(host, "host")).books.queues
    assert queue.missed and 128 < queue.burst_needs <= 1500

    def missed(rx):
        return run(Unit(bursts(1500), host, (f"ethtool.rx={rx}",))).dropped.get("RX_MISSED", 0)
    assert missed(queue.burst_needs // 8 * 8 + 8) == 0 < missed(queue.burst_needs * 9 // 10)


def test_a_burst_that_no_ring_holds_is_said():
    host = hostfile.build({"nic": {"speed": "10Gbit", "queues": 1, "driver": "igb"}, "ethtool": {"rx": 4096}}, "host")
    run_ = rxpath.replay(bursts(12_000, gap="30ms"), host)
    state = next(s for s in states(run_) if s.of == "queue 0")
    assert (state.kind, state.figures["most"]) == ("burst", 4096) and 4096 < state.figures["needs"] <= 12_000
    assert "no ring holds it" in state.text and state.text.split(".")[0] in str(run_).replace("\n", " ")
    assert not any(s.of == "queue 0" for s in states(rxpath.replay(bursts(3_000, gap="30ms"), host)))


def test_a_burst_beyond_what_so_rcvbuf_may_ask_for_is_said_unless_the_program_is_overloaded():
    host = slow(socket=[{"name": "s", "bind": "*:5000"}], sysctl={"net.core.rmem_max": 262144})
    said = {state.kind: state for state in states(rxpath.replay(bursts(2000, gap="30ms"), hostfile.build(host, "host")))}
    assert list(said) == ["burst"] and said["burst"].figures["most"] == 524288 < said["burst"].figures["needs"]
    lasting = rxpath.replay(trafficfile.build({"traffic": [{"rate": "400kpps", "count": 10_000}]}), hostfile.build(host, "host"))
    assert [s.kind for s in states(lasting)] == ["overload"]


@pytest.mark.parametrize("name, key, just", [("slow-program", "traffic.0.rate", "server has as much to do as it can do"),
                                             ("cpu-saturated", "traffic.0.rate", "CPU 0 takes frames off its rings as fast as it can")])
def test_demand_that_is_supply_within_a_per_cent_is_not_told_as_a_multiple(name, key, just):
    s = scenario.load(name)

    def overload(rate):
        return [x for x in states(replay.replay(s.the_spec((f"{key}={rate:.0f}pps",)), s.the_host())) if x.kind == "overload"]
    much, = overload(600_000)
    keeps = much.figures["arrivals_per_s"] * much.figures["keeps_up_to"]
    near = [x for rate in range(996, 1012, 2) for x in overload(keeps * rate / 1000)]
    told = [x for x in near if x.figures["demand"] < 1.01]
    assert told and all(x.text.startswith(just) and "within 1%" in x.text for x in told)
    assert all(x.figures["demand"] >= 1 and "1.00 times" not in x.text for x in near)
    assert "times what it can do" in much.text or "times as many" in much.text
