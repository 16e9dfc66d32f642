"""The words that anybody may see: those of the kernel, its tools and its drivers.  A word of a text that is not among them is somebody's
own - a host's name, a user's, a path's, a comment's - and is replaced.

They are the words in what reads and checks such texts here (whatever no reader knows decides nothing), and those of words.txt, which the
kernel and its tools print beside them."""
from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

PLACES = ("workbench/readings", "workbench/host", "workbench/doctor", "drivers", "abi", "vtime/profiles", "workbench/case/hiding")
KINDS = (".py", ".toml", ".txt")
LETTERS = re.compile("[A-Za-z]+")
# 12, eth0, 64kB, x86, rx0tail
PIECE = re.compile(r"(\d*)([A-Za-z]*)(\d{0,12})([A-Za-z]*)")


@cache
def known_words() -> frozenset[str]:
    """In small letters."""
    found: set[str] = set()
    for place in PLACES:
        folder = files("rxpath")
        for part in place.split("/"):
            folder = folder / part
        _read(folder, found)
    return frozenset(found)


def _read(folder: Traversable, found: set[str]) -> None:
    for item in folder.iterdir():
        if item.is_dir():
            _read(item, found)
        elif item.name.endswith(KINDS):
            for word in LETTERS.findall(item.read_text(encoding="utf-8")):
                found.add(word.lower())


@cache
def is_public(piece: str) -> bool:
    """Of letters and digits: a number, or a known word with digits around it."""
    if piece.isdigit():
        return True
    words = known_words()
    if piece.lower() in words:
        return True
    match = PIECE.fullmatch(piece)
    return match is not None and all(not w or w.lower() in words for w in (match[2], match[4])) and \
        not (match[1] and match[3] and match[4])
