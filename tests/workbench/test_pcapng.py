"""--pcapng: every offered frame with its fate, read back by tshark where there is one and by our own reader everywhere."""
import io
import re
import shutil
import struct
import subprocess
from collections import Counter
from importlib.resources import files

import pytest

import rxpath
from rxpath.abi.numbers import Out
from rxpath.abi.reasons import Drop
from rxpath.outputs import Output
from rxpath.workbench.run.cpu_work import CpuWork
from rxpath.workbench.run.fates import Fate, Fates
from rxpath.workbench.views.pcapng import EPB, IDB, ISB, SHB, Writer, comment
from rxpath.workbench.words.mistakes import BadInput

from .test_command import run

TSHARK = shutil.which("tshark")


class Kept:
    """A sink that keeps what it is told."""

    def __init__(self):
        self.frames, self.outs, self.said = [], [], None

    def begin(self, interfaces, host):
        self.interfaces, self.host = list(interfaces), host

    def frame(self, fate, epoch_ns):
        self.frames.append(fate)

    def left(self, out, card, epoch_ns):
        self.outs.append((out, card, len(self.frames)))

    def end(self, said):
        self.said = said


def fields(file, *names):
    """What tshark says of each frame, a line each."""
    wanted = [word for name in names for word in ("-e", name)]
    return subprocess.run([TSHARK, "-r", str(file), "-T", "fields", *wanted], capture_output=True, text=True, timeout=120,
                          check=True).stdout.splitlines()


def blocks(data):
    """(type, body) of each; the length stands at both ends."""
    at = 0
    while at < len(data):
        kind, n = struct.unpack_from("<II", data, at)
        assert n % 4 == 0 and struct.unpack_from("<I", data, at + n - 4)[0] == n
        yield kind, data[at + 8:at + n - 4]
        at += n


@pytest.mark.parametrize("plain", [False, True])
def test_fates_are_those_of_the_books(plain):
    kept = Kept()
    outcome = rxpath.replay("first", watching=[Fates(kept)], plain=plain, last=1500 if plain else None)
    numbers = [f.number for f in kept.frames]
    assert len(numbers) == outcome.offered and numbers == sorted(set(numbers)) and kept.said == ""
    ends = Counter(f.reason.name for f in kept.frames if f.kind not in ("delivered", "queued"))
    assert ends == {k: n for k, n in outcome.dropped.items() if n}
    assert sum(f.kind == "delivered" for f in kept.frames) == outcome.delivered
    assert sum(f.kind == "queued" for f in kept.frames) == outcome.queued
    assert all(f.end_ns >= f.t and f.station and f.cpu >= 0 for f in kept.frames if f.kind != "queued")
    assert all(len(f.data) == f.length for f in kept.frames)
    ports = {f"{s.proto}:{s.port}" for s in outcome.books.sockets}
    sockets = {f.socket for f in kept.frames if f.socket}
    assert sockets and sockets <= ports
    full = [f for f in kept.frames if f.reason == Drop.SOCKET_RCVBUFF]
    limits = {f"{s.proto}:{s.port}": s.rcvbuf for s in outcome.books.sockets}
    assert all(f.ahead > 0 and f.ahead_bytes + 2304 > limits[f.socket] for f in full) and (full or plain)
    read = [f for f in kept.frames if f.reason == Drop.RECEIVED and f.socket.startswith("udp")]
    assert all(0 <= f.ahead_bytes <= limits[f.socket] for f in read if f.ahead >= 0) and any(f.ahead > 10 for f in read)


def test_a_trail_is_watched_once():
    with pytest.raises(BadInput, match="use one of them in a run"):
        rxpath.replay("first", watching=[Fates(Kept()), Fates(Kept())])
    with pytest.raises(BadInput, match="use one of them in a run"):
        rxpath.replay("first", watching=[CpuWork(), Fates(Kept())])


def test_watching_changes_nothing():
    assert rxpath.replay("first", watching=[Fates(Kept())]).books == rxpath.replay("first").books


def test_copies_of_taps_and_what_is_sent_come_in_the_order_of_time(tmp_path):
    kept = Kept()
    host = {"tap": [{"dev": "eth0", "file": str(tmp_path / "tap.pcap")}]}
    outcome = rxpath.replay("first", host, last=300, watching=[Fates(kept)])
    kinds = Counter(out.kind for out, _, _ in kept.outs)
    assert kinds[Out.TAP] >= outcome.offered and kinds[Out.TX] == outcome.books.copies["sent"] and {card for _, card, _ in kept.outs} == {0}
    for out, _, told in kept.outs:
        assert told == len(kept.frames) or out.t <= kept.frames[told].t
        assert not told or kept.frames[told - 1].t <= out.t or out.t == 0


