"""From the words of rules.toml to settings of this host, and from settings to what a person types."""
import pytest

import rxpath
from rxpath.workbench.advice import candidates
from rxpath.workbench.advice.facts import Seen, measure
from rxpath.workbench.advice.rules import load
from rxpath.workbench.advice.shell import commands
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.traffic import spec as trafficfile

SPEC = trafficfile.build({"traffic": [{"rate": "300kpps", "flows": 64, "count": 3000}]})


def steps(knob, *overrides, host=None):
    """The ladder of one knob after a short run on a host."""
    described = hostfile.apply_overrides(hostfile.build(host or {}, "host"), overrides)
    run = rxpath.replay(SPEC, described)
    ladder = candidates.Ladder(knob, "", "R1")
    candidates.fill(ladder, load().knob[knob], Seen(run), measure(run))
    return ladder.steps or ladder.not_tried


LISTED = {"cpus": 4, "nic": {"queues": 1}, "socket": [{"name": "in", "bind": "*:5000"}], "app": [{"name": "server", "cpu": 1}]}


@pytest.mark.parametrize("knob, overrides, expected", [
    ("ring", [], [(f"ethtool.rx={256 << n}",) for n in range(1, 5)]),
    ("ring", ["ethtool.rx=4096"], "it is set like that already"),
    ("ring", ["nic.driver=veth", "nic.queues=1"], "this host does not have it"),
    ("rcvbuf", ["net.core.rmem_max=8388608"], [*((f"socket.in.rcvbuf={106496 * n}",) for n in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)),
                                               ("socket.in.rcvbuf=7776000",)]),     # room for all 3,000: a larger one cannot do more
    ("rps", [], [("rps.0=[2, 3]",), ("rps.0=[1, 2, 3]",), ("rps.0=[0, 1, 2, 3]",)]),
    ("irq_away", [], [("irq.0=2",)]),
    ("queues", [], [("nic.queues=4",)]),
    ("queues", ["nic.queues=4"], "it is set like that already"),
    ("budget_usecs", ["kernel=3.10"], "kernel 3.10 does not have it: Linux has it since 4.12"),
    ("threaded", ["kernel=3.10"], "kernel 3.10 does not have it: Linux has it since 5.12"),
    ("reuseport", [], [(f"app.server.threads={n}", "app.server.own_sockets=true", "socket.in.reuseport=true",
                        f"app.server.cpu={[2, 3, 1, 0][:n]}") for n in (2, 4)]),
    ("threads", [], [(f"app.server.threads={n}", f"app.server.cpu={[2, 3, 1, 0][:n]}") for n in (2, 4)]),
    ("spread_irqs", ["nic.queues=4"], [("irq.1=2", "irq.2=3", "irq.3=0")]),       # CPUs on which no program runs
    ("no_load", [], "there is nothing that it could change"),
    ("no_load", ["load.0.cpu=1"], [("load=[]",)]),
    ("route_back", [], "there is nothing that it could change"),
    ("app_away", ["app.0.cpu=0"], [("app.server.cpu=[1]",)]),
    ("app_away", ["app.0.cpu=1", "nic.queues=1", "cpus=2"], "it is set like that already"),
    ("udp_mem", [], [(f'net.ipv4.udp_mem="{393216 * n} {524288 * n} {786432 * n}"',) for n in (2 << i for i in range(10))]),
    ("less_work", ["app.0.service=2us"], [("app.server.service=1000",)]),
    ("no_tap", [], "there is nothing that it could change"),
    ("notrack", [], "conntrack is not modelled"),
])
def test_a_knob_becomes_settings_of_this_host_or_says_why_not(knob, overrides, expected):
    assert steps(knob, *overrides, host=LISTED) == expected


def test_a_socket_that_the_replay_opens_has_a_name_too():
    assert steps("rcvbuf")[0] == ("socket.udp5000.rcvbuf=212992",)
    assert "socket.udp5000.reuseport=true" in steps("reuseport")[0]
    assert steps("rmem_default")[0] == ("net.core.rmem_default=425984",)
    run = rxpath.replay(SPEC, overrides=["socket.udp5000.rcvbuf=425984", "net.core.rmem_max=425984"])
    assert [(s.port, s.rcvbuf) for s in run.books.sockets] == [(5000, 851968)]


