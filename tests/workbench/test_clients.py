"""TCP clients of a traffic spec: they react to what the host answers, and what they send reaches the program to the byte."""
import pathlib

import pytest

from rxpath.workbench.host.file import HostError
from rxpath.workbench.host.given import the_host
from rxpath.workbench.run.replay import replay
from rxpath.workbench.run.simulation import START_NS, Simulation
from rxpath.workbench.traffic import generate as generating
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.views import report
from rxpath.workbench.views.terminal import plain
from rxpath.workbench.words.mistakes import BadInput

HOST = {"cpus": 2, "nic": {"queues": 1}, "socket": [{"name": "in", "proto": "tcp", "bind": "*:80"}],
        "app": [{"name": "server", "sockets": ["in"], "cpu": 1}]}


WIRE_NS = 1538 * 8                                          # a full frame with FCS, preamble and gap, at 1 Gbit/s


def host(app=None, socket=None, **more):
    return {**HOST, "socket": [{**HOST["socket"][0], **(socket or {})}], "app": [{**HOST["app"][0], **(app or {})}], **more}


def run(client, machine=HOST, **how):
    return replay(trafficfile.build({"client": [client]}), machine, **how)


def counter(o, name):
    return o.books.netstat[f"TcpExt.{name}"]


def read(o):
    return sum(a.connections.bytes for a in o.books.apps)


@pytest.mark.parametrize("client", [
    {"connections": 20, "rate": "2kpps", "size": "7KiB", "messages": 3}, {"size": "1MiB", "close": "rst"}, {"size": 1, "messages": 0},
    {"connections": 30, "size": 999, "messages": 5, "gap": "1ms", "kind": "poisson", "rate": "5kpps", "src": "10.0.0.2-10.0.0.5"},
    {"size": "300KiB", "loss": 0.02}, {"size": "300KiB", "loss": 0.02, "sack": False}, {"size": "300KiB", "ack_loss": 0.3},
    {"size": "100KiB", "loss": 0.1, "stamps": "off"}, {"size": "1MiB", "cwnd": 0}, {"size": "20KiB", "stamps": "astray"}],
    ids=["many", "rst", "nothing", "poisson", "loss", "loss without SACK", "lost ACKs", "heavy loss", "no cwnd", "astray"])
def test_every_byte_arrives_once(client):
    o = run(client)
    c, n = o.clients, client.get("connections", 1)
    assert (c.connections, c.connected, c.ended) == (n, n, n), c
    assert read(o) == c.acknowledged == n * client.get("messages", 1) * (trafficfile.build({"client": [client]}).client[0].size)
    assert not o.queued and not counter(o, "BeyondWindow")
    assert (c.retransmitted > 0) == bool(client.get("loss") or client.get("stamps") == "astray")
    assert (c.acks_lost > 0) == bool(client.get("ack_loss"))


def story(one_step=False, plain=False, app=None, socket=None, **client):
    spec = trafficfile.build({"seed": 5, "client": [client], "traffic": [{"rate": "20kpps", "count": 60}]})
    machine = the_host(host(rps={"0": "1"}, cpus=3, app={"cpu": 2, **(app or {})}, socket=socket))
    who = trafficfile.receiver(spec, machine)
    with Simulation(machine, receiver=who, one_step=one_step, plain=plain, spends=True) as sim:
        sim.add_clients(trafficfile.clients(spec, machine, start_ns=START_NS, mac=who.mac, reaction_ns=sim.time.reaction_ns()))
        with trafficfile.generator(spec, machine, start_ns=START_NS, plain=plain) as frames:
            sim.replay(frames)
        b = sim.books()
        return sim.clients.finish(), b.offered, b.netstat, b.snmp, b.cpus, [(a.received, a.latency, a.done) for a in b.apps], b.spent


BUSY = {"connections": 12, "size": "20KiB", "messages": 2, "gap": "500us", "rate": "10kpps", "loss": 0.03, "ack_loss": 0.05}


def test_running_ahead_equals_one_step():
    assert story(**BUSY) == story(**BUSY, one_step=True)


def test_compiled_equals_plain():
    few = {**BUSY, "connections": 2, "size": 3000}
    assert story(**few) == story(**few, plain=True)


@pytest.mark.parametrize(("what", "wanted"), [
    ({"size": "20KiB", "messages": 3, "gap": "1ms"}, {"interrupt", "ring", "softirq", "wake_up", "system_call"}),
    ({"size": "300KiB", "loss": 0.05}, {"hole", "softirq"}),
    ({"size": "300KiB", "loss": 0.05, "app": {"service": "30us", "message": 1000}}, {"hole", "batch", "work"}),
    ({"size": "30KiB", "connections": 5, "rate": "10kpps", "app": {"message": 700, "service": "20us"}}, {"batch", "work"}),
    ({"size": "200KiB", "sack": False, "ack_loss": 0.2, "app": {"service": "50us"}, "socket": {"rcvbuf": "16KiB"}}, {"socket", "work"})],
    ids=["messages", "holes", "slow and holes", "several of a read", "small buffer"])
