"""The command as a user meets it: real processes, exit codes, one line for a mistake."""
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import typer

from rxpath import examples
from rxpath.workbench.cli import app as cli
from rxpath.workbench.run.replay import replay
from rxpath.workbench.views.spent import PLACES

from ..cable.captures import pcap
from ..frames import udp_frame

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "first.txt"
SCHEMA = json.loads((ROOT / "src/rxpath/workbench/views/replay.schema.json").read_text())
COMMANDS = ([], ["replay"], ["boot"], ["stations"], ["example"], ["version"], ["host"], ["host", "init"], ["host", "snapshot"],
            ["host", "show"], ["host", "check"], ["hosts"], ["sweep"], ["tune"], ["headroom"], ["diff"], ["doctor"], ["calibrate"],
            ["validate"], ["help"], ["completion"], ["man"], ["packetdrill"], ["record"], ["case"], ["whatif"],
            ["lab"], ["run"], ["show"], ["twin"])


def rxpath(*args: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", *args], capture_output=True, text=True, timeout=300, **more)


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """The same in this process: faster."""
    code = cli.run(list(args))
    out, err = capsys.readouterr()
    return code, out, err


# ---------------------------------------------------------------- help, versions, what it shows
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command, capsys):
    code, out, _ = run(capsys, *command, "--help")
    assert code == 0
    assert "Usage:" in out
    if command not in ([], ["version"]):
        assert f"rxpath {' '.join(command)}" in out and "Example" in out


