"""The capture of a case: blocks of a packet socket's ring become records of pcapng, whatever a file says of itself."""
import pathlib
import struct
import zipfile

import dpkt
import pytest

from rxpath.cable import ring_source, tpacket
from rxpath.cable.case_file import CaseFile
from rxpath.cable.source import CaptureError, Source

from ..frames import udp_frame
from ..workbench.case.made import block, packet, ring, write

T = 1_700_000_000_123_456_789


def read(path):
    """(ns, bytes, length, direction) of each record, by dpkt; and what was wrong."""
    source = Source(path)
    data, view = bytearray(), memoryview(bytearray(1000))
    try:
        while n := source.read_into(view):
            data += view[:n]
        problem = source.problem
    finally:
        source.close()
    out, at = [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert struct.unpack_from("<I", data, at + size - 4)[0] == size
        if kind == 6:
            face, high, low, cap, length = struct.unpack_from("<IIIII", data, at + 8)
            options = at + 28 + (cap + 3 & ~3)
            assert struct.unpack_from("<HH", data, options) == (2, 4)
            out.append((high << 32 | low, bytes(data[at + 28:at + 28 + cap]), length, struct.unpack_from("<I", data, options + 4)[0], face))
        at += size
    return out, problem


@pytest.fixture(params=["compiled", "plain"])
def twin(request, monkeypatch):
    if request.param == "plain":
        for name in ("ring_block", "ring_records"):
            monkeypatch.setattr(ring_source, name, getattr(tpacket, name).plain)


def test_frames_come_back_with_their_times_lengths_and_directions(tmp_path, twin):
    frames = [udp_frame(bytes(n)) for n in (1, 40, 500)]
    packets = [packet(T + i * 1000, f, way=4 if i == 1 else 0) for i, f in enumerate(frames)]
    got, problem = read(write(tmp_path / "a.rxcase", capture=ring(packets, each=2)))
    assert [g[0] for g in got] == [T, T + 1000, T + 2000] and not problem
    assert [g[1] for g in got] == [f[:96] for f in frames] and [g[2] for g in got] == [len(f) for f in frames]
    assert [g[3] for g in got] == [1, 2, 1]


def test_a_vlan_tag_is_put_back_where_it_was(tmp_path, twin):
    frame = udp_frame(bytes(20))
    (got, *_), _ = read(write(tmp_path / "a.rxcase", capture=ring([packet(T, frame, vlan=0x2064)])))
    assert got[1] == frame[:12] + b"\x81\x00\x20\x64" + frame[12:96] and got[2] == len(frame) + 4


def test_what_is_made_is_a_pcapng_that_others_read(tmp_path):
    frames = [udp_frame(bytes(n)) for n in range(1, 60)]
    source = Source(write(tmp_path / "a.rxcase", capture=ring([packet(T + i * 1000, f) for i, f in enumerate(frames)])))
    view = memoryview(bytearray(1 << 20))
    n = source.read_into(view)
    while more := source.read_into(view[n:]):
        n += more
    source.close()
    (tmp_path / "a.pcapng").write_bytes(view[:n])
    with open(tmp_path / "a.pcapng", "rb") as file:
        assert [bytes(data) for _, data in dpkt.pcapng.Reader(file)] == [f[:96] for f in frames]


@pytest.mark.parametrize("where,value", [(12, 1 << 31), (16, 20), (16, 1 << 20), (20, 1 << 30), (48 + 12, 1 << 30), (48 + 24, 60_000),
                                         (48, 1 << 30), (48, 4)])
def test_a_block_that_lies_loses_its_packets_and_says_so(tmp_path, twin, where, value):
    packets = [packet(T + i, udp_frame()) for i in range(3)]
    bad = bytearray(block(packets))
    struct.pack_into("<H" if where == 48 + 24 else "<I", bad, where, value)
    good = block([packet(T + 9, udp_frame())])
    stream = b"".join(struct.pack("<4sHHI", b"RXBK", 0, 0, len(b)) + bytes(b) for b in (bad, good))
    got, problem = read(write(tmp_path / "a.rxcase", capture=stream))
    assert got[-1][0] == T + 9 and len(got) <= 4 and "1 blocks of the recording are damaged" in problem


@pytest.mark.parametrize("cut", [3, 12, 13, 200])
def test_a_recording_that_ends_early_is_read_up_to_there(tmp_path, cut):
    whole = ring([packet(T + i, udp_frame()) for i in range(100)], each=50)
    got, problem = read(write(tmp_path / "a.rxcase", capture=whole[:len(whole) // 2 + cut]))
    assert 50 <= len(got) < 100 and "ends in the middle of a block" in problem


def test_a_stream_that_is_no_ring_is_said(tmp_path):
    got, problem = read(write(tmp_path / "a.rxcase", capture=b"x" * 500))
    assert not got and "no block of a packet ring" in problem


def test_a_case_without_a_capture_says_what_can_be_done_with_it(tmp_path):
    with pytest.raises(CaptureError, match=r"without a capture.*rxpath doctor"):
        Source(write(tmp_path / "a.rxcase"))


@pytest.mark.parametrize("manifest,says", [
    ({"format": 2}, "a case of format 2; this rxpath reads up to format 1"), ({"format": "1"}, "no format number"),
    ({"format": True}, "no format"),
    ({"format": 0}, "no format number"), ({"capture": {"file": "other", "devices": []}}, "its capture other is not in it"),
    ({"capture": {"file": "capture.blocks", "devices": []}}, "does not say of which devices"),
    ({"capture": {"file": "capture.blocks", "devices": [{"name": "wlan0", "linktype": 0}]}}, "wlan0 has frames of a kind"),
    ({"capture": {"file": 7}}, "without a capture"), ({"capture": []}, "without a capture")])
def test_a_manifest_that_cannot_be_used_is_one_line(tmp_path, manifest, says):
    with pytest.raises(CaptureError, match=says) as caught:
        Source(write(tmp_path / "a.rxcase", capture=ring([packet(T, udp_frame())]), manifest=manifest))
    assert "\n" not in str(caught.value)


def zipped(path, members, **how):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members:
            info = zipfile.ZipInfo(name) if isinstance(name, str) else name
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, data)
    return path


def test_hostile_members_are_not_read(tmp_path):
    link = zipfile.ZipInfo("settings/uname_-a")
    link.external_attr = 0o120777 << 16
    path = zipped(tmp_path / "a.rxcase", [("manifest.json", '{"format": 1}'), ("/etc/passwd", "x"), ("../../x", "x"), ("a/../../b", "x"),
                                          ("C:/x", "x"), (link, "/etc/shadow"), ("settings/good", "x")])
    with CaseFile(path) as case:
        assert case.names == ["manifest.json", "settings/good"] and len(case.refused) == 5
        assert {why for _, why in case.refused} == {"its name leads outside", "a link, a device or a pipe"}


def test_a_member_that_is_there_twice_is_read_once(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "a.rxcase", [("manifest.json", '{"format": 1}'), ("a", "1"), ("a", "2")])
    with CaseFile(path) as case:
        assert case.read("a") == b"1" and "twice" in case.refused[0][1]


def test_a_bomb_ends_in_one_line(tmp_path):
    path = zipped(tmp_path / "a.rxcase", [("manifest.json", '{"format": 1}'), ("settings/x", bytes(200 << 20))])
    with CaseFile(path) as case, pytest.raises(CaptureError, match="unpacks to 200 MiB: more than is read"):
        case.read("settings/x")
    path = zipped(tmp_path / "b.rxcase", [("manifest.json", bytes(2 << 20))])
    with pytest.raises(CaptureError, match=r"manifest\.json unpacks to 2 MiB"):
        CaseFile(path)


@pytest.mark.parametrize("damage", [lambda b: b[:len(b) // 2], lambda b: b[:-30], lambda b: b"PK\x03\x04" + bytes(100),
                                    lambda b: b[:60] + bytes(40) + b[100:], lambda b: b.replace(b"PK\x01\x02", b"PK\x09\x02")])
def test_a_damaged_zip_is_one_line(tmp_path, damage):
    path = tmp_path / "a.rxcase"
    write(path, capture=ring([packet(T, udp_frame())]))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CaptureError, match=r"damaged, or no case|a zip without manifest") as caught:
        Source(path).close()
    assert "\n" not in str(caught.value)


def test_any_byte_of_a_case_may_be_wrong(tmp_path):
    """Whatever is changed: it is read, or it is one line."""
    path = tmp_path / "a.rxcase"
    write(path, capture=ring([packet(T + i, udp_frame()) for i in range(4)]), compress=zipfile.ZIP_STORED)
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1:])
        try:
            source, view = Source(path), memoryview(bytearray(4096))
            while source.read_into(view):
                pass
            source.close()
        except CaptureError as error:
            assert "\n" not in str(error)


def test_a_byte_that_changed_in_a_stored_capture_is_said_and_the_rest_is_read(tmp_path):
    path = write(tmp_path / "a.rxcase", capture=ring([packet(T + i, udp_frame()) for i in range(9)]), compress=zipfile.ZIP_STORED)
    whole = pathlib.Path(path).read_bytes()
    at = whole.index(b"RXBK") + len(ring([packet(T, udp_frame())])) - 30         # in the first frame
    spoilt = bytearray(whole)
    spoilt[at] ^= 1
    for data, said in ((whole, ""), (bytes(spoilt), "the case is damaged: bytes of the capture are not those")):
        pathlib.Path(path).write_bytes(data)
        source = Source(path)
        view, n = memoryview(bytearray(1 << 20)), 0
        while got := source.read_into(view[n:]):
            n += got
        assert n > 9 * 60 and source.problem.startswith(said) and bool(source.problem) is bool(said)
        source.close()
