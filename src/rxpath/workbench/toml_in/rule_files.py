"""What files of rules are made of (advice/rules.toml, doctor/rules.toml): a fact against a number, and the line that a mistake gets."""
from __future__ import annotations

import operator
import tomllib
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

OPS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne}
Text = Annotated[str, Field(min_length=1)]


class RuleError(BadInput):
    """rules.toml: one line."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Comparison(Part):
    fact: Text
    op: Literal[">", ">=", "<", "<=", "==", "!="]
    value: float

    def of(self, fact: float) -> bool:
        return OPS[self.op](fact, self.value)

    def __str__(self) -> str:
        return f"{self.fact} {self.op} {self.value:g}"


R = TypeVar("R", bound=BaseModel)


def parsed(model: type[R], text: str, place: str) -> R:
    """From TOML; raises RuleError with the place, the rule, the key and what is allowed."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{place}: TOML: {error}") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RuleError(f"{place}: {_where(first['loc'], data)}: {_said(first)}") from None


def _where(loc: tuple[int | str, ...], data: dict[str, Any]) -> str:
    """rule R3: discriminator.when.0.op"""
    loc = tuple(step for step in loc if not (isinstance(step, str) and step in ("int", "bool", "str")))
    if loc[:1] == ("rule",) and len(loc) > 1 and isinstance(loc[1], int):
        entry = data["rule"][loc[1]]
        name = entry.get("id", f"number {loc[1] + 1}") if isinstance(entry, dict) else f"number {loc[1] + 1}"
        return f"rule {name}: {'.'.join(map(str, loc[2:])) or 'rule'}"
    return ".".join(map(str, loc))


def _said(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key"
    if item["type"] == "missing":
        return "is missing"
    return f"{units.shown(item['input'])} is not allowed: {item['msg']}"
