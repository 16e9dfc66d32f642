"""Sysctls as a host writes them: which names there are, what may be written, what each is in the end.  The rows are abi/sysctls.py's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from rxpath.abi.kernels import KERNELS
from rxpath.abi.sysctls import BY_NAME, CONF, SYSCTLS, Row, Value
from rxpath.workbench.words import units

CONF_NAMES = "net.ipv4.conf."                               # then all, default or an interface
DEFAULT_HZ = {name: kernel.hz for name, kernel in KERNELS.items()}

_ALL_DEFAULT = {"accept_source_route": 0}                   # devinet.c: ipv4_devconf (all) has 0 where ipv4_devconf_dflt has 1


def conf_flags() -> list[str]:
    """The per-interface names without their prefix: rp_filter, ..."""
    return [row.name[len(CONF):] for row in SYSCTLS if row.combine]


def find(name: str, *interfaces: str) -> Row | None:
    """The row of a sysctl by its full name; net.ipv4.conf.{all,default,INTERFACE}.X share one."""
    if name.startswith(CONF_NAMES):
        scope, _, flag = name[len(CONF_NAMES):].rpartition(".")
        return BY_NAME.get(CONF + flag) if scope in ("all", "default", *interfaces) else None
    return BY_NAME.get(name)


def names(*interfaces: str) -> list[str]:
    """Every name that a host file may write."""
    result = []
    for row in SYSCTLS:
        result += [row.name.replace("*", scope) for scope in ("all", "default", *interfaces)] if row.combine else [row.name]
    return result


def unknown_text(name: str, *interfaces: str) -> str:
    """Why a name was not found, with the nearest name that exists."""
    if name.startswith(CONF_NAMES):
        scope, _, flag = name[len(CONF_NAMES):].rpartition(".")
        if CONF + flag in BY_NAME:
            return f'no interface "{scope}" here: all, default, {", ".join(interfaces)}'
    near = units.nearest(name, names(*interfaces))
    return "unknown sysctl; " + (f"did you mean {near}?" if near else "docs/host-file.md lists those that the path reads")


def _cpu_mask(value: object, allowed: str) -> int:
    """As the kernel reads it, hexadecimal; a bare number is taken only where decimal and hexadecimal agree."""
    if isinstance(value, (list, tuple)):
        try:
            return sum(1 << cpu for cpu in units.cpu_list(value))
        except ValueError:
            raise ValueError(allowed) from None
    text = value.lower().replace(",", "").removeprefix("0x") if isinstance(value, str) else ""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 9:
        return value
    if not text or len(text) > 32 or any(c not in "0123456789abcdef" for c in text):
        raise ValueError(allowed)
    return int(text, 16)


def check(row: Row, value: object, kernel: str, hz: int) -> Value:
    """The value as the kernel would keep it, or ValueError with what is allowed."""
    if not row.in_kernel(kernel):
        raise ValueError(f"kernel {kernel} does not have it: Linux has it since {row.since}")
    allowed = f"{units.shown(value)} is not allowed: {row.allowed(hz)}"
    if row.kind == "cpumask":
        return _cpu_mask(value, allowed)
    if row.kind == "triple":
        parts: object = value.split() if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)) or len(parts) != 3:
            raise ValueError(allowed)
        numbers = []
        for part in parts:
            if isinstance(part, str) and part.isascii() and part.isdigit() and len(part) < 12:
                numbers.append(int(part))
            elif isinstance(part, int) and not isinstance(part, bool):
                numbers.append(part)
            else:
                raise ValueError(allowed)
        if not row.low <= numbers[0] <= numbers[1] <= numbers[2] <= row.high:
            raise ValueError(allowed)
        return tuple(numbers)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(allowed)
    if not row.floor(hz) <= value <= row.high or (row.kind == "power2" and value & (value - 1)):
        raise ValueError(allowed)
    return value


def effective(settings: dict[str, Value], kernel: str, hz: int, *interfaces: str) -> dict[str, Value]:
    """Every sysctl that this kernel has, set or default, by its full name; an interface inherits `default`, as when it is created."""
    if any(name.startswith(CONF_NAMES) for name in settings):
        return _effective(settings, kernel, hz, interfaces)
    return {name: settings.get(name, value) for name, value in _defaults(kernel, hz, interfaces).items()}


@cache
def _defaults(kernel: str, hz: int, interfaces: tuple[str, ...]) -> dict[str, Value]:
    return _effective({}, kernel, hz, interfaces)


def _effective(settings: Mapping[str, Value], kernel: str, hz: int, interfaces: Sequence[str]) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for row in SYSCTLS:
        if not row.in_kernel(kernel):
            continue
        if not row.combine:
            result[row.name] = settings.get(row.name, row.default_for(kernel, hz))
            continue
        flag = row.name[len(CONF):]
        base = row.default_for(kernel, hz)
        for scope in ("all", "default", *interfaces):
            name = f"net.ipv4.conf.{scope}.{flag}"
            if scope == "all":
                default: Value = _ALL_DEFAULT.get(flag, base)
            else:
                default = base if scope == "default" else result[f"net.ipv4.conf.default.{flag}"]
            result[name] = settings.get(name, default)
    return result


def combined(flag: str, values: dict[str, Value], interface: str) -> int:
    """The per-interface flag as the path sees it: IN_DEV_MAXCONF, _ANDCONF or _ORCONF of `all` and the interface."""
    first, second = values[f"net.ipv4.conf.all.{flag}"], values[f"net.ipv4.conf.{interface}.{flag}"]
    assert isinstance(first, int) and isinstance(second, int)
    how = BY_NAME[CONF + flag].combine
    return max(first, second) if how == "max" else first & second if how == "and" else first | second
