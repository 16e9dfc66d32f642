"""Predicted beside measured: rows and errors, what a folder keeps, the page; then both sides on this machine's kernel, in a short form."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rxpath.vtime import calibrated
from rxpath.workbench.calibration import experiments, on_kernel, validate
from rxpath.workbench.calibration.experiments import Datagram, Experiment
from rxpath.workbench.calibration.in_model import Predicted
from rxpath.workbench.calibration.on_kernel import Run
from rxpath.workbench.calibration.program import SOURCE, NoNamespaces, Pair, Program
from rxpath.workbench.views import validation as view
from rxpath.workbench.words.mistakes import BadInput

from ..test_command import run

ROOT = Path(__file__).parents[3]
MADE = {"kernel": os.uname().release, "model": "a CPU", "date": "2026-11-30", "hz": 250, "cpus": 2}


def a_run(name, loss, others=0.0, p50=10_000):
    e = experiments.EXPERIMENTS[name]
    return Run(loss, p50, 4 * p50, 9, 5, e.service + 40, others, 0.0, 0, [d.t for d in e.datagrams])


def made():
    return MADE | {"machine": calibrated.machine_id()}


def row(kind="bursts", kernel=(10.0, 11.0), model=12.0, noisy=False, p50=(100, 110)):
    rows = [{"loss": k, "p50": p50[0], "p99": 9, "queue_max": 3, "wakeups": 4} for k in kernel]
    e = experiments.Experiment(kind, "x", experiments.steady(1000, 10))
    return validate._row("x", e, rows, [Predicted(model, p50[1], 9, 3, 4)] * len(kernel), noisy)


# ---------------------------------------------------------------- figures
def test_a_row_says_how_far_apart_and_whether_the_kernel_itself_varies_as_much():
    r = row()
    assert (r.kernel, r.least, r.most, r.error) == (10.5, 10.0, 11.0, 1.5) and not r.within and r.steady and r.loses
    assert r.p50_error == pytest.approx(0.1)
    assert row(model=11.4).within and not row(kernel=(5.0, 9.0)).steady and not row(noisy=True).steady and not row(kernel=(0.0, 0.2)).loses


def test_errors_are_of_undisturbed_experiments_by_kind():
    found = validate.Validation("vm", [row(), row(model=4.5), row("rps", model=30.0), row("shared", noisy=True, model=99.0)])
    assert found.kinds == {"bursts": (2, 3.75, 6.0, 0.1), "rps": (1, 19.5, 19.5, 0.1), "all": (3, 9.0, 19.5, 0.1)}
    assert found.measure == {"steady": 3, "within_5_points": 1, "losing": 3, "p50_within_20_percent": 3}
    assert validate.Validation("vm", [row("rps", kernel=(0.0, 0.0), model=0.0)]).kinds["all"] == (1, 0.0, 0.0, None)


def test_what_the_programs_got_becomes_loss_latency_queue_and_service():
    e = experiments.Experiment("steady", "x", experiments.steady(1000, 4), service=5000)
    sent = b"".join(on_kernel.struct.pack("<QQ", t, t + 500) for t in (1000, 2000, 3000, 4000))
    got = b"".join(on_kernel.GOT.pack(seq, 0, 0, called, returned)
                   for seq, called, returned in ((0, 900, 3000), (1, 8100, 8200), (3, 13300, 13400)))
    said = {"rcvbuf": 212992, "threads": [{"received": 3, "ran_ns": 1, "sleeps": 2}]}
    found = on_kernel._run(e, said, sent, got, on_kernel.Busy(0.01, 0.0), 0)
    assert (found.loss, found.p50, found.queue_max, found.wakeups, found.service) == (25.0, 6200, 2, 2, 5100)
    assert found.quiet and on_kernel.unpacked(found.packed) == [0, 1000, 2000, 3000]


def test_a_buffer_that_the_machine_does_not_allow_is_told():
    e = experiments.EXPERIMENTS["burst-4M"]
    with pytest.raises(on_kernel.Cannot, match="rmem_max allows 212992"):
        on_kernel._run(e, {"rcvbuf": 425984, "threads": []}, b"", b"", on_kernel.Busy(0, 0), 0)


# ---------------------------------------------------------------- what a folder keeps
def test_a_folder_keeps_runs_and_a_line_that_was_cut_is_dropped(tmp_path):
    store = validate.Store(tmp_path / "runs")
    store.add("over-20k", a_run("over-20k", 17.5), made())
    store.add("over-20k", a_run("over-20k", 60.0, others=0.5), made())
    with store.path.open("ab") as file:
        file.write(b'{"rxpath": 2, "exper')
    again = validate.Store(tmp_path / "runs")
    assert [r["loss"] for r in again.rows["over-20k"]] == [17.5, 60.0] and [r["loss"] for r in again.kept("over-20k")] == [17.5]
    assert again.sent(again.rows["over-20k"][0]) == [d.t for d in experiments.EXPERIMENTS["over-20k"].datagrams]
    assert again.made["kernel"] == os.uname().release


def test_runs_of_what_was_another_experiment_are_made_again(tmp_path, monkeypatch):
    store = validate.Store(tmp_path)
    store.add("over-20k", a_run("over-20k", 17.5), made())
    store.add("slow-100k", a_run("slow-100k", 60.0), made())
    other = experiments.Experiment("overload", "20 k/s, 70 us", experiments.steady(20_000, 800), 70_000)
    monkeypatch.setitem(validate.EXPERIMENTS, "over-20k", other)
    assert list(validate.Store(tmp_path).rows) == ["slow-100k"]


@pytest.mark.parametrize("text", ["{}\n", "nothing\n", '{"rxpath": 3}\n', "[]\n"])
def test_a_folder_of_something_else_is_left_as_it_is(tmp_path, text):
    (tmp_path / "runs.jsonl").write_text(text)
    with pytest.raises(BadInput, match=r"runs.jsonl:1: not a run of rxpath validate"):
        validate.Store(tmp_path)
    assert (tmp_path / "runs.jsonl").read_text() == text


def test_times_that_are_broken_are_one_line(tmp_path):
    store = validate.Store(tmp_path)
    store.add("over-20k", a_run("over-20k", 17.5), made())
    (tmp_path / "over-20k.0.times").write_bytes(b"\0\1")
    with pytest.raises(BadInput, match="not the times of a run"):
        validate.compare(store, experiments.chosen(["over-20k"]), "vm")


def test_runs_of_another_kernel_are_compared_but_not_added_to(tmp_path, data):
    store = validate.Store(tmp_path / "runs")
    store.add("over-20k", a_run("over-20k", 17.5), made() | {"kernel": "5.0.0"})
    with pytest.raises(BadInput, match="another machine or kernel"):
        validate.validate(experiments.chosen(["over-20k"]), profile="vm", folder=str(tmp_path / "runs"))
    assert validate.validate(experiments.chosen(["over-20k"]), profile="vm", folder=str(tmp_path / "runs"), run=False).rows


# ---------------------------------------------------------------- the model's side, and what is shown
def test_compare_shows_a_row_and_a_page(tmp_path, capsys, data):
    store = validate.Store(tmp_path / "runs")
    for name, losses in (("over-20k", (17.2, 17.4)), ("burst-420", (36.0,))):
        for loss in losses:
            store.add(name, a_run(name, loss), made())
    store.add("stall-50", a_run("stall-50", 90.0, others=0.9), made())
    code, out, err = run(capsys, "validate", "--no-run", "--profile", "vm", "--folder", str(tmp_path / "runs"), "--no-progress", "-o",
                         str(tmp_path / "page"))
    assert code == 0 and "over-20k" in out and "noisy" in out and "stall-50" in out and "wrote" in err, err
    told = json.loads(run(capsys, "validate", "--no-run", "--profile", "vm", "--folder", str(tmp_path / "runs"), "--json",
                          "--no-progress")[1])
    over = next(e for e in told["experiments"] if e["name"] == "over-20k")
    assert over["kernel"] == pytest.approx(17.3) and 16 < over["model"] < 19 and over["steady"] and over["runs"] == 2
    assert told["measure"]["steady"] == 2 and set(told["kinds"]) == {"overload", "bursts", "all"}
    page = (tmp_path / "page" / view.PAGE).read_text()
    assert "| over-20k | 20 k/s, 60 us (120 %) | 2 | 17.30 (17.20-17.40) |" in page and os.uname().release in page
    for picture in [part.split(")")[0] for part in page.split("](")[1:]]:
        assert (tmp_path / "page" / picture).read_text().lstrip().startswith("<?xml")


def test_the_errors_of_all_experiments_are_kept_beside_a_calibrated_profile(calibrate, tmp_path, monkeypatch):
    name = calibrate()
    some = experiments.chosen(["over-20k"])
    store = validate.Store(tmp_path / "runs")
    store.add("over-20k", a_run("over-20k", 17.3), made())
    validate.validate(some, folder=str(tmp_path / "runs"), run=False)
    assert calibrated.errors(name) == {}                    # a part of them says nothing of the other kinds
    monkeypatch.setattr(validate, "EXPERIMENTS", some)
    found = validate.validate(some, folder=str(tmp_path / "runs"), run=False)
    assert found.profile == name and found.saved.endswith(f"{name}.json") and set(calibrated.errors(name)) == {"overload", "all"}


@pytest.mark.parametrize("args, said", [
    (["--only", "nothing"], "--only nothing"), (["--short", "--runs", "3"], "--short"), (["--no-run", "--profile", "vm"], "holds no run"),
    ([], "rxpath calibrate"), (["--profile", "nothing"], "--profile: no cost profile"),
    (["--folder", "/etc/passwd", "--profile", "vm"], "not a folder")])
def test_mistakes_are_one_line(data, capsys, args, said):
    code, out, err = run(capsys, "validate", "--no-progress", *args)
    assert code == 2 and out == "" and said in err and err.count("\n") == 1


def test_readme_shows_a_prediction_beside_what_was_measured_as_the_page_has_it():
    readme = " ".join((ROOT / "README.md").read_text().split())
    name, kernel, model = re.search(r"\(`([\w-]+)`.*? the kernel lost ([\d.]+) %, the model ([\d.]+) %", readme).groups()
    page = (ROOT / "docs" / "validation.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
    assert re.search(rf"\| {kernel} \([\d.-]+\) \| {model} \|", line)
    assert {line.split(" | ")[0][2:] for line in page.splitlines() if line.count("|") > 9} >= set(experiments.EXPERIMENTS)


def test_every_kind_has_experiments_and_each_is_known_by_its_name(capsys):
    assert {e.kind for e in experiments.EXPERIMENTS.values()} == set(calibrated.KINDS)
    out = run(capsys, "validate", "--list")[1]
    assert len(out.splitlines()) == len(experiments.EXPERIMENTS) == 45
    assert set(experiments.chosen(["rps*"])) == {n for n in experiments.EXPERIMENTS if n.startswith("rps")} | {"rules-rps"}


# ---------------------------------------------------------------- on this machine's kernel
def test_the_programs_source_compiles_without_a_warning(tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    sources = sorted(map(str, Path(SOURCE).glob("*.c")))
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", str(tmp_path / "x"), *sources], check=True)


@pytest.fixture(scope="module")
def namespaces():
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    try:
        with Program() as program, Pair(program):
            pass
    except (NoNamespaces, BadInput) as error:
        pytest.skip(str(error))


def processes():
    """Programs of ours that run."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if b"/measure\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found


