"""The file of a case: a zip with manifest.json, as `rxpath record` and `rxpath case` write it (docs/case.md).  It may come from anybody:
names lead nowhere, every size is bounded before it is read, and whatever is wrong is a CaptureError with one line.

source.py reads the capture in it, workbench/readings/case/ everything else."""
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO

from .errors import CaptureError

FORMAT = 1                      # the newest that is read
ZIP_MAGIC = b"PK"
MANIFEST, MANIFEST_MOST = "manifest.json", 1 << 20
MEMBERS_MOST = 20_000
MEMBER_MOST = 128 << 20         # bytes of a member that is read whole
WHOLE_MOST = 512 << 20          # of all of them
LOCAL_HEADER, LOCAL_NAMES = 30, 26                          # bytes of a member's own header, and where its name's and its extra field's are
REGULAR, KIND = 0o100000, 0o170000                          # of st_mode


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """What zipfile and zlib raise for bytes that are no zip."""
    try:
        yield
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, KeyError,
            IndexError, OverflowError, MemoryError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise CaptureError(f"{name}: damaged, or no case: {why[:160]}") from None
    except OSError as error:
        raise CaptureError(f"{name}: {error.strerror or error}") from None


class CaseFile:
    """manifest: as it was written, unknown keys kept.  names: members that can be read, in their order; refused: others, and why."""

    def __init__(self, file: str | os.PathLike[str] | BinaryIO, name: str = "") -> None:
        self.name = name or os.fspath(file)                 # type: ignore[arg-type]
        self.whole = 0
        with _reading(self.name):
            self.zip = zipfile.ZipFile(file)
        try:
            self._look()
        except BaseException:
            self.zip.close()
            raise

    def _look(self) -> None:
        with _reading(self.name):
            infos = self.zip.infolist()
        if len(infos) > MEMBERS_MOST:
            raise CaptureError(f"{self.name}: {len(infos):,} members: a case has at most {MEMBERS_MOST:,}")
        self.infos: dict[str, zipfile.ZipInfo] = {}
        self.refused: list[tuple[str, str]] = []
        for info in infos:
            why = _refused(info)
            if why:
                self.refused.append((info.filename, why))
            elif info.filename in self.infos:
                self.refused.append((info.filename, "appears twice: the first is read"))
            elif not info.is_dir():
                self.infos[info.filename] = info
        if MANIFEST not in self.infos:
            raise CaptureError(f"{self.name}: a zip without {MANIFEST}: not a case (rxpath case makes one of texts and captures)")
        self.manifest = self._manifest()

    def _manifest(self) -> dict[str, Any]:
        text = self.read(MANIFEST, MANIFEST_MOST)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise CaptureError(f"{self.name}: {MANIFEST} is not JSON") from None
        number = found.get("format") if isinstance(found, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise CaptureError(f"{self.name}: {MANIFEST} has no format number: not a case")
        if number > FORMAT:
            raise CaptureError(f"{self.name}: a case of format {number}; this rxpath reads up to format {FORMAT}: a newer one is needed")
        return dict(found)

    @property
    def names(self) -> list[str]:
        return list(self.infos)

    def read(self, name: str, most: int = MEMBER_MOST) -> bytes:
        """A member's bytes.  KeyError: there is none of that name."""
        info = self.infos[name]
        if info.file_size > most or self.whole + info.file_size > WHOLE_MOST:
            raise CaptureError(f"{self.name}: {name[:80]} unpacks to {info.file_size >> 20:,} MiB: more than is read")
        with _reading(self.name), self.zip.open(info) as stream:
            data = stream.read(most + 1)                    # what is there counts, not what is said
        if len(data) > most:
            raise CaptureError(f"{self.name}: {name[:80]} unpacks to more than it says")
        self.whole += len(data)
        return data

    def stream(self, name: str) -> IO[bytes]:
        """A member from its beginning: for what is longer than memory."""
        with _reading(self.name):
            return self.zip.open(self.infos[name])

    def stored(self, name: str) -> BinaryIO | None:
        """A member that is not packed, as a file that stands at its first byte: zipfile would copy every byte.  Who reads
        it knows its length and its sum (infos).  None: it is packed, or the case is no file."""
        info = self.infos[name]
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or not os.path.isfile(self.name):
            return None
        with _reading(self.name):
            file = open(self.name, "rb", buffering=0)
            try:
                file.seek(info.header_offset + LOCAL_NAMES)
                lengths = file.read(4)
                if len(lengths) < 4:
                    raise EOFError("it ends early")
                start = info.header_offset + LOCAL_HEADER + sum(struct.unpack("<HH", lengths))
                file.seek(start)
            except BaseException:
                file.close()
                raise
        return file

    def close(self) -> None:
        self.zip.close()

    def __enter__(self) -> "CaseFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refused(info: "zipfile.ZipInfo") -> str:
    """Why a member is not read; "" if it is."""
    name, mode = info.filename, info.external_attr >> 16
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name.split("/")[0][1:2]:
        return "its name leads outside"
    if mode & KIND not in (0, REGULAR, 0o040000):
        return "a link, a device or a pipe"
    if info.flag_bits & 1:
        return "encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "packed in a way that a case does not use"
    return ""


def is_case(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a zip, by its first bytes: a capture, a host file or a text never is; what a pipe brings is not asked."""
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except (OSError, ValueError):
        return False
