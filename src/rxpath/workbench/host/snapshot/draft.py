"""A host file while it is written: tables of settings, each with what is to be said about it, and text that TOML reads back as data().

What the checks of a host file refuse becomes a comment that says why: settle() ends with a file that is taken."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rxpath.workbench.host.file import HostError, build
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.text import escaped, toml

_WIDTH = 120
_KEPT = "\n\t"                                              # as they are within three quotes
_ROUNDS = 100                                               # of mending one refusal each; then whole tables go
_NAMED_ALONE = "sysctl"                                     # its keys are blamed without its name
NEEDED = ("name", "bind", "dst", "ip", "mac", "driver")     # without it the entry of a list means nothing


def said(text: str) -> str:
    """One line that cannot be anything but a comment: what was read may hold any character."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@dataclass
class Entry:
    """A setting, or with key "" a comment alone.  off: why it is no setting but a comment."""

    key: str
    value: Any = None
    note: str = ""
    off: str = ""


@dataclass
class Table:
    """name as TOML has it, "" for the top; listed: one of several ([[socket]]); tables below it stand in `inner`; missing: what is not
    known."""

    name: str
    listed: bool = False
    heading: str = ""
    entries: list[Entry] = field(default_factory=list)
    inner: dict[str, Table] = field(default_factory=dict)
    off: str = ""
    missing: list[str] = field(default_factory=list)

    def set(self, key: str, value: Any, note: str = "") -> None:
        self.entries.append(Entry(key, value, said(note)))

    def note(self, text: str) -> None:
        self.entries.append(Entry("", note=said(text)))

    def unknown(self, what: str, how: str) -> None:
        """What is not known, with what is assumed instead if that is not evident, and how to find it out."""
        self.missing.append(said(f"{what} ({how})"))

    def not_here(self, key: str, value: Any, why: str) -> None:
        """A setting of the host that a host file does not take: a comment with its value."""
        self.entries.append(Entry(key, value, off=said(why)))

    def below(self, name: str) -> Table:
        return self.inner.setdefault(name, Table(f"{self.name}.{name}"))

    @property
    def settings(self) -> dict[str, Any]:
        found = {e.key: e.value for e in self.entries if e.key and not e.off}
        return found | {name: inner for name, table in self.inner.items() if (inner := table.settings)}

    @property
    def empty(self) -> bool:
        return not self.entries and not self.heading and not self.missing and all(table.empty for table in self.inner.values())

    def find(self, key: str) -> Entry | None:
        """The setting that a dotted key names, itself or what it lies in."""
        live = [e for e in self.entries if e.key and not e.off]
        for entry in live:
            if key == entry.key or key.startswith(entry.key + "."):
                return entry
        tail = key.rpartition(".")[2]                       # irq.affinity.0 is written irq.0
        return next((e for e in live if e.key == tail), None)

    def lines(self) -> Iterator[str]:
        if self.empty:
            return
        if self.heading:
            yield from comment(self.heading)
        if self.off:
            yield from comment(f"Not taken here: {self.off}.")
        if self.name:
            off = self.off or (self.listed and not self.settings)
            yield f"{'#' if off else ''}{'[[' if self.listed else '['}{self.name}{']]' if self.listed else ']'}"
        for entry in self.entries:
            yield from _entry_lines(entry, bool(self.off))
        if self.missing:
            yield from comment(f"Not known, the defaults here are assumed: {'; '.join(self.missing)}.")
        for table in self.inner.values():
            if not table.empty:
                if self.off:
                    table.off = table.off or self.off
                yield ""
                yield from table.lines()


def comment(text: str) -> list[str]:
    """A comment of as many lines as it takes."""
    lines = ["#"]
    for word in said(text).split(" "):
        if len(lines[-1]) + len(word) + 1 > _WIDTH and lines[-1] != "#":
            lines.append("#")
        lines[-1] += " " + word
    return lines


