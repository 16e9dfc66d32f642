"""rxpath tune: the same bytes with any number of workers and after any interruption; the answer is what running it says."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rxpath
from rxpath.workbench.cli import app as cli
from rxpath.workbench.jobs import unit
from rxpath.workbench.jobs.pool import Pool
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.many import tune as tuning
from rxpath.workbench.many.resume import Journal
from rxpath.workbench.many.tuning import answer, ask, space, target
from rxpath.workbench.many.tuning.space import Knob, Space
from rxpath.workbench.scenarios import scenario
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.views import terminal
from rxpath.workbench.views import tune as tuning_view
from rxpath.workbench.words.mistakes import BadInput

COMMAND = [sys.executable, "-m", "rxpath.workbench.cli", "tune"]
KNOBS = ["ethtool.rx=64..4096", "net.core.rmem_default=212992..8388608", "net.core.netdev_budget=75..1200"]
QUESTION = ["first", "--target", "loss<0.1%,p99<80ms", *(word for k in KNOBS for word in ("--knob", k)),
            "--trials", "28", "--seeds", "2", "--json"]
pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def whole() -> str:
    """With one worker, without a journal."""
    return subprocess.run([*COMMAND, *QUESTION, "--jobs", "1"], capture_output=True, text=True, check=True).stdout


def test_workers_change_no_byte(whole: str) -> None:
    assert subprocess.run([*COMMAND, *QUESTION, "--jobs", "2"], capture_output=True, text=True, check=True).stdout == whole
    found = json.loads(whole)
    assert len(found["trials"]) == 28 > ask.SPREAD and found["trials"][0]["set"] == []


def test_killed_and_resumed_it_is_as_if_nothing_had_happened(whole: str, tmp_path: Path) -> None:
    file = tmp_path / "tune.jsonl"
    for rows in (9, 44):                                    # in the spread trials, and in what TPE proposed
        process = subprocess.Popen([*COMMAND, *QUESTION, "--jobs", "2", "--resume", str(file)], stdout=subprocess.PIPE,
                                   start_new_session=True)
        while process.poll() is None and not (file.exists() and file.read_bytes().count(b"\n") >= rows):
            time.sleep(0.01)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    before = file.read_bytes().count(b"\n")
    done = subprocess.run([*COMMAND, *QUESTION, "--jobs", "1", "--resume", str(file)], capture_output=True, text=True, check=True)
    assert done.stdout == whole
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert before < len(lines) and len({line["key"] for line in lines}) == len(lines)          # nothing was run twice
    assert subprocess.run([*COMMAND, *QUESTION, "--resume", str(file)], capture_output=True, text=True, check=True).stdout == whole
    assert len(file.read_text().splitlines()) == len(lines)


def test_what_the_journal_says_was_asked_is_what_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On another processor TPE would have asked otherwise."""
    file = tmp_path / "tune.jsonl"
    arguments = ["tune", "first", "--knob", "ethtool.rx=64,128,512", "--trials", "8", "--seeds", "1", "--json", "--resume", str(file)]
    assert cli.run(arguments) == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[0]["asked"] = [[0], [2], [2], [1], [2], [3], [2], [2]]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    capsys.readouterr()
    assert cli.run(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert [t["set"] for t in found["trials"]][:4] == [[], ["ethtool.rx=128"], ["ethtool.rx=128"], ["ethtool.rx=64"]]
    rows[0]["asked"] = [[0], [9]]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    capsys.readouterr()
    assert cli.run(arguments) == 2
    err = capsys.readouterr().err
    assert "not what rxpath wrote" in err and err.count("\n") == 1


def test_the_answer_is_what_running_it_says(whole: str) -> None:
    found = json.loads(whole)
    a = found["answer"]
    assert a["met"] is True and a["figures"]["loss"] < 0.001 and a["figures"]["p99"] < 80e6
    assert [w["knob"] for w in a["matters"]] == ["net.core.rmem_default"] and a["commands"] == [f"sysctl -w {a['set'][0]}"]
    run = rxpath.replay("first", overrides=a["set"])
    assert run.dropped.get("SOCKET_RCVBUFF", 0) == 0 < rxpath.replay("first").dropped["SOCKET_RCVBUFF"]
    without = a["matters"][0]["without"]
    assert without == found["trials"][0]["figures"] and without["loss"] > 0.5 and without["p99"] is None       # never
    smaller = int(a["set"][0].partition("=")[2]) // 2       # the next smaller step
    assert rxpath.replay("first", overrides=[f"net.core.rmem_default={smaller}"]).dropped["SOCKET_RCVBUFF"] > 0
    assert set(a["nothing"]) | set(a["not_needed"]) == {"ethtool.rx", "net.core.netdev_budget"}
    assert found["verified"]["met"] == found["verified"]["seeds"] == 10


def test_a_target_that_nothing_meets_is_said_with_what_comes_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["tune", "first", "--target", "loss<0.1%,p99<1us", "--knob", KNOBS[1], "--trials", "16", "--seeds", "1"]
    assert cli.run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["answer"]["met"] is False and found["verified"]["met"] == 0 and found["answer"]["figures"]["loss"] == 0
    assert cli.run(arguments) == 0
    out = capsys.readouterr().out
    assert "not met by any trial; what comes nearest sets 1 knob" in out and "the target holds in 0;" in out


def test_a_target_that_today_meets_needs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["tune", "first", "--target", "loss<90%", "--knob", KNOBS[0], "--trials", "8", "--seeds", "1"]) == 0
    out = capsys.readouterr().out
    assert "today's host meets it" in out and "--set" not in out


