"""The stream of counters in a case (live/recorder.py, Counters, says how it is written) as samples, each with both clocks and its files.

A file that did not change stands once and is shared; so are the records that are made of it."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from rxpath.workbench.readings.records import Reading, Record, Unread
from rxpath.workbench.readings.sniff import read_text

HEAD = re.compile(rb"@ (\d{1,19}) (\d{1,19}) (\d{1,19})\n")
FILE = re.compile(rb"(/[\x21-\x7e]{1,200}) (=|\d{1,9})\n")
FILE_MOST = 16 << 20
SAMPLES_MOST = 200_000
LINE_MOST = 256


@dataclass(frozen=True, slots=True)
class Sample:
    """Files of /proc and /sys at a moment.  monotonic, realtime: in seconds, in the middle of the reading; took: how long that was.
    whole: with the files that are read once a second."""

    monotonic: float
    realtime: float
    took: float
    files: Mapping[str, bytes]
    read: Callable[[str, bytes], tuple[tuple[Record, ...], tuple[Unread, ...]]] = field(repr=False, compare=False)

    def reading(self, *paths: str) -> Reading:
        """Parsed: all of it, or only these files.  Reading.time is the monotonic clock."""
        whole = Reading(time=self.monotonic, name="the case")
        for path in paths or self.files:
            if path in self.files and not path.startswith(NOT_TEXTS):
                records, unread = self.read(path, self.files[path])
                whole = Reading(whole.records + records, whole.unread + unread, self.monotonic, whole.name)
        return whole


NOT_TEXTS = ("/sys/", "/proc/self/task/", *(f"/proc/{digit}" for digit in range(1, 10)))     # values and threads: asked for by who knows


class _Parsed:
    """Records of files, made once for each content."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[bytes, tuple[Record, ...], tuple[Unread, ...]]] = {}

    def __call__(self, path: str, data: bytes) -> tuple[tuple[Record, ...], tuple[Unread, ...]]:
        known = self.last.get(path)
        if known is None or known[0] is not data:
            reading = read_text(data.decode(errors="replace"), path)
            known = self.last[path] = data, reading.records, reading.unread
        return known[1], known[2]


def samples(stream: BinaryIO, problems: list[str]) -> Iterator[Sample]:
    """One after the other; what is damaged ends them, and is said."""
    last: dict[str, bytes] = {}
    read = _Parsed()
    line = stream.readline(LINE_MOST)
    count = 0
    while line:
        head = HEAD.fullmatch(line)
        count += 1
        if head is None or count > SAMPLES_MOST:
            problems.append(f"counters: sample {count:,} cannot be read: those before it are taken" if head is None else
                            f"counters: only the first {SAMPLES_MOST:,} samples are read")
            return
        files: dict[str, bytes] = {}
        line = b""
        while (line := stream.readline(LINE_MOST)) and not line.startswith(b"@"):
            match = FILE.fullmatch(line)
            path = match[1].decode() if match else ""
            if match is None or (match[2] == b"=" and path not in last):
                problems.append(f"counters: sample {count:,} is damaged: those before it are taken")
                return
            if match[2] != b"=":
                size = int(match[2])
                data = stream.read(size + 1) if size <= FILE_MOST else b""
                if len(data) != size + 1:
                    problems.append(f"counters: the recording ends in sample {count:,}")
                    return
                last[path] = data[:-1]
            files[path] = last[path]
        yield Sample(int(head[1]) / 1e9, int(head[2]) / 1e9, int(head[3]) / 1e9, files, read)
