"""From a path to a Reading: a text, a directory, an archive of sos, supportconfig or anybody (tar, with gz, xz or bz2 around it), standard
input.

What comes may be hostile: nothing is written, links are not followed, names lead nowhere, and every size has a limit.  Of the archives of
sos and supportconfig only the files that somebody here reads are opened; of the others it is said how many there were."""
from __future__ import annotations

import bz2
import io
import lzma
import os
import re
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, Protocol

from rxpath.cable.case_file import is_case
from rxpath.workbench.words.mistakes import BadInput

from . import tar
from .case import open_recorded
from .lines import decoded
from .records import Reading, Unread
from .sniff import context_of, read_file

FILE_MOST = 16 << 20                # bytes of one text
TEXT_MOST = 64 << 20                # of all texts that are read
STREAM_MOST = 512 << 20             # of what an archive unpacks to
FILES_MOST = 20_000                 # entries of an archive or a directory
DEPTH_MOST = 12                     # folders inside folders
OF_SUPPORTCONFIG = re.compile(r"(?:^|/)(?:network(?:-[\w.-]+)?|env|proc|hardware|basic-environment)\.txt$")
OF_SOS = re.compile(r"(?:^|/)(?:sosreport-[^/]*/|sos_commands/)")
IS_SUPPORTCONFIG = re.compile(r"(?:^|/)(?:scc|nts)_[^/]*/|(?:^|/)basic-environment\.txt$")
PRINTED = bytes([*range(7, 14), 27, *range(32, 256)])              # what a text has, colours and UTF-8 included
PACKED = {b"\x28\xb5\x2f\xfd": "zstd -d", b"PK\x03\x04": "unzip", b"7z\xbc\xaf": "7z x", b"-----BEGIN PGP MESSAGE": "gpg -d",
          b"\x85": "gpg -d", b"\x8c\x0d": "gpg -d", b"\x8c\x04": "gpg -d", b"\x8d": "gpg -d"}


