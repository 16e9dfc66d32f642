"""What a script asks for and is not there: a system call, an option, a shell command.  It is named, and counted by itself."""
from __future__ import annotations


class Missing(Exception):
    """kind: "system call", "socket option", ...; name: which."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"missing: {kind} {name}")
        self.kind, self.name = kind, name


class Differs(Exception):
    """Something else came out than the script says: what was expected, what it was."""
