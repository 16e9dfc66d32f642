"""A case: one file of what is known of one host (docs/case.md).  Each part is optional; what is missing or damaged is said, and the rest
is used.

    case = open_recorded("web1.rxcase")
    case.settings                       # a Reading: what a host file is made of
    case.samples[0].reading()           # counters of a moment
    case.begin, case.end                # the same with what only commands print"""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

from rxpath.cable.case_file import CaseFile
from rxpath.cable.errors import CaptureError
from rxpath.workbench.readings.case.programs import NAME as PROGRAMS
from rxpath.workbench.readings.case.programs import programs
from rxpath.workbench.readings.case.samples import Sample, samples
from rxpath.workbench.readings.lines import decoded
from rxpath.workbench.readings.records import Interrupts, Link, Reading, Rules, Source, Stat, UdpSockets, Unread
from rxpath.workbench.readings.settings import Build
from rxpath.workbench.readings.sniff import read_file
from rxpath.workbench.words.mistakes import BadInput

HOST = "host.toml"
SETTINGS, BEGIN, END, MOMENTS = "settings/", "begin/", "end/", "moments/"
JUMP = 0.05                                                 # s: a clock that was set; adjtime() slews by less than a thousandth
CASES_KEPT = 8


@dataclass(frozen=True)
class Clock:
    """The wall clock beside the monotonic one, as (monotonic, realtime) of each sample, in s.  jumps: by how much it was set, and when."""

    points: tuple[tuple[float, float], ...]
    jumps: tuple[tuple[float, float], ...]

    def monotonic(self, realtime: float) -> float:
        """The monotonic time of a moment of the wall clock.  Where that was set back and shows a time twice, the first."""
        at, wall = self.points[0]
        for point in self.points:
            if point[1] <= realtime + 1e-3:
                at, wall = point
            else:
                break
        return at + realtime - wall


