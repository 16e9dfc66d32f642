"""The same frames into Linux and into the path: nothing may differ but what judge/deviations.toml lists."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge import generated, run
from rxpath.workbench.judge.case import Case, Observation, Send
from rxpath.workbench.judge.compare import Deviations, differences
from rxpath.workbench.judge.hosts import host
from rxpath.workbench.judge.kernel.undo import TRACEFS, Journal, recover
from rxpath.workbench.views import judge as view

SEED, BLOCKS = 618, 6
ASKED = 3                           # what is wrong differs every time; what differs once was a jiffy's edge, or a busy machine


@pytest.mark.parametrize("family", sorted(run.families()))
def test_listed_cases_agree_with_linux(judge, family):
    cases = [case for case in run.families()[family]() if not case.slow]
    assert cases
    for _ in range(ASKED):
        report = run.Report()
        for _ in judge.run(cases, report):
            pass
        if not (cases := [judged.case for judged in report.different]):
            break
    assert report.total.differ == 0, view.text(report, SEED, 0, [])


@pytest.mark.parametrize("number", range(BLOCKS))
def test_generated_frames_agree_with_linux(judge, number):
    for _ in range(ASKED):
        report = run.Report()
        run.block(judge, report, SEED, number)
        if report.total.differ == 0:
            break
    assert report.total.differ == 0, view.text(report, SEED, generated.BLOCK, [])


def test_a_frame_that_the_path_treats_otherwise_is_found(judge, monkeypatch):
    """The harness can fail: a path that forgets a counter is seen."""
    case = Case("closed port", "transport", host(), (Send((f.udp_frame(dport=9),)),))
    assert judge.one(case).left == []
    whole = judge.ours.one
    monkeypatch.setattr(judge.ours, "one", lambda *a: _without(whole(*a), "Udp.NoPorts"))
    assert [d.what for d in judge.one(case).left] == ["counters Udp.NoPorts"]


def _without(seen: Observation, counter: str) -> Observation:
    del seen.counters[counter]
    return seen


# ---------------------------------------------------------------- without the kernel
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