@pytest.mark.parametrize("override", ["app.0.cpu=[0]", "nic.queues=2", "ethtool.rx=256", "irq.0=0", "net.core.rmem_default=212992",
                                      "ethtool.gro=true", "ethtool.combined=2"])
def test_a_change_that_changes_nothing_is_not_tried(override):
    """Each says what the host file leaves to the kernel, the driver or the scheduler."""
    host = hostfile.default()
    assert candidates.same_machine(hostfile.apply_overrides(host, [override]), host)


@pytest.mark.parametrize("override", ["app.0.cpu=[1]", "nic.queues=1", "ethtool.rx=512", "irq.0=1", "app.0.service=1us", "cpus=3",
                                      "socket.0.bind=*:5", "load.0.cpu=0", "app.0.cpu=any", "ethtool.rx-flow-hash-udp4=sdfn"])
def test_a_change_is_one(override):
    host = hostfile.default()
    assert not candidates.same_machine(hostfile.apply_overrides(host, [override]), host)


@pytest.mark.parametrize("setting, line", [
    ("net.ipv4.udp_mem=\"1 2 3\"", "sysctl -w net.ipv4.udp_mem='1 2 3'"), ("ethtool.rx=4096", "ethtool -G eth0 rx 4096"),
    ("nic.queues=4", "ethtool -L eth0 combined 4"), ("ethtool.gro=false", "ethtool -K eth0 gro off"),
    ("rps.0=[1, 2]", "echo 6 > /sys/class/net/eth0/queues/rx-0/rps_cpus"), ("nic.napi=threaded", "echo 1 > /sys/class/net/eth0/threaded"),
    ("app.server.cpu=[2]", "taskset -cp 2 $(pidof server)"), ("ethtool.rx-flow-hash-udp4=sdfn", "ethtool -N eth0 rx-flow-hash udp4 sdfn"),
    ("socket.in.rcvbuf=65536", "setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){65536}, sizeof(int));"),
    ("ethtool.indir=equal 2", "ethtool -X eth0 equal 2"), ("ethtool.rx-usecs=0", "ethtool -C eth0 rx-usecs 0"),
    ("nic.gro_flush_timeout=20us", "echo 20000 > /sys/class/net/eth0/gro_flush_timeout"), ("cpu.idle=C1", "cpupower idle-set -D 3"),
])
def test_a_setting_is_typed_like_this_on_linux(setting, line):
    assert line in commands(hostfile.build(LISTED, "host"), [setting])


def test_the_ceiling_is_raised_before_the_buffer_is_asked_for():
    lines = commands(hostfile.build(LISTED, "host"), ["socket.in.rcvbuf=8388608", "net.core.rmem_max=8388608"])
    assert lines[0] == "sysctl -w net.core.rmem_max=8388608" and "SO_RCVBUF" in lines[-1]


MACHINE = {"profile": "xeon2g_2015", "cpus": 4, "nic": {"queues": 1}, "app": [{"name": "server", "cpu": 1, "batch": 32}]}


@pytest.mark.parametrize("rule, change, rate, goal, cure", [
    ("R20", {"cpu": {"siblings": [[0, 1], [2, 3]]}}, "300kpps", None, "app.server.cpu=[2]"),
    ("R21", {"cpu": {"nodes": [[0, 1], [2, 3]]}, "app": [{"name": "server", "cpu": 2, "batch": 32}]}, "340kpps", None,
     "app.server.cpu=[1]"),
    ("R23", {"cpu": {"idle": "C6"}, "app": [{"name": "server", "cpu": 1}]}, "500pps", "latency", "cpu.idle=C1"),
])
def test_what_the_machine_does_to_the_path_is_found_and_cured(rule, change, rate, goal, cure):
    spec = trafficfile.build({"traffic": [{"rate": rate, "flows": 64, "count": 1000 if goal else 40000}]})
    run = rxpath.whatif(spec, hostfile.build(MACHINE | change, "host"), goal=goal, jobs=1)
    assert rule in [number for number, *_ in run.whatif.fired]
    row = next(t for t in run.knobs if t.set == (cure,))
    assert row.helped == "yes"
    if goal is None:
        assert run.whatif.recommended.lost_after < 0.05 * row.lost_before
