"""Sysctls as hosts have them: a sysctl.conf, or the print of `sysctl -a`, named by `file` in [sysctl]; and which names are real.

Of such a file the names that the path reads are used; real ones that it does not read change nothing and are listed once; a name that no
Linux has is refused, as is a value that Linux would refuse."""
from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rxpath.abi.sysctls import Row, Value
from rxpath.files import read_file
from rxpath.workbench.host import sysctls
from rxpath.workbench.toml_in.tables import Wrong
from rxpath.workbench.words import units

FILE_MOST = 4 << 20
PER_DEVICE = re.compile(r"(net\.(?:ipv[46]|mpls)\.(?:conf|neigh))\.(.+)\.([^.]+)$")
MODULES = re.compile(r"(?:dev|sunrpc|fscache|kernel\.sched_domain|fs\.(?:nfs|xfs|binfmt_misc))\.")     # of modules and machines: not listed


@cache
def _of_linux() -> frozenset[str]:
    lines = Path(__file__).with_name("linux_sysctls.txt").read_text().splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def is_real(name: str) -> bool:
    """Whether a Linux kernel has a sysctl of that name, for whichever device."""
    return PER_DEVICE.sub(r"\1.*.\3", name) in _of_linux() or MODULES.match(name) is not None


def unknown_text(name: str, *interfaces: str) -> str:
    """Why a name was not taken, with the nearest that is real."""
    text = sysctls.unknown_text(name, *interfaces)
    if text.startswith("unknown") and (near := units.nearest(name, [*sysctls.names(*interfaces), *sorted(_of_linux())])):
        return f"unknown sysctl; did you mean {near}?"
    return text


def value_of(row: Row, text: str) -> object:
    """What a text of sysctl(8) is: a number (0x.. too), three numbers, a mask."""
    if row.kind in ("cpumask", "triple"):
        return text
    match = re.fullmatch(r"([+-]?)(0x[0-9a-fA-F]{1,16}|\d{1,19})", text)
    return int(match[1] + match[2], 16 if "x" in match[2] else 10) if match else text


def read(path: str) -> dict[str, str]:
    """Names and texts of a file.  Wrong: it cannot be read, or a line is none of sysctl.conf."""
    from rxpath.workbench.readings.lines import Block, decoded, lines_of
    from rxpath.workbench.readings.records import Sysctls
    from rxpath.workbench.readings.sysctl import sysctl

    try:
        data = read_file(path, FILE_MOST)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise Wrong("sysctl.file", f"{path} is larger than {units.size_text(FILE_MOST)}: not a sysctl.conf") from None
        raise Wrong("sysctl.file", f"{path} cannot be read: {error.strerror or error}") from None
    block = Block(lines_of(decoded(data)), path)
    found = sysctl(block)
    for line, why in block.said.values():
        raise Wrong("sysctl.file", f"{path}:{line.number}: {why}: {units.shown(line.text.strip()[:80])}; a line is NAME = VALUE")
    return dict(found[0].values) if found and isinstance(found[0], Sysctls) else {}


def sorted_out(texts: Mapping[str, str], kernel: str, hz: int, interfaces: tuple[str, ...]) -> tuple[dict[str, Value], dict[str, str]]:
    """(values of the names that the path reads, why each of the others changes nothing).  A name with * is of every device."""
    values: dict[str, Value] = {}
    others: dict[str, str] = {}
    for written, text in texts.items():
        scoped = PER_DEVICE.match(written)
        scope = scoped[2] if scoped else ""
        for name in [f"{scoped[1]}.{d}.{scoped[3]}" for d in ("all", "default", *interfaces)] if scoped and scope == "*" else [written]:
            row = sysctls.find(name, *interfaces)
            if row is None and not is_real(name):
                raise Wrong(name, unknown_text(name, *interfaces))
            if row is None:
                here = not scope or scope in ("*", "all", "default", *interfaces)
                others[written] = "not modelled" if here else f"there is no {scope} here"
                continue
            try:
                values[name] = sysctls.check(row, value_of(row, text), kernel, hz)
            except ValueError as error:
                if not row.in_kernel(kernel):
                    others[written] = f"not in kernel {kernel}"
                elif row.low == row.high and value_of(row, text) != row.low:
                    others[written] = f"{text}: {row.why_fixed}"
                else:
                    raise Wrong(name, str(error)) from None
    return values, others


def without_effect(others: Mapping[str, str], most: int = 12) -> list[str]:
    """What people are told of the names that change nothing: by reason, at most so many of each."""
    by_reason: dict[str, list[str]] = {}
    for name, why in others.items():
        by_reason.setdefault(why, []).append(name)
    return [f"{', '.join(names[:most])}{f' and {len(names) - most} more' if len(names) > most else ''} ({why})"
            for why, names in by_reason.items()]
