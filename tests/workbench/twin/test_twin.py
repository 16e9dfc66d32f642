"""A twin of what comes on standard input: it says what a replay says, window by window, and keeps nothing that grows."""
import gzip
import json
import os
import re
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rxpath import examples
from rxpath.cable.source import Source
from rxpath.workbench.cli import app as cli
from rxpath.workbench.run.replay import replay
from rxpath.workbench.twin import watch
from rxpath.workbench.twin.lots import Lots, head_of
from rxpath.workbench.twin.mirror import CardMirror
from rxpath.workbench.twin.watch import Twin, Wanted
from rxpath.workbench.twin.whom import _ready
from rxpath.workbench.twin.windows import NEAREST, OF_ONE, Depth, Nearest, Total
from rxpath.workbench.views import twin as view
from rxpath.workbench.views.terminal import plain

from ...cable.captures import pcap as made_pcap
from ...frames import udp_frame

FIRST = Path(examples.__file__).parent / "first.pcap"
HOST = FIRST.with_suffix(".toml")
COMMAND = [sys.executable, "-m", "rxpath.workbench.cli", "twin", "-", "--json"]


def pcap(frames):
    return made_pcap([(t, frame, len(frame)) for t, frame in frames])


def twin(path, monkeypatch, capsys, *args):
    """(exit status, lines as objects or text, standard error)"""
    with open(path) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        code = cli.run(["twin", "-", *args])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()] if "--json" in args else out, err


def test_a_file_is_played_as_a_replay_plays_it(monkeypatch, capsys):
    """Frames, losses, and the deepest moment of every queue: what the windows say together is what the run says in all."""
    code, lines, err = twin(FIRST, monkeypatch, capsys, "--host", str(HOST), "--headroom", "0", "--json")
    outcome = replay(FIRST, HOST)
    [total] = [line["summary"] for line in lines if "summary" in line]
    windows = [line for line in lines if "window" in line]
    assert (code, err) == (0, "") and "began" in lines[0] and lines[-1] == {"summary": total}
    assert total["frames"] == outcome.offered == sum(w["frames"] for w in windows)
    assert total["lost"] | total["other"] == outcome.dropped and total["lost"] == {"SOCKET_RCVBUFF": 4437}
    assert total["delivered"] == outcome.delivered and total["own"] == outcome.not_offered["own"]
    assert len(windows) > 3 and all(w["took_ns"] > 0.99e9 for w in windows[:-1]), "a silent second is not a window of its own"
    assert sum(w["took_ns"] for w in windows) == total["ends_ns"] - total["began_ns"]
    deepest = {}
    for w in windows:
        for d in w["depths"]:
            deepest[d["name"]] = max(deepest.get(d["name"], 0), d["most"])
    high = outcome.books.high_water
    wanted = {f"ring {r['queue']}": r["max"] for r in high["ring"]} | {f"backlog {r['cpu']}": r["max"] for r in high["backlog"] if r["max"]}
    wanted |= {f"socket {r['socket']}": r["max"] for r in high["socket"] if r["socket"] in ("dns", "iperf3", "telemetry")}
    wanted["fragments"] = high["fragments"]["max"]
    assert {name: n for name, n in deepest.items() if not name.startswith("connection")} == wanted
    busy = sum(w["took_ns"] * sum(w["cpus"]) for w in windows)
    assert busy == pytest.approx(sum(n for context, n in outcome.cpu_ns.items() if context != "idle"), rel=0.01)


@pytest.mark.parametrize("window", ["0.1", "5"])
def test_where_windows_end_changes_nothing(window, monkeypatch, capsys):
    _, lines, _ = twin(FIRST, monkeypatch, capsys, "--host", str(HOST), "--headroom", "0", "--json", "--window", window)
    _, whole, _ = twin(FIRST, monkeypatch, capsys, "--host", str(HOST), "--headroom", "0", "--json")
    total, again = lines[-1]["summary"], whole[-1]["summary"]
    for key in ("frames", "octets", "own", "delivered", "lost", "other", "limits", "notes"):
        assert total[key] == again[key], key
    assert total["windows"] != again["windows"]


def test_a_gzipped_capture_through_a_pipe_and_seconds_of_its_time(tmp_path):
    packed, args = gzip.compress(FIRST.read_bytes()), ["--host", str(HOST), "--headroom", "0", "--seconds", "4"]
    out = subprocess.run([*COMMAND, *args], input=packed, capture_output=True, timeout=120)
    total = json.loads(out.stdout.splitlines()[-1])["summary"]
    assert out.returncode == 0 and out.stderr == b"" and total["ended"] == "--seconds 4"
    assert 4e9 <= total["ends_ns"] - total["began_ns"] < 10e9 and 0 < total["frames"] <= 8763


