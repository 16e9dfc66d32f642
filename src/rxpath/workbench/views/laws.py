"""What a case's counters alone say: the laws of traffic that they allow, and each setting as a range over those."""
from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath.workbench.case.whatif import Answer
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.views.terminal import titled

SHOWN = 12


def render(a: Answer) -> Group:
    c = a.counted
    parts: list[Any] = [Text(summary(a))]
    parts += [Text(f"assumed: {line}") for line in (*c.said, *a.measured)]
    table = table_of("how it came", "lost here", "fits", left=1)
    table.columns[2].justify, table.columns[2].no_wrap = "left", False
    for law in a.laws:
        table.add_row(law.title, " ".join(f"{100 * share:.1f} %" for share in [max(law.lost.values())]), "yes" if law.fits else law.why)
    parts += [Text(), titled("Laws of traffic, each fitted to what was lost", table)]
    if a.knobs and a.surviving and any(c.lost.values()):
        knobs = table_of("setting (its least value)", "lost with it, % of what came", "laws", left=1)
        for k in a.knobs[:SHOWN]:
            same = f"{100 * k.least:.1f}" == f"{100 * k.most:.1f}"
            knobs.add_row(k.title, f"{100 * k.least:.1f}" + ("" if same else f" to {100 * k.most:.1f}"), f"{k.of} of {len(a.surviving)}")
        parts += [Text(), titled("What would have saved them, over the laws that fit", knobs)]
    return Group(*parts, *(Text(line) for line in conclusion(a)))


def summary(a: Answer) -> str:
    """What was counted."""
    c = a.counted
    lost = ", ".join(f"{n:,} at the {key}" for key, n in c.lost.items() if n) or "nothing"
    return f"{a.name}: {c.offered:,} datagrams in {c.seconds:.1f} s, {c.rate:,.0f} a second of {c.size} bytes; lost: {lost}"


def conclusion(a: Answer) -> list[str]:
    """What can be said over the laws, and what would decide."""
    if not any(a.counted.lost.values()):
        said = "Nothing was lost: the bursts above are the longest at the line's rate that lose nothing here."
    elif not a.surviving:
        said = ("No law explains these losses: a cause that is no matter of traffic (rxpath doctor reads the same counters), or costs "
                "that are not this host's.")
    elif not a.knobs:
        said = "No setting that was tried saves any of them."
    elif a.same is None and len(a.surviving) == 1:
        said = "One law fits: there is no range."
    elif a.same is None:
        one = "".join(f"under one ({law}: {knob})" for law, knob in a.best) or "under none"
        said = f"{len(a.surviving)} laws fit, and a setting is recommended {one} of them: that is not a range."
    else:
        said = "The first is the same under every law that fits: no capture is needed to choose it." if a.same else \
            "Which is best depends on the law: " + "; ".join(f"{law}: {knob}" for law, knob in a.best) + "."
    return [said, *([a.decide[0].upper() + a.decide[1:] + "."] if a.decide else [])]


def as_json(a: Answer) -> dict[str, Any]:
    """For --json; docs/case.md."""
    c = a.counted
    return {
        "offered": c.offered, "seconds": round(c.seconds, 3), "size": c.size, "port": c.port, "lost": dict(c.lost),
        "assumed": [*c.said, *a.measured],
        "laws": [{"law": law.kind, law.what or "rate": law.value or c.rate, "lost": {k: round(v, 5) for k, v in law.lost.items()},
                  "fits": law.fits, "why": law.why} for law in a.laws],
        "knobs": [{"title": k.title, "set": list(k.set), "lost_least": round(k.least, 5), "lost_most": round(k.most, 5), "laws": k.of}
                  for k in a.knobs],
        "same_best": a.same, "decide": a.decide,
    }
