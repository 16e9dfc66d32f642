"""While a command runs: Ctrl-C, progress bars, what is being searched.  All of it on stderr, and only on a terminal."""
from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

EXIT_INTERRUPTED = 130


class Interrupt:
    """Ctrl-C: the first asks the run to stop between two slices, the second is Python's own KeyboardInterrupt."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Interrupt:
        try:
            self._before: Any = signal.signal(signal.SIGINT, self._note)
        except ValueError:                                          # not the main thread
            self._before = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __call__(self) -> bool:
        return self.asked


class Ended:
    """SIGTERM and SIGHUP end what runs as Ctrl-C does: what was changed is put back on the way out.  Only the first of them."""

    SIGNALS = (signal.SIGTERM, signal.SIGHUP)

    def __enter__(self) -> Ended:
        self._before: dict[int, Any] = {}
        try:
            self._before = {s: signal.signal(s, self._note) for s in self.SIGNALS}
        except ValueError:                                          # not the main thread
            pass
        return self

    def __exit__(self, *_: object) -> None:
        for s, before in self._before.items():
            signal.signal(s, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        for s in self.SIGNALS:
            signal.signal(s, signal.SIG_IGN)
        raise KeyboardInterrupt


class Bar:
    """A progress bar on stderr: only on a terminal, and only when it takes longer than a second."""

    def __init__(self, wanted: bool, what: str) -> None:
        self.on, self.what = wanted and sys.stderr.isatty(), what
        self.started, self.task = time.monotonic(), None
        self.bar: Any = None

    def __call__(self, share: float, frames: int) -> None:
        if not self.on:
            return
        if self.bar is None:
            if time.monotonic() - self.started < 1:
                return
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            self.bar = Progress(TextColumn(self.what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
                                     console=Console(file=sys.stderr), transient=True)
            self.bar.start()
            self.task = self.bar.add_task("", total=1.0)
        self.bar.update(self.task, completed=share)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()


class Spinner:
    """What is being searched, on stderr, where it is a terminal: nobody knows beforehand how many runs a search takes."""

    def __init__(self, wanted: bool, text: str = "searching") -> None:
        self.on, self.text = wanted and sys.stderr.isatty(), text
        self.status: Any = None

    def __enter__(self) -> Spinner:
        if self.on:
            from rich.console import Console

            self.status = Console(file=sys.stderr).status(self.text)
            self.status.start()
        return self

    def __call__(self, text: str) -> None:
        if self.status is not None:
            self.status.update(text)

    def __exit__(self, *_: object) -> None:
        if self.status is not None:
            self.status.stop()
