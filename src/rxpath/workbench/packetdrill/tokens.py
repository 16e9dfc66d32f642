"""A script's words, read one after the other: what the parsers share."""
from __future__ import annotations

from decimal import Decimal
from typing import NoReturn

from rxpath.workbench.packetdrill.scan import Kind, Token
from rxpath.workbench.packetdrill.script import ScriptError


class Tokens:
    def __init__(self, name: str, tokens: list[Token]) -> None:
        self.name, self.tokens, self.at = name, tokens, 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    @property
    def ended(self) -> bool:
        return self.next.kind == "end"

    def ahead(self, n: int = 1) -> Token:
        return self.tokens[min(self.at + n, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.next
        if token.kind != "end":
            self.at += 1
        return token

    def is_(self, text: str) -> bool:
        """Is the next word this sign or word?"""
        return self.next.kind in ("sign", "word") and self.next.text == text

    def skip(self, text: str) -> bool:
        """Over it, if it is the next one."""
        if self.is_(text):
            self.at += 1
            return True
        return False

    def need(self, text: str, where: str) -> Token:
        if not self.is_(text):
            self.fail(f"{where}: expected {text!r}, found {self.next}")
        return self.take()

    def of(self, kind: Kind, where: str) -> Token:
        if self.next.kind != kind:
            self.fail(f"{where}: expected {kind}, found {self.next}")
        return self.take()

    def number(self, where: str, most: int, least: int = 0) -> int:
        """A whole number, decimal or hex, from least to most."""
        if self.next.kind not in ("int", "hex"):
            self.fail(f"{where}: expected a number, found {self.next}")
        token = self.take()
        n = int(token.text, 16 if token.kind == "hex" else 10)
        if not least <= n <= most:
            self.fail(f"{where}: {n} is not in {least} to {most}", token)
        return n

    def time(self) -> int:
        """Seconds as ns."""
        if self.next.kind not in ("int", "float"):
            self.fail(f"expected a time in seconds, found {self.next}")
        token = self.take()
        ns = int(Decimal(token.text) * 1_000_000_000)
        if ns < 0:
            self.fail(f"time {token.text} is negative", token)
        if ns > 1 << 62:
            self.fail(f"time {token.text} is too long", token)
        return ns

    def fail(self, what: str, token: Token | None = None) -> NoReturn:
        raise ScriptError(self.name, (token or self.next).line, what)
