"""`rxpath case`: a case of what somebody has: texts and archives of one or more moments, a capture, a host file; or of another case, packed
smaller."""
from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Sequence
from typing import IO, Any

from rxpath.cable.case_file import FORMAT, MANIFEST, CaseFile, is_case
from rxpath.cable.errors import CaptureError
from rxpath.files import read_file
from rxpath.workbench.readings.case.texts import Moments, moments_of
from rxpath.workbench.words.mistakes import BadInput, writing

CAPTURES = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")


def make(paths: Sequence[str], out: str, host: str | None = None) -> dict[str, Any]:
    """Texts in the order of their moments, at most one capture; host: a host file.  Returns the manifest.  BadInput says what cannot be."""
    if os.path.exists(out):
        raise BadInput(f"{out} already exists: use another name, or remove it")
    cases = [p for p in paths if is_case(p)]
    if cases and len(paths) > 1:
        raise BadInput(f"{cases[0]} is a case already: alone it is packed anew, with others it cannot be joined")
    with tempfile.TemporaryDirectory(prefix="rxpath-case-", dir=os.path.dirname(os.path.abspath(out))) as folder, writing(out):
        part = os.path.join(folder, "case")
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as made:
            manifest = _again(cases[0], made) if cases else _new(paths, made, folder)
            if host is not None:
                made.writestr(entry("host.toml"), _bytes(host, 16 << 20))
            made.writestr(entry(MANIFEST), json.dumps(manifest, indent=1))
        os.rename(part, out)
    return manifest


def _again(path: str, made: zipfile.ZipFile) -> dict[str, Any]:
    """A case as it is, compressed."""
    try:
        with CaseFile(path) as case:
            for name in case.names:
                if name != MANIFEST:
                    with case.stream(name) as stream:
                        _copy(stream, made, name)
            return case.manifest
    except CaptureError as error:
        raise BadInput(str(error)) from None


def _new(paths: Sequence[str], made: zipfile.ZipFile, own: str) -> dict[str, Any]:
    manifest: dict[str, Any] = {"format": FORMAT, "tool": "rxpath case", "made": "of files"}
    moments = Moments(lambda name, data: made.writestr(entry(name), data), own)
    for path in paths:
        head = _head(path)
        if head in CAPTURES or (head[:2] == b"\x1f\x8b" and _packed_head(path) in CAPTURES):
            if "capture" in manifest:
                raise BadInput(f"{path}: a second capture: rxpath generate --merge joins them")
            with gzip.open(path) if head[:2] == b"\x1f\x8b" else open(path, "rb") as file:
                _copy(file, made, "capture.pcap")           # type: ignore[arg-type]
            manifest["capture"] = {"file": "capture.pcap", "of": os.path.basename(path)}
        else:
            for moment in moments_of(path) if os.path.isdir(path) else [path]:
                moments.add(moment)
    if moments.said:
        manifest["moments"] = moments.said
    return manifest


def _head(path: str) -> bytes:
    try:
        if os.path.isdir(path):
            return b""
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise BadInput(f"{path} is neither a file nor a directory: save what comes out of it to a file")
        with open(path, "rb") as file:
            return file.read(4)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


def _packed_head(path: str) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(4)
    except (OSError, EOFError):
        return b""


def _bytes(path: str, most: int) -> bytes:
    try:
        return read_file(path, most)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


def _copy(stream: IO[bytes] | io.BufferedReader, made: zipfile.ZipFile, name: str) -> None:
    with made.open(entry(name), "w", force_zip64=True) as into:
        shutil.copyfileobj(stream, into, 1 << 18)


def entry(name: str) -> zipfile.ZipInfo:
    """Without the time of day: the same files make the same bytes."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
