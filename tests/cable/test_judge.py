"""Every shared capture beside dpkt: number, lengths, times and bytes of the records; and those that cannot be replayed say why."""
import struct

import dpkt
import pytest

from rxpath.cable.receiver import infer_receiver
from rxpath.cable.source import CaptureError

from .captures import Read, needs_shared, shared_captures

CAPTURES = shared_captures()


def judged(path: object) -> tuple[int, list[tuple[float, bytes, int]]]:
    """(link type, records) as dpkt reads them; it may give up at damaged bytes."""
    records = []
    with open(str(path), "rb") as f:
        raw = f.read()
        f.seek(0)
        if raw[:4] == b"\x0a\x0d\x0d\x0a":
            r = dpkt.pcapng.Reader(f)
            for t, data in r:
                records.append((float(t), bytes(data), -1))
            return r.datalink(), records
        order = ">" if raw[:2] == b"\xa1\xb2" else "<"
        at, link = 24, struct.unpack(order + "I", raw[20:24])[0] & 0x03FFFFFF
        for t, data in dpkt.pcap.Reader(f):
            records.append((float(t), bytes(data), struct.unpack(order + "I", raw[at + 12:at + 16])[0]))
            at += 16 + len(data)
        return link, records


@needs_shared
@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: p.name)
def test_shared_capture_reads_as_dpkt_reads_it(path: object) -> None:
    try:
        got = Read(path)
    except CaptureError as e:
        assert len(str(e)) < 600 and "\n" not in str(e)
        text = str(e)
        if "link type" in text:
            assert "supported are Ethernet" in text
            return
        with pytest.raises((ValueError, dpkt.NeedData, struct.error, EOFError, IndexError)):
            if not judged(path)[1]:
                raise ValueError("no record") from e
        return
    try:
        link, records = judged(path)
    except (ValueError, dpkt.Error, struct.error, IndexError):
        return                                      # the judge cannot read it at all
    c = got.counts
    if link != 1 or c["not_offered"]:
        assert c["records"] <= len(records) + 1
        return
    if got.capture.reading.problem:                 # we stopped: the judge may hand out half a record at the end
        assert len(records) - 1 <= len(got.frames) <= len(records)
    else:
        assert len(got.frames) == len(records)
    clock = last = 0.0
    for i, ((t, data, length, frame, _), (want_t, want_data, want_len)) in enumerate(zip(got.frames, records, strict=False)):
        assert data == want_data and frame == i + 1
        assert want_len < 0 or length == max(want_len, len(data)) or length == 10 << 20
        if i:
            if not (c["time_back"] or c["gaps_shortened"]):
                clock += want_t - last
                assert abs(t - clock * 1e9) < 2000 + i      # a float's precision, and 1 ns between frames of one moment
        last = want_t


@needs_shared
@pytest.mark.parametrize("path", [p for p in CAPTURES if p.stat().st_size < 3000][::4], ids=lambda p: p.name)
def test_compiled_equals_plain_on_shared_captures(path: object) -> None:
    def story(plain: bool) -> object:
        try:
            r = infer_receiver(path, plain=plain)           # type: ignore[arg-type]
            got = Read(path, plain=plain, receiver=r)
        except CaptureError as e:
            return str(e)
        return r, got.frames, got.counts, got.notes
    assert story(False) == story(True)


@needs_shared
@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: p.name)
def test_every_shared_capture_has_a_receiver_or_says_why(path: object) -> None:
    try:
        r = infer_receiver(path)                            # type: ignore[arg-type]
    except CaptureError as e:
        assert "\n" not in str(e)
        return
    assert r.addresses and r.evidence and len(r.evidence) < 900
    got = Read(path, receiver=r)
    assert got.counts["offered"] or got.counts["own"] or got.counts["records"] == got.counts["no_link_header"] + got.counts["link_type"]
