"""Bytes of a capture: a file, a gzip file or a case (by their magic bytes, whatever their names), or standard input
("-").  Reads into memory that the caller owns; never more than it asks for.  Bad input is a CaptureError with one clear line."""
import os
import sys
import zlib
from typing import Any, BinaryIO

from ..files import open_file
from .case_file import ZIP_MAGIC, CaseFile
from .errors import CaptureError as CaptureError
from .ring_source import CaseCapture

GZIP_MAGIC = b"\x1f\x8b"
PIECE = 256 << 10               # compressed bytes for one step
SPOOL = 256 << 20               # of a pipe, kept in a temporary file so that it can be looked at before it is replayed
IN_MEMORY = 8 << 20             # a shorter one needs no file


class Source:
    """`read_into(view)` until it returns 0.  `problem` says if the bytes ended badly."""

    dry = False                                 # of one that goes on: 0 means nothing more for now

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        self.problem = ""
        self.raw_bytes = 0                      # consumed of the file: progress
        self.total = 0                          # 0: not known
        self._head: bytes = b""                 # of a pipe: replayed first
        self._spool: Any = None                 # of a pipe: what rewind() gives back
        self.kept_all = False                   # of a pipe: as much as is kept has been read
        self._case: CaseCapture | None = None
        try:
            self._file: BinaryIO = sys.stdin.buffer if self.name == "-" else open_file(path)
            self.seekable = self.name != "-" and self._file.seekable()
            if self.seekable:
                self.total = os.fstat(self._file.fileno()).st_size
        except OSError as e:
            raise CaptureError(f"{self.name}: {e.strerror or e}") from None
        if not self.seekable:
            import tempfile  # and random with it: for a pipe alone

            self._spool = tempfile.SpooledTemporaryFile(IN_MEMORY)
        self._start()

    def _start(self) -> None:
        self._inflate: Any = None
        self._packed = b""
        first = self._raw(2)
        while len(first) == 1 and (more := self._raw(1)):
            first += more
        self._head = first
        self.gzip = first == GZIP_MAGIC
        if first == ZIP_MAGIC:
            self._open_case()
            return
        if self.gzip:
            self._inflate, self._packed, self._head = zlib.decompressobj(31), first, b""

    def _open_case(self) -> None:
        """The capture in a case."""
        if not self.seekable:
            raise CaptureError(f"{self.name}: a case through a pipe cannot be read (its index is at its end): save it to a file")
        try:
            self._case = CaseCapture(CaseFile(self._file, self.name))
        except CaptureError:
            self._file.close()
            raise
        self.total, self.raw_bytes = self._case.total, 0

    def _raw(self, n: int) -> bytes:
        try:
            read = getattr(self._file, "read1", self._file.read)        # a pipe gives what it has, and does not wait for n bytes
            b: bytes = read(n)
        except OSError as e:
            self.problem = f"reading failed: {e.strerror or e}"
            return b""
        self.raw_bytes += len(b)
        if self._spool is not None and b:
            self._keep(b)
        return b or b""

    def _keep(self, b: bytes) -> None:
        if self.kept_all:                       # more is read than can be given back
            self._spool.close()
            self._spool = None
            return
        try:
            self._spool.write(b)
        except OSError as e:
            raise CaptureError(f"{self.name}: what comes through the pipe cannot be kept ({e.strerror or e}): save it to a file") from None
        self.kept_all = self._spool.tell() >= SPOOL

    def read_into(self, view: memoryview) -> int:
        """Fills the start of view; 0: there is no more."""
        if self._case is not None:
            n = self._case.readinto(view)
            self.raw_bytes, self.problem = self._case.done, self._case.problem
            return n
        if self._inflate is not None:
            return self._gunzip_into(view)
        if self._head:
            n = min(len(self._head), len(view))
            view[:n], self._head = self._head[:n], self._head[n:]
            return n
        if self.seekable:
            try:
                n = self._file.readinto(view)   # type: ignore[attr-defined]
            except OSError as e:
                self.problem = f"reading failed: {e.strerror or e}"
                return 0
            self.raw_bytes += n or 0
            return n or 0
        b = self._raw(len(view))
        view[:len(b)] = b
        return len(b)

    def _gunzip_into(self, view: memoryview) -> int:
        while True:
            if not self._packed:
                self._packed = self._raw(PIECE)
                if not self._packed and not self._inflate.eof and (rest := self._inflate.decompress(b"", len(view))):
                    view[:len(rest)] = rest
                    return len(rest)
                if not self._packed:
                    if not self._inflate.eof and not self.problem:
                        self.problem = "the gzip data ends early"
                    return 0
            if self._inflate.eof:                                   # another member, or padding
                if not self._packed.startswith(GZIP_MAGIC[:1]):
                    return 0
                self._inflate = zlib.decompressobj(31)
            try:
                b = self._inflate.decompress(self._packed, len(view))
            except zlib.error as e:
                self.problem = f"the gzip data is damaged: {e}"
                self._packed = b""
                return 0
            self._packed = self._inflate.unconsumed_tail or self._inflate.unused_data
            if b:
                view[:len(b)] = b
                return len(b)

    def rewind(self) -> bool:
        """Start again.  False: a pipe of which too much has been read."""
        if self._case is not None:
            self._case.close()
            self._case = None
        if self.seekable:
            self._file.seek(0)
            self.raw_bytes, self.problem = 0, ""
            self._start()
            return True
        if self._spool is None:
            return False
        self._spool.seek(0)
        self._file, self._spool = _Again(self._spool, self._file), None  # type: ignore[assignment]
        self.raw_bytes, self.problem = 0, ""
        self._start()
        return True

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()
        if self._case is not None:
            self._case.close()
        file = self._file
        if isinstance(file, _Again):
            file.forget()
            file = file.pipe
        if self.name != "-":
            file.close()


class _Again:
    """A pipe with what was read from it put back before."""

    def __init__(self, spool: Any, pipe: Any) -> None:
        self.spool, self.pipe = spool, pipe

    def read(self, n: int) -> bytes:
        if self.spool is not None:
            b: bytes = self.spool.read(n)
            if b:
                return b
            self.spool.close()
            self.spool = None
        read = getattr(self.pipe, "read1", self.pipe.read)
        return read(n)                          # type: ignore[no-any-return]

    def forget(self) -> None:
        """What is kept."""
        if self.spool is not None:
            self.spool.close()
            self.spool = None