def _key(name: str) -> str:
    """Dotted names stay dotted; a part that is no bare word is quoted."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part, re.ASCII) else toml(part) for part in name.split("."))


def _value(value: Any) -> str:
    if isinstance(value, str) and "\n" in value:
        return f'"""\n{escaped(value, _KEPT)}"""'
    return toml(value)


def _entry_lines(entry: Entry, off: bool) -> Iterator[str]:
    if not entry.key:
        yield from comment(entry.note)
        return
    setting = f"{_key(entry.key)} = {_value(entry.value)}"
    if entry.off or off:
        setting = "\n".join("#" + line for line in setting.split("\n"))
    note = f"{entry.note}; {entry.off}" if entry.note and entry.off else entry.note or entry.off
    if (note and len(setting) + len(note) + 4 > _WIDTH) or "\n" in setting:
        yield from comment(note) if note else ()
        yield setting
    else:
        yield f"{setting}  # {note}" if note else setting


class Draft:
    """The whole file: `top`, then tables in the order in which they were made.  remarks: what the host has and the file has not."""

    def __init__(self) -> None:
        self.top = Table("")
        self.tables: list[Table] = []
        self.remarks: list[str] = []

    def table(self, name: str, heading: str = "") -> Table:
        """The one table of that name."""
        for table in self.tables:
            if table.name == name and not table.listed:
                return table
        self.tables.append(Table(name, heading=said(heading)))
        return self.tables[-1]

    def add(self, name: str, heading: str = "") -> Table:
        """A further entry of a list."""
        self.tables.append(Table(name, True, said(heading)))
        return self.tables[-1]

    def listed(self, name: str) -> list[Table]:
        """Entries of a list that say something."""
        return [t for t in self.tables if t.listed and t.name == name and not t.off and t.settings]

    def data(self) -> dict[str, Any]:
        """What tomllib makes of text(), but that dotted keys are not yet nested."""
        result: dict[str, Any] = dict(self.top.settings)
        for table in self.tables:
            if table.off or not table.settings:
                continue
            if table.listed:
                result.setdefault(table.name, []).append(table.settings)
            else:
                result[table.name] = table.settings
        return result

    def text(self) -> str:
        blocks = ["\n".join(self.top.lines())]
        for table in self.tables:
            if not table.empty:
                blocks.append("\n".join(table.lines()))
        if self.remarks:
            blocks.append("\n".join(line for text in ("Not in this file:", *self.remarks) for line in comment(text)))
        return "\n\n".join(block for block in blocks if block) + "\n"

    def settle(self, place: str) -> Host:
        """Until the checks of a host file take it, what they blame becomes a comment; returns the host that it is."""
        for round_ in range(_ROUNDS + len(self.tables) + 1):
            try:
                return build(self.data(), place)
            except HostError as error:
                self._refuse(error.key, error.text, whole=round_ >= _ROUNDS)
        raise AssertionError("a host file without tables is taken")

    def _refuse(self, key: str, text: str, whole: bool) -> None:
        """Switch off the setting that is blamed, else its table, else the last table."""
        table, rest = self._at(key)
        if table is None:
            table = next(t for t in reversed([self.top, *self.tables]) if not t.off and t.settings)
            entry = table.find(key)
        else:
            entry = table.find(rest)
        if entry is not None and not whole and not (table.listed and entry.key in NEEDED):
            entry.off = said(text)
            return
        top = next((t for t in self.tables if table in t.inner.values()), table)
        if top is self.top:
            for item in top.entries:
                item.off = item.off or said(text)
        top.off = said(text) or "refused"

    def _at(self, key: str) -> tuple[Table | None, str]:
        """The table that a dotted key leads to, and what is left of the key."""
        first, _, rest = key.partition(".")
        number, _, after = rest.partition(".")
        if number.isdigit() and (many := self.listed(first)):
            if int(number) >= len(many):
                return None, key
            table, rest = many[int(number)], after
            inner, _, after = rest.partition(".")
            return (table.inner[inner], after) if inner in table.inner else (table, rest)
        for table in self.tables:
            if not table.listed and not table.off and table.settings and table.name == first:
                return table, rest
        if self.top.find(key) is not None:
            return self.top, key
        bare = next((t for t in self.tables if t.name == _NAMED_ALONE and not t.off and t.find(key) is not None), None)
        return bare, key
