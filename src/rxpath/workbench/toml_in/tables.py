"""What the tables of a host file are made of: the kinds of value, how a field carries its own documentation, how a mistake names its key.
Used by every table that a person writes: hosts, traffic, scenarios."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from rxpath.workbench.words import units

CPUS_MAX = 64
ANY = (-1,)                                                 # CPUs of a thread that is not pinned

Int = Annotated[int, BeforeValidator(units.whole)]
Flag = Annotated[bool, BeforeValidator(units.on_off)]
Duration = Annotated[int, BeforeValidator(units.duration_ns)]
Size = Annotated[int, BeforeValidator(units.size_bytes)]
Cpus = Annotated[tuple[int, ...], BeforeValidator(units.cpu_list)]


def _pinned(value: object) -> object:
    """CPUs one for each thread or queue: here the order counts, and a CPU may stand twice.  "any": not pinned."""
    if value == "any":
        return ANY
    if not isinstance(value, (list, tuple)):
        return units.cpu_list(value)
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int) or item < 0:
            raise ValueError(units.CPUS_ALLOWED)
    return tuple(value)


Pinned = Annotated[tuple[int, ...], BeforeValidator(_pinned)]


class Wrong(ValueError):
    """A mistake that one key alone does not show.  `key` is the dotted key to blame, `text` what is wrong and what is allowed."""

    def __init__(self, key: str, text: str):
        super().__init__(f"{key}: {text}")
        self.key, self.text = key, text


def key(default: Any, doc: str, allowed: str, source: str = "", *, alias: str | None = None, example: str = "", **limits: Any) -> Any:
    """A field with its documentation.  `example` is how `host init` shows a key whose default is "worked out"."""
    extra: JsonDict = {"allowed": allowed, "source": source, "example": example}
    return Field(default, description=doc, json_schema_extra=extra, alias=alias, **limits)


def texts(value: object) -> object:
    """One text or a list of them."""
    return [value] if isinstance(value, str) else value


def entry_name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not all(c.isalnum() or c in "_-" for c in value) or not value.isascii():
        raise ValueError("letters, digits, - and _ (1 to 64)")
    return value


class Part(BaseModel):
    """What all tables of a host file share: nothing unknown, nothing changes afterwards.  A table's validator is built when one is first
    read, those of the tables in it with it: a host file needs the outermost alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