class Unpacker(Protocol):
    """What lzma, bz2 and our gzip have in common."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Gzip:
    """zlib in the words of lzma and bz2."""

    def __init__(self) -> None:
        self.inner = zlib.decompressobj(wbits=31)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self.inner.decompress(self.inner.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self.inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self.inner.eof

    @property
    def unused_data(self) -> bytes:
        return self.inner.unused_data


class _Unpacked(io.RawIOBase):
    """A stream that unpacks another, up to STREAM_MOST bytes.  A bomb ends in BadInput, after as much memory as a piece takes.  make: a new
    unpacker, as several packed streams may stand one after the other."""

    def __init__(self, name: str, packed: BinaryIO, make: Callable[[], Unpacker]) -> None:
        self.name, self.packed, self.make, self.total = name, packed, make, 0
        self.unpacker = make()
        self.ahead = b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: object) -> int:
        view = memoryview(into).cast("B")                        # type: ignore[arg-type]
        got = b""
        try:
            while not got:
                if self.unpacker.eof:
                    self.ahead = (self.unpacker.unused_data or self.packed.read(1 << 16)).lstrip(b"\0")
                    if not self.ahead:
                        break
                    self.unpacker = self.make()
                data, self.ahead = self.ahead, b""
                if not data and self.unpacker.needs_input:
                    data = self.packed.read(1 << 16)
                got = self.unpacker.decompress(data, len(view))
                if not data and not got and self.unpacker.needs_input:
                    raise EOFError("it ends early")
        except (lzma.LZMAError, zlib.error, OSError, EOFError) as error:
            raise tar.Damaged(f"it cannot be unpacked from here on ({error})") from None
        view[:len(got)] = got
        self.total += len(got)
        if self.total > STREAM_MOST:
            raise BadInput(f"{self.name} unpacks to more than {STREAM_MOST >> 20} MiB: not read; name the files in it that matter")
        return len(got)


def _unpacker(head: bytes) -> Callable[[], Unpacker] | None:
    """Who makes the unpacker of a stream that begins so."""
    if head.startswith(b"\x1f\x8b"):
        return _Gzip
    if head.startswith(b"\xfd7zXZ\0"):
        return lambda: lzma.LZMADecompressor(memlimit=256 << 20)
    return bz2.BZ2Decompressor if head.startswith(b"BZh") else None


class _Reader:
    """Texts one after the other become one Reading.  keep: takes their names and bytes instead."""

    def __init__(self, name: str, keep: Callable[[str, bytes], None] | None = None) -> None:
        self.name, self.keep = name, keep
        self.reading = Reading(name=name)
        self.bytes = 0
        self.others = 0                                     # files that nobody here reads
        self.families: set[str] = set()

    def say(self, why: str, name: str | None = None) -> None:
        self.reading = self.reading.together(Reading(unread=(Unread(name or self.name, 0, "", why),)))

    def text(self, data: bytes, name: str) -> None:
        """A file's bytes.  Binary ones are said."""
        head = data[:4096]
        if len(head.translate(None, PRINTED)) > len(head) // 20 and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
            self.say("not a text", name)
            return
        if self.keep is not None:
            self.keep(name, data)
        else:
            self.reading = self.reading.together(read_file(decoded(data), name))

    def wanted(self, name: str) -> bool:
        """Whether a file of an archive or a directory is opened."""
        if context_of(name).format is not None or OF_SUPPORTCONFIG.search(name):
            return True
        if OF_SOS.search(name) or "supportconfig" in self.families:
            self.others += 1
            return False
        return True

    def take(self, name: str, size: int, data: Callable[[], bytes]) -> None:
        """One file of several."""
        if IS_SUPPORTCONFIG.search(name):
            self.families.add("supportconfig")
        if not self.wanted(name):
            return
        if size > FILE_MOST:
            self.say(f"longer than {FILE_MOST >> 20} MiB: not read", name)
        elif self.bytes + size > TEXT_MOST:
            self.say(f"not read: {TEXT_MOST >> 20} MiB of texts were read before it", name)
        else:
            self.bytes += size
            self.text(data(), name)

    def done(self) -> Reading:
        if self.others:
            self.say(f"{self.others} more files are of other matters")
        return self.reading


def _from_tar(stream: BinaryIO, reader: _Reader) -> None:
    skipped: dict[str, int] = {}
    count = outside = nested = 0
    try:
        for member in tar.members(stream, skipped):
            count += 1
            if count > FILES_MOST:
                raise BadInput(f"{reader.name} has more than {FILES_MOST:,} files: not read; name the files in it that matter")
            name = member.name
            if name.startswith("/") or ".." in name.split("/"):
                outside += 1
            elif re.search(r"\.(?:tar|tgz|txz|tbz)(?:\.(?:gz|xz|bz2|gpg))?$", name):
                nested += 1
            else:
                reader.take(name.removeprefix("./"), member.size, member.data)
    except tar.Damaged as error:
        reader.say(f"the archive is damaged: {error}; what came before is read")
    for kind, n in skipped.items():
        reader.say(f"{n} {kind} in it: not followed")
    if outside:
        reader.say(f"{outside} files with a name that leads outside (/ or ..): not read")
    if nested:
        reader.say(f"{nested} archives inside: of other hosts perhaps; unpack them and read each by itself")


