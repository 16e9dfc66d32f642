"""The words of a packetdrill script.  Comments and white space are gone; each word knows its line.

The longest word wins, as in packetdrill's own scanner: 0a0b is a word, 0x0a a number, 10.0.0.1 an address and `.5` a number."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rxpath.workbench.packetdrill.script import ScriptError

Kind = Literal["option", "ellipsis", "address", "float", "int", "hex", "word", "string", "shell", "code", "sign", "end"]

PATTERN = re.compile(r"""
      (?P<space>[ \t\r\n\f\v]+ | //[^\n]* | /\*.*?\*/)
    | (?P<code>%\{.*?\}%)
    | (?P<shell>`(?:\\.|[^`\\])*`)
    | (?P<string>"(?:\\.|[^"\\])*")
    | (?P<option>--[A-Za-z0-9_]+)
    | (?P<ellipsis>\.\.\.)
    | (?P<address>[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)
    | (?P<hex>0x[0-9a-fA-F]+(?![A-Za-z0-9_]))
    | (?P<float>-?[0-9]*\.[0-9]+)
    | (?P<int>-?[0-9]+(?![A-Za-z0-9_]))
    | (?P<word>[A-Za-z0-9_]+)
    | (?P<open>%\{ | ` | " | /\*)
    | (?P<sign>.)
""", re.VERBOSE | re.DOTALL)
OPENED = {"%{": "%{ without }%", "`": "a ` without its second one", '"': 'a " without its second one', "/*": "/* without */"}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


@dataclass(frozen=True)
class Token:
    kind: Kind
    text: str                                           # of strings, shell and code: what is between the quotes
    line: int

    def __str__(self) -> str:
        return "the end of the file" if self.kind == "end" else repr(self.text)


def unescaped(text: str) -> str:
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 3 else ESCAPES.get(m[1], m[1]), text,
                  flags=re.DOTALL)


def scan(name: str, text: str, defined: Mapping[str, str] | None = None) -> list[Token]:
    """name: the file's, for errors.  defined: words that stand for others (-D NAME=VALUE, --define)."""
    out: list[Token] = []
    line = 1
    for m in PATTERN.finditer(text):
        kind, found = m.lastgroup, m.group()
        if kind == "open":
            raise ScriptError(name, line, OPENED[found])
        if kind == "word" and defined and found in defined:
            out += [Token(t.kind, t.text, line) for t in scan(name, defined[found])[:-1]]
        elif kind == "code":
            out.append(Token("code", found[2:-2], line))
        elif kind in ("shell", "string"):
            out.append(Token(kind, unescaped(found[1:-1]) if kind == "string" else found[1:-1], line))      # type: ignore[arg-type]
        elif kind != "space":
            out.append(Token(kind, found, line))                                                            # type: ignore[arg-type]
        line += found.count("\n")
    out.append(Token("end", "", line))
    return out
