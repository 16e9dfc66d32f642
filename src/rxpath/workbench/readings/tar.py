"""Files of a tar archive, one after the other, from a stream that may be hostile.

Nothing is ever unpacked to a disk: a name is only looked at.  Every length is bounded before it is read, which tarfile does not do for the
headers of long names and of pax."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 512
HEADER_MOST = 1 << 20               # bytes of a long name or of a pax header
REGULAR = (b"0", b"\0", b"7")
SKIPPED = {b"1": "hard links", b"2": "symbolic links", b"3": "devices", b"4": "devices", b"6": "pipes", b"S": "sparse files"}


class Damaged(ValueError):
    """The archive ends early, or is none from here on."""


@dataclass
class Member:
    """A regular file.  data() may be called once, before the next member is asked for."""

    name: str
    size: int
    stream: BinaryIO
    left: int

    def data(self) -> bytes:
        """All of it; who asks has looked at the size."""
        read = _exactly(self.stream, self.left)
        self.left = 0
        return read


def _exactly(stream: BinaryIO, size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(min(size, 1 << 16))
        if not part:
            raise Damaged("it ends in the middle of a file")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _pass_over(stream: BinaryIO, size: int) -> None:
    while size:
        part = stream.read(min(size, 1 << 16))
        if not part:
            raise Damaged("it ends in the middle of a file")
        size -= len(part)


def _number(field: bytes) -> int:
    """Octal, or GNU's binary numbers."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    text = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]*", text):
        raise Damaged("a header is not one of tar")
    return int(text or b"0", 8)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


def _pax(data: bytes) -> dict[str, str]:
    """Records "LENGTH KEY=VALUE\\n"."""
    found = {}
    while match := re.match(rb"(\d{1,7}) ([^=\n]{1,200})=", data):
        length = int(match[1])
        if not match.end() < length <= len(data):
            break
        found[match[2].decode("utf-8", "replace")] = data[match.end():length - 1].decode("utf-8", "replace")
        data = data[length:]
    return found


def looks_like(head: bytes) -> bool:
    """Whether a stream that begins so is a tar archive: its first header's checksum is right."""
    return len(head) >= BLOCK and head[:BLOCK].strip(b"\0") != b"" and _checksum_is_right(head[:BLOCK])


def _checksum_is_right(header: bytes) -> bool:
    try:
        return _number(header[148:156]) == sum(header[:148]) + 8 * 32 + sum(header[156:])
    except Damaged:
        return False


def members(stream: BinaryIO, skipped: dict[str, int]) -> Iterator[Member]:
    """Regular files in their order; the others are counted in skipped by kind.  Damaged: what came before it has been given."""
    name, size_said = "", None
    while True:
        header = stream.read(BLOCK)
        while header and len(header) < BLOCK and (more := stream.read(BLOCK - len(header))):
            header += more
        if len(header) < BLOCK:
            if header:
                raise Damaged("it ends in the middle of a header")
            return
        if not header.strip(b"\0"):
            return
        if not _checksum_is_right(header):
            raise Damaged("a header is not one of tar")
        size, kind = _number(header[124:136]), header[156:157]
        padding = -size % BLOCK
        if kind in (b"L", b"K", b"x", b"g"):
            if size > HEADER_MOST:
                raise Damaged("a header is longer than 1 MiB")
            data = _exactly(stream, size)
            _pass_over(stream, padding)
            if kind == b"L":
                name = _text(data)
            elif kind == b"x":
                said = _pax(data)
                name = said.get("path", name)
                size_said = int(said["size"]) if re.fullmatch(r"\d{1,15}", said.get("size", "")) else size_said
            continue
        prefix = _text(header[345:500]) if header[257:262] == b"ustar" else ""
        full = name or (f"{prefix}/{_text(header[:100])}" if prefix else _text(header[:100]))
        if size_said is not None:
            size, padding = size_said, -size_said % BLOCK
        name, size_said = "", None
        if kind in REGULAR:
            member = Member(full, size, stream, size)
            yield member
            _pass_over(stream, member.left + padding)
        else:
            if kind in SKIPPED:
                skipped[SKIPPED[kind]] = skipped.get(SKIPPED[kind], 0) + 1
            _pass_over(stream, 0 if kind in (b"1", b"2", b"3", b"4", b"5", b"6") else size + padding)
