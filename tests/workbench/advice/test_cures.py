"""What people really do, each in a run where it is the cure: it is tried, and saves as much when it is followed."""
import pytest

import rxpath
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.scenarios import scenario
from rxpath.workbench.traffic import spec as trafficfile

from .said import wrong


def ask(traffic, host, **more):
    run = rxpath.whatif(trafficfile.build({"traffic": [traffic]}), hostfile.build(host, "host"), jobs=1, **more)
    assert wrong(run) == []
    return run


def tried(run, knob):
    return next((t for t in run.knobs if t.knobs == (knob,)), None)


READER = {"cpus": 4, "nic": {"queues": 1}, "socket": [{"name": "in", "bind": "*:5000"}],
          "app": [{"name": "server", "sockets": ["in"], "cpu": 1, "service": "20us"}]}
ONE_FLOW = {"rate": "80kpps", "count": 9000, "sport": 40000}
GROUP = {"cpus": 8, "nic": {"driver": "ixgbe", "queues": 8},
         "ethtool": {"ntuple": [f"flow-type udp4 src-ip 10.0.0.{10 + n} action {n}" for n in range(8)]},
         "socket": [{"name": "in", "bind": "*:5000", "reuseport": True}],
         "app": [{"name": "server", "sockets": ["in"], "threads": 8, "own_sockets": True, "cpu": list(range(8)), "service": "20us"}]}


def test_one_flow_and_a_program_that_is_too_slow():
    """A hash puts one flow into one socket.  A program of the group does not, nor do several ports, nor more flows."""
    run = ask(ONE_FLOW, READER)
    assert tried(run, "reuseport").helped == "no"
    random, ports, flows = tried(run, "bpf_random"), tried(run, "several_ports"), tried(run, "flows")
    assert random.helped == ports.helped == flows.helped == "yes"
    assert "socket.in.attach_reuseport_cbpf=random" in random.set and any("SO_ATTACH_REUSEPORT_CBPF" in c for c in random.commands)
    assert {"traffic.0.dport=5000-5001", "socket.in.bind=*:5000-5001", "app.server.divide_sockets=true"} <= set(ports.set)
    assert random.effort < flows.effort == ports.effort
    of_traffic = [s for s in ports.set if s.startswith("traffic.")]
    again = rxpath.replay(trafficfile.build({"traffic": [{**ONE_FLOW, "dport": "5000-5001"}]}), hostfile.build(READER, "host"),
                          overrides=[s for s in ports.set if s not in of_traffic])
    assert again.dropped == ports.dropped_after == {}


def test_several_ports_of_a_socket_that_no_host_file_lists():
    run = ask(ONE_FLOW, {"cpus": 4, "nic": {"queues": 1}, "app": [{"name": "server", "cpu": 1, "service": "20us"}]})
    ports = tried(run, "several_ports")
    assert ports.helped == "yes" and "socket.udp5000.bind=*:5000-5001" in ports.set


def test_a_capture_has_the_flows_that_it_has(tmp_path):
    from rxpath.workbench.cli import app as cli

    file = tmp_path / "flow.pcap"
    assert cli.run(["generate", "--rate", "80kpps", "--count", "9000", "-o", str(file)]) == 0
    run = rxpath.whatif(str(file), hostfile.build(READER, "host"), jobs=1)
    assert tried(run, "bpf_random").helped == "yes" and tried(run, "flows") is None and tried(run, "several_ports") is None
    said = dict(run.whatif.not_tried)
    assert all("a capture has the flows that it has" in why for title, why in said.items() if "ports" in title or "flows" in title)
    assert len(said) >= 2


def test_groups_that_the_kernel_does_not_know_are_said():
    run = ask(ONE_FLOW, {**READER, "kernel": "3.10"})
    assert tried(run, "bpf_random") is None
    assert ("kernel 3.10 does not have it: Linux has it since 4.5"
            in [why for title, why in run.whatif.not_tried if "BPF steering" in title])


