"""A sweep's journal: one JSON object on each line, a row as it is done.  A row is known by what it was a run of - capture, host, traffic -
so that a journal can hold many sweeps, and a changed capture or host is never taken for the old one.  Of a tuning (tune.py) it also has
which settings were asked for, lot by lot.

A line that was cut (the machine stopped) is dropped; a line that is something else is an error: this is not our file."""
from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from rxpath._version import __version__
from rxpath.files import open_file
from rxpath.workbench.host import text as hosttext
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.many.grid import Point
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.spec import Spec
from rxpath.workbench.words.mistakes import BadInput, writing

FORMAT = 1
FIELDS = tuple(Result.__dataclass_fields__)


class Journal:
    """rows, asked: those that the file has, by their keys."""

    def __init__(self, path: str | Path) -> None:
        self.path, self.rows = Path(path), dict[str, Result]()
        self.asked = dict[str, list[Any]]()
        if self.path.exists() and not self.path.is_file():
            raise BadInput(f"--resume {path}: must be a file, new or of this sweep")
        try:
            self._file = open(self.path, "r+b" if self.path.exists() else "w+b", buffering=0)
        except OSError as error:
            raise BadInput(f"--resume {path}: {error.strerror or error}") from None
        try:
            self._lock()
            end = self._read()
            self._file.truncate(end)
            self._file.seek(end)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        """Of this process: its workers do not hold it, and it goes with the process, however that ends."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(f"--resume {self.path}: another rxpath is writing to it: wait for its end, or use another file") from None

    def _read(self) -> int:
        """The rows; returns where the last whole line ends."""
        try:
            text = self._file.read()                        # not by another descriptor: closing that would give the lock up
        except OSError as error:
            raise BadInput(f"--resume {self.path}: {error.strerror or error}") from None
        end = text.rfind(b"\n") + 1
        if not end and text and not text.startswith(b'{"rxpath'):
            raise BadInput(f"--resume {self.path}:1: not a row of a sweep: the file is left as it is")
        for number, line in enumerate(text[:end].split(b"\n")[:-1], 1):
            try:
                row = json.loads(line)
                if row["rxpath"] != FORMAT:
                    raise KeyError
                if "asked" in row:
                    self.asked[row["key"]] = list(row["asked"])
                else:
                    self.rows[row["key"]] = restore(row["result"])
            except (ValueError, KeyError, TypeError):
                raise BadInput(f"--resume {self.path}:{number}: not a row of a sweep: the file is left as it is") from None
        return end

    def add(self, key: str, settings: Point, result: Result) -> None:
        """One row, on disk before the next: not left in our buffers."""
        if result.error is None:                            # what failed is tried again
            row = {"rxpath": FORMAT, "key": key, "settings": settings, "result": {f: getattr(result, f) for f in FIELDS}}
            self._write(row)

    def ask(self, key: str, asked: list[Any]) -> None:
        """What a lot is, before it runs."""
        self.asked[key] = asked
        self._write({"rxpath": FORMAT, "key": key, "asked": asked})

    def _write(self, row: dict[str, Any]) -> None:
        left = json.dumps(row, default=vars).encode() + b"\n"
        with writing(f"--resume {self.path}"):
            while left:
                left = left[self._file.write(left):]

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def same(base: Unit) -> str:
    """What all runs of a capture have in common."""
    return repr((__version__, _digest(base.capture), _of_host(base), base.listen, base.local))


def key(common: str, u: Unit) -> str:
    """What a unit is a run of; common: what same() says of its base."""
    one = repr((u.overrides, _files(u), u.seed, u.speed, u.rate, u.loop, u.fresh, u.traffic))
    return hashlib.blake2b((common + one).encode(), digest_size=16).hexdigest()


def restore(saved: dict[str, Any]) -> Result:
    """A Result from its JSON."""
    if set(saved) != set(FIELDS):
        raise ValueError
    return Result(**{**saved, "cpus": tuple(saved["cpus"]), "peaks": {k: (a, b) for k, (a, b) in saved["peaks"].items()},
                     "notes": tuple(saved["notes"])})


def _digest(capture: str | Spec) -> str:
    """Of the capture's bytes, or of all that a traffic spec says."""
    if not isinstance(capture, str):
        return hashlib.blake2b(capture.model_dump_json().encode()).hexdigest()
    try:
        with open_file(traffic.find(capture)) as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError as error:
        raise BadInput(f"{capture}: {error.strerror or error}") from None


def _of_host(item: Unit) -> str:
    """Everything that the host is before the sweep changes it, files that it names included."""
    host = units.the_host(dataclasses.replace(item, overrides=()))
    files = [host.profile, host.iptables.file, *(app.service.file for app in host.apps),
             *(app.service.sleep.file for app in host.apps if app.service.sleep),
             *(stops.file for app in host.apps for stops in (app.pause, app.restart) if stops)]
    return json.dumps([hosttext.effective(host), [_content(f) for f in files if f]], sort_keys=True, default=str)


def _files(item: Unit) -> list[str]:
    """The contents of files that the settings name: a profile, rules."""
    return [_content(value) for setting in item.overrides if "/" in (value := setting.partition("=")[2])]


def _content(file: str) -> str:
    return hashlib.blake2b(Path(file).read_bytes()).hexdigest() if os.path.isfile(file) else file
