"""Scripts one after the other: what each came to, and the score."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rxpath.workbench.host.model.host import Host
from rxpath.workbench.packetdrill import parse
from rxpath.workbench.packetdrill.play import Result, play
from rxpath.workbench.packetdrill.script import Script, ScriptError
from rxpath.workbench.words.mistakes import BadInput

SUFFIX = ".pkt"


def files(given: Sequence[str]) -> list[str]:
    """The scripts that are meant: a folder stands for the .pkt files in it."""
    found: list[str] = []
    for name in given:
        path = Path(name)
        if path.is_dir():
            inside = sorted(str(p) for p in path.glob(f"*{SUFFIX}"))
            if not inside:
                raise BadInput(f"{name}: no {SUFFIX} file in that folder")
            found += inside
        elif not path.exists():
            raise BadInput(f"{name}: there is no such file")
        else:
            found.append(name)
    return found


def definitions(given: Sequence[str]) -> dict[str, str]:
    """-D NAME=VALUE"""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise BadInput(f"-D {text}: NAME=VALUE")
        found[name] = value
    return found


def run(names: Sequence[str], host: Host | None, defined: Mapping[str, str], plain: bool = False,
        stop: Callable[[], bool] | None = None) -> Iterator[Result]:
    """host: None only reads the scripts."""
    for name in names:
        if stop is not None and stop():
            return
        try:
            script: Script = parse.read(name, defined)
            yield play(script, host, plain) if host is not None else Result(name, len(script.events))
        except ScriptError as e:
            yield Result(name, 0, e.line, e.what, unreadable=True)


def score(results: Sequence[Result]) -> dict[str, int]:
    """How many passed, differ, ask for what is not there, cannot be read."""
    return {"scripts": len(results), "passed": sum(r.passed for r in results),
            "differ": sum(not r.passed and r.missing is None and not r.unreadable for r in results),
            "missing": sum(r.missing is not None for r in results), "unreadable": sum(r.unreadable for r in results)}


def wanted(results: Sequence[Result]) -> list[tuple[str, int]]:
    """What is missing, and by how many scripts, the most wanted first."""
    found = Counter(f"{r.missing[0]} {r.missing[1]}" for r in results if r.missing is not None)
    return found.most_common()


def as_json(results: Sequence[Result], kernel: str) -> dict[str, Any]:
    """For --json."""
    return {"kernel": kernel, "score": score(results), "scripts": [
        {**asdict(r), "passed": r.passed, "missing": None if r.missing is None else {"kind": r.missing[0], "name": r.missing[1]}}
        for r in results]}
