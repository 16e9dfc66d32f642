"""A sweep's rows for a person, and as CSV, JSON lines and Parquet.  Tables are sorted, files are in the order of the grid."""
from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath.abi.reasons import Kind
from rxpath.workbench.many.sweep import Row, Sweep
from rxpath.workbench.views import arrow
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.words.figures import ns, share
from rxpath.workbench.words.mistakes import writing

SHOWN = 40
LOST = Kind.LOST.value


def render(sweep: Sweep, shown: int = SHOWN) -> Group:
    """Best first: the settings that vary, losses, latency to the return of the call and to the end of the work, CPU, memory.  Frames of
    another class than lost have a column where the settings change how many they are, and else a line."""
    varying = [a.key for a in sweep.axes if len(a.values) > 1]
    fixed = [f"{a.key}={a.values[0]}" for a in sweep.axes if len(a.values) == 1]
    good = [row.result for row in sweep.rows if row.result.error is None]
    classes = [k for k in dict.fromkeys(k for r in good for k, n in r.ended.items() if n) if k != LOST]
    differ = [k for k in classes if len({r.ended.get(k, 0) for r in good}) > 1]
    table = table_of(*varying, LOST, "", *differ, "p50", "p99", "p99 done", "CPU", "memory")
    for column in table.columns[:len(varying)]:
        column.justify = "right"
    ranked = sweep.ranked
    for row in ranked[:shown]:
        table.add_row(*[row.settings[k] for k in varying], *_cells(row, differ))
    head = f"{sweep.capture}: {len(sweep.rows):,} of {sweep.of:,} runs"
    if sweep.kept:
        head += f", {sweep.kept:,} of them taken from the journal"
    if fixed:
        head += f"; always {', '.join(fixed)}"
    parts: list[Any] = [Text(head, "bold")]
    if not sweep.complete:
        parts.append(Text("INTERRUPTED: the grid is not complete"))
    if sweep.rows:
        parts += [Text(), table]
    alike = [f"{good[0].ended[k]:,} {k}" for k in classes if k not in differ]
    if alike:
        parts.append(Text(f"in each run: {', '.join(alike)}", "dim"))
    ours = [r.lost_to_us for r in good if r.lost_to_us]
    if ours:
        parts.append(Text(f"in {len(ours):,} run{'s' * (len(ours) != 1)} all packets of the simulation were in use at some moment: up to "
                          f"{max(ours):,} of the lost are its limit, not the host's", "yellow"))
    if len(ranked) > shown:
        parts.append(Text(f"... {len(ranked) - shown:,} more: --top N, or --csv FILE", "dim"))
    errors = [row for row in ranked if row.result.error is not None]
    for row in errors[:5]:
        parts.append(Text(f"impossible: {', '.join(f'{k}={row.settings[k]}' for k in varying)}: {row.result.error}", "yellow"))
    return Group(*parts)


def _cells(row: Row, classes: list[str]) -> list[Any]:
    """classes: those that have a column."""
    r = row.result
    if r.error is not None:
        return ["-"] * (7 + len(classes))
    q = r.latency_ns
    return [Text(f"{r.lost:,}", "red" if r.lost else "green"), share(r.lost, r.offered), *(f"{r.ended.get(k, 0):,}" for k in classes),
            ns(q["p50"]), ns(q["p99"]), ns(r.p99_ns), share(r.busy_ns, r.busy_ns + r.cpu_ns["idle"]),
            f"{r.memory_bytes / (1 << 20):,.1f} MiB"]


# ---------------------------------------------------------------- files
def lines(sweep: Sweep) -> str:
    """JSON, an object on each line."""
    return "".join(json.dumps(row.to_dict()) + "\n" for row in sweep.rows)


def csv_text(sweep: Sweep) -> str:
    columns = sweep.columns()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def typed(sweep: Sweep) -> dict[str, list[Any]]:
    """The flat rows by column; settings that are all numbers are numbers."""
    columns = sweep.columns()
    return columns | {axis.key: _numbers(columns[axis.key]) for axis in sweep.axes}


def parquet(sweep: Sweep, file: str) -> None:
    """One row group."""
    pyarrow = arrow.pyarrow("--parquet")
    columns = typed(sweep)
    with writing(file):
        pyarrow.parquet.write_table(pyarrow.table(columns), file)


def _numbers(values: list[Any]) -> list[Any]:
    for kind in (int, float):
        try:
            return [kind(v) for v in values]
        except ValueError:
            pass
    return values


def write(text: str, file: str) -> None:
    """To a file; - is standard output."""
    if file == "-":
        sys.stdout.write(text)
    else:
        with writing(file):
            Path(file).write_text(text)
