"""Units for another machine: the files that they read go along by their content, and are put into a directory of the worker.

On this side pack() makes of a unit a Parcel, which names no file of this machine: the tables of its host are known here - which cost
profile is this machine's own is known only here - and each path becomes a name with a digest.  On the worker unpack() makes them paths
again, of files that it keeps as DIR/DIGEST/NAME: named by their content, so that a changed capture is another file, and under their own
name, which messages show.  A worker that lacks a file says so (Missing), and gets it with the next try; so each has it once, whoever of
them asks first, also one that was restarted."""
from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import os
import platform
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rxpath._compile import loader
from rxpath._version import __version__
from rxpath.files import open_file
from rxpath.vtime import calibrated
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host import given
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.traffic import capture as traffic

MARK = "rxpath-file:"                                       # how the name of a file begins that travels: MARK, digest, /, name
DIGEST = 32                                                 # characters of a digest
NAMED = re.compile(rf"{MARK}([0-9a-f]{{{DIGEST}}})/[^/:]*")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A unit without its host, and the tables of that."""
    unit: Unit
    host: dict[str, Any]
    source: str                                             # what messages call the host


@dataclass(frozen=True, slots=True)
class Missing:
    """The files that a worker lacks, by their digests."""
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be the same on every machine."""
    rxpath: str
    core: str                                               # of the sources of the compiled path
    python: str
    distributed: str

    def differs(self, other: Identity) -> str:
        """The first difference, in words."""
        for what, mine, theirs in (("rxpath", self.rxpath, other.rxpath), ("Python", self.python, other.python),
                                   ("distributed", self.distributed, other.distributed)):
            if mine != theirs:
                return f"{what} {theirs}, and here is {mine}"
        return "" if self.core == other.core else f"rxpath {other.rxpath} with another core than here"


@functools.cache
def identity() -> Identity:
    """Of this process."""
    import distributed

    return Identity(__version__, loader.key(), ".".join(platform.python_version_tuple()[:2]), distributed.__version__)


# ---------------------------------------------------------------- on this side
class Packer:
    """files: the path of each digest that was met."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._digests: dict[tuple[str, int, int], str] = {}
        self._hosts: dict[tuple[str, int], tuple[object, dict[str, Any], str]] = {}

    def pack(self, item: Unit) -> Parcel:
        """Raises what the_host() does, and OSError."""
        capture = self._file(traffic.find(item.capture)) if isinstance(item.capture, str) else item.capture
        if any(_names_a_file(text) for text in item.overrides):
            return Parcel(replace(item, capture=capture, host=None, overrides=()), *self._tables(units.the_host(item)))
        own = item.capture if isinstance(item.capture, str) and item.host is None else ""
        key = (item.host, 0) if isinstance(item.host, str) else (own, id(item.host))
        if key not in self._hosts:
            host = traffic.bundled_host(item.capture) if item.host is None else item.host
            self._hosts[key] = item.host, *self._tables(given.the_host(host))       # kept, so that its id stays its own
        return Parcel(replace(item, capture=capture, host=None), *self._hosts[key][1:])

    def content(self, digests: Iterable[str]) -> dict[str, bytes]:
        return {digest: Path(self.files[digest]).read_bytes() for digest in digests}

    def named_here(self, result: Result) -> Result:
        """With this machine's paths in its texts."""
        def here(text: str) -> str:
            return NAMED.sub(lambda found: self.files.get(found[1], found[0]), text)

        if result.error is None and not any(MARK in note for note in result.notes):
            return result
        return replace(result, error=None if result.error is None else here(result.error), notes=tuple(map(here, result.notes)))

    def _tables(self, host: Host) -> tuple[dict[str, Any], str]:
        """With its cost profile named, which else is the worker's own."""
        data = copy.deepcopy(host._raw)
        profile = calibrated.newest() or host.profile if host.profile == calibrated.HERE else host.profile
        data["profile"] = str(calibrated.path_of(profile)) if calibrated.is_calibrated(profile) else profile
        hostfile.move(data, self._file)
        return data, host._source

    def _file(self, path: str) -> str:
        state = os.stat(path)
        key = (path, state.st_mtime_ns, state.st_size)
        if key not in self._digests:
            with open_file(path) as file:
                self._digests[key] = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST // 2)).hexdigest()
            self.files[self._digests[key]] = path
        return f"{MARK}{self._digests[key]}/{Path(path).name}"


