"""A sweep's rows for a person, and as CSV, JSON lines and Parquet.  Tables are sorted, files are in the order of the grid."""
from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath.abi.reasons import Kind
from rxpath.workbench.jobs.spread import half_width
from rxpath.workbench.many.rows import Cell
from rxpath.workbench.many.sweep import Sweep
from rxpath.workbench.views import arrow
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.words.figures import ns, share
from rxpath.workbench.words.mistakes import check_writable, new_file, writing

SHOWN = 40
PART = 65_536                                               # rows of a file of a data set
LOST = Kind.LOST.value


def render(sweep: Sweep, shown: int = SHOWN) -> Group:
    """Best first: the settings that vary, losses, latency to the return of the call and to the end of the work, CPU, memory.  Frames of
    another class than lost have a column where the settings change how many they are, and else a line.  With several seeds the groups that
    they do not tell apart; of several captures a table by capture."""
    varying = [a.key for a in sweep.axes if len(a.values) > 1]
    fixed = [f"{a.key}={a.values[0]}" for a in sweep.axes if len(a.values) == 1]
    head = f"{sweep.title}: {len(sweep.rows):,} of {sweep.of:,} runs"
    if sweep.kept:
        head += f", {sweep.kept:,} of them taken from the journal"
    if fixed:
        head += f"; always {', '.join(fixed)}"
    parts: list[Any] = [Text(head, "bold")]
    if not sweep.complete:
        parts.append(Text("INTERRUPTED: the grid is not complete"))
    if sweep.rows:
        parts += _settings(sweep, varying, shown) if varying or len(sweep.captures) == 1 else []
        parts += _by_capture(sweep, varying, shown) if len(sweep.captures) > 1 else []
    ours = [row.result.lost_to_us for row in sweep.rows if row.result.lost_to_us]
    if ours:
        parts.append(Text(f"in {len(ours):,} run{'s' * (len(ours) != 1)} all packets of the simulation were in use at some moment: up to "
                          f"{max(ours):,} of the lost are its limit, not the host's", "yellow"))
    parts += [Text(line, "yellow") for line in left_out(sweep)]
    errors = [cell for cell in sweep.ranked if cell.error is not None]
    for cell in errors[:5]:
        settings = ", ".join(f"{k}={cell.settings[k]}" for k in varying)
        parts.append(Text(f"impossible: {settings}{': ' * bool(settings)}{cell.error}", "yellow"))
    return Group(*parts)


def left_out(sweep: Sweep) -> list[str]:
    """A line for each of the first five captures that no setting was run on."""
    found = list(sweep.left_out.items())
    more = [f"left out: {len(found) - 5:,} more"] if len(found) > 5 else []
    return ["left out: " + (why if name in why else f"{name}: {why}") for name, why in found[:5]] + more


def _settings(sweep: Sweep, varying: list[str], shown: int) -> list[Any]:
    """A line for each setting."""
    cells = [cell for cell in sweep.cells if cell.error is None]
    classes = [k for k in dict.fromkeys(k for cell in cells for row in cell.rows for k, n in row.result.ended.items() if n) if k != LOST]
    differ = [k for k in classes if len({cell.ended(k) for cell in cells}) > 1] if sweep.seeds == 1 else []
    numbered = _numbered(sweep, shown)
    several, unequal = sweep.seeds > 1, sweep.most > sweep.seeds
    heads = [_head(key) for key in varying] if several else varying
    table = table_of(*(["group"] * several), *heads, *(["seeds"] * unequal), LOST, *(["+-"] * several), "", *differ,
                     *(["p50"] * (not several)), "p99", "p99 done", "CPU", "memory", left=len(varying) + several)
    for column in table.columns[:len(varying) + several]:
        column.justify = "right"
    for number, cell in numbered:
        table.add_row(*([f"{number}"] * several), *[cell.settings[k] for k in varying], *([f"{len(cell.seeds)}"] * unequal),
                      *_cells(cell, differ, several))
    parts: list[Any] = [Text(), table]
    if len(sweep.cells) > shown:
        parts.append(Text(f"... {len(sweep.cells) - shown:,} more: --top N, or --csv FILE", "dim"))
    alike = [k for k in classes if len({cell.ended(k) for cell in cells}) == 1]
    each = [f"{cells[0].ended(k):,} {k}" for k in alike] if len(sweep.captures) == 1 and not several else []
    if each:
        parts.append(Text(f"in each run: {', '.join(each)}", "dim"))
    return parts + (_sure(sweep) if several else [])


def _head(key: str) -> str:
    """Of a column: a long name over two lines."""
    return ".\n".join(key.rsplit(".", 1)) if len(key) > 12 else key


def _numbered(sweep: Sweep, shown: int) -> list[tuple[int, Cell]]:
    if sweep.seeds == 1:
        return [(0, cell) for cell in sweep.ranked[:shown]]
    found: list[tuple[int, Cell]] = []
    for number, group in enumerate(sweep.groups(), 1):
        found += [(number, cell) for cell in group]
        if len(found) >= shown:
            break
    return found[:shown]


