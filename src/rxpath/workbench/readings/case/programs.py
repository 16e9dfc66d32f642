"""programs.json of a case: who held UDP sockets, and in which calls the threads waited, as the record that a live reading gives."""
from __future__ import annotations

import json
from typing import Any

from rxpath.workbench.readings.live.processes import thread_of
from rxpath.workbench.readings.records import Source, Unread
from rxpath.workbench.readings.settings import Process, Processes, Thread

NAME = "programs.json"


def programs(text: bytes, machine: str, hidden: int, unread: list[Unread]) -> Processes | None:
    """None: it is not as the recorder writes it; what of it is not, is said."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        unread.append(Unread(NAME, 0, "", "not as the recorder writes it"))
        return None
    made = []
    for item in found:
        try:
            made.append(_process(item, machine))
        except (TypeError, ValueError, KeyError, AttributeError):
            unread.append(Unread(NAME, 0, "", "a program in it is not as the recorder writes it"))
    return Processes(source=Source(NAME), processes=tuple(made), hidden=hidden)


def _process(item: dict[str, Any], machine: str) -> Process:
    polled = {int(fd): str(text) for fd, text in item["epoll"].items()}
    threads: list[Thread] = []
    for thread in item["threads"]:
        cpus = None if thread["cpus"] is None else tuple(int(c) for c in thread["cpus"])
        one = thread_of(int(thread["id"]), str(thread["stat"]), str(thread["syscall"]), cpus, machine, lambda fd: polled.get(fd, ""))
        if one is not None:
            threads.append(one)
    return Process(str(item["name"]), int(item["pid"]), tuple((int(fd), int(inode)) for fd, inode in item["sockets"]), tuple(threads))