def _names_a_file(setting: str) -> bool:
    key, _, value = setting.partition("=")
    return "file" in setting or "capture" in value or "/" in value or key.strip() == "profile"


# ---------------------------------------------------------------- on a worker
def folder() -> Path:
    """This user's alone, of this machine: what lies in it is read as captures and hosts."""
    made = loader.cache_folder() / "files"
    made.mkdir(mode=0o700, exist_ok=True)
    return made


def keep(files: dict[str, bytes], names: dict[str, str]) -> None:
    """Whole or not at all, whoever else writes the same."""
    for digest, content in files.items():
        if hashlib.blake2b(content, digest_size=DIGEST // 2).hexdigest() != digest:
            raise OSError(f"{names[digest]} changed while it was sent")
        place = folder() / digest
        place.mkdir(exist_ok=True)
        new = place / f".{os.getpid()}"
        new.write_bytes(content)
        os.replace(new, place / names[digest])


def names_of(parcels: Sequence[Parcel]) -> dict[str, str]:
    """The files that the parcels need: digest -> name."""
    found: dict[str, str] = {}

    def note(path: str) -> str:
        if path.startswith(MARK):
            digest, _, name = path.removeprefix(MARK).partition("/")
            found[digest] = name
        return path

    for data in {id(parcel.host): parcel.host for parcel in parcels}.values():
        hostfile.move(data, note)                           # to itself
    for parcel in parcels:
        if isinstance(parcel.unit.capture, str):
            note(parcel.unit.capture)
    return found


def unpack(parcels: Sequence[Parcel]) -> list[Unit]:
    """With paths of this machine.  Parcels of one host get one."""
    where, hosts = str(folder()), dict[int, Host]()

    def here(path: str) -> str:
        return f"{where}/{path.removeprefix(MARK)}" if path.startswith(MARK) else path

    found = []
    for parcel in parcels:
        if id(parcel.host) not in hosts:
            data = copy.deepcopy(parcel.host)
            hostfile.move(data, here)
            hosts[id(parcel.host)] = hostfile.build(data, parcel.source)
        item = parcel.unit
        capture = here(item.capture) if isinstance(item.capture, str) else item.capture
        found.append(replace(item, capture=capture, host=hosts[id(parcel.host)]))
    return found


def _marked(result: Result) -> Result:
    """Its texts name no path of this machine's folder."""
    where = f"{folder()}/"
    return replace(result, error=None if result.error is None else result.error.replace(where, MARK),
                   notes=tuple(note.replace(where, MARK) for note in result.notes))


def do(parcels: Sequence[Parcel], files: dict[str, bytes]) -> tuple[str, Identity, list[Result] | Missing, float]:
    """As a task of Dask: the address of this worker and who it is; what came of them, or what is missing for them; the seconds that they
    took."""
    from distributed import get_worker

    worker = get_worker()
    names, address = names_of(parcels), str(worker.address)
    keep(files, names)
    lacks = tuple(digest for digest, name in names.items() if not (folder() / digest / name).is_file())
    if lacks:
        return address, identity(), Missing(lacks), 0.0
    begun = time.perf_counter()
    with _unprofiled(worker):
        done = [_marked(units.run(item)) for item in unpack(parcels)]
    return address, identity(), done, time.perf_counter() - begun


@contextlib.contextmanager
def _unprofiled(worker: Any) -> Iterator[None]:
    """Without the samples of the call stack that a worker of Dask takes a hundred times a second for its dashboard: a seventh of its CPU
    time, for runs of which they show nothing."""
    sampler = getattr(worker, "periodic_callbacks", {}).get("profile")
    if sampler is None:                                     # switched off there, or another Dask
        yield
        return
    worker.loop.add_callback(sampler.stop)
    try:
        yield
    finally:
        worker.loop.add_callback(sampler.start)