@pytest.mark.parametrize("name", ["ring-burst", "rcvbuf-burst", "small-budget"])
def test_the_cure_of_a_scenario_is_found_beside_what_does_not_help(name: str) -> None:
    lesson = scenario.load(name)
    spec, host = lesson.the_spec(), lesson.the_host()
    today = tuning.tune(spec, host, trials=1, seeds=1, knobs=["net.core.netdev_budget=300"]).today
    assert today is not None and today.figures is not None and today.figures["loss"] > 0
    wanted = f"loss<={today.figures['loss'] * lesson.cured}"
    values: dict[str, list[str]] = {}
    for key, _, value in (text.partition("=") for row in (lesson.cure, *lesson.placebo) for text in row):
        values.setdefault(key, []).append(value)
    found = tuning.tune(spec, host, target=wanted, trials=24, seeds=1, knobs=[f"{k}={','.join(v)}" for k, v in values.items()])
    assert found.answer is not None and found.answer.met and set(found.answer.set) == set(lesson.cure)
    every = tuning.tune(spec, host, target=wanted, trials=32, seeds=1)      # among all knobs one may do it that the lesson does not name
    assert every.answer is not None and every.answer.met and len(every.answer.matters) == 1 and len(every.knobs) > 10


def test_the_worst_of_several_captures_counts(tmp_path: Path) -> None:
    slow, fast = tmp_path / "slow.toml", tmp_path / "fast.toml"
    slow.write_text('[[traffic]]\nrate = "1kpps"\ncount = 50\n')
    fast.write_text('[[traffic]]\nrate = "1Mpps"\ncount = 5000\n')
    host = {"app": [{"name": "a", "service": "5us"}], "socket": [{"name": "s", "bind": "*:5000"}]}
    one = {f.name: tuning.tune(f, host, trials=1, seeds=1, knobs=[KNOBS[0]]).trials[0].figures for f in (slow, fast)}
    both = tuning.tune([slow, fast], host, trials=1, seeds=1, knobs=[KNOBS[0]]).trials[0].figures
    assert one["slow.toml"]["loss"] == 0 < one["fast.toml"]["loss"] == both["loss"]
    assert both == {n: max(f[n] for f in one.values()) for n in target.NAMES}
    with pytest.raises(BadInput, match="hosts of their own"):
        tuning.tune(["first", str(slow)])
    with pytest.raises(BadInput, match="first is given twice"):
        tuning.tune(["first", "first"])


def test_the_answer_is_run_again_with_seeds_that_the_search_has_not_seen() -> None:
    sent = trafficfile.build({"traffic": [{"kind": "poisson", "rate": "150kpps", "count": 3000}]})
    host = {"app": [{"name": "a", "service": {"exponential": "5us"}}], "socket": [{"name": "s", "bind": "*:5000"}]}
    found = tuning.tune(sent, host, objective="p99", target="p99<1us", knobs=["ethtool.rx=64"], trials=2, seeds=2)
    assert found.answer is not None and found.verified is not None and not found.answer.set
    each = [unit.run(Unit(sent, host, seed=k)).p99_ns for k in range(1, 13)]
    assert found.answer.figures["p99"] == max(each[:2])                     # the worst of the search's
    assert [f["p99"] for f in found.verified.each] == each[2:] and len(set(each)) > 3


def test_a_combination_that_is_impossible_is_a_trial_with_an_error() -> None:
    found = tuning.tune("first", knobs=["cpus=2,4", "irq.0=0,3"], trials=16, seeds=1)
    failed = [t for t in found.trials if t.error]
    assert failed and all("cpus=4" not in t.set and "irq.0=3" in t.set for t in failed) and len(failed) < len(found.trials)
    assert all(t.figures is None for t in failed) and found.answer is not None


