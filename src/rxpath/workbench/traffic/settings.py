"""Settings of --set, as the command or Python gives them; and whose one is: the traffic's or the host's?"""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from rxpath.workbench.words.mistakes import BadInput

ROOM = "traffic."
Settings = str | Mapping[str, object] | Iterable[str]       # "KEY=VALUE", {KEY: value}, or ["KEY=VALUE", ...]


def written(settings: Settings) -> tuple[str, ...]:
    """As --set has them."""
    if isinstance(settings, str):
        return (settings,)
    if isinstance(settings, Mapping):
        return tuple(f"{key}={_value(value)}" for key, value in settings.items())
    given = tuple(settings)
    for one in given:
        if not isinstance(one, str):
            raise BadInput(f"a setting must be a text KEY=VALUE, not {one!r}")
    return given


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{k} = {_inside(v)}' for k, v in value.items())} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_inside, value))}]"
    return str(value)


def _inside(value: object) -> str:
    """Of a list or a table: texts in quotes, as TOML has them."""
    return f'"{value}"' if isinstance(value, str) else _value(value)


def listed(words: str | Iterable[str]) -> tuple[str, ...]:
    """One text or several."""
    return (words,) if isinstance(words, str) else tuple(words)


def split(overrides: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(settings of the traffic, settings of the host) of --set: traffic.0.rate=200kpps is the traffic's."""
    given = written(overrides)
    return tuple(s for s in given if s.strip().startswith(ROOM)), tuple(s for s in given if not s.strip().startswith(ROOM))