def test_a_group_whose_hashes_collide_is_steered_by_cpu():
    """Eight flows, each with a queue and a CPU of its own by the card's filters; the group's hash puts some of them together."""
    spec = trafficfile.build({"traffic": [{"rate": "240kpps", "count": 12000, "src": "10.0.0.10-10.0.0.17"}]})
    run = rxpath.whatif(spec, hostfile.build(GROUP, "host"), jobs=1)
    by_cpu = tried(run, "bpf_cpu")
    assert "R18" in [number for number, *_ in run.whatif.fired]
    assert by_cpu.helped == "yes" and by_cpu.set == ("socket.in.attach_reuseport_cbpf=cpu",)


RULES = "".join(f"-A INPUT -s 192.0.2.{n}/32 -j DROP\n" for n in range(1, 201))
SATURATED = {"profile": "xeon2g_2015", "cpus": 2, "nic": {"queues": 1}, "app": [{"name": "server", "cpu": 1, "batch": 32}]}


def test_the_rule_that_most_packets_match_goes_first():
    text = f"*filter\n:INPUT DROP [0:0]\n{RULES}-A INPUT -s 10.0.0.0/8 -j ACCEPT\nCOMMIT\n"
    run = ask({"rate": "250kpps", "count": 9000, "flows": 64}, {**SATURATED, "iptables": {"text": text}})
    moved = tried(run, "rule_first")
    assert moved.set == ('iptables.first=["filter INPUT 201"]',) and moved.helped == "yes"
    assert moved.commands == ("iptables -t filter -D INPUT 201", "iptables -t filter -I INPUT 1 -s 10.0.0.0/8 -j ACCEPT")
    again = rxpath.replay(trafficfile.build({"traffic": [{"rate": "250kpps", "count": 9000, "flows": 64}]}),
                          hostfile.build({**SATURATED, "iptables": {"text": text}}, "host"), overrides=moved.set)
    assert again.dropped == {} and again.books.stations["nf_rule"] < 2 * again.offered


def test_a_drop_goes_to_the_raw_table():
    """A flood that the last of 200 rules drops: in raw it costs neither the walk nor the route."""
    text = f"*filter\n:INPUT ACCEPT [0:0]\n{RULES}-A INPUT -p udp -m udp --dport 9 -j DROP\nCOMMIT\n"
    host = hostfile.build({**SATURATED, "iptables": {"text": text}, "socket": [{"name": "in", "bind": "*:5000"}]}, "host")
    spec = trafficfile.build({"traffic": [{"rate": "350kpps", "count": 9000, "flows": 64, "dport": 9},
                                          {"rate": "25kpps", "count": 640, "flows": 8}]})
    run = rxpath.whatif(spec, host, jobs=1)
    raw = tried(run, "raw_drop")
    assert raw.set == ('iptables.raw=["filter INPUT 201"]',) and raw.saved > 0.5 * run.dropped["RX_MISSED"] * 640 / 9640
    assert raw.commands == ("iptables -t filter -D INPUT 201", "iptables -t raw -I PREROUTING 1 -p udp -m udp --dport 9 -j DROP")
    first = tried(run, "rule_first")
    assert first.set == ('iptables.first=["filter INPUT 201"]',)
    assert raw.cpu_after < first.cpu_after                 # before routing


def test_a_rule_that_may_not_move_says_which_one_is_in_its_way():
    text = f"*filter\n:INPUT DROP [0:0]\n{RULES}-A INPUT -p udp -m udp --dport 5000 -j ACCEPT\nCOMMIT\n"
    run = ask({"rate": "250kpps", "count": 9000, "flows": 64}, {**SATURATED, "iptables": {"text": text}})
    assert tried(run, "rule_first") is None
    assert ("line 203 of the rules: line 3 comes before it, and a packet can match both"
            in [why for title, why in run.whatif.not_tried if "most packets match" in title])
    here = tried(run, "rule_first_here")                    # none of these senders sends: the frames that came would fare as before
    assert here.helped == "yes" and here.set == ('iptables.first=["filter INPUT 201"]',) and "another frame might" in here.why


@pytest.mark.parametrize("name, knob", [("long-ruleset", "rule_first_here"), ("slow-program", "bpf_random")])
def test_scenarios_name_them(name, knob):
    s = scenario.load(name)
    run = rxpath.whatif(s.the_spec(), s.the_host(), goal="cpu" if name == "long-ruleset" else None, jobs=1)
    assert tried(run, knob).helped in ("yes", "partly") and wrong(run) == []