def _sure(sweep: Sweep) -> list[Any]:
    """What the seeds say, and what they do not."""
    n = f"{sweep.seeds:,} seeds, the same for all" if sweep.most == sweep.seeds else \
        f"{sweep.seeds:,} seeds, the same for all, and up to {sweep.most:,} for those that were not stopped"
    parts: list[Any] = [Text(f"{n}; the mean and its 99 % interval. Settings of one group are not told apart by their losses or their p99: "
                             "the least memory is first", "dim")]
    if sweep.stopped:
        parts.append(Text(stopped(sweep), "dim"))
    again = sweep.again
    if again is not None and again.error is None:
        best = sweep.ranked[0]
        parts.append(Text(f"the first again, with {len(again.seeds):,} fresh seeds: {LOST} {_mean(again)} (ranked by {_mean(best)}), "
                          f"p99 done {duration(again.done_mean_ns)}"))
    return parts


def stopped(sweep: Sweep) -> str:
    each = [f"{n:,} after {one.seeds:,} seeds ({one.why})" for one, n in sweep.stops()]
    every = len(sweep.cells) * len(sweep.captures) * sweep.most
    return f"stopped, and behind those that were not: {'; '.join(each)}: {len(sweep.rows):,} runs instead of {every:,}"


def _mean(cell: Cell) -> str:
    """A mean of whole numbers and its interval."""
    width = half_width(cell.lost)
    return f"{cell.lost_mean:,.0f}" + (f" +- {width:,.0f}" if width else "")


def duration(each: float) -> str:
    """Nothing has a latency of 0: nothing was read."""
    return ns(round(each)) if each else "-"


def _cells(cell: Cell, classes: list[str], several: bool) -> list[Any]:
    """classes: those that have a column."""
    if cell.error is not None:
        return ["-"] * (7 + len(classes))
    lost = round(cell.lost_mean)
    interval = [f"{half_width(cell.lost):,.0f}"] if several else []
    return [Text(f"{lost:,}", "red" if lost else "green"), *interval, share(lost, cell.offered), *(f"{cell.ended(k):,}" for k in classes),
            *([] if several else [duration(cell.p50_ns)]), duration(cell.p99_ns), duration(cell.done_mean_ns),
            share(round(cell.busy_ns), round(cell.busy_ns + cell.idle_ns)), f"{cell.memory_bytes / (1 << 20):,.1f} MiB"]


def _by_capture(sweep: Sweep, varying: list[str], shown: int) -> list[Any]:
    """A line for each capture: with the best setting of all, and what is best there."""
    found = sweep.by_capture()
    own = [f"best {key}" for key in varying]
    table = table_of("capture", "offered", LOST, "", "p99 done", *own, *([LOST] * bool(own)))
    for name, both, own_best in found[:shown]:
        if both.error is not None:
            table.add_row(name, "-", "-", "-", "-", *["-"] * (len(own) + bool(own)))
            continue
        lost = round(both.lost_mean)
        table.add_row(name, f"{both.offered:,}", Text(f"{lost:,}", "red" if lost else "green"), share(lost, both.offered),
                      duration(both.done_mean_ns), *(own_best.settings[key] for key in varying),
                      *([f"{round(own_best.lost_mean):,}"] if own else []))
    best = sweep.best
    with_ = f", with {', '.join(f'{k}={best.settings[k]}' for k in varying)} and with what is best there" if best and varying else ""
    parts: list[Any] = [Text(), Text(f"by capture{with_}", "bold"), table]
    if len(found) > shown:
        parts.append(Text(f"... {len(found) - shown:,} more: --top N, or --csv FILE", "dim"))
    return parts


# ---------------------------------------------------------------- files
def lines(sweep: Sweep) -> str:
    """JSON, an object on each line."""
    return "".join(json.dumps(row) + "\n" for row in sweep.to_dicts())


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


def check_parquet(file: str) -> None:
    """Said before the work."""
    if not _is_data_set(file):
        check_writable("--parquet", file)
    elif not os.path.isdir(file):
        check_writable("--parquet", os.path.abspath(file))


def _is_data_set(file: str) -> bool:
    return file.endswith("/") or os.path.isdir(file)


def parquet(sweep: Sweep, file: str) -> None:
    """A file; or, of a folder, a data set: FOLDER/sweep=ID/part-00000.parquet and so on, where ID names the question, so that the same
    sweep replaces itself and others stay beside it."""
    pyarrow = arrow.pyarrow("--parquet")
    made = pyarrow.table(typed(sweep))
    if not _is_data_set(file):
        with new_file(file) as out:
            pyarrow.parquet.write_table(made, out, compression="zstd")
        return
    with writing(file):
        folder = Path(file) / f"sweep={sweep.name}"
        folder.mkdir(parents=True, exist_ok=True)
        names = []
        for n, start in enumerate(range(0, max(made.num_rows, 1), PART)):
            names.append(f"part-{n:05}.parquet")
            with new_file(str(folder / names[-1])) as out:
                pyarrow.parquet.write_table(made.slice(start, PART), out, compression="zstd")
        for old in folder.glob("part-*.parquet"):
            if old.name not in names:
                old.unlink()


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
        with new_file(file) as out:
            out.write(text.encode())
