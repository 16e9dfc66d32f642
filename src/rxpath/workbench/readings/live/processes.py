"""Which processes hold which sockets, and how their threads run and wait: /proc/PID/fd, task/TID/{stat,syscall}.

Other users' processes need root; how many were hidden is said.  A host can have a hundred thousand descriptors: reading stops after a
while, which is said, too."""
from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

from rxpath.workbench.readings.live import files
from rxpath.workbench.readings.records import Source, Unread
from rxpath.workbench.readings.settings import Call, Process, Processes, Thread

PATIENCE = 0.2                                              # seconds of a snapshot's half
_THREADS_MAX = 256                                          # of a process
_POLICIES = {0: "SCHED_OTHER", 1: "SCHED_FIFO", 2: "SCHED_RR", 3: "SCHED_BATCH", 5: "SCHED_IDLE", 6: "SCHED_DEADLINE"}
# numbers of the calls in which a receiver waits: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h
_CALLS = {
    "x86_64": {0: "read", 7: "poll", 23: "select", 45: "recvfrom", 47: "recvmsg", 232: "epoll_wait", 270: "pselect6", 271: "ppoll",
               281: "epoll_pwait", 299: "recvmmsg", 426: "io_uring_enter", 441: "epoll_pwait2"},
    "aarch64": {22: "epoll_pwait", 63: "read", 72: "pselect6", 73: "ppoll", 207: "recvfrom", 212: "recvmsg", 243: "recvmmsg",
                426: "io_uring_enter", 441: "epoll_pwait2"},
}
_WITH_FD = ("read", "recvfrom", "recvmsg", "recvmmsg", "epoll_wait", "epoll_pwait", "epoll_pwait2")


def processes(inodes: set[int], patience: float = PATIENCE) -> tuple[Processes, list[Unread]]:
    """Those that hold one of these sockets."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found, unread, hidden = [], [], 0
    begun = time.monotonic()
    pids = sorted((name for name in os.listdir("/proc") if name.isdigit()), key=int)
    for at, pid in enumerate(pids):
        if time.monotonic() - begun > patience:
            left = f"{len(pids) - at} of {len(pids)} processes"
            unread.append(Unread("/proc/PID/fd", 0, "", f"stopped after {patience:g} s: {left} were not looked at"))
            break
        try:
            held = [(int(fd), wanted[link]) for fd in os.listdir(f"/proc/{pid}/fd") if (link := _link(pid, fd)) in wanted]
        except PermissionError:
            hidden += 1
            continue
        except OSError:                                     # it has ended
            continue
        if held:
            found.append(Process(files.content(f"/proc/{pid}/comm") or "", int(pid), tuple(sorted(held)), _threads(pid)))
    return Processes(source=Source("/proc/PID/fd"), processes=tuple(found), hidden=hidden), unread


def _link(pid: str, fd: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return ""


def _threads(pid: str) -> tuple[Thread, ...]:
    found = []
    for name in files.names(f"/proc/{pid}/task")[:_THREADS_MAX]:
        try:
            cpus = tuple(sorted(os.sched_getaffinity(int(name))))
        except OSError:
            cpus = None
        place = f"/proc/{pid}/task/{name}"
        thread = thread_of(int(name), files.content(f"{place}/stat") or "", files.content(f"{place}/syscall") or "", cpus,
                           os.uname().machine, partial(_fdinfo, pid))
        if thread is not None:
            found.append(thread)
    return tuple(found)


def thread_of(tid: int, stat: str, syscall: str, cpus: tuple[int, ...] | None, machine: str, fdinfo: Callable[[int], str]) -> Thread | None:
    """A thread from the texts of its stat and syscall; fdinfo: what /proc/PID/fdinfo says of an epoll instance.  None: it has ended."""
    begin, _, rest = stat.rpartition(")")
    fields = rest.split()
    if len(fields) < 39:
        return None
    try:
        return Thread(tid, begin.partition("(")[2], cpus, int(fields[36]), int(fields[16]), _POLICIES.get(int(fields[38]), fields[38]),
                      int(fields[37]), _call(syscall.split(), machine, fdinfo))
    except ValueError:
        return None


def _fdinfo(pid: str, fd: int) -> str:
    return files.content(f"/proc/{pid}/fdinfo/{fd}") or ""


def _call(fields: list[str], machine: str, fdinfo: Callable[[int], str]) -> Call | None:
    """None: it runs, it waits elsewhere, or we may not look (root)."""
    name = _CALLS.get(machine, {}).get(int(fields[0])) if fields and fields[0].isdigit() else None
    if name is None or len(fields) < 7:
        return None
    first, _, third, fourth = (int(word, 16) for word in fields[1:5])
    fd = first & 0xFFFFFFFF if name in _WITH_FD else None
    return Call(name, fd, batch=third & 0xFFFFFFFF if name == "recvmmsg" else None, size=third if name == "recvfrom" else None,
                flags=(third if name == "recvmsg" else fourth) & 0xFFFFFFFF if name.startswith("recv") else 0,
                watched=_watched(fdinfo(fd)) if name.startswith("epoll") and fd is not None else ())


def _watched(text: str) -> tuple[tuple[int, int], ...]:
    """The descriptors of an epoll instance with their events: lines "tfd: 5 events: 19 data: ..." of fdinfo."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[0] == "tfd:" and words[2] == "events:":
            found.append((int(words[1]), int(words[3], 16)))
    return tuple(found)
