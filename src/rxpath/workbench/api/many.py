"""rxpath.sweep() and rxpath.headroom(): many runs, their results as tables."""
from __future__ import annotations

from dataclasses import fields

from rxpath.workbench.api.shown import shown
from rxpath.workbench.many import headroom as searching
from rxpath.workbench.many import sweep as sweeping
from rxpath.workbench.views import headroom as headroom_view
from rxpath.workbench.views import sweep as sweep_view
from rxpath.workbench.views import terminal


class Sweep(sweeping.Sweep):
    """str(): the table, best first."""
    __slots__ = ()

    def __str__(self) -> str:
        return terminal.plain(sweep_view.render(self), 120)


class Headroom(searching.Headroom):
    """str(): the limits and the curves."""
    __slots__ = ()

    def __str__(self) -> str:
        return terminal.plain(headroom_view.render(self))


sweep = shown(sweeping.sweep, lambda found: Sweep(**{f.name: getattr(found, f.name) for f in fields(found)}))
headroom = shown(searching.headroom, lambda found: Headroom(**{f.name: getattr(found, f.name) for f in fields(found)}))
