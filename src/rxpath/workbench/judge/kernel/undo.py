"""What a judge changes outside its own process, written down before it is changed: namespaces, trace instances, global sysctls.

Whoever starts next undoes what a dead one left: `recover()`.  The journal of a live judge is left alone; a process is known by its number
and its start time, so that a number used again does not protect the leftovers of a dead one."""
from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
from pathlib import Path
from typing import Any

STATE = Path("/run/rxpath/judge")
TRACEFS = Path("/sys/kernel/tracing")
PROC_SYS = Path("/proc/sys")


def start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat; "" when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def sysctl_path(name: str) -> Path:
    return PROC_SYS / name.replace(".", "/")


class Journal:
    """Of this process.  Each entry is on the disk before the change is made."""

    def __init__(self, state: Path = STATE) -> None:
        self.state, self.pid = state, os.getpid()
        state.mkdir(parents=True, exist_ok=True)
        self.path = state / f"{self.pid}.json"
        self.lock = open(state / "global.lock", "wb")
        self.entries: dict[str, Any] = {"pid": self.pid, "start": start_time(self.pid), "netns": [], "trace": [], "sysctl": {}}

    def _write(self) -> None:
        beside = self.path.with_suffix(".new")
        with open(beside, "w") as file:
            json.dump(self.entries, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)

    def will_make(self, kind: str, name: str) -> None:
        """kind: netns or trace."""
        if name not in self.entries[kind]:
            self.entries[kind].append(name)
            self._write()

    def gone(self, kind: str, name: str) -> None:
        if name in self.entries[kind]:
            self.entries[kind].remove(name)
            self._write()

    def between(self) -> None:
        """Between two hosts: whoever wants to change a sysctl of the whole machine may, and then we go on."""
        fcntl.flock(self.lock, fcntl.LOCK_UN)
        fcntl.flock(self.lock, fcntl.LOCK_SH)

    def set_global(self, name: str, value: object) -> None:
        """A sysctl of the whole machine: its present value is kept, the first time, until restore().  Other judges wait so long."""
        path = sysctl_path(name)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        if name not in self.entries["sysctl"]:
            self.entries["sysctl"][name] = path.read_text().strip()
            self._write()
        path.write_text(f"{value}\n")

    def restore(self) -> None:
        """The global sysctls as they were found."""
        for name, value in list(self.entries["sysctl"].items()):
            sysctl_path(name).write_text(value + "\n")
            del self.entries["sysctl"][name]
            self._write()
        fcntl.flock(self.lock, fcntl.LOCK_SH)

    def close(self) -> None:
        undo(self.entries)
        self.lock.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


def undo(entries: dict[str, Any]) -> list[str]:
    """Undo what a journal says; what was done, in words."""
    done = []
    for name, value in entries.get("sysctl", {}).items():
        with contextlib.suppress(OSError):
            sysctl_path(name).write_text(value + "\n")
            done.append(f"{name} is {value} again")
    for name in entries.get("netns", []):
        if Path(f"/run/netns/{name}").exists():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=30, check=False)
            done.append(f"namespace {name} removed")
    for name in entries.get("trace", []):
        instance = TRACEFS / "instances" / name
        if instance.exists():
            with contextlib.suppress(OSError):
                (instance / "tracing_on").write_text("0")
                instance.rmdir()
                done.append(f"trace instance {name} removed")
    return done


def recover(state: Path = STATE) -> list[str]:
    """Undo what judges that are dead have left; what was done."""
    done: list[str] = []
    for path in sorted(state.glob("*.json")) if state.is_dir() else []:
        try:
            entries = json.loads(path.read_text())
        except (OSError, ValueError):
            entries = {}
        pid = int(entries.get("pid", 0))
        if pid and start_time(pid) == entries.get("start"):
            continue
        done += undo(entries)
        with contextlib.suppress(OSError):
            path.unlink()
    return done
