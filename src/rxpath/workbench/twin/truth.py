"""What the kernel's own counters lost while a twin runs: the classes of case/classes.py, read once a window."""
from __future__ import annotations

import os
import time
from collections.abc import Mapping

from rxpath.workbench.case.classes import CLASSES, NETSTAT, SNMP, SOFTNET
from rxpath.workbench.readings.case import Sample
from rxpath.workbench.readings.counters import moved
from rxpath.workbench.readings.live.ethtool import Cards
from rxpath.workbench.readings.live.recorder import STATISTICS
from rxpath.workbench.readings.records import Record, Unread
from rxpath.workbench.readings.sniff import read_text


class Counters:
    """moved(): by how much each class has moved since the last call.  Classes that this host does not count are left out."""

    def __init__(self, device: str) -> None:
        self.device, self.driver = device, _driver(device)
        paths = [SNMP, SOFTNET, NETSTAT, *(f"/sys/class/net/{device}/statistics/{name}" for name in STATISTICS)]
        self.files = []
        for path in paths:
            try:
                self.files.append((path, os.open(path, os.O_RDONLY | os.O_CLOEXEC)))
            except OSError:
                pass
        self.last = self._read()

    def _read(self) -> dict[str, int]:
        files: dict[str, bytes] = {}
        for path, handle in self.files:
            try:
                os.lseek(handle, 0, os.SEEK_SET)
                files[path] = os.read(handle, 1 << 20)
            except OSError:                                 # a device that is gone
                continue
        sample = Sample(time.monotonic(), time.time(), 0.0, files, _parsed)
        return {each.key: n for each in CLASSES if (n := each.at(sample, self.device, self.driver)) is not None}

    def moved(self) -> dict[str, int]:
        before, self.last = self.last, self._read()
        found: Mapping[str, int | None] = {key: moved(before[key], n, 32)[0] for key, n in self.last.items() if key in before}
        return {key: n for key, n in found.items() if n is not None}

    def close(self) -> None:
        for _, handle in self.files:
            os.close(handle)


def _parsed(path: str, data: bytes) -> tuple[tuple[Record, ...], tuple[Unread, ...]]:
    reading = read_text(data.decode(errors="replace"), path)
    return reading.records, reading.unread


def _driver(device: str) -> str:
    """"": it does not say."""
    cards = Cards(None)
    try:
        return cards.driver(device).driver
    except OSError:
        return ""
    finally:
        cards.close()
