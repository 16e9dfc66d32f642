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
    ("ring", [], [("ethtool.rx=512",), ("ethtool.rx=1024",), ("ethtool.rx=4096",)]),
    ("ring", ["ethtool.rx=4096"], "it is set like that already"),
    ("ring", ["nic.driver=veth", "nic.queues=1"], "this host does not have it"),
    ("rcvbuf", [], [*((f"socket.in.rcvbuf={106496 << n}",) for n in range(1, 6)),
                    ("socket.in.rcvbuf=6815744", "net.core.rmem_max=6815744")]),
    ("rps", [], [("rps.0=[2, 3]",), ("rps.0=[1, 2, 3]",), ("rps.0=[0, 1, 2, 3]",)]),
    ("irq_away", [], [("irq.0=2",)]),
    ("queues", [], [("nic.queues=4",)]),
    ("queues", ["nic.queues=4"], "it is set like that already"),
    ("budget_usecs", ["kernel=3.10"], "kernel 3.10 does not have it: Linux has it since 4.12"),
    ("threaded", ["kernel=3.10"], "kernel 3.10 does not have it: Linux has it since 5.12"),
    ("reuseport", [], [("app.server.threads=4", "app.server.own_sockets=true", "socket.in.reuseport=true", "app.server.cpu=[2, 3, 1, 0]")]),
    ("app_away", ["app.0.cpu=0"], [("app.server.cpu=[1]",)]),
    ("udp_mem", [], [(f'net.ipv4.udp_mem="{393216 * n} {524288 * n} {786432 * n}"',) for n in (4, 16, 64)]),
    ("less_work", ["app.0.service=2us"], [("app.server.service=1000",)]),
    ("no_tap", [], "there is nothing that it could change"),
    ("notrack", [], "conntrack is not modelled"),
])
def test_a_knob_becomes_settings_of_this_host_or_says_why_not(knob, overrides, expected):
    assert steps(knob, *overrides, host=LISTED) == expected


def test_a_socket_that_the_host_file_does_not_list_cannot_be_written_to():
    assert steps("rcvbuf") == steps("reuseport") == "the host file does not list the socket: the replay opened it"
    assert steps("rmem_default")[0] == ("net.core.rmem_default=425984",)


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
