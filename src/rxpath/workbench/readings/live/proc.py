"""Counters of /proc, read again and again at little cost: the files stay open, and nothing is parsed until somebody asks.

    with Proc() as proc:
        before = proc.sample(); ...; after = proc.sample()
        difference(before.reading(), after.reading())

softnet_stat, interrupts, softirqs and stat are of the whole machine, the others of the network namespace in which Proc was made."""
from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rxpath.workbench.readings.records import Reading, Unread
from rxpath.workbench.readings.sniff import read_text

QUEUES = ("/proc/net/softnet_stat", "/proc/net/udp", "/proc/net/udp6")                     # what Linux shows of queues, for many samples
COUNTERS = (*QUEUES, "/proc/net/snmp", "/proc/net/netstat", "/proc/net/snmp6", "/proc/net/dev", "/proc/net/sockstat", "/proc/interrupts",
            "/proc/softirqs", "/proc/stat", "/proc/schedstat")


@dataclass(frozen=True, slots=True)
class Sample:
    """What the files said.  time: CLOCK_MONOTONIC in seconds, in the middle of the reading; took: how long that was, in seconds."""

    time: float
    took: float
    contents: tuple[tuple[str, bytes], ...]
    missing: tuple[Unread, ...] = ()

    def reading(self) -> Reading:
        """Parsed."""
        whole = Reading(unread=self.missing, time=self.time, name="this host")
        for path, data in self.contents:
            whole = whole.together(read_text(data.decode(errors="replace"), path))
        return whole


class Proc:
    """Open files of /proc.  What is missing (no IPv6, no CONFIG_SCHEDSTATS) is said in each sample and costs nothing."""

    def __init__(self, paths: Sequence[str] = COUNTERS):
        self._files: list[tuple[str, io.FileIO]] = []
        missing = []
        for path in paths:
            try:
                self._files.append((path, io.FileIO(path)))
            except OSError as error:
                missing.append(Unread(path, 0, "", error.strerror or "cannot be read"))
        self._missing = tuple(missing)

    def __enter__(self) -> Proc:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for _, file in self._files:
            file.close()

    def sample(self) -> Sample:
        """All of the files once, from their beginning."""
        begun = time.monotonic()
        contents, missing = [], list(self._missing)
        for path, file in self._files:
            try:
                file.seek(0)
                contents.append((path, file.readall() or b""))
            except OSError as error:
                missing.append(Unread(path, 0, "", error.strerror or "cannot be read"))
        ended = time.monotonic()
        return Sample((begun + ended) / 2, ended - begun, tuple(contents), tuple(missing))