@pytest.mark.parametrize("width", ["60", "100"])
def test_help_is_what_it_would_be_with_every_option_looked_at(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    _, quick, _ = run(capsys, "--help")
    with pytest.raises(SystemExit):
        cli.app(args=["--help"], prog_name="rxpath")
    assert quick == capsys.readouterr().out and "replay" in quick and "scenario" in quick


def test_square_brackets_of_a_help_text_are_shown_and_not_taken_for_markup():
    """What is no markup of ours stands behind a backslash: \\[cluster]."""
    def texts(command):
        yield from (command.help or "", command.epilog or "", *(getattr(p, "help", None) or "" for p in command.params))
        for one in getattr(command, "commands", {}).values():
            yield from texts(one)

    all_ = list(texts(typer.main.get_command(cli.app)))
    assert sum("\\[cluster]" in text for text in all_) > 3
    assert {tag for text in all_ for tag in re.findall(r"(?<!\\)\[[^]]*\]", text)} <= {"[cyan]", "[/]"}


def test_a_stand_in_makes_the_real_thing():
    code = "from rxpath.workbench.cli.short_way import import_help; import_help(); import typer.rich_utils as t; " \
           "print(type(t.Markdown('*a*')), t._make_rich_text(text='*a*', markup_mode='markdown').markup); import rich.markdown as m; " \
           "print(m.Markdown is type(t.Markdown('')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["<class 'rich.markdown.Markdown'> *a*", "True", ""]


@pytest.mark.parametrize("group", [[], ["host"], ["scenario"]], ids=" ".join)
def test_no_command_shows_which_there_are_and_is_a_mistake(group, capsys):
    code, out, err = run(capsys, *group)
    name = " ".join(["rxpath", *group])
    assert (code, err) == (2, f"rxpath: a command is missing ({name} --help)\n")
    assert f"Usage: {name} " in re.sub(r"\x1b\[[0-9;]*m", "", out) and "Commands" in out


def test_version_is_said_in_two_ways(capsys):
    assert run(capsys, "version") == run(capsys, "--version") == (0, "rxpath 0.1.0\n", "")


def test_example_prints_the_path_of_the_bundled_capture(capsys):
    code, out, _ = run(capsys, "example")
    assert code == 0 and Path(out.strip()) == examples.path("first")


def test_stations_lists_the_path_in_the_packets_order(capsys):
    code, out, _ = run(capsys, "stations")
    places = [out.index(f"\n{name} ") for name in ("igb_clean_rx_irq", "ip_rcv", "udp_rcv", "udp_recvmsg")]
    assert code == 0 and places == sorted(places)


def test_boot_shows_the_steps_in_the_seeds_order(capsys):
    code, out, _ = run(capsys, "boot", "--set", "cpus=2", "--set", "nic.queues=2")
    steps = ["ksoftirqd/0", "net_dev_init", "NET_RX_SOFTIRQ    net_rx_action", "inet_init", "udp_rcv", "ip_rcv", "igb_probe", "igb_open",
             "eth0-TxRx-1"]
    places = [out.index(s) for s in steps]
    assert code == 0 and places == sorted(places), out


# ---------------------------------------------------------------- replay
def test_the_bundled_capture_gives_the_golden_report(capsys):
    """RXPATH_GOLDEN=write pytest tests/workbench/test_command.py -k golden    writes it anew: the diff is reviewed."""
    code, out, err = run(capsys, "replay", "first")
    assert code == 0, err
    if os.environ.get("RXPATH_GOLDEN") == "write":
        GOLDEN.write_text(out)
    assert out == GOLDEN.read_text()
    assert f"$ rxpath replay first\n{out}```" in (ROOT / "README.md").read_text()
    assert all(word in "\n".join(out.splitlines()[:6]) for word in ("first.pcap", "kernel 6.18", "cost profile bm36", "seed 1"))
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("kernel", ["6.18", "3.10"])
def test_json_follows_its_schema_and_adds_up(kernel, capsys):
    code, out, err = run(capsys, "replay", "first", "--json", "--set", f"kernel={kernel}", "--trail", "drops", "--trail-limit", "3")
    assert code == 0, err
    run_ = json.loads(out)
    jsonschema.validate(run_, SCHEMA)
    assert run_["offered"] == run_["delivered"] + run_["queued"] + sum(run_["dropped"].values())
    assert run_["delivered"] == run_["received"] + run_["consumed"]
    assert sum(run_["cpu_ns"].values()) == run_["elapsed_ns"] * len(run_["cpus"])
    for cpu in run_["cpus"]:
        assert sum(cpu[k] for k in ("hardirq", "softirq", "syscall", "application", "idle")) == run_["elapsed_ns"]
    assert run_["capture"]["records"] == run_["offered"] + sum(run_["not_offered"].values())
    assert len(run_["trail"]) == 3 and all(p["end"] in run_["dropped"] for p in run_["trail"])


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    args = ("replay", "first", "--json", "--set", 'app.slow-reader.service={ exponential = "150us" }')
    one, two = rxpath(*args, "--seed", "7"), rxpath(*args, "--seed", "7", cwd=tmp_path, env=dict(os.environ, PYTHONHASHSEED="3"))
    other = rxpath(*args, "--seed", "8")
    assert one.returncode == 0, one.stderr
    assert one.stdout == two.stdout
    assert json.loads(one.stdout)["latency_ns"] != json.loads(other.stdout)["latency_ns"]


def test_plain_gives_the_same_bytes(tmp_path, capsys):
    short = tmp_path / "short.pcap"
    short.write_bytes(examples.path("first").read_bytes()[:24 + 8000])
    results = [run(capsys, "replay", str(short), "--json", *more) for more in ((), ("--plain",))]
    assert results[0][0] == 0, results[0][2]
    assert results[0] == results[1]


def test_overrides_speed_rate_loop_and_listen_reach_the_run(capsys):
    code, out, err = run(capsys, "replay", "first", "--json", "--loop", "2", "--rate", "100kpps", "--listen", "udp:8125,tcp:80",
                         "--set", "ethtool.rx=512")
    assert code == 0, err
    run_ = json.loads(out)
    assert run_["capture"]["loop"] == 2 and run_["capture"]["rate_pps"] == 100_000 and run_["host"]["ethtool"]["rx"] == 512
    assert abs(run_["capture"]["duration_ns"] / (run_["offered"] / 100_000 * 1e9) - 1) < 0.01
    assert {(s["proto"], s["port"]) for s in run_["sockets"]} >= {("udp", 8125), ("tcp", 80)}


def test_a_local_address_decides_who_receives(capsys):
    code, out, err = run(capsys, "replay", "first", "--json", "--local", "10.23.0.1")
    run_ = json.loads(out)
    assert code == 0, err
    assert run_["receiver"]["addresses"] == ["10.23.0.1"] and run_["offered"] < 200


def test_a_pipe_is_read(capsys):
    with examples.path("first").open("rb") as file:
        out = rxpath("replay", "-", "--json", stdin=file)
    assert out.returncode == 0, out.stderr
    assert json.loads(out.stdout)["offered"] == 8763


def test_tap_and_tx_write_captures_that_can_be_replayed(tmp_path, capsys):
    tap, tx = tmp_path / "tap.pcap", tmp_path / "tx.pcap"
    code, out, err = run(capsys, "replay", "first", "--json", "--tap", str(tap), "--tx", str(tx))
    assert code == 0, err
    copies = json.loads(out)["copies"]
    assert copies["taps"] > 8000 and copies["sent"] > 0
    code, out, err = run(capsys, "replay", str(tap), "--json", "--local", "10.23.0.2")
    assert code == 0, err
    assert json.loads(out)["capture"]["records"] == copies["taps"]
    code, out, err = run(capsys, "replay", str(tx), "--json", "--local", "10.23.0.1")
    assert code == 0, err
    assert json.loads(out)["offered"] == copies["sent"]


def test_rules_count_drop_and_log(tmp_path, capsys):
    rules = tmp_path / "rules.v4"
    rules.write_text("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 9999 -j LOG --log-prefix closed:\n"
                     "-A INPUT -p udp -m udp --dport 8125 -j DROP\nCOMMIT\n")
    code, out, err = run(capsys, "replay", "first", "--json", "--set", f"iptables={rules}")
    assert code == 0, err
    run_ = json.loads(out)
    assert run_["dropped"]["NETFILTER_DROP"] == 5880
    assert [(r["line"], r["packets"]) for r in run_["iptables"] if r["target"] in ("LOG", "DROP")] == [(3, 12), (4, 5880)]
    assert len(run_["log"]) == 12 and "DPT=9999" in run_["log"][0]


# ---------------------------------------------------------------- trails
def test_the_trail_of_a_frame_goes_from_the_wire_to_the_program(capsys):
    code, out, err = run(capsys, "replay", "first", "--trail", "100")
    assert code == 0, err
    order = ["frame 100: 10.23.0.1:48733 > 10.23.0.2:8125 UDP", "the last bit arrives", "igb_clean_rx_irq", "ip_rcv_core", "udp_rcv",
             "__udp_enqueue_schedule_skb", "udp_recvmsg", "read by the application", "the program is done with it"]
    places = [out.index(s) for s in order]
    assert places == sorted(places)
    lines = out.splitlines()
    assert next(line for line in lines if "read by" in line).split()[4] == "syscall"
    assert any("waited" in line and "interrupt" in line for line in lines[:lines.index(next(x for x in lines if "igb_clean" in x))])


def test_what_a_trail_says_of_waiting_adds_up_to_the_time(capsys):
    code, out, _ = run(capsys, "replay", "first", "--json", "--no-whatif", "--trail", ":8125", "--trail-limit", "40")
    read = [p for p in json.loads(out)["trail"] if p["end"] == "RECEIVED"]
    assert code == 0 and read
    for p in read:
        taken = next(m["t_ns"] for m in p["marks"] if m["station"] == "sys_recvfrom")
        up = sum(ns for place, ns in p["spent_ns"].items() if place not in ("system_call", "batch", "work"))
        assert up == taken - p["t_ns"] and p["spent_ns"]["work"] >= 138_000


def test_the_trail_of_drops_shows_lost_frames_only_and_says_how_many_more(capsys):
    code, out, err = run(capsys, "replay", "first", "--trail", "drops:socket_rcvbuff", "--trail-limit", "2")
    assert code == 0, err
    assert out.count("kfree_skb_reason SOCKET_RCVBUFF") == 2
    _, whole, _ = run(capsys, "replay", "first", "--json", "--no-whatif")
    assert f"{json.loads(whole)['dropped']['SOCKET_RCVBUFF'] - 2:,} more frames fit" in out and "From the wire" not in out


@pytest.mark.parametrize(("reason", "host", "frames"), [
    ("RX_LENGTH", [], [udp_frame(bytes(3000))]), ("NIC_FILTER", [], [udp_frame(), udp_frame(), b"\2\0\0\0\0\x63" + udp_frame()[6:]]),
    ("RX_MISSED", ["ethtool.rx=80", "ethtool.rx-usecs=8000"], [udp_frame()] * 200),
    ("RX_MISSED", ["nic.driver=virtio_net", "ethtool.rx=64", "app.0.cpu=0"], [udp_frame()] * 3000)])
def test_what_the_card_has_lost_has_a_trail(capsys, tmp_path, reason, host, frames):
    (tmp_path / "x.pcap").write_bytes(pcap([(i * 200, f, len(f)) for i, f in enumerate([*frames, udp_frame()])]))
    options = [o for text in host for o in ("--set", text)]
    code, out, _ = run(capsys, "replay", str(tmp_path / "x.pcap"), "--json", "--no-whatif", "--trail", f"drops:{reason}", *options)
    trail = json.loads(out)["trail"]
    assert code == 0 and trail
    for packet in trail:
        (mark,) = packet["marks"]
        assert (packet["end"], packet["at"], mark["t_ns"], mark["context"]) == (reason, "nic_dma", packet["t_ns"], "device")
    code, out, _ = run(capsys, "replay", str(tmp_path / "x.pcap"), "--no-whatif", "--trail", str(trail[0]["frame"]), *options)
    assert f"{reason}: " in out and "in nic_dma" in out and "still on the cable" not in out


def test_a_trail_by_port_finds_both_directions(capsys):
    code, out, err = run(capsys, "replay", "first", "--json", "--trail", ":9999", "--trail-limit", "100")
    assert code == 0, err
    assert len(json.loads(out)["trail"]) == 12


def test_samples_are_written_and_add_up(capsys, tmp_path):
    file = tmp_path / "x.csv"
    code, out, err = run(capsys, "replay", "first", "--no-whatif", "--json", "--samples", str(file))
    assert code == 0, err
    rows = list(csv.DictReader(file.read_text().splitlines()))
    whole = json.loads(out)
    done = {s["program"]: s["done_ns"] for s in whole["spent"]}
    assert {r["program"] for r in rows} == set(done) and {"dnsmasq-tcp", "iperf3-tcp"} < set(done)
    assert 1000 < len(rows) <= sum(d["count"] for d in done.values())
    for r in rows:
        assert int(r["to_end_ns"]) == sum(int(r[place]) for place in PLACES) <= done[r["program"]]["max"]
        assert int(r["to_return_ns"]) == int(r["to_end_ns"]) - int(r["batch"]) - int(r["work"])
    for s in whole["spent"]:
        parts = [p["mean"] for p in s["places"].values()]
        assert parts and sum(parts) == pytest.approx(s["done_ns"]["mean"], abs=len(parts) + 1)
    assert [s.frame for s in replay("first").samples] == [int(r["frame"]) for r in rows]


# ---------------------------------------------------------------- mistakes
MISTAKES = [
    (["replay", "first", "--samples", "-"], "must end in .csv"),
    (["replay", "nosuch"], "nosuch"), (["replay", "/no/such.pcap"], "/no/such.pcap"), (["replay"], "CAPTURE"),
    (["replay", "first", "--set", "foo=1"], "--set foo=1"), (["replay", "first", "--set", "ethtool.rx=1"], "64 to 4096"),
    (["replay", "first", "--speed", "x"], "--speed"), (["replay", "first", "--speed", "0"], "speed"),
    (["replay", "first", "--rate", "fast"], "--rate"),
    (["replay", "first", "--loop", "0"], "loop"), (["replay", "first", "--listen", "sctp:1"], "--listen"),
    (["replay", "first", "--local", "here"], "--local"), (["replay", "first", "--trail", "drops:NO_SUCH"], "--trail"),
    (["replay", "first", "--trail", "0"], "from 1"), (["replay", "first", "--host", "/no/host.toml"], "/no/host.toml"),
    (["replay", "first", "--tap", "/no/folder/x.pcap"], "/no/folder/x.pcap"), (["replay", "first", "--nosuch"], "--nosuch"),
    (["boot", "--set", "cpus=0"], "cpus"), (["nosuch"], "nosuch"), (["host", "check", "/no/host.toml"], "/no/host.toml"),
    (["example", "nosuch"], "first"), (["replay", "first", "--set", "profile=nosuch"], "profile"),
]


@pytest.mark.parametrize(("args", "says"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_mistake_is_one_line_and_exit_2(args, says, capsys):
    code, out, err = run(capsys, *args)
    assert code == 2, err
    assert out == "" and err.count("\n") == 1 and err.startswith("rxpath: ") and says in err
    assert "Traceback" not in err


@pytest.mark.parametrize("content", [b"", b"no capture at all", b"\xd4\xc3\xb2\xa1\x02\x00"], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_capture_is_one_line_and_exit_2(content, tmp_path, capsys):
    file = tmp_path / "x.pcap"
    file.write_bytes(content)
    code, out, err = run(capsys, "replay", str(file))
    assert code == 2 and out == "" and err.count("\n") == 1 and "x.pcap" in err


def test_an_unsupported_rule_is_exit_2_or_left_out_and_said(tmp_path, capsys):
    rules = tmp_path / "rules.v4"
    rules.write_text("*filter\n-A INPUT -m recent --set -j DROP\nCOMMIT\n")
    code, _, err = run(capsys, "replay", "first", "--set", f"iptables={rules}")
    assert code == 2 and f"{rules}:2" in err
    code, out, _ = run(capsys, "replay", "first", "--set", f"iptables={rules}", "--skip-unsupported")
    assert code == 0 and "left out" in out and "recent" in out


def test_books_that_do_not_balance_are_our_bug_and_exit_70(monkeypatch, capsys):
    from rxpath.workbench.run import simulation
    monkeypatch.setattr(simulation.Simulation, "frames_queued", lambda self: 1)
    code, out, err = run(capsys, "replay", "first")
    assert code == 70 and out == "" and "do not balance" in err and "bug" in err


# ---------------------------------------------------------------- its surroundings
def test_ctrl_c_prints_what_was_done_and_exits_with_130(tmp_path):
    tap = tmp_path / "tap.pcap"
    child = subprocess.Popen([sys.executable, "-m", "rxpath.workbench.cli", "replay", "first", "--loop", "100000", "--json",
                              "--tap", str(tap)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while child.poll() is None and not (tap.exists() and tap.stat().st_size > 100):      # frames have been through it
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=300)
    assert child.returncode == 130, err
    run_ = json.loads(out)
    assert run_["interrupted"] and run_["offered"] == run_["delivered"] + run_["queued"] + sum(run_["dropped"].values())


def test_a_closed_pipe_is_no_error(tmp_path):
    child = subprocess.run(f"{sys.executable} -m rxpath.workbench.cli replay first --json | true; echo ${{PIPESTATUS[0]}}", shell=True,
                           capture_output=True, text=True, timeout=60, executable="/bin/bash")
    assert child.stdout == "141\n" and child.stderr == ""


def test_a_narrow_terminal_still_shows_everything():
    out = rxpath("replay", "first", env=dict(os.environ, COLUMNS="60", FORCE_COLOR="1"))
    assert out.returncode == 0 and "SOCKET_RCVBUFF" in out.stdout and "\x1b[" in out.stdout


def test_host_init_writes_a_file_that_check_takes_and_show_finds_unchanged(tmp_path, capsys):
    file = tmp_path / "host.toml"
    assert run(capsys, "host", "init", str(file))[0] == 0
    assert run(capsys, "host", "check", str(file)) == (0, "", "")
    code, out, _ = run(capsys, "host", "show", str(file))
    assert code == 0 and not [line for line in out.splitlines() if line.startswith("*")]
    code, _, err = run(capsys, "host", "init", str(file))
    assert code == 2 and "host.toml" in err and err.count("\n") == 1


# ---------------------------------------------------------------- hosts
def test_hosts_lists_who_is_in_a_capture_and_the_command_to_type(capsys):
    code, out, err = run(capsys, "hosts", "first")
    assert (code, err) == (0, "")
    assert "h1*" in out and "rxpath replay first --local 10.23.0.2" in out and "it answers requests" in out
    code, out, _ = run(capsys, "hosts", "first", "--json")
    found = json.loads(out)
    assert [h["local"] for h in found["hosts"]] == ["10.23.0.2", "10.23.0.1"] and found["receiver"]["addresses"] == ["10.23.0.2"]
    assert found["hosts"][0]["udp_ports"] == [53, 5201] and found["hosts"][0]["frames_in"] == 8762
    for wrong, says in (("none.pcap", "No such file"), ("spec.toml", "generated traffic")):
        code, out, err = run(capsys, "hosts", wrong)
        assert code == 2 and out == "" and says in err and err.count("\n") == 1


def test_a_report_that_means_little_says_so_first_and_lists_the_hosts(capsys, tmp_path):
    from ..cable.captures import pcap
    from ..frames import MAC_PEER, eth, ip, udp
    frames = [eth(ip(udp(b"x", dst=f"10.0.0.{i}"), dst=f"10.0.0.{i}"), bytes([2, 0, 0, 0, 1, i]), MAC_PEER) for i in range(20, 32)]
    (tmp_path / "mirror.pcap").write_bytes(pcap([(i, f, len(f)) for i, f in enumerate(frames)]))
    code, out, _ = run(capsys, "replay", str(tmp_path / "mirror.pcap"), "--no-whatif")
    assert code == 0 and out.startswith("mostly frames for other hosts (91.7%)") and "--local 10.0.0.21" in out
    code, out, _ = run(capsys, "replay", str(tmp_path / "mirror.pcap"), "--no-whatif", "--json")
    assert json.loads(out)["little"].startswith("mostly frames for other hosts") and len(json.loads(out)["hosts"]) == 10
    code, out, _ = run(capsys, "replay", "first", "--no-whatif")
    assert not out.startswith("mostly")
