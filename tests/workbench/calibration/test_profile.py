"""A profile that was measured: its file, where it lies, when it is this machine's own, what a report says of it."""
import json
import os

import jsonschema
import pytest

from rxpath.path import Stage
from rxpath.vtime import calibrated
from rxpath.vtime.costs import ProfileError, load_profile
from rxpath.workbench.calibration import measure
from rxpath.workbench.calibration.calibrate import listed, shown
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.words.mistakes import BadInput

from ..test_command import SCHEMA, run

NOISE = measure.Noise(0.0055, 250, 40, 2_000_000)


# ---------------------------------------------------------------- its file
def test_a_profile_keeps_ns_spread_sources_and_how_it_was_made(calibrate):
    name = calibrate(noise=NOISE)
    p = load_profile(name)
    assert p.ns[Stage.SYSCALL_ENTRY] == 100 and p.spread[Stage.SYSCALL_ENTRY] == (95.0, 115.0)
    assert p.ns[Stage.TICK] == 22_000 and p.stalls == (40.0, 2_000_000)
    assert p.made["kernel"] == os.uname().release and p.made["machine"] == calibrated.machine_id() and p.made["hz"] == 250
    assert p.source[Stage.SYSCALL_ENTRY].startswith("[M]")
    assert p.source[Stage.HARDIRQ].startswith("not measured here; a system call is 200 ns")
    assert p.ns[Stage.HARDIRQ] == round(load_profile("bm36").ns[Stage.HARDIRQ] * 200 / 75)


@pytest.mark.parametrize("text, said", [
    ('[stalls]\nper_second = 1', "must have per_second"),
    ('[stalls]\nper_second = -1\nmean_ns = 1e6\nsource = "x"', "per_second from 0"),
    ('[events]\nSENDER = { ns = 1, source = "x", low = 1 }', "low and high"),
    ('[events]\nSENDER = { ns = 1, source = "x", low = 1, high = "a" }', "high must be a number"),
    ('calibration = 3', "must be a table"),
])
def test_mistakes_in_what_a_calibration_adds_are_one_line(tmp_path, text, said):
    (tmp_path / "p.toml").write_text(f'name = "p"\nbase = "bm36"\n{text}\n')
    with pytest.raises(ProfileError, match=said):
        load_profile(str(tmp_path / "p.toml"))


def test_under_sudo_it_is_of_who_called_it(data, monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "65534")
    import pwd
    assert str(calibrated.folder()).startswith(pwd.getpwuid(65534).pw_dir)
    monkeypatch.setenv("SUDO_UID", "3999999999")
    assert calibrated.folder().parts[-2:] == ("rxpath", "calibrations")


# ---------------------------------------------------------------- whose it is
def test_the_newest_undisturbed_one_of_this_machine_and_kernel_is_the_default(calibrate, data, monkeypatch):
    assert hostfile.default().profile == "bm36"
    old, new = calibrate("here-20261130-120000"), calibrate("here-20261130-130000")
    calibrate("here-20261130-140000", default=False)
    assert hostfile.default().profile == calibrated.newest() == new
    assert hostfile.build({"profile": "here"}, "x").profile == new
    assert hostfile.build({"profile": old}, "x").profile == old
    assert hostfile.build({"profile": "vm"}, "x").profile == "vm"
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "x", "9.9.9", "", "x86_64")))
    calibrated._fits.cache_clear()
    assert hostfile.default().profile == "bm36"


def test_here_without_a_calibration_says_what_to_do(data):
    for name in ("here", "here-20260101-000000"):
        with pytest.raises(hostfile.HostError, match="rxpath calibrate"):
            hostfile.build({"profile": name}, "x")
    with pytest.raises(ProfileError, match="rxpath calibrate"):
        load_profile("here")
    with pytest.raises(ProfileError, match="No such file"):
        load_profile("here-20260101-000000")


def test_a_broken_calibration_is_no_default_and_no_crash(data):
    folder = calibrated.folder()
    folder.mkdir(parents=True)
    (folder / "here-20261130-120000.toml").write_bytes(b"\xff\xfe not toml")
    (folder / "here-20261130-120000.json").write_text("[]")
    assert calibrated.newest() is None and hostfile.default().profile == "bm36" and calibrated.errors("here-20261130-120000") == {}
    assert listed()[0]["default"] is False


def test_scenarios_keep_their_profile(calibrate):
    from rxpath.workbench.scenarios import scenario
    calibrate()
    text = (scenario.FOLDER / "slow-program.toml").read_text()
    assert scenario.loads(text, "x").the_host().profile == "bm36"


# ---------------------------------------------------------------- what a run makes of it
def test_its_stalls_happen_unless_the_host_file_has_its_own(calibrate):
    calibrate(noise=NOISE)
    for tables, stalls in (({}, True), ({"stalls": {"rate": 0}}, False), ({"profile": "vm"}, False)):
        with Simulation(hostfile.build(tables, "x")) as sim:
            sim.run(2_000_000_000)
            assert (sum(sim.net.cpu[c].stalls for c in range(2)) > 20) is stalls


