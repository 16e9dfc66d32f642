"""Small files of /proc and /sys as values.  What is not there, or may not be read, is None: most of them depend on the machine."""
from __future__ import annotations

import os

from rxpath.workbench.words import units


def content(path: str) -> str | None:
    """A file without the blanks at its ends.  By bare calls: a snapshot reads hundreds of them."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = b""
        while part := os.read(handle, 1 << 16):
            data += part
    except OSError:                                         # sysfs answers EINVAL where a device has no such thing
        return None
    finally:
        os.close(handle)
    return data.decode(errors="replace").strip()


def number(path: str, base: int = 10) -> int | None:
    try:
        return int(content(path) or "", base)
    except ValueError:
        return None


def cpus(path: str) -> tuple[int, ...] | None:
    """A file with a list of CPUs, such as 0-3,8."""
    text = content(path)
    try:
        return None if text is None else units.cpu_list(text)
    except ValueError:
        return None


def cpu_mask(path: str) -> tuple[int, ...] | None:
    """A file with a mask of CPUs, such as 00000000,0000000f."""
    text = (content(path) or "").replace(",", "")
    try:
        mask = int(text, 16)
    except ValueError:
        return None
    return tuple(cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1)


def names(path: str) -> list[str]:
    """A directory's entries in an order that does not depend on the file system: by their numbers, where they have some."""
    try:
        found = os.listdir(path)
    except OSError:
        return []
    return sorted(found, key=lambda name: (name.rstrip("0123456789"), len(name), name))