def test_stopped_it_says_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2000
    found = rxpath.tune("first", knobs=KNOBS, trials=400, seeds=1, jobs=1, stop=stop)
    assert found.interrupted and 0 < len(found.trials) < 400 and found.answer is None and found.front
    assert "INTERRUPTED" in str(found)
    never = rxpath.tune("first", trials=8, stop=lambda: True)
    assert never.interrupted and not never.trials and "INTERRUPTED" in str(never)


def test_a_run_whose_worker_was_lost_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real, lost = Pool.run_all, []

    def losing(self, work, *rest, **named):
        for n, result in real(self, work, *rest, **named):
            once = work[n] not in lost
            lost.append(work[n])
            yield n, Result(error="its process ended with status -9") if once else result
    arguments = {"knobs": [KNOBS[0]], "trials": 8, "seeds": 1, "jobs": 1}
    wanted = tuning.line(tuning.tune("first", **arguments))
    monkeypatch.setattr(Pool, "run_all", losing)
    assert tuning.line(tuning.tune("first", **arguments)) == wanted and lost
    monkeypatch.setattr(Pool, "run_all", lambda self, work, *rest, **named: (
        (n, Result(error="its process ended with status -9")) for n in range(len(work))))
    with pytest.raises(BadInput, match="a worker process ended 3 times at today's host"):
        tuning.tune("first", **arguments)