@dataclass(frozen=True)
class Recorded:
    """manifest: as written.  host_text: the host file in it, "" if there is none.  moments: readings of texts that somebody put together,
    the oldest first.  problems: what was damaged or refused."""

    name: str
    manifest: Mapping[str, Any]
    settings: Reading
    samples: tuple[Sample, ...]
    begin_texts: Reading
    end_texts: Reading
    moments: tuple[Reading, ...]
    host_text: str
    problems: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Between the first sample and the last."""
        return self.samples[-1].monotonic - self.samples[0].monotonic if len(self.samples) > 1 else 0.0

    @property
    def kernel(self) -> str:
        return str(self.manifest.get("kernel", ""))[:80]

    @property
    def capture(self) -> Mapping[str, Any] | None:
        """What the manifest says of the capture; None: there is none."""
        said = self.manifest.get("capture")
        return said if isinstance(said, dict) else None

    @property
    def devices(self) -> list[Mapping[str, Any]]:
        """That were captured."""
        said = (self.capture or {}).get("devices")
        return [d for d in said if isinstance(d, dict)] if isinstance(said, list) else []

    @property
    def tap_lost(self) -> int:
        """Frames that the capture itself lost."""
        return sum(n for d in self.devices if isinstance(n := d.get("lost"), int) and n > 0)

    @property
    def clock(self) -> Clock | None:
        """None: there are no samples."""
        points = [(s.monotonic, s.realtime) for s in self.samples]
        jumps = [(b[0], (b[1] - a[1]) - (b[0] - a[0])) for a, b in pairwise(points)
                 if abs((b[1] - a[1]) - (b[0] - a[0])) > JUMP]
        return Clock(tuple(points), tuple(jumps)) if points else None

    def readings(self) -> list[Reading]:
        """Moments of the host in their order, the first and the last with settings and with what only commands print."""
        if not self.samples:
            return list(self.moments) or [self.settings]
        found = [s.reading() for s in self.samples]
        settings = tuple(r for r in self.settings.records if not isinstance(r, COUNTED))
        found[0] = replace(found[0], records=found[0].records + self.begin_texts.records + settings, unread=self._unread)
        if len(found) > 1:
            found[-1] = replace(found[-1], records=found[-1].records + self.end_texts.records + settings)
        return found

    @property
    def _unread(self) -> tuple[Unread, ...]:
        return (*self.settings.unread, *self.begin_texts.unread, *(Unread(self.name, 0, "", p) for p in self.problems))


COUNTED = (Interrupts, Stat, UdpSockets, Rules, Link)       # of the settings: what is read anew


def open_recorded(path: str | os.PathLike[str]) -> Recorded:
    """A case; BadInput: it is none, or a newer one.  Read once for as long as the file does not change."""
    name = os.fspath(path)
    try:
        state = os.stat(name)
    except OSError as error:
        raise BadInput(f"{name}: {error.strerror or error}") from None
    return _read(name, state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(CASES_KEPT)
def _read(name: str, *_: int) -> Recorded:
    try:
        with CaseFile(name) as case:
            return _recorded(case)
    except CaptureError as error:
        raise BadInput(str(error)) from None


def _recorded(case: CaseFile) -> Recorded:
    problems = [f"{name[:80]!r}: {why}: not read" for name, why in case.refused[:8]]
    if len(case.refused) > 8:
        problems.append(f"{len(case.refused) - 8} more members were refused")
    said = case.manifest.get("counters")
    file = said.get("file") if isinstance(said, dict) else None
    found: list[Sample] = []
    if isinstance(file, str) and file in case.infos:
        with case.stream(file) as stream:
            try:
                found = list(samples(stream, problems))     # type: ignore[arg-type]
            except Exception as error:                      # zipfile's and zlib's, of damaged data
                problems.append(f"counters: damaged: {' '.join(str(error).split())[:120]}")
    elif file is not None:
        problems.append("the counters that the manifest names are not in it")
    backwards = next((i for i, (a, b) in enumerate(pairwise(found), 1) if b.monotonic <= a.monotonic), None)
    if backwards is not None:
        problems.append(f"counters: sample {backwards + 1:,} is older than the one before it: those before it are taken")
        found = found[:backwards]
    settings = _texts(case, SETTINGS, problems)
    if PROGRAMS in case.infos:
        unread: list[Unread] = []
        hidden = case.manifest.get("hidden_processes")
        held = programs(case.read(PROGRAMS), str(case.manifest.get("machine", "")), hidden if isinstance(hidden, int) else 0, unread)
        settings = replace(settings, records=settings.records + ((held,) if held is not None else ()),
                           unread=settings.unread + tuple(unread))
    hz = case.manifest.get("hz")
    if isinstance(hz, int) and 10 <= hz <= 10_000:
        known = settings.first(Build) or Build(source=Source("clock_getres()"))
        others = tuple(r for r in settings.records if not isinstance(r, Build))
        settings = replace(settings, records=(*others, replace(known, hz=hz)))
    host = decoded(case.read(HOST)) if HOST in case.infos else ""
    return Recorded(case.name, case.manifest, replace(settings, name=case.name), tuple(found), _texts(case, BEGIN, problems),
                    _texts(case, END, problems), _moments(case, problems), host, tuple(problems))


def _texts(case: CaseFile, folder: str, problems: list[str]) -> Reading:
    """The texts of a folder, each known by its name."""
    reading = Reading(name=case.name)
    for name in case.names:
        if name.startswith(folder):
            try:
                data = case.read(name)
            except CaptureError as error:
                problems.append(str(error).removeprefix(f"{case.name}: "))
                continue
            reading = reading.together(read_file(decoded(data), name.removeprefix(folder)))
    return reading


def _moments(case: CaseFile, problems: list[str]) -> tuple[Reading, ...]:
    """moments/0/..., moments/1/...: texts of each moment."""
    numbers: Sequence[str] = sorted({part for name in case.names if name.startswith(MOMENTS) and (part := name.split("/")[1]).isdigit()
                                     and len(part) < 6}, key=int)
    return tuple(_with_left_out(_texts(case, f"{MOMENTS}{number}/", problems), case.manifest, int(number)) for number in numbers)


def _with_left_out(reading: Reading, manifest: Mapping[str, Any], number: int) -> Reading:
    """What did not come from an archive or a folder into the case, as the archive's own reading says it."""
    said = manifest.get("moments")
    one = said[number] if isinstance(said, list) and number < len(said) else None
    if not isinstance(one, dict) or not isinstance(left := one.get("left_out"), list):
        return reading
    return replace(reading, unread=(*reading.unread, *(Unread(str(one.get("of", ""))[:80], 0, "", str(why)[:200]) for why in left[:200])))