def ours(parent):
    """Those of them that this process has started, or a child of its."""
    def ancestors(pid):
        while pid > 1:
            with contextlib.suppress(OSError, IndexError, ValueError):
                pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                yield pid
                continue
            return
    return {pid for pid in processes() if parent in ancestors(pid)}


@pytest.mark.root
def test_a_short_calibration_writes_a_profile_that_a_run_can_use(namespaces, data, capsys):
    code, out, err = run(capsys, "calibrate", "--rounds", "1", "--anyway", "--no-progress", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["default"] and {"SENDER", "udp_recvmsg", "SYSCALL_ENTRY", "TICK"} <= {s["stage"] for s in told["stages"]}
    assert all(s["low"] <= s["ns"] + abs(s["ns"]) * 0.001 + 1 and s["source"].startswith("[M]") for s in told["stages"])
    code, out, _ = run(capsys, "replay", "first", "--no-whatif")
    assert code == 0 and f"cost profile {told['name']}" in out


@pytest.mark.root
def test_a_short_validation_runs_both_sides_and_goes_on_where_it_was(namespaces, data, capsys):
    args = ["validate", "--only", "stall-50", "--only", "same-200", "--runs", "1", "--anyway", "--profile", "vm", "--no-progress", "--json"]
    code, out, err = run(capsys, *args)
    assert code == 0, err
    first = json.loads(out)
    assert {e["name"] for e in first["experiments"]} == {"stall-50", "same-200"} and all(e["kernel"] > 5 for e in first["experiments"])
    started = time.monotonic()
    assert json.loads(run(capsys, *args)[1]) == first and time.monotonic() - started < 30
    assert len((validate.default_folder() / "runs.jsonl").read_text().splitlines()) == 2


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind_whatever_ends_it(namespaces, data, number):
    process = subprocess.Popen([sys.executable, "-m", "rxpath.workbench.cli", "calibrate", "--no-progress"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={**os.environ, "XDG_DATA_HOME": str(data)})
    end = time.monotonic() + 60
    while not ours(process.pid) and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    started = ours(process.pid)
    assert started, "it never began"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    end = time.monotonic() + 10
    while started & set(processes()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not started & set(processes()) and not calibrated.names()


@pytest.mark.root
def test_ctrl_c_of_a_terminal_keeps_what_was_run(namespaces, data):
    """The whole foreground group gets it; the run that is under way is finished, and is there the next time."""
    command = [sys.executable, "-m", "rxpath.workbench.cli", "validate", "--only", "stall-50", "--runs", "50", "--anyway", "--profile",
               "vm", "--no-progress"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               env={**os.environ, "XDG_DATA_HOME": str(data)})
    kept = validate.default_folder() / "runs.jsonl"
    end = time.monotonic() + 90
    while not kept.exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 130 and "the same command continues" in err and "Traceback" not in err, err
    assert 1 <= len(validate.Store(validate.default_folder()).rows["stall-50"]) < 50


def test_no_namespaces_says_what_it_can_still_do(data, monkeypatch, capsys):
    from rxpath.workbench.calibration import measure
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")

    def refused(program):
        raise NoNamespaces("network namespaces are not allowed here (unshare: Operation not permitted)")
    monkeypatch.setattr(measure, "Pair", refused)
    monkeypatch.setattr(measure, "NOISE_MS", 50)
    code, out, err = run(capsys, "calibrate", "--rounds", "1", "--no-progress")
    flat = " ".join(out.split())
    assert code == 0 and "not measured: whatever needs a network: network namespaces are not allowed" in flat, err
    assert "it is not the default: too little could be measured (SENDER and udp_recvmsg not)" in flat and "SYSCALL_ENTRY" in flat
    monkeypatch.setattr(validate, "Pair", refused)
    code, _, err = run(capsys, "validate", "--short", "--profile", "vm", "--no-progress")
    assert code == 2 and "network namespaces are not allowed here" in err and err.count("\n") == 1




def test_under_rps_the_sender_is_as_quick_as_without_the_interrupts_that_it_sent():
    """Three at once, the second call with an interrupt; then one that is due later, and is late."""
    e = Experiment("rps", "x", [Datagram(t) for t in (0, 0, 0, 0, 50_000, 90_000)], rps=True)
    sent = [0, 1000, 16_000, 17_000, 65_000, 90_000]
    assert validate.without_interrupts(e, sent) == [0, 1000, 2000, 3000, 50_000, 90_000]
    assert validate.without_interrupts(Experiment("rps", "x", e.datagrams[3:], rps=True), sent[3:]) == [17_000, 50_000, 90_000]


def test_pictures_have_the_kernel_s_own_range():
    pytest.importorskip("matplotlib")
    from rxpath.workbench.views import pictures

    def drawn(least, most):
        row = validate.Row("a", "bursts", "", 5, False, 40.0, least, most, 42.0, 2.0, True, *[0] * 4, 0.0, 0.0, 0, 0)
        chart, = view.charts([row])
        assert chart.lines[0].ranges == [(least, most)] and not chart.lines[1].ranges
        return pictures.svg(chart, "t")
    assert drawn(30.0, 45.0) != drawn(39.0, 41.0), "its whiskers"


def test_no_experiment_can_be_made_is_one_line(data, monkeypatch, capsys):
    from rxpath.workbench.calibration import machine
    monkeypatch.setattr(machine, "cpus", lambda *names: machine.Cpus(0, None))
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    code, out, err = run(capsys, "validate", "--short", "--profile", "vm", "--no-progress")
    assert (code, out, err) == (2, "", "rxpath: no experiment can be made here: it needs two CPUs\n")


def test_a_limit_of_namespaces_is_named():
    """The limit is of a user namespace of the test's own: nobody else sees it."""
    if shutil.which("unshare") is None or shutil.which("cc") is None:
        pytest.skip("no unshare, or no C compiler")
    asked = ("from rxpath.workbench.calibration.program import Pair, Program\n"
             "with Program() as p:\n    try: Pair(p)\n    except Exception as e: print(e)")
    limits = "echo 0 > /proc/sys/user/max_user_namespaces; echo 0 > /proc/sys/user/max_net_namespaces"
    done = subprocess.run(["unshare", "-Ur", "sh", "-c", f'{limits}; exec "$0" -c "$1"', sys.executable, asked], capture_output=True,
                          text=True, timeout=60)
    if "ermitted" in done.stderr:
        pytest.skip("user namespaces are not allowed here")
    assert done.stdout == ("network namespaces are not allowed here (unshare: as many as sysctl user.max_net_namespaces and "
                           "user.max_user_namespaces allow)\n"), done.stderr


def test_ctrl_c_while_the_program_is_compiled_is_ctrl_c(tmp_path, monkeypatch):
    """It goes to the compiler, too."""
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nkill -INT $$\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(KeyboardInterrupt):
        Program()
