"""What a case beside its host's truth comes to, as data: views draw from it, explain.py finds words for what differs."""
from __future__ import annotations

from dataclasses import dataclass, field

from rxpath.workbench.case.classes import BY_KEY
from rxpath.workbench.case.fit import Fitted
from rxpath.workbench.case.reader import Reader
from rxpath.workbench.host.model.host import Host

AGREES, FEW = 0.05, 20                                      # of the losses, and frames: no difference worth a word


@dataclass(frozen=True, slots=True)
class Row:
    """A class: what was really lost (None: not known, and why), what the prediction loses, what the run with fitted values loses.
    together: which share of the larger of both was lost in the same interval (None: samples do not say)."""

    key: str
    title: str
    counters: str
    real: int | None
    predicted: int
    fitted: int | None
    together: float | None
    why: str = ""

    @property
    def ours(self) -> int:
        return self.predicted if self.fitted is None else self.fitted

    @property
    def judged(self) -> bool:
        """A capture is taken behind the card, its ring and the backlogs: of what was lost there it holds nothing, so that the model has not
        seen that traffic."""
        return not (BY_KEY[self.key].before_tap and self.real)

    @property
    def agrees(self) -> bool:
        return self.real is not None and abs(self.ours - self.real) <= max(AGREES * self.real, FEW)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of time, in s from the first sample: class -> (really lost, ours)."""

    begin: float
    end: float
    losses: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Beside:
    """frames: that the capture has within the samples.  measured: sentences, what the case said of programs.  fitted: what was fitted;
    second_half: (really lost, ours) there, of the class that it was fitted to.  cannot_judge: why nothing can be said.  explained: which
    assumption would explain what differs.  host: with what was measured and fitted; sockets: (socket, really lost, ours)."""

    name: str
    seconds: float
    frames: int
    rows: tuple[Row, ...]
    stretches: tuple[Stretch, ...]
    measured: tuple[str, ...]
    fitted: Fitted | None
    second_half: tuple[int, int] | None
    cannot_judge: str
    explained: tuple[str, ...]
    said: tuple[str, ...]
    host: Host
    tap_lost: int = 0
    interval: float = 0.0
    readers: tuple[Reader, ...] = field(default=(), repr=False)

    def row(self, key: str) -> Row:
        return next(r for r in self.rows if r.key == key)
