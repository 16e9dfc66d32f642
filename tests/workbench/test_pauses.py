"""Programs that stand still and services that sleep: `app.N.pause`, `app.N.service.sleep`."""
import json
import pathlib
from typing import Any

import pytest

import rxpath
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.file import HostError
from rxpath.workbench.judge import frames as f
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.words.mistakes import BadInput

MS, US = 1_000_000, 1000


def host(app: dict[str, Any], **more: Any) -> hostfile.Host:
    apps = [{"name": "r", "cpu": 1, **app}, *more.pop("apps", [])]
    return hostfile.build({"socket": [{"name": "a", "bind": "0.0.0.0:5000"}], "app": apps,
                           "nic": {"addresses": ["10.0.0.1/24"], "mac": "02:00:00:00:00:01"}, **more}, "h")


def played(app: dict[str, Any], at: list[int], until: int = 100 * MS, **how: Any) -> Any:
    """Datagrams at these times; the simulation's books."""
    with Simulation(host(app, **how.pop("more", {})), **how) as sim:
        for t in at:
            sim.send(f.udp_frame(b"x" * 64), t)
        sim.run(until)
        return sim.books(), sim.recording()


def once(begin: str, length: str, folder: pathlib.Path, **more: Any) -> dict[str, Any]:
    file = folder / "pauses.csv"
    file.write_text(f"# a comment\n{begin},{length}\n")
    return {"file": str(file), **more}


# ---------------------------------------------------------------- pauses
@pytest.mark.parametrize("wait", ["recv", "epoll", "poll", "busy"])
@pytest.mark.parametrize("plain", [False, True])
def test_what_comes_in_a_pause_waits_for_its_end(tmp_path: pathlib.Path, wait: str, plain: bool) -> None:
    if wait == "busy" and plain:
        pytest.skip("a spinning reader in plain Python takes long; compiled equals plain: tests/vtime/test_same.py")
    books, _ = played({"pause": once("10ms", "5ms", tmp_path), "wait": wait}, [2 * MS, 12 * MS], 20 * MS, plain=plain)
    app, = books.apps
    assert (app.received, app.pauses, round(app.paused_ns, -5)) == (2, 1, 5 * MS)
    assert 3 * MS < app.latency.max < 3 * MS + 50 * US, "read when the pause is over, at 15 ms"


@pytest.mark.parametrize("plain", [False, True])
def test_a_call_that_waits_for_more_returns_with_what_it_has(tmp_path: pathlib.Path, plain: bool) -> None:
    """recvmmsg() until four have come: a signal ends it."""
    books, _ = played({"pause": once("10ms", "5ms", tmp_path), "batch": 4, "service": "1ms"}, [2 * MS, 3 * MS], 20 * MS, plain=plain)
    app, = books.apps
    assert (app.received, app.pauses, app.app_ns) == (2, 1, 2 * MS)
    assert 8 * MS < app.latency.max < 8 * MS + 50 * US


def test_work_that_a_pause_interrupts_goes_on_after_it(tmp_path: pathlib.Path) -> None:
    books, _ = played({"pause": once("10ms", "5ms", tmp_path), "service": "4ms"}, [8 * MS, 9 * MS], 30 * MS)
    app, = books.apps
    assert app.app_ns == 8 * MS and app.received == 2
    assert 8 * MS < app.latency.max < 8 * MS + 100 * US, "the first is done at 17 ms: 2 ms before the pause, 2 after it"


def test_a_pause_that_computes_takes_its_cpu(tmp_path: pathlib.Path) -> None:
    idle, _ = played({"pause": once("10ms", "5ms", tmp_path)}, [2 * MS], 30 * MS)
    busy, _ = played({"pause": once("10ms", "5ms", tmp_path, busy=True)}, [2 * MS], 30 * MS)
    assert busy.apps[0].app_ns - idle.apps[0].app_ns == 5 * MS
    assert idle.cpus[1].idle - busy.cpus[1].idle > 4.8 * MS
    shared, _ = played({"pause": once("10ms", "40ms", tmp_path, busy=True)}, [2 * MS], 120 * MS,
                       more={"load": [{"cpu": 1, "share": 100}]})
    assert 70 * MS < shared.apps[0].paused_ns < 90 * MS, "it shares the CPU with another, and takes twice as long"


