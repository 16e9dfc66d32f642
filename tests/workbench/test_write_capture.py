"""rxpath.write_capture(): traffic of the user's own as a capture."""
import pathlib
import re

import pytest

import rxpath

PAGE = (pathlib.Path(__file__).parents[2] / "docs/python.md").read_text()
FRAME = bytes(range(60))


def test_the_example_of_the_page(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = next(c for c in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "write_capture" in c)
    exec(compile(code, "python.md", "exec"), {})
    assert capsys.readouterr().out == "1000 frames\n1000\n"
    assert [p.name for p in tmp_path.iterdir()] == ["burst.pcap"]


def test_times_and_bytes_are_kept(tmp_path):
    file = tmp_path / "a.pcap"
    assert rxpath.write_capture(file, [(0, FRAME), (7, bytearray(FRAME)), (7, memoryview(FRAME)), (3_000_000_001, FRAME)]) == 4
    raw = file.read_bytes()
    assert len(raw) == 24 + 4 * (16 + 60) and raw.count(FRAME) == 4
    times = [int.from_bytes(raw[at:at + 4], "little") * 10**9 + int.from_bytes(raw[at + 4:at + 8], "little")
             for at in range(24, len(raw), 76)]
    assert [t - times[0] for t in times] == [0, 7, 7, 3_000_000_001]
    run = rxpath.replay(file)
    assert run.traffic.records == 4 and run.traffic.duration_ns == 3_000_000_001


@pytest.mark.parametrize("frames, line", [
    ([(5, FRAME), (4, FRAME)], "frame 2: time 4 ns is before the last frame's 5 ns: sort them"),
    ([(-1, FRAME)], "frame 1: time -1 is not allowed: whole ns, 0 to"),
    ([(0.5, FRAME)], "time 0.5 is not allowed"),
    ([(1 << 62, FRAME)], "is not allowed: whole ns"),
    ([(0, FRAME[:13])], "frame 1: 13 bytes is not allowed: bytes of an Ethernet frame, 14 to 262,144"),
    ([(0, "text")], "frame 1: str is not allowed"),
    ([FRAME], "frame 1: must be a pair (ns, bytes)"),
], ids=range(7))
def test_mistakes_are_one_line_and_the_old_file_stays(tmp_path, frames, line):
    file = tmp_path / "a.pcap"
    file.write_text("old")
    with pytest.raises(rxpath.BadInput) as error:
        rxpath.write_capture(file, frames)
    assert line in str(error.value) and "\n" not in str(error.value)
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


def test_what_a_generator_raises_goes_through(tmp_path):
    def broken():
        yield 0, FRAME
        raise FileNotFoundError(2, "mine")

    with pytest.raises(FileNotFoundError, match="mine"):
        rxpath.write_capture(tmp_path / "a.pcap", broken())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["", "/dev/null", ".", "no/such/folder/a.pcap"])
def test_places_that_cannot_be_written(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rxpath.BadInput) as error:
        rxpath.write_capture(where, [(0, FRAME)])
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []
    assert pathlib.Path("/dev/null").is_char_device()


def test_nothing_is_left_where_the_name_cannot_be_taken(tmp_path, monkeypatch):
    def refused(part, file):
        raise OSError(18, "Invalid cross-device link", part, None, str(file))

    monkeypatch.setattr("os.replace", refused)
    with pytest.raises(rxpath.BadInput, match=r"a\.pcap: Invalid cross-device link"):
        rxpath.write_capture(tmp_path / "a.pcap", [(0, FRAME)])
    assert list(tmp_path.iterdir()) == []
