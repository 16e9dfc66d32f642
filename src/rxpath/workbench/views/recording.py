"""A recording in files: JSON for programs, Arrow and Parquet for tables.  docs/recording.md says what is in them."""
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.recording import Recording, Series
from rxpath.workbench.views import arrow
from rxpath.workbench.words.mistakes import BadInput, check_writable, new_file

ENDINGS = (".json", ".arrow", ".parquet")


def check(file: str, as_json: bool) -> None:
    """Before the run, not after it."""
    if file == "-":
        if not as_json:
            raise BadInput(f"--record -: goes into the object of --json, which is not asked for; or a file: {', '.join(ENDINGS)}")
        return
    check_writable("--record", file)
    if Path(file).suffix not in ENDINGS:
        raise BadInput(f"--record {file}: the name must end in one of {', '.join(ENDINGS)}")
    if Path(file).suffix != ".json":
        arrow.pyarrow(f"--record {file}")


def _series(s: Series) -> dict[str, Any]:
    """A total has nothing but sums."""
    row: dict[str, Any] = {"name": s.name, "of": s.of, "unit": s.unit, "kind": s.kind}
    if s.kind != "total":
        row |= {"count": s.count.tolist(), "min": s.min.tolist(), "max": s.max.tolist()}
    return row | {"sum": s.sum.tolist()}


def as_dict(recording: Recording) -> dict[str, Any]:
    return {"bucket_ns": recording.bucket_ns, "buckets": recording.buckets, "elapsed_ns": recording.elapsed_ns,
            "sockets_summed": recording.summed, "series": [_series(s) for s in recording.series]}


def table(recording: Recording, pa: Any) -> Any:
    """A row for each bucket of each series."""
    n, series = recording.buckets, recording.series
    columns: dict[str, Any] = {}
    for field in ("name", "of", "unit", "kind"):
        words = [getattr(s, field) for s in series]
        known = sorted(set(words))
        which = pa.array([known.index(w) for w in words for _ in range(n)], pa.int32())
        columns[field] = pa.DictionaryArray.from_arrays(which, pa.array(known, pa.string()))
    columns["t_ns"] = pa.array([i * recording.bucket_ns for _ in series for i in range(n)], pa.int64())
    for field in ("count", "min", "max", "sum"):
        parts = [pa.nulls(n, pa.int64()) if s.kind == "total" and field != "sum" else pa.array(getattr(s, field), pa.int64())
                 for s in series]
        columns[field] = pa.concat_arrays(parts) if parts else pa.array([], pa.int64())
    said = {"bucket_ns": recording.bucket_ns, "elapsed_ns": recording.elapsed_ns, "sockets_summed": recording.summed}
    return pa.table(columns).replace_schema_metadata({k: str(v) for k, v in said.items()})


def take(outcome: Outcome, file: str) -> Outcome:
    """The recording goes into the file and is no longer of the outcome."""
    assert outcome.recording is not None
    write(outcome.recording, file)
    return replace(outcome, recording=None)


def write(recording: Recording, file: str) -> None:
    """As the file's name says."""
    kind = Path(file).suffix
    if kind == ".json":
        with new_file(file) as out:
            out.write((json.dumps(as_dict(recording)) + "\n").encode())
        return
    pa = arrow.pyarrow(f"--record {file}")
    with new_file(file) as out:
        if kind == ".arrow":
            pa.feather.write_feather(table(recording, pa), out, compression="lz4")
        else:
            pa.parquet.write_table(table(recording, pa), out)
