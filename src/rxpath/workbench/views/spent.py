"""Where the time of a program's datagrams and messages went, for the report, and what each place is called there and in a trail."""
from __future__ import annotations

import io

from rich.console import Group
from rich.text import Text

from rxpath.workbench.run.latency import Latency
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.views.terminal import titled
from rxpath.workbench.words.figures import ns, share
from rxpath.workbench.words.mistakes import BadInput, check_writable, new_file

PROGRAMS_SHOWN = 3
# abi/spent.py, in the datagram's order
PLACES = {
    "throttle": "interrupt throttle", "interrupt": "interrupt", "ring": "ring, for its softirq", "softirq": "softirq",
    "backlog": "backlog of a CPU", "hole": "behind a missing segment", "wake_up": "socket, reader wakes up",
    "socket": "socket, reader busy", "system_call": "system call", "batch": "others of its batch", "work": "the program's work",
}


def spent(run: Outcome) -> Group | None:
    """Where the time of a program's datagrams and messages went, from the wire to the end of its work."""
    several = sorted(run.books.spent, key=lambda s: -s.done.total)
    shown = several[:PROGRAMS_SHOWN]
    if not shown:
        return None
    if len(shown) == 1:
        table = table_of("", "mean", "", "p50", "p99", "max")
    else:
        table = table_of("", *(name for s in shown for name in (s.program, "p99")))
    for place, words in PLACES.items():
        found = [s.places.get(place) for s in shown]
        if any(found):
            table.add_row(words, *(_one_place(found[0], shown[0].done) if len(shown) == 1 and found[0] else
                                   [ns(n) for f in found for n in ((f.mean, f.quantiles["p99"]) if f else (0, 0))]))
    table.add_row("to the end of its work", *(_one_place(shown[0].done, shown[0].done) if len(shown) == 1 else
                                              [ns(n) for s in shown for n in (s.done.mean, s.done.quantiles["p99"])]))
    unit = run.books.unit
    count = shown[0].done.count
    what = f"{shown[0].program}, {count:,} {unit[:-1] if count == 1 else unit}" if len(shown) == 1 else f"mean of a {unit[:-1]}"
    rest = [Text(f"... {len(several) - len(shown)} more in --json", "dim")] if len(several) > len(shown) else []
    return titled(f"Where the time went, {what} (cost profile {run.host.profile})", table, *rest)


def _one_place(spent: Latency, done: Latency) -> list[str]:
    return [ns(spent.mean), share(spent.total, done.total), *(ns(spent.quantiles[q]) for q in ("p50", "p99")), ns(spent.max)]


def check(file: str) -> None:
    """Before the run, not after it."""
    check_writable("--samples", file)
    if not file.endswith(".csv"):
        raise BadInput(f"--samples {file}: the name must end in .csv")


def write_csv(run: Outcome, file: str) -> None:
    """A line for each sample, in the order of arrival; times in ns."""
    import csv

    with new_file(file) as whole, io.TextIOWrapper(whole, "utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(["frame", "program", "thread", "arrived_ns", "to_return_ns", "to_end_ns", *PLACES])
        rows.writerows([s.frame, s.program, s.thread, s.arrived, s.to_return, s.to_end, *(s.ns[place] for place in PLACES)]
                       for s in run.samples)
