"""The worst seconds of a twin as a case: the frames of that time, counters of the kernel before, meanwhile and after, and the host's
settings, in the format of `rxpath record` (readings/live/recorder.py)."""
from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rxpath.cable.case_file import FORMAT, MANIFEST
from rxpath.workbench.case.classes import BY_KEY
from rxpath.workbench.readings.live import recorder
from rxpath.workbench.twin.lots import Lot, Lots
from rxpath.workbench.twin.mirror import CardMirror
from rxpath.workbench.twin.windows import Window
from rxpath.workbench.words.mistakes import BadInput, writing

BEFORE_NS = 3_000_000_000                                   # of virtual time, before the worst window's end
RECORDS = 1_000_000
SAMPLES = 8                                                 # windows whose counters are kept
CAPTURE, COUNTERS = "capture.pcapng", "counters"


@dataclass(frozen=True)
class _Worst:
    score: tuple[int, float]
    window: Window
    lot: Lot
    samples: tuple[bytes, ...]


class Keeper:
    """look() after each window.  The worst is the one in which most was lost, by the kernel's counters and in the twin; where nothing was,
    the one that came nearest to a limit.  It is cut out one window later, so that what followed is in it."""

    def __init__(self, out: str, lots: Lots, mirror: CardMirror, host_text: Callable[[], str]) -> None:
        if os.path.exists(out):
            raise BadInput(f"{out} already exists: use another name, or remove it")
        self.out, self.lots, self.mirror = out, lots, mirror
        self.texts = {f"settings/{name}": data for name, data in recorder.settings([mirror.name]).items()}
        self.texts["host.toml"] = host_text().encode()
        held, self.hidden = recorder.programs()
        self.texts["programs.json"] = json.dumps(held).encode()
        self.counters = recorder.Counters(io.BytesIO(), [mirror.name], [(p["pid"], t["id"]) for p in held for t in p["threads"]]
                                          [:recorder.THREADS_MOST])
        self.samples: deque[bytes] = deque(maxlen=SAMPLES)
        self.waiting: tuple[tuple[int, float], Window] | None = None
        self.worst: _Worst | None = None
        self._sample()

    def _sample(self) -> None:
        """One that stands for itself: no file of it is `as before`."""
        into = io.BytesIO()
        self.counters.spool, self.counters.bytes = into, 0
        self.counters.last.clear()
        self.counters.sample(whole=True)
        self.samples.append(into.getvalue())

    def look(self, w: Window, t: int) -> None:
        """t: virtual time of its end."""
        self._sample()
        if self.waiting is not None:
            self._cut(t)
        really = sum(n for key, n in (w.real or {}).items() if BY_KEY[key].loss)
        score = max(really, sum(w.lost.values())), w.depths[0].share if w.depths else 0.0
        if w.frames and (self.worst is None or score > self.worst.score):
            self.waiting = score, w

    def _cut(self, t: int) -> None:
        assert self.waiting is not None
        (score, w), self.waiting = self.waiting, None
        lot = self.lots.cut(t - w.took_ns - BEFORE_NS, RECORDS)
        if lot is not None and (self.worst is None or score > self.worst.score):
            self.worst = _Worst(score, w, lot, tuple(self.samples))

    def finish(self, t: int) -> str:
        """Writes the case; a line that says what it is."""
        if self.waiting is not None:
            self._sample()
            self._cut(t)
        if self.worst is None:
            return f"{self.out} was not written: no frames came"
        worst = self.worst
        clocks = [_clock(sample) for sample in (worst.samples[0], worst.samples[-1])]
        manifest = {
            "format": FORMAT, "tool": "rxpath twin", "made": "recorded", "kernel": os.uname().release, "machine": os.uname().machine,
            "hz": round(1 / time.clock_getres(6)), "clocks": clocks,
            "seconds": round((clocks[1]["monotonic_ns"] - clocks[0]["monotonic_ns"]) / 1e9, 3), "network_namespace": recorder.namespace(),
            "counters": {"file": COUNTERS, "samples": len(worst.samples)}, "hidden_processes": self.hidden,
            "capture": {"file": CAPTURE, "devices": [{"name": self.mirror.name, "mac": self.mirror.mac, "lost": worst.window.missed}]}}
        with writing(self.out):
            part = self.out + ".part"
            try:
                with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as made:
                    made.writestr(MANIFEST, json.dumps(manifest, indent=1))
                    for name, data in (*sorted(self.texts.items()), (COUNTERS, b"".join(worst.samples)), (CAPTURE, worst.lot.data)):
                        made.writestr(name, data)
                os.rename(part, self.out)
            except BaseException:
                if os.path.exists(part):
                    os.unlink(part)
                raise
        lost, share = worst.score
        why = f"around the window that lost most ({lost:,})" if lost else f"around {worst.window.depths[0].name} at {share:.1%}" \
            if worst.window.depths else "no queue held anything"
        return f"wrote {self.out}: {worst.lot.records:,} records in {worst.lot.seconds:.1f} s, {why}"

    def close(self) -> None:
        self.counters.close()


def _clock(sample: bytes) -> dict[str, int]:
    """Both clocks of a sample, by its first line."""
    _, monotonic, real, _ = sample[:100].split(b"\n")[0].split()
    return {"monotonic_ns": int(monotonic), "realtime_ns": int(real)}