def test_windows_are_said_while_the_capture_is_still_being_written():
    """As of `tcpdump -U -w -`: the pipe stays open, and what has come is played."""
    data = FIRST.read_bytes()
    with subprocess.Popen([*COMMAND, "--host", str(HOST), "--headroom", "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(data[:len(data) * 3 // 4])
        process.stdin.flush()
        said = [json.loads(process.stdout.readline()) for _ in range(4)]
        assert [line.get("window") for line in said] == [None, 0, 1, 2]
        process.stdin.write(data[len(data) * 3 // 4:])
        process.stdin.close()
        rest = [json.loads(line) for line in process.stdout]
    assert rest[-1]["summary"]["frames"] == 8763 and rest[-1]["summary"]["ended"] == "the traffic has ended"


def test_head_room_of_the_last_seconds_is_what_rxpath_headroom_finds(tmp_path, monkeypatch, capsys):
    from rxpath.workbench.many.headroom import headroom

    frames = [(k * 200_000 + k % 7 * 1000, udp_frame(sport=4000 + k % 9)) for k in range(2000)]
    path = tmp_path / "traffic.pcap"
    path.write_bytes(pcap(frames))
    host = tmp_path / "host.toml"
    host.write_text('[[socket]]\nname = "in"\nbind = "*:5000"\n[[app]]\nname = "server"\nsockets = "in"\ncpu = 1\nservice = "20us"\n'
                    '[nic]\naddresses = "10.0.0.1/24"\n')
    _, lines, _ = twin(path, monkeypatch, capsys, "--host", str(host), "--json")
    [said] = [line["headroom"] for line in lines if "headroom" in line]
    found = headroom(path, host, steps=1, seeds=1, jobs=1, curve=False)
    assert said["why"] == "" and said["frames"] == 2000
    assert said["factor"] == found.factor > 1 and said["place"] == found.limits[0].limit.place
    assert lines[-1]["summary"]["headroom"] == said == lines[-1]["summary"]["least_headroom"]


class Behind(CardMirror):
    """A card whose frames come from a file."""

    def __init__(self, path):
        Source.__init__(self, path)
        self.copied, self.name = None, "eth7"

    read_into = Source.read_into
    rewind = Source.rewind
    close = Source.close
    missed = 0

    def begin(self):
        pass

    def wait(self, seconds):
        pass


def test_frames_are_skipped_and_counted_when_it_is_behind(tmp_path, monkeypatch):
    """A clock that says it is two seconds late, then that it is not."""
    path = tmp_path / "traffic.pcap"
    records = 40_000
    path.write_bytes(pcap([(k * 100_000, udp_frame()) for k in range(records)]))
    from rxpath.cable.receiver import infer_receiver
    from rxpath.workbench.host import given

    receiver = infer_receiver(path)
    whom = _ready(given.the_host(None), receiver, [])
    windows = []
    late = iter([0, 2_000_000_000, 2_000_000_000, 0])
    mirror = Behind(path)
    made = Twin(whom, mirror, Wanted(), windows.append, lambda: False)
    monkeypatch.setattr(watch, "now_ns", lambda: made.capture.clock[1] + next(late, 0))
    total = made.run()
    assert total.skipped > 8192 and total.frames == records - total.skipped == total.delivered
    marked = [w for w in windows if not w.whole]
    assert marked and total.not_whole == len(marked) < len(windows)
    assert "records skipped, being behind" in plain(view.render(marked[0], total), 80)
    assert f"the figures of {len(marked)} of {len(windows)} windows are too low" in plain(view.summary(total)).replace("\n", " ")


def test_memory_stays_as_it_is_however_long_it_goes_on():
    """Four hours of traffic of many flows, and nothing of the process grows after the first part."""
    def packets(start, n):
        out = bytearray()
        for k in range(start, start + n):
            frame = udp_frame(sport=1024 + k % 60_000, src=f"10.{k % 200}.{k % 131}.{1 + k % 250}")
            ms = k * 50
            out += struct.pack("<IIII", ms // 1000, ms % 1000 * 1000, len(frame), len(frame)) + frame
        return bytes(out)

    with subprocess.Popen([*COMMAND, "--window", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        sizes = []

        def feed():
            process.stdin.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for part in range(60):
                process.stdin.write(packets(part * 5000, 5000))
            process.stdin.close()

        thread = threading.Thread(target=feed)
        thread.start()
        for line in process.stdout:
            said = json.loads(line)
            if "window" in said:
                resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                sizes.append(resident)
            last = said
        thread.join()
    assert last["summary"]["frames"] == 300_000 and len(sizes) > 200
    assert max(sizes) - sizes[len(sizes) // 2] < 2 << 20, "bytes, over two hours"


# ---------------------------------------------------------------- parts
def test_a_lot_is_a_capture_of_the_last_seconds(tmp_path):
    frames = [udp_frame(b"%d" % k) for k in range(100)]
    data = pcap([(k * 1_000_000, frame) for k, frame in enumerate(frames)])
    lots, at = Lots(), 24
    for begin in range(0, len(data), 1000):
        lots.take(memoryview(data)[begin:begin + 1000])
    assert lots.cut(0, 1000) is None, "nobody has read anything"
    for k, frame in enumerate(frames):
        at += 16 + len(frame)
        lots.mark(k * 1_000_000_000, at, k + 1)
    lot = lots.cut(90_000_000_000, 1000)
    path = tmp_path / "lot.pcap"
    path.write_bytes(lot.data)
    assert replay(path).offered == lot.records == 9 and lot.data.endswith(frames[-1]) and lot.seconds == 9
    assert lots.cut(0, 5).records == 5
    small = Lots(most=2000)
    for begin in range(0, len(data), 1000):
        small.take(memoryview(data)[begin:begin + 1000])
    assert small.kept <= 2000


def test_the_head_of_a_capture_ends_before_its_first_record():
    data = pcap([(0, udp_frame())])
    assert head_of(data) == data[:24]
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    face = struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20)
    packet = struct.pack("<IIIIIIII", 6, 32, 0, 0, 0, 0, 0, 32)
    assert head_of(section + face + packet) == section + face
    assert head_of(section) == section


def test_the_nearest_moments_are_few_and_of_several_limits():
    nearest = Nearest()
    for k in range(200):
        nearest.take((Depth("socket a", "bytes", 100 + k, 1000, k), Depth("ring 0", "descriptors", k % 50, 256, k),
                      Depth("backlog 0", "packets", 1, 1000, k), Depth("line", "bytes", 5, 0, k)))
    assert len(nearest.log) <= NEAREST and [d.name for d in nearest.log].count("socket a") == OF_ONE
    assert [d.most for d in nearest.log[:3]] == [299, 298, 297] and nearest.log[3].name == "ring 0"
    assert not any(d.name in ("backlog 0", "line") for d in nearest.log), "a thousandth is not near"
    assert nearest.limits["socket a"].most == 299 and nearest.limits["ring 0"].most == 49


# ---------------------------------------------------------------- what a person sees, what is wrong
def test_a_window_fits_the_terminal(tmp_path, monkeypatch, capsys):
    from rxpath.workbench.twin.mirror import PipeMirror
    from rxpath.workbench.twin.whom import of_pipe

    windows, totals = [], []
    with open(FIRST) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        mirror = PipeMirror(lambda: False)
        made = Twin(of_pipe(mirror, str(HOST), [], None, None, lambda: False), mirror, Wanted(), windows.append, lambda: False)
        totals.append(made.run())
    text = plain(view.render(next(w for w in windows if w.lost), totals[0]), 80)
    assert len(text.splitlines()) <= 23 and max(map(len, text.splitlines())) <= 80
    assert re.search(r"^socket telemetry +█{15}▉ +211,968 +212,992 +100%$", text, re.M)
    assert "head-room: not known yet" in text and "busiest millisecond: 209 frames" in text


@pytest.mark.parametrize(("words", "who"), [(["--set", "nic.addresses=10.9.9.9/24"], "the host file"),
                                            (["--local", "10.9.9.9"], "--local")])
def test_who_says_that_this_is_the_receiver(monkeypatch, capsys, words, who):
    code, out, _ = twin(FIRST, monkeypatch, capsys, *words, "--headroom", "0", "--json")
    assert code == 0 and f"as {who} says; no frame of this capture is addressed to it" in out[-1]["summary"]["said"][0]


def test_what_a_person_reads_at_the_end(monkeypatch, capsys):
    code, out, _ = twin(FIRST, monkeypatch, capsys, "--host", str(HOST), "--headroom", "0")
    text = " ".join(out.split())
    assert code == 0 and "4,314 delivered, lost 4,437 SOCKET_RCVBUFF; the traffic has ended" in text
    assert "nearest to a limit" in text and "ended otherwise: 12 NO_SOCKET" in text and "cost profile bm36" in text


@pytest.mark.parametrize("args, stdin, text", [
    (["nosuch0"], b"", "nosuch0: no such device"),
    (["-"], b"", "standard input: the file is empty"),
    (["-"], b"\xd3\xb2\x02\x85" * 9, "standard input: neither pcap nor pcapng: it starts with d3 b2 02 85"),
    (["-", "--record", "x.rxcase"], b"", "--record: a case is of this host; of standard input keep the capture itself (tee)"),
    (["lo", "--local", "10.0.0.1"], b"", "--local: the receiver is this host; it is for a capture on standard input"),
    (["lo", "--window", "0"], b"", "--window 0: 0.02 to 3600"),
    (["lo", "--seconds", "nan"], b"", "--seconds nan: 0.001 to 1e+08"),
    (["lo", "--snap", "10"], b"", "--snap 10: 64 to 65535"),
    (["lo", "--record", "/nosuch/x"], b"", "--record /nosuch/x cannot be written: there is no such folder"),
])
def test_a_mistake_is_one_line(args, stdin, text, tmp_path, monkeypatch, capsys):
    path = tmp_path / "in"
    path.write_bytes(stdin)
    with open(path, "rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert cli.run(["twin", *args]) == 2
    assert capsys.readouterr().err == f"rxpath: {text}\n"


def test_an_empty_total_is_shown():
    assert "0 frames" in plain(view.summary(Total("eth7", "6.18", "bm36", 1, ())))