def test_frames_that_are_told_too_early_are_counted():
    kept = Kept()
    outcome = rxpath.replay("first", watching=[Fates(kept, window=1)])
    early = sum(f.kind == "queued" for f in kept.frames)
    assert len(kept.frames) == outcome.offered and early > 0
    assert kept.said.startswith(f"{early} frames say queued") and "ends are of frames told before" in kept.said


def test_a_comment_is_words():
    f = Fate(7, 100, b"x" * 60, 60, 0, Drop.SOCKET_RCVBUFF, "__udp_enqueue_schedule_skb", 1, 350)
    assert comment(f) == ("fate=lost frame=7 wire_ns=100 reason=SOCKET_RCVBUFF at=__udp_enqueue_schedule_skb cpu=1 end_ns=350 after_ns=250")
    assert comment(Fate(8, 100, b"", 0, 0)) == "fate=queued frame=8 wire_ns=100"


def test_blocks_are_whole_and_a_long_command_is_cut():
    out = io.BytesIO()
    out.name = "x"
    w = Writer(out, "rxpath " + "é" * 70_000)
    w.begin(["eth0", "eth1"], "kernel 6.18")
    w.frame(Fate(1, 5, b"abcde", 9, 1), 1_700_000_000_000_000_000)
    w.frame(Fate(2, 6, b"abcde", 9, 0, Drop.RX_MISSED, "nic_dma", 0, 6), 1_700_000_000_000_000_000)
    w.frame(Fate(3, 7, b"abcdef", 9, 1), 1_700_000_000_000_000_000)
    w.left(Output(8, 1, Out.TX, 3, 0, 0, 4, b"wxyz"), 0, 1_700_000_000_000_000_000)
    w.end("1 frame")
    found = list(blocks(out.getvalue()))
    assert [k for k, _ in found] == [SHB, IDB, EPB, IDB, EPB, EPB, IDB, EPB, ISB]
    read = [struct.unpack_from("<IIIII", body) for kind, body in found if kind == EPB]
    stamped = [(face, (high << 32 | low) - 1_700_000_000_000_000_000, caplen, length) for face, high, low, caplen, length in read]
    assert stamped == [(0, 5, 5, 9), (1, 6, 5, 9), (0, 7, 6, 9), (2, 8, 4, 4)]
    names = [name for name in (b"eth1:wire", b"eth0:ring", b"eth0:tx") if name in out.getvalue()]
    assert len(names) == 3 and b"fate=sent frame=3 t_ns=8 cpu=1" in out.getvalue()


def test_the_command_writes_it_and_it_can_be_replayed(tmp_path, capsys):
    file = tmp_path / "fates.pcapng"
    code, out, err = run(capsys, "replay", "first", "--no-whatif", "--pcapng", str(file))
    assert code == 0 and out.startswith("first.pcap: 8,763 frames"), err
    assert rxpath.replay(str(file)).offered == 8763
    for args in (["--pcapng", "-"], ["--pcapng", str(tmp_path / "none" / "x")], ["--pcapng", str(file), "--trail", "drops"],
                 ["--pcapng", str(file), "--html", str(file)]):
        code, out, err = run(capsys, "replay", "first", "--no-whatif", *args)
        assert code == 2 and "--pcapng" in err and "Traceback" not in err, args


@pytest.mark.skipif(TSHARK is None, reason="no tshark here")
def test_tshark_reads_it_back(tmp_path, capsys):
    file = tmp_path / "fates.pcapng"
    assert run(capsys, "replay", "first", "--no-whatif", "--pcapng", str(file))[0] == 0
    read = fields(file, "frame.interface_name", "frame.time_epoch", "frame.comment")
    outcome = rxpath.replay("first")
    sent = [line for line in read if "fate=sent" in line]
    assert len(read) - len(sent) == outcome.offered and len(sent) == outcome.books.copies["sent"] > 0
    assert sent[1].split("\t")[2].startswith("fate=sent frame=3 "), "the echo reply to frame 3"
    assert all(" frame=" in line for line in sent)
    hooks = Counter(line.split("\t")[0] for line in read)
    assert hooks.pop("eth0:application") + hooks.pop("eth0:kernel") == outcome.delivered and hooks.pop("eth0:tx") == len(sent)
    assert hooks == {"eth0:socket": outcome.dropped["SOCKET_RCVBUFF"], "eth0:transport": outcome.dropped["NO_SOCKET"]}
    assert read[0].split("\t")[1] == fields(files("rxpath.examples") / "first.pcap", "frame.time_epoch")[0]
    times = [float(line.split("\t")[1]) for line in read]
    assert times == sorted(times)
    read = [line for line in read if line not in sent]
    reasons = Counter(re.search(r"reason=(\w+)", line)[1] for line in read)
    assert {k: n for k, n in reasons.items() if k not in ("RECEIVED", "CONSUMED")} == {k: n for k, n in outcome.dropped.items() if n}
