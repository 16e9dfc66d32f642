"""rxpath.sweep(), rxpath.headroom(), rxpath.tune() and rxpath.diff(): many runs, their results as tables."""
from __future__ import annotations

from dataclasses import fields
from typing import Any

from rxpath.workbench.api.shown import shown
from rxpath.workbench.many import diff as comparing
from rxpath.workbench.many import headroom as searching
from rxpath.workbench.many import sweep as sweeping
from rxpath.workbench.many import tune as tuning
from rxpath.workbench.views import diff as diff_view
from rxpath.workbench.views import frames, terminal
from rxpath.workbench.views import headroom as headroom_view
from rxpath.workbench.views import sweep as sweep_view
from rxpath.workbench.views import tune as tune_view


class Sweep(sweeping.Sweep):
    """str(): the table, best first."""
    __slots__ = ()

    def _repr_html_(self) -> str:
        from rxpath.workbench.views.html import notebook

        return notebook.of_sweep(self)

    def __str__(self) -> str:
        return terminal.plain(sweep_view.render(self), 120)

    def table(self, kind: str = "arrow") -> Any:
        """A row for each point of the grid as a table of `kind`: arrow (needs rxpath[parquet]), pandas or polars; times in ns."""
        return frames.of_columns(sweep_view.typed(self), kind)


class Headroom(searching.Headroom):
    """str(): the limits and the curves."""
    __slots__ = ()

    def _repr_html_(self) -> str:
        from rxpath.workbench.views.html import notebook

        return notebook.of_headroom(self)

    def __str__(self) -> str:
        return terminal.plain(headroom_view.render(self))


class Diff(comparing.Diff):
    """str(): what differs."""
    __slots__ = ()

    def _repr_html_(self) -> str:
        from rxpath.workbench.views.html import notebook

        return notebook.of_diff(self)

    def __str__(self) -> str:
        return terminal.plain(diff_view.render(self))


class Tune(tuning.Tune):
    """str(): the answer, what matters, the front."""
    __slots__ = ()

    def __str__(self) -> str:
        return terminal.plain(tune_view.render(self))


tune = shown(tuning.tune, lambda found: Tune(**{f.name: getattr(found, f.name) for f in fields(found)}))
sweep = shown(sweeping.sweep, lambda found: Sweep(**{f.name: getattr(found, f.name) for f in fields(found)}))
headroom = shown(searching.headroom, lambda found: Headroom(**{f.name: getattr(found, f.name) for f in fields(found)}))


def _diff(found: comparing.Diff | None) -> Diff | None:
    return None if found is None else Diff(**{f.name: getattr(found, f.name) for f in fields(found)})


diff = shown(comparing.diff, _diff)
