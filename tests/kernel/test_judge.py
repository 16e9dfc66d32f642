"""The same frames into Linux and into the path: nothing may differ but what judge/deviations.toml lists."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rxpath.workbench.cli import app as cli
from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge import generated, run
from rxpath.workbench.judge.case import Case, Observation, Send
from rxpath.workbench.judge.compare import Deviations, Difference, differences, within
from rxpath.workbench.judge.hosts import host
from rxpath.workbench.judge.kernel import requirements, tracing
from rxpath.workbench.judge.kernel.undo import TRACEFS, Journal, recover
from rxpath.workbench.views import judge as view
from rxpath.workbench.words.mistakes import BadInput

SEED, BLOCKS = 618, 6
HOST = host()                       # of cases that share a machine


@pytest.mark.parametrize("family", sorted(run.families()))
def test_listed_cases_agree_with_linux(judge, family):
    cases = [case for case in run.families()[family]() if not case.slow]
    assert cases
    report = run.Report()
    for _ in judge.run(cases, report):
        pass
    assert report.total.differ == 0, view.text(report, SEED, 0, [])


@pytest.mark.parametrize("number", range(BLOCKS))
def test_generated_frames_agree_with_linux(judge, number):
    report = run.Report()
    run.block(judge, report, SEED, number)
    assert report.total.differ == 0, view.text(report, SEED, generated.BLOCK, [])


def test_a_frame_that_the_path_treats_otherwise_is_found(judge, monkeypatch):
    """The harness can fail: a path that forgets a counter is seen."""
    case = Case("closed port", "transport", host(), (Send((f.udp_frame(dport=9),)),))
    assert judge.one(case).left == []
    whole = judge.ours.one
    monkeypatch.setattr(judge.ours, "one", lambda *a: _without(whole(*a), "Udp.NoPorts"))
    assert [d.what for d in judge.one(case).left] == ["counters Udp.NoPorts"]


def test_what_the_kernel_does_differently_from_run_to_run_is_not_held_against_us(judge, monkeypatch):
    """A case that differs is repeated, with what was before it on its machine."""
    first, case = (Case(name, "transport", HOST, (Send((f.udp_frame(dport=9),)),), shared=True) for name in ("first", "closed port"))
    whole, played = judge.kernel.one, []

    def busy(case, host, fresh=False):
        seen = whole(case, host, fresh)
        played.append(case.name)
        if played.count("closed port") == 1:
            del seen.counters["Udp.NoPorts"]
        return seen

    monkeypatch.setattr(judge.kernel, "one", busy)
    report = run.Report()
    run.judge_each(judge, report, [first, case])
    assert played == ["first", "closed port", "first", "closed port"]
    assert report.total.differ == 0 and report.total.agree == 2
    varied, = report.varied
    assert [str(d) for d in varied.varied] == ["counters Udp.NoPorts: ours 1, kernel 0"]
    assert "repeated: the kernel itself differs" in view.text(report, SEED, 0, [])
    assert run.as_json(report)["varied"][0]["case"] == "closed port"


def test_a_difference_that_stays_is_repeated_and_stays(judge, monkeypatch):
    case = Case("closed port", "transport", host(), (Send((f.udp_frame(dport=9),)),))
    whole, asked = judge.kernel.one, []
    monkeypatch.setattr(judge.kernel, "one", lambda *a, **k: asked.append(1) or _without(whole(*a, **k), "Udp.NoPorts"))
    assert [d.what for d in judge.one(case).left] == ["counters Udp.NoPorts"] and len(asked) == 1 + run.REPEATS


def _without(seen: Observation, counter: str) -> Observation:
    del seen.counters[counter]
    return seen


# ---------------------------------------------------------------- without the kernel
def test_only_what_differs_by_more_than_the_kernel_does_is_left():
    found = [Difference("counters a", 9, 10), Difference("counters b", 9, 10), Difference("replies 0", b"x", b"y"), Difference("c", 9, 11)]
    runs = [[Difference("counters a", 9, 8), Difference("counters b", 9, 12), Difference("replies 0", b"x", b"z"), Difference("c", 9, 11)],
            [Difference("counters b", 9, 11), Difference("replies 0", b"x", b"y")]]
    assert [d.what for d in within(found, runs[:1])] == ["counters b", "replies 0", "c"]
    assert [d.what for d in within(found, runs)] == ["counters b", "replies 0"]
    assert within(found, []) == found


def test_a_deviation_that_does_not_always_occur_is_not_missed(tmp_path):
    file = tmp_path / "d.toml"
    row = '[[deviation]]\nname = "x"\ncase = "a*"\nwhat = ["counters *", "drops *"]\nreason = "r"\nkernel = "k"\n'
    file.write_text(row + "always = false\n")
    known = Deviations(file)
    assert known.missing() == []
    found = differences(Observation(counters={"Udp.NoPorts": 1}), Observation())
    assert known.explain(Case("abc", "transport", "", ()), found) == ([], ["x"]) and known.missing() == []
    file.write_text(row + "always = true\n")
    assert Deviations(file).missing() == ["x (counters *)", "x (drops *)"]
    assert any(not r.always for r in Deviations().rows)


def test_a_run_without_a_seed_draws_one_and_goes_on_with_that_of_its_state(tmp_path):
    assert len({run.new_seed(None) for _ in range(8)}) > 1
    state = tmp_path / "s.json"
    assert run.new_seed(str(state)) != run.new_seed(str(state))
    state.write_text('{"seed": 77, "blocks": 3}')
    assert run.new_seed(str(state)) == 77
    state.write_text("[]")
    with pytest.raises(BadInput, match="not the state of a judge"):
        run.new_seed(str(state))


def test_what_is_missing_is_a_line_each_with_what_mends_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert requirements.missing() == ["not root: sudo rxpath judge"]
    assert cli.run(["judge"]) == 2
    assert capsys.readouterr().err == "rxpath: the kernel cannot be asked here: not root: sudo rxpath judge\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "TRACEFS", tmp_path)
    monkeypatch.setattr(requirements, "STATE", tmp_path / "file" / "state")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(requirements, "PATH", str(tmp_path))
    none, ip, iptables, state = requirements.missing()
    assert none == f"no tracefs at {tmp_path}: mount -t tracefs none {tmp_path}"
    assert ip == "ip is not installed: apt-get install iproute2"
    assert iptables == "iptables-legacy-restore is not installed: apt-get install iptables"
    assert state.startswith(f"{tmp_path}/file/state cannot be made")
    assert len(requirements.missing(rules=False)) == 3
    assert cli.run(["judge"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4 and all(line.startswith("rxpath: the kernel cannot be asked here: ") for line in said)
    (tmp_path / "events").mkdir()
    (tmp_path / "instances").mkdir()
    monkeypatch.setattr(tracing, "symbols", lambda: ([0, 0], ["a", "b"]))
    lines = requirements.missing(rules=False)
    assert lines[0].startswith("the kernel has no tracepoint skb:kfree_skb") and "kernel.kptr_restrict=1" in lines[2]


def test_what_is_tried_says_what_went_wrong(monkeypatch):
    monkeypatch.setattr(requirements, "_in_child", lambda attempt: attempt())
    monkeypatch.setattr(requirements, "_run", lambda arguments, text="": f"{arguments[0]}: Operation not supported" if arguments else "")
    veth, rules = requirements._namespaces(True)
    assert veth == "no veth can be made (ip: Operation not supported): modprobe veth"
    assert rules.startswith("iptables' legacy tables do not work (iptables-legacy-restore: Operation not supported): modprobe iptable_")
    monkeypatch.setattr(requirements, "_in_child", lambda attempt: "unshare")
    assert requirements._namespaces(True) == ["network namespaces are not allowed here: a container needs CAP_SYS_ADMIN, the kernel "
                                              "CONFIG_NET_NS"]


def test_a_block_of_a_seed_is_always_the_same():
    first, again, other = (list(generated.block(s, 3, 50)) for s in (1, 1, 2))
    assert first == again and first != other
    assert [c.steps for c in generated.block(1, 3, 20)] == [c.steps for c in first[:20]]


def test_what_may_differ_is_masked_and_nothing_else():
    reply = f.eth(f.ip(f.icmp(0), f.US, f.PEER, 1, ident=1))
    same_but_id = f.eth(f.ip(f.icmp(0), f.US, f.PEER, 1, ident=77))
    other_ttl = f.eth(f.ip(f.icmp(0), f.US, f.PEER, 1, ident=77, ttl=63))
    a, b, c = (Observation(replies=[r]) for r in (reply, same_but_id, other_ttl))
    assert differences(a, b) == []
    assert [d.what for d in differences(a, c)] == ["replies 0"]
    assert [d.what for d in differences(a, Observation())] == ["replies number"]


def test_a_listed_deviation_that_never_occurs_is_missed(tmp_path):
    file = tmp_path / "d.toml"
    file.write_text('[[deviation]]\nname = "x"\ncase = "a*"\nwhat = "counters *"\nreason = "r"\nkernel = "k"\n')
    known = Deviations(file)
    assert known.missing() == ["x"]
    found = differences(Observation(counters={"Udp.NoPorts": 1}), Observation())
    case = Case("abc", "transport", "", ())
    assert known.explain(case, found) == ([], ["x"])
    assert known.missing() == []
    file.write_text(file.read_text().replace('"counters *"', '["counters *", "replies *"]'))
    known = Deviations(file)
    known.explain(case, found)
    assert known.missing() == ["x (replies *)"]
    assert known.explain(Case("b", "transport", "", ()), found)[0] == found


def test_every_deviation_says_why_and_where():
    for row in Deviations().rows:
        assert len(row.reason) > 20 and row.kernel


def test_a_dead_judges_leftovers_are_undone(tmp_path):
    """SIGKILL between the journal's entry and the end: the next start puts everything back."""
    if run.cannot_judge():
        pytest.skip(run.cannot_judge())
    script = ("import sys, time; from pathlib import Path; from rxpath.workbench.judge.kernel.undo import Journal, TRACEFS;"
              "from rxpath.workbench.judge.kernel.netns import Netns; j = Journal(Path(sys.argv[1])); Netns(f'rxjtest{j.pid}', j);"
              "j.will_make('trace', f'rxjtest{j.pid}'); (TRACEFS / 'instances' / f'rxjtest{j.pid}').mkdir();"
              "j.set_global('net.core.message_cost', 77); print('ready', flush=True); time.sleep(60)")
    knob = Path("/proc/sys/net/core/message_cost")
    before = knob.read_text()
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    name = f"rxjtest{child.pid}"
    assert knob.read_text() == "77\n"
    assert recover(tmp_path) == []                              # it lives: its things are its own
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert len(recover(tmp_path)) == 3
    assert knob.read_text() == before
    assert not Path(f"/run/netns/{name}").exists() and not (TRACEFS / "instances" / name).exists()
    assert list(tmp_path.glob("*.json")) == []


def test_a_process_number_used_again_does_not_protect(tmp_path):
    journal = Journal(tmp_path)
    journal.entries["start"] = "1"                              # as if another process had this number now
    journal.will_make("netns", "rxjnone")
    journal.lock.close()
    assert recover(tmp_path) == [] and list(tmp_path.glob("*.json")) == []


def test_nothing_is_left_behind(judge):
    judge.one(Case("x", "network", host(), (Send((f.udp_frame(),)),)), fresh=True)
    names = list(judge.kernel.journal.entries["netns"])
    assert len(names) == 2 and all(Path(f"/run/netns/{n}").exists() for n in names)
    judge.kernel.machine.close()
    judge.kernel.machine = None
    time.sleep(0)
    assert not any(Path(f"/run/netns/{n}").exists() for n in names)