def test_all_threads_stand_still_at_once_and_every_so_often(tmp_path: pathlib.Path) -> None:
    app = {"threads": 3, "cpu": [0, 1, 1], "pause": {"every": "20ms", "for": "3ms"}}
    books, recording = played(app, [2 * MS], 100 * MS, record=True)
    assert {(a.pauses, a.paused_ns // MS) for a in books.apps} == {(5, 15)}
    paused = recording.of("paused")
    assert [s.of for s in paused] == ["r/0", "r/1", "r/2"] and {round(s.total() / MS) for s in paused} == {15}
    first = [next(i for i, most in enumerate(s.max) if most) * recording.bucket_ns for s in paused]
    assert max(first) - min(first) <= recording.bucket_ns and 0 <= first[0] < 20 * MS
    _, recording2 = played(app, [2 * MS], 100 * MS, record=True, more={"seed": 2})
    assert recording2.of("paused")[0].max != paused[0].max, "the seed says when the first begins"
    _, recording3 = played({**app, "pause": {"every": "20ms", "for": "3ms", "start": "7ms"}}, [2 * MS], 100 * MS, record=True)
    begin = next(i for i, most in enumerate(recording3.of("paused")[0].max) if most) * recording3.bucket_ns
    assert 7 * MS - recording3.bucket_ns <= begin <= 7 * MS


def test_random_pauses_have_the_means_that_are_asked_for() -> None:
    books, _ = played({"pause": {"every": "10ms", "for": "1ms", "random": True}}, [2 * MS], 20_000 * MS)
    app, = books.apps
    assert app.pauses == pytest.approx(2000, rel=0.1) and app.paused_ns / app.pauses == pytest.approx(1 * MS, rel=0.1)


def test_a_pause_is_in_report_json_and_recording(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = trafficfile.build({"traffic": [{"rate": "10kpps", "duration": "50ms"}]})
    run = rxpath.replay(spec, host({"pause": {"every": "20ms", "for": "4ms"}}), record=True)
    assert "Programs that stood still" in str(run) and "r thread 0" in str(run)
    app, = run.to_dict()["apps"]
    assert app["pauses"] == 3 and 11 * MS < app["paused_ns"] < 13 * MS
    assert "paused" in {s["name"] for s in run.to_dict()["recording"]["series"]}
    still = rxpath.replay(spec, host({}))
    assert "stood still" not in str(still) and still.to_dict()["apps"][0]["pauses"] == 0


# ---------------------------------------------------------------- programs that end and start again
@pytest.mark.parametrize("wait", ["recv", "epoll"])
@pytest.mark.parametrize("plain", [False, True])
def test_a_program_that_is_gone_has_no_socket(tmp_path: pathlib.Path, wait: str, plain: bool) -> None:
    """Two are unread when it ends, two come meanwhile, one comes afterwards."""
    app = {"restart": once("10ms", "5ms", tmp_path), "wait": wait, "service": "4ms"}
    at = [8 * MS, 9 * MS, 9 * MS + US, 12 * MS, 13 * MS, 16 * MS]
    books, _ = played(app, at, 40 * MS, plain=plain)
    assert books.apps[0].pauses == 1 and books.received == books.apps[0].received == 2
    assert books.lost_at["NO_SOCKET"] == {"__udp4_lib_rcv": 2} and books.snmp["Icmp.OutDestUnreachs"] == 2
    assert books.lost_at["NOT_SPECIFIED"] == {"udp_destruct_common": 2} and books.queued == 0
    still, _ = played({**app, "pause": app["restart"], "restart": None}, at, 40 * MS, plain=plain)
    assert still.received == 6 and not still.dropped, "a pause leaves the socket open"


def test_a_restart_is_the_same_whoever_runs_ahead(tmp_path: pathlib.Path) -> None:
    def run(step: int, **how: Any) -> Any:
        app = {"threads": 2, "cpu": [0, 1], "own_sockets": True, "service": "30us",
               "restart": {"every": "3ms", "for": "1ms", "start": "2500us"}}
        with Simulation(host(app, socket=[{"name": "a", "bind": "0.0.0.0:5000", "reuseport": True}]), **how) as sim:
            for i in range(600):
                sim.send(f.udp_frame(b"x" * 64, sport=40000 + i % 16), 2 * MS + 20 * US * i)
            while sim.t < 20 * MS:
                sim.run(min(sim.t + step, 20 * MS))
            return sim.books()

    ahead = run(20 * MS)
    assert ahead == run(20 * MS, one_step=True) == run(17_001) == run(20 * MS, plain=True)
    assert ahead.dropped["NO_SOCKET"] > 100 and ahead.received > 200 and [a.pauses for a in ahead.apps] == [6, 6]


@pytest.mark.parametrize(("more", "text"), [
    ({"socket": [{"name": "a", "bind": "0.0.0.0:5000", "join": ["239.1.1.1"]}]}, "closes its sockets, but not a: it has joined a group"),
    ({"socket": [{"name": "a", "bind": "0.0.0.0:5000", "connect": "10.0.0.2:4000"}]}, "but not a: it is connected; pause leaves them open"),
    ({"apps": [{"name": "s"}]}, "but not a: s reads it too"),
])
def test_a_socket_that_cannot_be_closed_for_a_while_is_one_line(more: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput) as caught:
        Simulation(host({"restart": {"every": "1s", "for": "1ms"}}, **dict(more)))
    assert text in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(HostError, match="pause and restart: use one of them"):
        host({"restart": {"every": "1s", "for": "1ms"}, "pause": {"every": "1s", "for": "1ms"}})


# ---------------------------------------------------------------- a service that sleeps
@pytest.mark.parametrize("plain", [False, True])
def test_a_service_that_sleeps_uses_no_cpu_and_takes_the_timers_slack(plain: bool) -> None:
    books, _ = played({"service": {"sleep": "500us"}}, [2 * MS, 2 * MS + 1000], 10 * MS, plain=plain)
    app, = books.apps
    assert app.received == 2 and app.app_ns == 0 and app.wakeups == 4, "its start, the datagram, two sleeps"
    assert 550 * US < app.latency.max < 570 * US, "500 us and the slack of 50, before it reads the second one"


def test_a_service_that_works_and_sleeps_does_so_for_each_datagram_of_a_batch() -> None:
    app = {"service": {"work": "100us", "sleep": "400us"}, "batch": 4, "waitforone": True}
    at = [2 * MS + 100 * i for i in range(9)]
    books, _ = played(app, at, 20 * MS)
    one, _ = played({**app, "batch": 1}, at, 20 * MS)
    assert books.apps[0].app_ns == one.apps[0].app_ns == 900 * US
    assert books.apps[0].wakeups == one.apps[0].wakeups == 2 + 9
    assert books.apps[0].latency.max == pytest.approx(8 * 555 * US, rel=0.01), "4, 4 and 1 in a call; the last waits for eight others"
    drawn, _ = played({"service": {"work": {"exponential": "10us"}, "sleep": {"list": ["50us", "1ms"]}}}, at, 20 * MS)
    assert drawn.apps[0].received == 9 and drawn.apps[0].app_ns > 0


def test_a_sleeping_reader_loses_what_a_real_one_lost() -> None:
    """On 6.18, 12,000 datagrams a second into a reader that sleeps 50 us after each: 32.2% lost, 6,512 wake-ups; at 5,000 a second none is
    lost, 9,721 wake-ups.  With the same time of work instead it would be one wake-up."""
    def run(rate: int, count: int) -> Any:
        spec = trafficfile.build({"traffic": [{"rate": rate, "count": count, "size": 64}]})
        return rxpath.replay(spec, host({"service": {"sleep": "50us"}}, profile="vm", nic={"driver": "veth", "addresses": ["10.0.0.1/24"]}))

    fast, slow = run(12_000, 9600), run(5000, 5000)
    lost = fast.dropped["SOCKET_RCVBUFF"] / 9600
    assert 0.28 < lost < 0.36 and abs(fast.books.apps[0].wakeups / 6512 - 1) < 0.1
    assert not slow.dropped and abs(slow.books.apps[0].wakeups / 9721 - 1) < 0.1
    assert 0.10 < fast.books.apps[0].syscall_ns / 0.8e9 < 0.15, "15% of its CPU there"


# ---------------------------------------------------------------- what cannot be
@pytest.mark.parametrize(("app", "text"), [
    ({"pause": {"every": "2s", "for": "2s"}}, "app.0.pause: {'every': '2s', 'for': '2s'} is not allowed: for (2s) must be shorter"),
    ({"pause": {"every": "2s", "for": "-1s"}}, "app.0.pause.for: \"-1s\" is not allowed"),
    ({"pause": {"every": "2s", "for": 0}}, "for is 0: at least 1ns"),
    ({"pause": {"every": "2s"}}, "needs every and for"),
    ({"pause": {"file": "x", "every": "2s"}}, "no every, for, start and random beside it"),
    ({"pause": {"file": "/nowhere/x.csv"}}, "app.0.pause.file: /nowhere/x.csv cannot be read"),
    ({"pause": {"evry": "2s"}}, "did you mean app.0.pause.every?"),
    ({"pause": {"every": "9000h", "for": "1s"}}, "virtual time ends after 104 days"),
    ({"service": {"work": "1us", "constant": "1us"}}, "beside it there are only sleep and by_clock"),
    ({"service": {"sleep": {"constant": "1us", "exponential": "1us"}}}, "exactly one of constant, exponential, list and file"),
    ({"service": {"sleep": "soon"}}, "app.0.service.sleep.constant: \"soon\" is not allowed"),
])
def test_what_a_program_may_not_do_is_one_line(app: dict[str, Any], text: str) -> None:
    with pytest.raises(HostError) as caught:
        host(app)
    assert text in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("content", "text"), [
    ("", "has no pauses"), ("1s\n", ":1: \"1s\" is not allowed: begin and length"),
    ("begin,length\n1s,soon\n", ":2: \"soon\" is not allowed"),
    ("2s,1s\n1s,1s\n", ":2: a pause at 1s begins before the one above it has ended (3s): sort them"),
    ("1s,1s\n1500ms,1s\n", ":2: a pause at 1500ms begins before"), ("1s,0\n", "has no pauses"), ("1s,2s,3s\n", ":1:"),
])
def test_a_file_of_pauses_that_cannot_be_is_one_line(tmp_path: pathlib.Path, content: str, text: str) -> None:
    file = tmp_path / "p.csv"
    file.write_text(content)
    with pytest.raises(HostError) as caught:
        host({"pause": {"file": str(file)}})
    assert text in str(caught.value) and "\n" not in str(caught.value)


def test_files_are_relative_to_the_host_file_and_keys_can_be_set(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.csv").write_text("begin,length\n5ms,1ms\n9ms,1ms\n")
    (tmp_path / "s.txt").write_text("20us\n")
    (tmp_path / "h.toml").write_text('[[app]]\npause = { file = "p.csv" }\nservice = { work = "1us", sleep = { file = "s.txt" } }\n')
    (tmp_path / "t.toml").write_text('[[traffic]]\nrate = "1kpps"\nduration = "20ms"\n')
    where = [str(tmp_path / "t.toml"), "--host", str(tmp_path / "h.toml"), "--json", "--no-whatif"]
    assert cli.run(["replay", *where]) == 0
    app, = json.loads(capsys.readouterr().out)["apps"]
    assert app["pauses"] == 2 and app["wakeups"] > 30
    assert cli.run(["replay", *where, "--set", 'app.0.pause={ every = "4ms", for = "1ms" }', "--set", "app.0.service.sleep=10us",
                    "--set", "app.0.pause.for=2ms"]) == 0
    app, = json.loads(capsys.readouterr().out)["apps"]
    assert app["pauses"] >= 5 and app["paused_ns"] > 9 * MS
    (tmp_path / "s.toml").write_text(
        '[[socket]]\nname = "x"\nbind = "*:1"\n[[app]]\npause = { every = "2min", for = "200ms", busy = true }\n'
        'service = { work = { exponential = "10us" }, sleep = ["1ms", "2ms"] }\n'
        '[[app]]\nrestart = { every = "1h", for = "3s", start = "1s" }\n')
    assert cli.run(["host", "show", str(tmp_path / "s.toml")]) == 0
    shown = capsys.readouterr().out
    for line in ("app.0.pause.for = 200000000", "app.0.service.sleep.list = [1000000, 2000000]", "app.1.restart.every = 3600000000000"):
        assert line in shown


# ---------------------------------------------------------------- a case from the field
def test_a_collector_that_stalls_while_it_flushes() -> None:
    """Its socket asks for its own size: rmem_default changes nothing, and the reason that is given is that one."""
    collector = {"cpus": 4, "nic": {"addresses": ["10.0.0.1/8"]}, "sysctl": {"net.core.rmem_max": 33554432},
                 "socket": [{"name": "netflow", "bind": "0.0.0.0:2055", "rcvbuf": "1MiB"}],
                 "app": [{"name": "nfcapd", "sockets": ["netflow"], "service": "5us", "cpu": 3,
                          "pause": {"every": "250ms", "for": "25ms", "start": "50ms"}}]}
    spec = trafficfile.build({"traffic": [{"kind": "poisson", "rate": "50kpps", "duration": "500ms", "size": 1416, "dport": 2055,
                                           "src": "10.20.0.1-10.20.0.40", "dst": "10.0.0.1"}]})
    run = rxpath.whatif(spec, hostfile.build(collector, "h"), budget="1M")
    assert run.dropped["SOCKET_RCVBUFF"] > 500 and run.books.apps[0].pauses == 2
    assert run.knobs[0].lost_after == 0 and "rcvbuf" in run.knobs[0].set[0]
    assert "no receive buffer overflowed" not in str(run)
    assert any("set their own size" in t.why for t in run.knobs if t.helped == "no")