def test_two_writers_of_a_journal_are_one_too_many(tmp_path: Path) -> None:
    file = tmp_path / "tune.jsonl"
    held = "import fcntl, sys, time; f = open(sys.argv[1], 'w+b'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(99)"
    other = subprocess.Popen([sys.executable, "-c", held, str(file)], stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"held\n"
    arguments = {"knobs": [KNOBS[0]], "trials": 8, "seeds": 1, "jobs": 1, "journal": file}
    try:
        with pytest.raises(BadInput, match="another rxpath is writing to it"):
            tuning.tune("first", **arguments)
        with pytest.raises(BadInput, match="another rxpath is writing to it"):
            rxpath.sweep("first", ["ethtool.rx=64,256"], journal=file)
    finally:
        other.kill()
        other.communicate()
    tuning.tune("first", **arguments)                       # the lock went with its process
    with Journal(file) as book:
        held_here = subprocess.run([sys.executable, "-c", "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | "
                                    "fcntl.LOCK_NB)", str(file)], capture_output=True)
        assert held_here.returncode != 0 and len(book.rows) >= 8


def test_what_cannot_become_the_answer_gets_no_more_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the answer is the same as if it had."""
    arguments = {"target": "loss<0.1%,p99<80ms", "knobs": KNOBS, "trials": 24, "seeds": 3, "jobs": 1}
    pruned = tuning.tune("first", **arguments)
    monkeypatch.setattr(tuning._Search, "_hopeless", lambda self, choice, came: False)
    whole = tuning.tune("first", **arguments)
    given_up = [t for t in pruned.trials if t.pruned]
    assert given_up and not any(t.pruned for t in whole.trials) and pruned.packets < whole.packets
    assert pruned.trials[:ask.LOT] == whole.trials[:ask.LOT], "the first lot has nothing before it"
    assert pruned.answer == whole.answer and pruned.front == whole.front
    for t in given_up:                                      # something before it is better in an objective, and in none worse
        assert t.figures is not None and any(
            o.figures is not None and o.figures["loss"] <= t.figures["loss"] and o.figures["p99"] <= t.figures["p99"] and
            (o.figures["loss"], o.figures["p99"]) != (t.figures["loss"], t.figures["p99"]) for o in pruned.trials if not o.pruned)
    assert f"{len(given_up)} of the trials were given up after their first seed" in terminal.plain(tuning_view.render(pruned))


def test_an_answer_that_fresh_seeds_refuse_is_looked_for_again() -> None:
    """A target at the edge: with one seed a smaller buffer seems to do."""
    sent = trafficfile.build({"traffic": [{"kind": "poisson", "rate": "150kpps", "count": 3000}]})
    host = {"app": [{"name": "a", "service": {"exponential": "5us"}}], "socket": [{"name": "s", "bind": "*:5000"}],
            "sysctl": {"net.core.rmem_default": 18432}}
    found = rxpath.tune(sent, host, target="loss<1.2%", knobs=["net.core.rmem_default=36864..294912"], trials=16, seeds=1)
    small, large = (f"net.core.rmem_default={n}" for n in (73728, 147456))
    assert [t.figures["loss"] < 0.012 for t in found.trials if t.set == (small,) and t.figures is not None][:1] == [True]
    assert found.answer is not None and found.answer.set == (large,) and found.verified is not None
    losses = [run.lost / run.offered for run in (unit.run(Unit(sent, host, (small, f"seed={k}"), traffic=(f"traffic.seed={k}",)))
                                                 for k in range(2, 12))]
    assert found.verified.first == sum(loss < 0.012 for loss in losses) < 10 == found.verified.met
    text = " ".join(str(found).split())
    assert f"the smallest change for 1 seed held in {found.verified.first} of 10, so this one was looked for with 11" in text


def test_the_page_of_a_tuning(tmp_path: Path, whole: str) -> None:
    file = tmp_path / "tune.html"
    assert cli.run(["tune", *QUESTION[:-1], "--html", str(file)]) == 0
    text = file.read_text()
    found = json.loads(whole)
    assert text.count('<svg class="panel"') == 2 and "How the search went" in text and "28 of 28 trials" in text
    assert f"sysctl -w {found['answer']['set'][0]}" in text and "without net.core.rmem_default" in text
    each = [t["figures"] for t in found["trials"] if t["figures"] is not None]
    shown = len(each) + sum(f["p99"] is not None for f in each)
    assert text.count('<circle class="q"') == shown + 1     # and the key's
    assert text.lower().count("<script") == 1 and "http://" not in text.replace("http://www.w3.org", "")


# ---------------------------------------------------------------- its parts
def test_a_lot_is_a_function_of_what_was_told() -> None:
    room = Space(tuple(Knob(str(k), ((), *((f"{k}={v}",) for v in range(1, 8))), (0, *[1] * 7)) for k in range(6)))
    told = []
    while len(told) < 32:
        lot = ask.lot(room, told, 1, 2)
        assert len(lot) == ask.LOT and lot == ask.lot(room, list(told), 1, 2) and (not told or lot != ask.lot(room, told, 2, 2))
        told += [(c, None if c[0] == 7 else [float(sum(c)), float(-c[1])]) for c in lot]
    assert told[0][0] == room.today
    small = Space(room.knobs[:2])                           # few knobs: every setting comes in the first sixteen
    spread = ask.lot(small, [], 1, 1) + ask.lot(small, [((0, 0), [0.0])] * 8, 1, 1)
    assert all({c[k] for c in spread} >= set(range(1, 8)) for k in range(2))


def test_knobs_that_write_the_same_key_are_one() -> None:
    found = space.of_host(Unit("first"), [], None)
    keys = [key for knob in found.knobs for key in {t.partition("=")[0] for s in knob.settings for t in s}]
    assert len(keys) == len(set(keys)) > 10
    assert all(knob.settings[0] == () and len(set(knob.settings)) == len(knob.settings) == len(knob.effort) for knob in found.knobs)
    assert not any(key.endswith((".service", ".threads")) for key in keys)


def test_a_knob_may_exist_only_with_others() -> None:
    """A longer backlog, where something is steered to backlogs: by RPS or RFS that is tried too, or as it is."""
    backlogs = {"net.core.netdev_max_backlog", "net.core.flow_limit_cpu_bitmap"}
    one_cpu = {"cpus": 1, "app": [{"name": "a", "service": "5us"}], "socket": [{"name": "s", "bind": "*:5000"}]}
    sent = trafficfile.build({"traffic": [{"kind": "poisson", "rate": "150kpps", "count": 3000}]})
    assert not backlogs & {k.name for k in space.of_host(Unit(sent, one_cpu), [], None).knobs}, "nothing brings it"
    steered = one_cpu | {"cpus": 2, "rps": {"0": [1]}}
    alone = [k for k in space.of_host(Unit(sent, steered), [], None).knobs if k.name in backlogs]
    assert len(alone) == 2 and not any(k.only_with for k in alone), "it is so today"
    room = space.of_host(Unit(sent, one_cpu | {"cpus": 2}), [], None)
    names = [k.name for k in room.knobs]
    needing = [k for k in room.knobs if k.only_with]
    assert {k.name for k in needing} == backlogs
    assert {names[n].split("+")[-1] for k in needing for n, _ in k.only_with} == {"rps.0", "rps_flow_cnt.1"}
    backlog, rps = names.index("net.core.netdev_max_backlog"), names.index("rps.0")
    both = tuple(1 if k in (backlog, rps) else 0 for k in range(len(names)))
    assert room.existing(both) == both and answer._with(room, both, rps, 0) == room.today
    assert room.order.index(backlog) > room.order.index(rps) and sorted(room.order) == list(range(len(names)))
    told: list[ask.Told] = []
    while len(told) < 48:
        lot = ask.lot(room, told, 1, 2)
        assert lot == ask.lot(room, list(told), 1, 2) and all(room.existing(c) == c for c in lot)
        told += [(c, [float(sum(c)), float(-c[backlog])]) for c in lot]
    proposed = [c for c, _ in told[ask.SPREAD:]]
    assert sum(c[backlog] > 0 for c in proposed) > 8, "what it is good for is found"


def test_what_exists_only_with_others_is_said() -> None:
    found = rxpath.tune("first", target="loss<0.1%", trials=24, seeds=1)
    a = found.answer
    assert a is not None and a.not_there.keys() == {"net.core.netdev_max_backlog", "net.core.flow_limit_cpu_bitmap"}
    assert not a.not_there.keys() & {*a.nothing, *a.not_needed} and found.to_dict()["answer"]["not_there"].keys() == a.not_there.keys()
    for trial in found.trials:
        keys = {text.partition("=")[0] for text in trial.set}
        assert "net.core.netdev_max_backlog" not in keys or keys & {"rps.0", "net.core.rps_sock_flow_entries"}
    assert "2 exist only with rps.0 or" in " ".join(str(found).split())


def test_the_front_is_what_nothing_beats() -> None:
    room = Space((Knob("a", ((), ("a=1",), ("a=2",)), (0, 1, 1)),))
    tried = [((0,), {"loss": 1.0, "p99": 5.0}), ((2,), {"loss": 0.0, "p99": 9.0}), ((1,), {"loss": 0.0, "p99": 9.0}),
             ((1,), {"loss": 1.0, "p99": 6.0}), ((2,), {"loss": 2.0, "p99": 4.0})]
    assert answer.front(target.wanted("loss,p99", None), tried, room) == [2, 0, 4]


def test_figures_of_a_run() -> None:
    r = Result(offered=1000, ended={"lost": 11}, done_ns={"count": 989, "p99": 70}, cpu_ns={"idle": 75, "softirq": 25}, memory={"rings": 9})
    assert target.figures([r]) == {"loss": 0.011, "p99": float("inf"), "cpu": 0.25, "memory": 9}
    fewer = Result(offered=1000, ended={"lost": 10}, done_ns={"count": 990, "p99": 70}, cpu_ns={"idle": 1}, memory={"rings": 10})
    assert target.figures([fewer])["p99"] == 70 and target.figures([r, fewer])["memory"] == 10
    want = target.wanted("loss", "loss<=1%,p99<70")
    assert want.limits[0].met(target.figures([fewer])) and not want.limits[1].met(target.figures([fewer]))
    assert want.beyond(target.figures([r])) > target.NEVER > want.beyond(target.figures([fewer])) > 0


@pytest.mark.parametrize(("argv", "says"), [
    (["--target", "loss"], "must be NAME<LIMIT"), (["--target", ""], "(empty): must be NAME<LIMIT"), (["--target", "p99>3us"], "must be"),
    (["--target", "los<1%"], "did you mean loss?"), (["--target", "loss<0%"], "write loss<=0%"),
    (["--target", "p99<1 day"], "must be a time"),
    (["--target", "loss<1%,loss<2%"], "loss is given twice"), (["--target", "memory<lots"], "--target memory<lots: must be"),
    (["--objective", "loss,foo"], "--objective foo: must be of"), (["--objective", "loss,loss"], "each once"),
    (["--objective", ""], "(empty)"), (["--knob", "ethtool.rxx=1"], "--knob ethtool.rxx=1: unknown key; did you mean ethtool.rx?"),
    (["--knob", "ethtool.rx"], "--knob ethtool.rx: must be KEY=V"), (["--knob", "speed=1,2"], "no setting of the host"),
    (["--knob", "ethtool.rx=64..8192"], "64 to 4096 for igb"), (["--knob", "ethtool.rx=64", "--knob", "ethtool.rx=80"], "given twice"),
    (["--trials", "0"], "1 to 10,000"), (["--seeds", "0"], "1 to 1000"), (["--jobs", "0"], "1 to 1024"), (["--set", "x=1"], "unknown"),
    (["--resume", "/nowhere/x"], "No such file"),
])
def test_mistakes_are_one_line(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["tune", "first", *argv]) == 2
    out, err = capsys.readouterr()
    assert says in err and err.count("\n") == 1 and out == "", err


def test_without_optuna_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert cli.run(["tune", "first"]) == 2
    assert capsys.readouterr().err == "rxpath: rxpath tune needs Optuna, which is not installed: pip install 'rxpath[tune]'\n"
