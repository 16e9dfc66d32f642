"""The manual page rxpath.1: all commands and their options, from the command line's own declarations.  click-man cannot be used: it looks
for click's classes, and Typer brings classes of its own."""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

EXIT_STATUS = (("0", "it ran"), ("1", "something is lost (doctor) or differs (judge, diff)"), ("2", "bad input, said in one line"),
               ("3", "these readings cannot tell (doctor)"), ("70", "a bug in rxpath"),
               ("130", "Ctrl-C, after what was done until then was printed"), ("141", "nobody reads the output any more"))

MORE = "Every command has --help with examples; rxpath help NAME explains a name that a report prints. --debug, anywhere on the line, " \
       "shows the traceback of a mistake."


def page(root: Any, version: str) -> str:
    """In the man macros, without a date: the same version gives the same bytes."""
    lines = [f'.TH RXPATH 1 "" "rxpath {version}" "User Commands"', ".SH NAME", f"rxpath \\- {_text(_first(root.help))}", ".SH SYNOPSIS",
             ".B rxpath", r"[\-\-version] [\-\-debug] COMMAND [ARGS]...", ".SH DESCRIPTION", _text(root.help or ""),
             ".PP", _text(MORE), ".SH COMMANDS"]
    for words, command in _walk(root, "rxpath"):
        lines += _command(words, command)
    lines.append(".SH EXIT STATUS")
    for status, what in EXIT_STATUS:
        lines += [".TP", f".B {status}", _text(what)]
    return "\n".join(lines) + "\n"


def _walk(group: Any, words: str) -> Iterator[tuple[str, Any]]:
    for name, command in getattr(group, "commands", {}).items():
        if not command.hidden:
            if getattr(command, "commands", None) is None:
                yield f"{words} {name}", command
            yield from _walk(command, f"{words} {name}")


def _command(words: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    yield f".SS {_text(' '.join([words, *((p.metavar or p.name).upper() for p in arguments)]))}"
    yield _text(command.help or "")
    for p in arguments:
        if getattr(p, "help", None):
            yield from (".TP", f".I {_text((p.metavar or p.name).upper())}", _text(p.help))
    for p in command.params:
        if p.param_type_name == "option" and not p.hidden:
            yield from (".TP", f".B {_text(', '.join((*p.opts, *p.secondary_opts)) + (f' {p.metavar}' if p.metavar else ''))}",
                        _text(p.help or ""))
    if command.epilog:
        yield from (".PP", ".nf", *(_text(line) for line in command.epilog.split("\n")), ".fi")


def _first(text: str | None) -> str:
    return (text or "").split(":")[0].rstrip(".")


def _text(text: str) -> str:
    """Plain text in roff: rich's markup is taken out; no line is a request by accident."""
    plain = re.sub(r"(?<!\\)\[/?[a-z ]*\]", "", text).replace("\\[", "[").replace("\b", "")
    lines = plain.replace("\\", "\\e").replace("-", "\\-").split("\n")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)