def test_each_ns_of_a_message_is_in_one_place(what, wanted):
    *_, apps, spent = ahead = story(**what)
    assert ahead == story(**what, one_step=True)
    (whole,) = spent
    assert sum(place.total for place in whole.places.values()) == whole.done.total > 0
    assert wanted <= set(whole.places) and whole.done.count == sum(done.count for _, _, done in apps)


def test_a_message_is_whole_since_its_last_segment():
    """14 segments of a burst are on the wire one after the other; GRO makes them one."""
    one, burst = (run({"size": 1448 * n, "cwnd": 14}, host(ethtool={"rx-usecs": 300})) for n in (1, 14))
    assert burst.books.copies["gro_merged"] == 13
    assert burst.samples[0].arrived - one.samples[0].arrived == 13 * WIRE_NS


def test_messages_of_a_coalesced_segment_are_there_since_the_last_of_them():
    """The program works 1 ms on the first of 14; the others are one in its queue, the last of them there after 160 us."""
    o = run({"size": 1448 * 14, "cwnd": 14}, host(app={"service": "1ms", "message": 1448}, ethtool={"rx-usecs": 0}))
    assert counter(o, "TCPRcvCoalesce") == 12 and o.books.latency.count == 14
    assert 0 < o.books.latency.max - (1_000_000 - 13 * WIRE_NS) < 2 * WIRE_NS


def test_the_seed_decides():
    client = {"size": "200KiB", "loss": 0.05}
    assert run(client).clients == run(client).clients != run(client, seed=2).clients


def test_a_slow_reader_closes_the_window_and_nothing_is_lost():
    slow = host(app={"service": "2ms", "message": 1000}, socket={"rcvbuf": "8KiB"})
    o = run({"size": "60KiB"}, slow)
    assert o.clients.ended == 1 and read(o) == 60 << 10 and not o.books.frames_dropped
    assert o.clients.transfer_ns["max"] > 100_000_000                    # 60 messages of 2 ms
    still = host(app={"pause": {"every": "10s", "for": "900ms", "start": "2ms"}}, socket={"rcvbuf": "8KiB"})
    o = run({"size": "60KiB", "messages": 2, "gap": "10ms"}, still)
    assert o.clients.ended == 1 and read(o) == 120 << 10 and set(o.dropped) == {"TCP_OLD_SEQUENCE"}             # probes
    assert o.clients.timeouts >= 2 and not o.clients.retransmitted
    assert 890_000_000 < o.clients.transfer_ns["max"] < 1_500_000_000


def test_who_ignores_the_window_sends_beyond_it():
    slow = host(app={"service": "2ms", "message": 1000}, socket={"rcvbuf": "8KiB"})
    o = run({"size": "60KiB", "ignores_window": True, "cwnd": 0, "duration": "300ms"}, slow)
    assert counter(o, "BeyondWindow")


def test_one_that_waits_takes_a_round_trip_for_each_message():
    waits = {"size": 500, "messages": 40, "waits": True, "rtt": "5ms"}
    assert run(waits).clients.transfer_ns["max"] > 40 * 5_000_000 > 5 * run({**waits, "waits": False}).clients.transfer_ns["max"]


def test_forged_resets_bring_challenge_acks():
    o = run({"messages": 5, "gap": "2ms", "forged": 3})
    assert counter(o, "TCPChallengeACK") + counter(o, "TCPACKSkippedChallenge") == 15 and o.clients.ended == 1


def test_stamps_of_another_clock_are_refused():
    o = run({"size": "20KiB", "stamps": "astray"})
    assert counter(o, "PAWSEstab") > 0 and o.dropped["TCP_RFC7323_PAWS"] > 0


def test_a_full_accept_queue_makes_connects_take_seconds():
    o = run({"connections": 200, "rate": "20kpps"}, host(app={"service": "1ms", "message": 1000}, socket={"backlog": 8}))
    assert counter(o, "ListenOverflows") == counter(o, "ListenDrops") > 0
    assert o.clients.connect_ns["p99"] > 1_000_000_000 and o.clients.ended < o.clients.connected < 200


def test_a_program_that_closes_first_keeps_time_wait():
    server = host(app={"message": 1000, "closes": 2})
    o = run({"connections": 10, "messages": 2, "close": "stay"}, server)
    assert o.clients.ended == 10 and sum(a.connections.closed for a in o.books.apps) == 10
    limited = host(app={"message": 1000, "closes": 2}, sysctl={"net.ipv4.tcp_max_tw_buckets": 4})
    assert counter(o, "TCPTimeWaitOverflow") == 0
    assert counter(run({"connections": 10, "messages": 2, "close": "stay"}, limited), "TCPTimeWaitOverflow") == 6


