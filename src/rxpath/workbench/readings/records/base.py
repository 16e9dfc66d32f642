"""Where a record was read, and what every record has."""
from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record was read: file ("" where it was pasted, a path, or a command for a live one) and lines, counted from 1."""

    file: str = ""
    first: int = 0
    last: int = 0

    def __str__(self) -> str:
        if not self.first:
            return self.file
        lines = f"line {self.first}" if self.first == self.last else f"lines {self.first}-{self.last}"
        return f"{self.file}, {lines}" if self.file else lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """netns: name of the network namespace, "" for the one that was asked."""

    source: Source = field(default=Source(), compare=False)
    netns: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord(Record):
    """What is of one device; "" where the text does not name it."""

    device: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that was not read, and why."""

    source: str
    line: int
    text: str
    why: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.source and self.line else self.source or f"line {self.line}"
        return f"{where}: {self.why}" + (f": {self.text.strip()[:120]}" if self.line else "")
