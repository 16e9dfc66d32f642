"""Texts, folders and archives as moments of a case: what the readers of texts would read of them, and what was left out."""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rxpath.cable.case_file import MEMBERS_MOST, WHOLE_MOST
from rxpath.workbench.readings.archive import texts_of
from rxpath.workbench.readings.case.recorded import MOMENTS
from rxpath.workbench.words.mistakes import BadInput

NAME_MOST = 1000                                            # characters; a zip has room for 65,535 bytes
SAID_MOST = 100                                             # of what was left out of a moment


def moments_of(path: str) -> list[str]:
    """A folder with `before` and `after` in it is of two moments."""
    two = [os.path.join(path, part) for part in ("before", "after")]
    return two if all(os.path.exists(p) for p in two) else [path]


class Moments:
    """write: takes a member's name and bytes.  own: a folder in which the case is being made, which is not part of what is
    read.  said: for the manifest, what each moment was made of and what was left out."""

    def __init__(self, write: Callable[[str, bytes], None], own: str) -> None:
        self.write, self.own = write, own
        self.said: list[dict[str, Any]] = []
        self.names: set[str] = set()
        self.bytes = 0

    def add(self, path: str) -> None:
        """One more moment.  BadInput: nothing of it is a text, or a case would be larger than is read."""
        base = os.path.basename(os.path.abspath(path))
        folder = os.path.isdir(path)
        long, before = 0, len(self.names)

        def keep(name: str, data: bytes) -> None:
            nonlocal long
            if folder and os.path.abspath(name).startswith(self.own):
                return
            if folder:
                name = f"{base}/{os.path.relpath(name, path)}"
            elif name == path or path.startswith(name):     # the file itself, perhaps without its .gz
                name = os.path.basename(name)
            name = name.encode("utf-8", "replace").decode().replace("\0", "?").replace("\\", "_")
            if len(name) > NAME_MOST:
                long += 1
                return
            self._keep(name, data, path)

        left = [f"{u.source.removeprefix(path).lstrip('/')}: {u.why}".removeprefix(": ")[:200] for u in texts_of(path, keep).unread
                if not os.path.abspath(u.source).startswith(self.own)]
        if long:
            left.append(f"{long} files with a name of more than {NAME_MOST:,} characters: not read")
        if len(self.names) == before:
            raise BadInput(f"{path}: a case takes texts, folders and archives of texts, a capture and a host file; of these it is none"
                           + (f" ({left[0]})" if left else ""))
        if len(left) > SAID_MOST:
            left[SAID_MOST:] = [f"and {len(left) - SAID_MOST} more things that were left out"]
        self.said.append({"of": base, **({"left_out": left} if left else {})})

    def _keep(self, name: str, data: bytes, path: str) -> None:
        """A name that is there already (an archive may have one twice) gets a folder of its own."""
        moment = f"{MOMENTS}{len(self.said)}/"
        member, again = moment + name, 1
        while member in self.names:
            again += 1
            member = f"{moment}again-{again}/{name}"
        self.names.add(member)
        self.bytes += len(data)
        if len(self.names) > MEMBERS_MOST - 10 or self.bytes > WHOLE_MOST // 2:
            raise BadInput(f"{path}: with it the case has more than {MEMBERS_MOST - 10:,} files or {WHOLE_MOST >> 21} MiB of texts: "
                           "more than is read")
        self.write(member, data)