def test_reports_name_it_and_state_the_error_of_their_kind(calibrate, capsys):
    name = calibrate(noise=None)
    code, out, _ = run(capsys, "replay", "first", "--no-whatif")
    assert code == 0 and f"cost profile {name}" in out and "error against this machine's kernel" not in out
    row = {"experiments": 9, "points": 2.8, "worst": 6.1, "p50": 0.12}
    calibrated.path_of(name).with_suffix(".json").write_text(json.dumps({"kinds": {"bursts": row, "all": row | {"points": 1.4}}}))
    code, out, _ = run(capsys, "replay", "first", "--no-whatif")
    flat = " ".join(out.split())
    assert code == 0 and "error against this machine's kernel: bursts 2.8 points of loss on average, 6.1 at most, 12% of p50 (9" in flat
    assert f"the card, its interrupts and its memory, which {name} could not measure" in flat
    code, out, _ = run(capsys, "replay", "first", "--no-whatif", "--json")
    told = json.loads(out)
    jsonschema.validate(told, SCHEMA)
    assert told["profile"] == name and told["expected_error"][0] == {"kind": "bursts", **row}
    code, out, _ = run(capsys, "headroom", "first", "--limits", "1", "--set", "app.slow-reader.service=50us", "--no-progress")
    assert "all kinds 1.4 points" in " ".join(out.split())
    code, out, _ = run(capsys, "replay", "first", "--no-whatif", "--set", "profile=vm", "--json")
    assert "expected_error" not in json.loads(out)


@pytest.mark.parametrize("name, kinds", [
    ("slow-100k", ["overload"]), ("burst-420", ["bursts"]), ("rps-50k", ["rps"]), ("fragments", ["overload", "fragments"]),
    ("same-10k", ["shared"]), ("hog-10k", ["shared"]), ("idle-50k", ["steady"]), ("readers-2-cpus", ["bursts", "shared"]),
])
def test_the_kind_of_a_run_is_what_decides_in_it(tmp_path, name, kinds):
    from rxpath.workbench.advice.expected_error import kinds_of
    from rxpath.workbench.calibration import in_model
    from rxpath.workbench.calibration.experiments import EXPERIMENTS
    from rxpath.workbench.run.replay import replay
    e = EXPERIMENTS[name]
    in_model.write_capture(tmp_path / "x.pcap", e.datagrams, [d.t for d in e.datagrams])
    assert kinds_of(replay(tmp_path / "x.pcap", hostfile.build(in_model.host(e, "vm"), "x"))) == kinds


# ---------------------------------------------------------------- the command, without measuring
def test_list_and_show(calibrate, capsys):
    assert run(capsys, "calibrate", "--list") == (0, "no calibration yet: rxpath calibrate\n", "")
    name = calibrate(noise=NOISE)
    code, out, _ = run(capsys, "calibrate", "--list")
    assert code == 0 and name in out and "default" in out
    assert json.loads(run(capsys, "calibrate", "--list", "--json")[1])[0]["name"] == name
    code, out, _ = run(capsys, "calibrate", "--show", "here", "--compare", "vm,bm36")
    assert code == 0 and name in out and "100 ns" in out and "82 ns" in out and "40.0 a second" in out
    told = json.loads(run(capsys, "calibrate", "--show", name, "--compare", "vm", "--json")[1])
    assert told["compared"]["profiles"] == [name, "vm"] and told["compared"]["stages"]["SYSCALL_ENTRY"] == [100.0, 82.0]
    assert "HARDIRQ" in told["not_measured"] and "TICK" not in told["not_measured"] and told["default"] is True
    assert shown("vm", ["bm36"]).lines == [] and {b.stage: b.ns for b in shown("vm", ["bm36"]).beside}["SENDER"] == (2000.0, 1400.0)
    assert shown(name, ["all"]).profiles[:2] == [name, "bm36"]


@pytest.mark.parametrize("args, said", [
    (["--show", "here"], "rxpath calibrate"), (["--show", "nothing"], "no cost profile"), (["--compare", "nothing"], "--compare nothing"),
    (["--cpus", "0,77777"], "--cpus 0,77777"), (["-o", "/no/such/folder/x.toml"], "no such folder"), (["--rounds", "0"], "rounds")])
def test_mistakes_are_one_line_before_anything_is_measured(data, capsys, args, said):
    code, out, err = run(capsys, "calibrate", *args)
    assert code == 2 and out == "" and said in err and err.count("\n") == 1


def test_without_a_compiler_it_says_what_to_install(data, monkeypatch, capsys):
    from rxpath.workbench.calibration import program
    monkeypatch.setattr(program.shutil, "which", lambda *a, **k: None)
    code, _, err = run(capsys, "calibrate", "--rounds", "1", "--no-progress")
    assert code == 2 and "apt-get install gcc" in err


def test_a_text_with_quotes_is_still_a_file(data):
    from rxpath.workbench.calibration import profile
    assert profile._quoted('a "b"\n\\c') == '"a \'b\'  c"'
    with pytest.raises(BadInput, match="cannot be written"):
        profile.save("x", "here-x", str(data / "no" / "where.toml"))


def test_the_judge_has_no_use_for_costs_of_this_machine(monkeypatch):
    """With a calibration as the default a frame would not be through the path when the judge looks."""
    from rxpath.workbench.host import file as hostfile
    from rxpath.workbench.judge.hosts import host
    from rxpath.workbench.judge.ours.machine import PROFILE, Machine
    monkeypatch.setattr(calibrated, "newest", lambda: "vm")
    described = hostfile.build(host(), "judged")
    assert described.profile == "vm"
    machine = Machine(described)
    assert machine.host.profile == PROFILE == "bm36"
    machine.close()