def test_deferred_accept_hears_nothing_of_the_silent():
    o = run({"messages": 0, "close": "stay", "duration": "500ms"}, host(socket={"defer_accept": 3}))
    assert counter(o, "TCPDeferAcceptDrop") and not sum(a.connections.accepted for a in o.books.apps)


def test_a_closed_port_refuses():
    o = run({"connections": 3, "closed": True}, {"cpus": 1})
    assert o.clients.refused == 3 and o.books.snmp["Tcp.OutRsts"] == 3


def test_a_duration_ends_it():
    o = run({"messages": 1000, "gap": "1ms", "duration": "20ms"})
    assert 15_000 < read(o) <= 21_000 and o.traffic.duration_ns < 25_000_000


def test_a_window_of_many_frames_fits_onto_the_cable():
    wide = host(sysctl={"net.ipv4.tcp_rmem": "4096 4194304 16777216"}, nic={"queues": 1, "speed": "10Gbit"}, ethtool={"rx": 4096})
    o = run({"size": "8MiB", "cwnd": 3000, "rtt": "10ms"}, wide)
    assert o.clients.ended == 1 and read(o) == 8 << 20


@pytest.mark.parametrize(("client", "text"), [
    ({"kind": "poisson"}, "client.0: kind poisson needs a rate"),
    ({"connections": 70000}, "client.0: 70000 connections: addresses and ports"),
    ({"mss": 20}, "client.0.mss: 20 is not allowed: 88 to 8960"),
    ({"close": "never"}, 'client.0.close: "never" is not allowed: fin, rst or stay'),
    ({"sise": 3}, "client.0.sise"), ({"duration": 0}, "client.0"),
    ({"messages": 0, "forged": 1}, "client.0: forged RSTs come after messages")])
def test_mistakes_are_one_line(client, text):
    with pytest.raises(HostError) as error:
        trafficfile.build({"client": [client]})
    assert str(error.value).startswith(f"traffic: {text}") and "\n" not in str(error.value)


def test_settings_reach_a_client():
    spec = trafficfile.build({"client": [{"rate": "5pps"}, {}]})
    changed = trafficfile.revise(spec, ["traffic.client.1.size=77", "traffic.client.0.connections=9"])
    assert (changed.client[1].size, changed.client[0].connections) == (77, 9)
    for setting, said in (("traffic.client.2.size=1", "traffic.client.N.KEY=VALUE, N 0 to 1"), ("traffic.0.size=1", "traffic.client.N.KEY"),
                          ("traffic.client.0.size=x", "client.0.size")):
        with pytest.raises(HostError, match=said):
            trafficfile.revise(spec, [setting])


def test_what_a_file_and_a_rate_cannot_do_is_said(tmp_path: pathlib.Path):
    file = tmp_path / "c.toml"
    file.write_text("[[client]]\n")
    with pytest.raises(BadInput, match=r"rxpath replay SPEC\.toml"):
        generating.generate(trafficfile.load(file), str(tmp_path / "o.pcap"))
    assert not (tmp_path / "o.pcap").exists()
    with pytest.raises(BadInput, match=r"--rate: the \[\[client\]\]"):
        replay(file, HOST, rate="1kpps")
    own = trafficfile.build({"client": [{"src": "10.0.0.1"}]})
    with pytest.raises(HostError, match=r"client.0.src.*receiver's own address"):
        replay(own, HOST)


def test_the_page_has_the_keys():
    page = (pathlib.Path(__file__).parents[2] / "docs" / "generate.md").read_text()
    assert trafficfile.clients_markdown() in page, "rxpath.workbench.traffic.spec.clients_markdown() makes the table"


def test_what_a_program_reads_has_its_name():
    both = {**HOST, "socket": [*HOST["socket"], {"name": "dns", "bind": "*:53"}],
            "app": [*HOST["app"], {"name": "resolver", "sockets": ["dns"], "cpu": 0}]}
    client, stream = {"size": 100, "messages": 3, "gap": "1ms"}, {"rate": "20kpps", "count": 5, "dport": 53}
    found = [replay(trafficfile.build(spec), both) for spec in (
        {"client": [client]}, {"traffic": [stream]}, {"client": [client], "traffic": [stream]}, {"client": [{**client, "messages": 1}]})]
    assert [o.books.unit for o in found] == ["messages", "datagrams", "reads", "messages"]
    assert [o.books.latency.count for o in found] == [3, 5, 8, 1]
    for o, what, spent in zip(found, ["messages", "datagrams", "reads", "messages"],
                              ["server, 3 messages", "resolver, 5 datagrams", "mean of a read", "server, 1 message"], strict=True):
        lines = plain(report.render(o)).splitlines()
        table = next(i for i, line in enumerate(lines) if line.startswith("Latency, last bit"))
        assert lines[table + 1].split()[:2] == ["application", what]
        assert f"Where the time went, {spent} (cost profile bm36)" in lines
