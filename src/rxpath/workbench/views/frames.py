"""Results as tables for a notebook: Arrow, pandas or Polars, made when they are asked for.  The libraries are the user's own."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.views import arrow, recording
from rxpath.workbench.views.spent import PLACES
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

KINDS = ("arrow", "pandas", "polars")


def of_run(run: Outcome, what: str, kind: str = "arrow") -> Any:
    """One of TABLES, a row for each thing of its kind."""
    if what not in TABLES:
        near = units.nearest(what, list(TABLES))
        raise BadInput(f"table {what!r}: one of {', '.join(TABLES)}" + (f"; did you mean {near}?" if near else ""))
    _checked(kind)
    pa = arrow.pyarrow(f"table({what!r})")
    return _as(TABLES[what](run, pa), kind)


def of_columns(columns: Mapping[str, Sequence[Any]], kind: str = "arrow") -> Any:
    """From columns of equal length."""
    _checked(kind)
    return _as(arrow.pyarrow("table()").table(dict(columns)), kind)


def _checked(kind: str) -> None:
    if kind not in KINDS:
        raise BadInput(f"kind {kind!r}: {', '.join(KINDS)}")


def _as(table: Any, kind: str) -> Any:
    if kind == "arrow":
        return table
    try:
        library = import_module(kind)
    except ImportError:
        raise BadInput(f"a table of {kind} needs {kind}, which is not installed: pip install {kind}") from None
    return table.to_pandas() if kind == "pandas" else library.from_arrow(table)


# ---------------------------------------------------------------- what there is
def _samples(run: Outcome, pa: Any) -> Any:
    rows = run.samples
    return pa.table({
        "frame": pa.array([s.frame for s in rows], pa.int64()), "program": pa.array([s.program for s in rows], pa.string()),
        "thread": pa.array([s.thread for s in rows], pa.int32()), "arrived_ns": pa.array([s.arrived for s in rows], pa.int64()),
        "to_return_ns": pa.array([s.to_return for s in rows], pa.int64()), "to_end_ns": pa.array([s.to_end for s in rows], pa.int64()),
        **{f"{place}_ns": pa.array([s.ns[place] for s in rows], pa.int64()) for place in PLACES}})


def _recording(run: Outcome, pa: Any) -> Any:
    if run.recording is None:
        raise BadInput("table('recording'): the run kept none: rxpath.replay(..., record=True)")
    return recording.table(run.recording, pa)


def _trail(run: Outcome, pa: Any) -> Any:
    if run.trail is None:
        raise BadInput("table('trail'): no packets were watched: rxpath.replay(..., trail=\"drops\")")
    rows = [(p, m) for p in run.trail.describe() for m in p["marks"]]
    of_packet, of_mark = {"frame": pa.int64(), "packet": pa.string(), "end": pa.string()}, \
        {"t_ns": pa.int64(), "cpu": pa.int32(), "station": pa.string(), "context": pa.string(), "cost_ns": pa.int64()}
    return pa.table({key: pa.array([p[key] for p, _ in rows], type_) for key, type_ in of_packet.items()}
                    | {key: pa.array([m[key] for _, m in rows], type_) for key, type_ in of_mark.items()})


def _drops(run: Outcome, pa: Any) -> Any:
    rows = [(reason, at, n) for reason, places in run.books.lost_at.items() for at, n in places.items()]
    return pa.table({"reason": pa.array([r for r, _, _ in rows], pa.string()), "station": pa.array([at for _, at, _ in rows], pa.string()),
                     "frames": pa.array([n for _, _, n in rows], pa.int64())})


TABLES: dict[str, Callable[[Outcome, Any], Any]] = {"samples": _samples, "recording": _recording, "trail": _trail, "drops": _drops}
