"""Lines as people paste them: cleaned of what terminals, mails and editors added, then handed to the readers in blocks.  What a
reader could not use stays in the block and is said."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .records import Source

LINE_MOST = 200_000                 # characters of one line; /proc/interrupts of 1,152 CPUs has 13,000
COLOUR = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
QUOTED = re.compile(r"(?:> ?)+")                                # a mail's answer
ODD_BLANKS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2007": " ", "\u200b": "", "\ufeff": "", "\x00": "", "\x0b": " ", "\x0c": " "})


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end; number from 1."""

    number: int
    text: str


def decoded(data: bytes) -> str:
    """Text of a file's bytes; what is no UTF-8 becomes a replacement character."""
    for mark, name in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(name, "replace")
    return data.decode("utf-8", "replace")


def lines_of(text: str) -> list[Line]:
    """Every line, cleaned: colours, carriage returns, other blanks, the > of an answered mail.  Ends of lines are \\n, \\r\\n or \\r alone;
    a progress line that was overwritten by \\r is two lines."""
    if "\x1b" in text:
        text = COLOUR.sub("", text)
    text = text.translate(ODD_BLANKS).replace("\r\n", "\n").replace("\r", "\n")
    result = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(">"):
            line = QUOTED.sub("", line, count=1)
        result.append(Line(number, line[:LINE_MOST].rstrip()))
    return result


@dataclass(slots=True)
class Block:
    """Lines that one reader gets.  device and netns: what a command or a file's name said; command: itself, "" if unknown."""

    lines: list[Line]
    file: str = ""
    device: str = ""
    netns: str = ""
    command: str = ""
    said: dict[int, tuple[Line, str]] = field(default_factory=dict)
    passed: dict[str, list[Line]] = field(default_factory=dict)

    def odd(self, line: Line, why: str = "not recognised") -> None:
        """This line was not used."""
        self.said.setdefault(line.number, (line, why))

    def pass_over(self, line: Line, why: str) -> None:
        """One of many lines that are known and not used: the first is said, the others are counted."""
        self.passed.setdefault(why, []).append(line)

    def __iter__(self) -> Iterator[Line]:
        """Lines that are not empty."""
        return (line for line in self.lines if line.text and not line.text.isspace())

    def parts(self, again: Callable[[Line], str | None]) -> Iterator[list[Line]]:
        """The lines of one moment after the other: what was shown before (again names it; None: nothing to compare) begins a new one."""
        part: list[Line] = []
        seen: set[str] = set()
        for line in self:
            name = again(line)
            if name is not None and name in seen:
                yield part
                part, seen = [], set()
            if name is not None:
                seen.add(name)
            part.append(line)
        if part:
            yield part

    @property
    def source(self) -> Source:
        full = [line.number for line in self]
        return Source(self.file, full[0], full[-1]) if full else Source(self.file)

    def source_of(self, lines: list[Line]) -> Source:
        return Source(self.file, lines[0].number, lines[-1].number)

    def rows(self, starts: re.Pattern[str], goes_on: re.Pattern[str]) -> list[Line]:
        """Rows that a mail may have wrapped: a line that begins none, and looks like the rest of one, goes on with the one before it."""
        parts: list[list[Line]] = []
        for line in self:
            if parts and not starts.match(line.text) and goes_on.match(line.text):
                parts[-1].append(line)
            else:
                parts.append([line])
        return [p[0] if len(p) == 1 else Line(p[0].number, " ".join(line.text.strip() for line in p)) for p in parts]


def number(text: str) -> int | None:
    """A whole number in decimal; None: something else (n/a, a word, a fraction).  At most 20 digits: what 64 bits can hold."""
    text = text.strip()
    digits = text[1:] if text[:1] == "-" else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None


def fraction(text: str) -> float | None:
    """A number as a locale prints it: 12.5 or 12,5."""
    if re.fullmatch(r"-?\d{1,18}(?:[.,]\d{1,18})?", text):
        return float(text.replace(",", "."))
    return None


def on_off(text: str) -> bool | None:
    return {"on": True, "off": False, "yes": True, "no": False}.get(text.strip().lower())


def cpu_list(text: str) -> tuple[int, ...]:
    """0-3,8: as the kernel writes a list of CPUs; empty if it is none or names CPUs beyond 65535."""
    found: list[int] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        if match is None or int(match[2] or match[1]) > 65535:
            return ()
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(found)
