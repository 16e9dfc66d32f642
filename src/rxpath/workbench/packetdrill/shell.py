"""The shell lines of a script.  rxpath runs no command: it knows the few that set a host up, and says of any other that it is missing.

Known: sysctl, and set_sysctls of Linux's suite; scripts beside the file, whose lines are read in the same way; sysctl_restore_*.sh and
`ip tcp_metrics flush`, for which there is nothing to do; tc, which changes only what leaves."""
from __future__ import annotations

import ast
import operator
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from rxpath.files import read_file
from rxpath.workbench.packetdrill.missing import Missing

LARGEST = 1 << 20                                       # bytes of a script that is read
DEEPEST = 8                                             # scripts that call scripts
NOTHING = {"exit", "true", ":", "set"}
REDIRECTION = re.compile(r"\s(?:[12&]?>{1,2}\s*[^\s;&|]+|2>&1)")
ARITHMETIC = re.compile(r"\$\(\(([0-9*+\- ()]{1,100})\)\)")
OPERATIONS: dict[type, Callable[[int, int], int]] = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def settings(text: str, folder: Path, notes: list[str], depth: int = 0) -> dict[str, str]:
    """Sysctls that the lines set: names and texts.  folder: the script's.  notes: what was left out.
    Missing: a command that is not known."""
    found: dict[str, str] = {}
    for words in commands(text):
        name = words[0].rsplit("/", 1)[-1]
        if name == "sysctl":
            found.update(of_sysctl(words[1:]))
        elif name == "set_sysctls.py":
            found.update(pair(word) for word in words[1:])
        elif name.startswith("sysctl_restore_") or words[:2] == ["ip", "tcp_metrics"] or name in NOTHING:
            continue
        elif name == "tc":
            notes.append(f"left out: {' '.join(words)[:60]} (how packets queue on their way out is not modelled)")
        elif name.endswith(".sh") and words[0].startswith("."):
            found.update(settings(script(folder / words[0], depth), (folder / words[0]).parent, notes, depth + 1))
        else:
            raise Missing("shell command", name)
    return found


def script(file: Path, depth: int) -> str:
    if depth >= DEEPEST:
        raise Missing("shell command", f"{file.name}: scripts call scripts more than {DEEPEST} deep")
    try:
        return read_file(file, LARGEST).decode(errors="replace")
    except OSError as error:
        raise Missing("shell script", f"{file.name} ({(error.strerror or str(error)).lower()})") from None


def commands(text: str) -> Iterator[list[str]]:
    """Each command's words; comments and redirections are gone."""
    text = text.replace("\\\n", " ")
    for line in text.splitlines():
        line = REDIRECTION.sub(" ", ARITHMETIC.sub(lambda m: str(arithmetic(m[1])), " " + line))
        try:
            lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
            lexer.whitespace_split = True
            words = list(lexer)
        except ValueError:
            raise Missing("shell line", line.strip()[:60]) from None
        command: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set(";&|") and word:
                if word == "|":
                    raise Missing("shell command", " ".join(command[:1]) or "|")
                if command:
                    yield command
                command = []
            else:
                command.append(word)


def of_sysctl(words: list[str]) -> Iterator[tuple[str, str]]:
    """sysctl [-q] [-e] [-w] NAME=VALUE ..."""
    for word in words:
        if word in ("-q", "-e", "-w", "-eq", "-qe", "-qw", "-wq"):
            continue
        if word.startswith("-"):
            raise Missing("shell command", f"sysctl {word}")
        yield pair(word)


def pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise Missing("shell command", f"sysctl {word}")
    return name.removeprefix("/proc/sys/").replace("/", "."), value


def arithmetic(text: str) -> int:
    """$((...)): sums, differences and products of numbers."""
    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
            n = OPERATIONS[type(node.op)](value(node.left), value(node.right))
            if abs(n) < 1 << 63:
                return n
        raise Missing("shell line", f"$(({text}))")
    try:
        return value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, ValueError):
        raise Missing("shell line", f"$(({text}))") from None
