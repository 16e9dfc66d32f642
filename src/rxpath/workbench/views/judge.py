"""`rxpath judge` for a person: agreement by station, and every difference that nothing explains."""
from __future__ import annotations

from collections.abc import Sequence

from rxpath.workbench.judge import order
from rxpath.workbench.judge.case import Case
from rxpath.workbench.judge.load import Row
from rxpath.workbench.judge.run import JUDGED_KERNEL, STATIONS, Report, kernel_release

SHOWN = 20                                          # cases with differences that are printed in full


def text(report: Report, seed: int, examples: int, missing: Sequence[str]) -> str:
    """The report for people."""
    total = report.total
    lines = [f"kernel {kernel_release()} against the path's profile {JUDGED_KERNEL}"
             + (f"; generated frames: seed {seed}, {examples:,}" if examples else ""), ""]
    lines.append(f"{'station':12}{'cases':>10}{'frames':>10}{'agree':>10}{'deviate':>10}{'differ':>10}")
    for name in [*STATIONS, *sorted(set(report.stations) - set(STATIONS))]:
        if name in report.stations:
            t = report.stations[name]
            lines.append(f"{name:12}{t.cases:>10,}{t.frames:>10,}{t.agree:>10,}{t.deviate:>10,}{t.differ:>10,}")
    lines.append(f"{'all':12}{total.cases:>10,}{total.frames:>10,}{total.agree:>10,}{total.deviate:>10,}{total.differ:>10,}")
    if report.met:
        lines += ["", "listed deviations that were met (deviations.toml)"]
        lines += [f"  {n:>8,}  {name}" for name, n in sorted(report.met.items())]
    if missing:
        lines += ["", "listed deviations that no longer occur"] + [f"  {name}" for name in missing]
    if report.spreads:
        lines += ["", "random on both sides: mean, standard deviation, range"] + [f"  {n}: {said}" for n, said in report.spreads.items()]
    if report.varied:
        lines += ["", "repeated: the kernel itself differs from run to run, by as much as ours does from it"]
        lines += [f"  {j.case.name}: {'; '.join(str(d) for d in j.varied[:3])}{' ...' if len(j.varied) > 3 else ''}" for j in report.varied]
    if report.not_built:
        lines += ["", "not built, not judged"] + [f"  {c.name}: {c.not_built}" for c in report.not_built]
    if report.different:
        lines += ["", "differences that nothing explains"]
        for judged in report.different[:SHOWN]:
            lines.append(f"  {judged.case.name} ({judged.case.station}{', ' + judged.case.source if judged.case.source else ''})")
            lines += [f"      {d}" for d in judged.left[:12]]
            lines += _frames(judged.case)
        if total.differ > SHOWN:
            lines.append(f"  and {total.differ - SHOWN:,} more")
    lines += ["", *(f"note: {note}" for note in report.notes)]
    lines.append(f"{total.cases:,} cases in {report.seconds:.1f} s")
    return "\n".join(lines) + "\n"


def _frames(case: Case) -> list[str]:
    """The frame of a case of one frame, so that it can be tried again."""
    frames = [frame for step in case.steps for frame in getattr(step, "frames", ())]
    return [f"      frame {frames[0].hex()}"] if len(frames) == 1 else []


def order_text(orders: list[order.Order]) -> str:
    """`rxpath judge --order`."""
    why = order.why_no_tracer()
    lines = ["order of functions, the kernel's from stacks of tracepoints" + (f"; function tracers are refused: {why}" if why else ""), "",
             f"{'packet':26}{'names':>6}  "]
    for o in orders:
        lines.append(f"{o.name:26}{len(o.both):>6}  {'the same order' if o.both == o.ours else 'DIFFERS'}")
        if o.both != o.ours:
            lines += [f"    kernel {' > '.join(o.both)}", f"    ours   {' > '.join(o.ours)}"]
        if o.missing:
            lines.append(f"    the kernel also met {', '.join(o.missing)}")
    return "\n".join(lines) + "\n"


def load_text(found: dict[str, list[Row]]) -> str:
    """`rxpath judge --load`."""
    lines = []
    for title, rows in found.items():
        lines += [title, f"  {'':34}{'ours':>9}{'kernel here, each run':>30}{'recorded':>10}"]
        for r in rows:
            live = ", ".join(f"{v:,.0f}" for v in r.kernel) or "-"
            recorded = "-" if r.recorded is None else f"{r.recorded:,.1f}".removesuffix(".0")
            mine = f"{r.ours:,.1f}".removesuffix(".0")
            lines.append(f"  {r.name:34}{mine:>9}{live:>30}{recorded:>10}  {'' if r.agrees else 'DIFFERS'}".rstrip())
            if r.note:
                lines.append(f"      {r.note}")
        lines.append("")
    return "\n".join(lines)
