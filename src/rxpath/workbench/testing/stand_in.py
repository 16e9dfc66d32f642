"""The modules socket, select, selectors and time of the simulated host in place of the real ones, in a module under test."""
from __future__ import annotations

import select
import selectors
import socket
import time
from types import ModuleType
from typing import Any

from rxpath.vtime.program import Programs

MODULES = (socket, select, selectors, time)
NAMES = ("socket", "select", "poll", "epoll", "DefaultSelector", "sleep", "monotonic", "monotonic_ns", "time_ns", "perf_counter",
         "perf_counter_ns")


class Running:
    """Whatever program runs: one module may hold the code of several."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def __getattr__(self, name: str) -> Any:
        program = self._programs.running or next(iter(self._programs.by_thread.values()))
        return getattr(program, name)


class StandIn:
    def __init__(self, programs: Programs) -> None:
        self.running = Running(programs)
        self.before: list[tuple[ModuleType, str, Any]] = []
        self.real = {id(getattr(m, name)): name for m in MODULES for name in NAMES if hasattr(m, name)}

    def put_into(self, module: ModuleType) -> None:
        """Its globals that are one of those modules, or a function or class of theirs under whatever name."""
        for name, value in list(vars(module).items()):
            if any(value is m for m in MODULES):
                stands = self.running
            elif id(value) in self.real and not isinstance(value, ModuleType):
                stands = _Late(self.running, self.real[id(value)])  # type: ignore[assignment]
            else:
                continue
            self.before.append((module, name, value))
            setattr(module, name, stands)

    def take_out(self) -> None:
        """All as it was."""
        while self.before:
            module, name, value = self.before.pop()
            setattr(module, name, value)


class _Late:
    """`from time import sleep`: found when it is called."""

    def __init__(self, running: Running, name: str) -> None:
        self._running, self._name = running, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._running, self._name)(*args, **kwargs)
