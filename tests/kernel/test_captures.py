"""Frames of real captures, rewritten to the judge's receiver: Linux and the path do the same with each."""
import struct

import pytest

from rxpath.workbench.judge import captures, run
from rxpath.workbench.judge import frames as f
from rxpath.workbench.views import judge as view
from rxpath.workbench.words.mistakes import BadInput

from ..cable.captures import needs_shared, pcap, shared_captures

SAMPLE, EVERY = 60, 8                               # frames of a capture, one odd capture in so many: rxpath judge --captures DIR sends all


@needs_shared
def test_frames_of_captures_agree_with_linux(judge):
    paths = shared_captures()
    chosen = [p for p in paths if p.parent.name == "real"] + [p for p in paths if p.parent.name != "real"][::EVERY]
    for _ in range(2):                                  # what is wrong differs every time
        report = run.Report()
        taken = run.captured(judge, report, chosen, SAMPLE)
        if report.total.differ == 0:
            break
    assert taken.captures > 30 and taken.frames > 700
    assert report.total.differ == 0, view.text(report, 0, 0, [])


def write(tmp_path, *frames):
    file = tmp_path / "x.pcap"
    file.write_bytes(pcap([(i * 1000, frame, len(frame)) for i, frame in enumerate(frames)]))
    return file


THERE, PEER = "192.168.7.7", "192.168.7.1"
MACS = {"dst": bytes.fromhex("021234567890"), "src": bytes.fromhex("02aabbccddee")}


def test_a_datagram_is_rewritten_to_the_receiver_and_its_checksums_mended(tmp_path):
    wrong = f.udp(b"hello", 999, 4000, PEER, THERE, check=0x1234)
    file = write(tmp_path, *[f.eth(f.ip(wrong, PEER, THERE), **MACS)] * 3)
    taken = captures.Taken()
    made = list(captures.cases(file, taken))
    assert taken.frames == len(made) == 3 and taken.captures == 1
    assert made[0].steps[0].frames == (f.eth(f.ip(f.udp(b"hello", 999, 4000, PEER, f.US), PEER, f.US), src=MACS["src"]),)
    assert made[0].host["socket"] == [{"name": "p4000", "bind": "*:4000"}]


def test_what_else_is_wrong_with_a_frame_stays_wrong(tmp_path):
    good = f.eth(f.ip(f.udp(b"hello", 999, 4000, PEER, THERE), PEER, THERE), **MACS)
    short = f.eth(f.ip(f.udp(b"hello", 999, 4000, PEER, THERE, length=77), PEER, THERE, total=500), **MACS)
    _, case = captures.cases(write(tmp_path, good, short), captures.Taken())
    frame = case.steps[0].frames[0]
    assert frame[:6] == f.MAC_US and struct.unpack(">H", frame[16:18]) == (500,) and struct.unpack(">H", frame[38:40]) == (77,)
    assert f.csum(frame[14:34]) == 0


def test_what_is_left_out_is_counted(tmp_path):
    udp = f.eth(f.ip(f.udp(b"x", 999, 4000, PEER, THERE), PEER, THERE), **MACS)
    six = f.eth(bytes(60), proto=0x86DD, **MACS)
    taken = captures.Taken()
    assert len(list(captures.cases(write(tmp_path, *[udp] * 8, six), taken, most=5))) == 4
    assert taken.left_out == {"of the sample": 4, "IPv6": 1}
    broken = tmp_path / "y.pcap"
    broken.write_bytes(b"not a capture at all, is it?")
    assert list(captures.cases(broken, taken)) == [] and len(taken.unreadable) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="none"):
        captures.files(tmp_path / "none")