def _from_stream(stream: BinaryIO, name: str, reader: _Reader, packed: int = 0) -> None:
    """A text, or an archive; what is packed twice is enough."""
    buffered = io.BufferedReader(stream, 1 << 16) if isinstance(stream, io.RawIOBase) else stream
    try:
        head = buffered.peek(1024)[:1024] if isinstance(buffered, io.BufferedReader) else b""
    except tar.Damaged as error:
        raise BadInput(f"{reader.name} is damaged: {error}") from None
    unpacker = _unpacker(head)
    if unpacker is not None and packed < 2:
        plain = re.sub(r"\.(?:gz|xz|bz2)$", "", name)
        _from_stream(_Unpacked(reader.name, buffered, unpacker), plain, reader, packed + 1)          # type: ignore[arg-type]
        return
    for magic, tool in PACKED.items():
        if head.startswith(magic):
            raise BadInput(f"{reader.name}: first {tool} it; tar archives and texts are read, also with gz, xz or bz2")
    if tar.looks_like(head):
        _from_tar(buffered, reader)
        return
    data = b""
    try:
        while len(data) <= FILE_MOST and (part := buffered.read(min(1 << 16, FILE_MOST + 1 - len(data)))):
            data += part
    except tar.Damaged as error:
        reader.say(f"{error}; what came before is read")
    if len(data) > FILE_MOST:
        raise BadInput(f"{reader.name} is a text of more than {FILE_MOST >> 20} MiB: cut out the part that matters")
    if not data:
        reader.say("nothing in it")
    reader.text(data, name)


def _files(folder: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """(path, kind) of all files below a folder in the order of their names; kind "" for a regular one."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.is_symlink():
                yield entry.path, "symbolic links"
            elif entry.is_dir(follow_symlinks=False):
                if depth < DEPTH_MOST:
                    yield from _files(entry.path, depth + 1)
                else:
                    yield entry.path, "folders too deep"
            elif entry.is_file(follow_symlinks=False):
                yield entry.path, ""
            else:
                yield entry.path, "devices or pipes"


def _from_folder(folder: str, reader: _Reader) -> None:
    skipped: dict[str, int] = {}
    for count, (path, kind) in enumerate(_files(folder), 1):
        if count > FILES_MOST:
            raise BadInput(f"{folder} has more than {FILES_MOST:,} files: name the files in it that matter")
        if kind:
            skipped[kind] = skipped.get(kind, 0) + 1
            continue
        try:
            reader.take(path, os.stat(path, follow_symlinks=False).st_size, partial(_whole, path))
        except OSError as error:
            reader.say(error.strerror or str(error), path)
    for kind, n in skipped.items():
        reader.say(f"{n} {kind} in it: not followed")


def _whole(path: str) -> bytes:
    """A file's bytes.  Never waits for a pipe, never follows a link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return file.read(FILE_MOST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""


def read_path(path: str | os.PathLike[str]) -> Reading:
    """What a file, a directory or an archive says; "-": standard input.  BadInput: it is not there, or cannot be read."""
    name = os.fspath(path)
    if name == "-":
        return read_stdin()
    if is_case(name):
        try:
            case = open_recorded(name)
        except BadInput as error:                                # any other zip looks like one
            raise BadInput(f"{error}; if it is another archive, unzip it first") from None
        return case.settings if case.settings.records or not case.moments else case.moments[0]
    reader = _Reader(name)
    _from_path(name, reader)
    return reader.done()


def texts_of(path: str, keep: Callable[[str, bytes], None]) -> Reading:
    """keep(name, bytes) for each text that read_path() would read.  A Reading without records: what was left out, and why."""
    reader = _Reader(path, keep)
    _from_path(path, reader)
    return reader.done()


def _from_path(name: str, reader: _Reader) -> None:
    try:
        if os.path.isdir(name):
            _from_folder(name, reader)
        else:
            if not stat.S_ISREG(os.stat(name).st_mode):
                raise BadInput(f"{name} is neither a file nor a directory; what a pipe brings is read as -, from standard input")
            with open(name, "rb") as file:
                _from_stream(file, name, reader)
    except OSError as error:
        raise BadInput(f"{name}: {error.strerror or error}") from None


def read_stdin() -> Reading:
    """Standard input: a paste, or an archive."""
    reader = _Reader("standard input")
    _from_stream(sys.stdin.buffer, "", reader)
    return reader.done()
