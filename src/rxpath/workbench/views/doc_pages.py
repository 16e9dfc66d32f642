"""Pages of docs/ that are made from the path's own lists: stations, drop reasons, what differs between the kernels.

    python -m rxpath.workbench.views.doc_pages docs       writes them; a test holds docs/ against them"""
import pathlib
import sys
from typing import Any

from rxpath.abi.kernels import BEHAVIOURS, KERNELS, Sysctl
from rxpath.abi.reasons import DELIVERED, Drop, Place
from rxpath.drivers.counters import COUNTERS, Loss, stand_in
from rxpath.drivers.counters import MEANING as LOSS_MEANING
from rxpath.drivers.rows import DRIVERS
from rxpath.path import STATIONS, Stage, Touch
from rxpath.workbench.host import text
from rxpath.workbench.readings.formats import FORMATS
from rxpath.workbench.views import doctor_page, json_shape
from rxpath.workbench.views import scenario as scenario_view
from rxpath.workbench.views.rules_page import page

HEAD = """# The kernel map

Generated from `src/rxpath/path.py`: every station of the path, in the packet's order, with the function's twin in the kernel.
`python -m rxpath.workbench.views.doc_pages docs` writes this page; a test fails when it is stale.

Context: *device* costs no CPU; *hardirq*, *softirq* and *syscall* are the seeds' three costs of receiving.
A station marked `touch` can be seen by other CPUs: a packet enters it in the order of the CPUs' clocks.

| station | room | context | kernel file | what it does |
|---|---|---|---|---|
"""
EVENTS = """
## Events of the machine

They cost time and see no packet: a hard IRQ, entering softirq, one call of a poll, a wake-up, a switch, a tick, an IPI, a timer, the
entry and the exit of a system call, a lock, a cache line from another CPU; and latencies, which cost nobody time.

"""


def kernel_map() -> str:
    """docs/kernel-map.md"""
    touched = {t.name for t in Touch}
    rows = [f"| `{stage.name}`{' (touch)' if stage.name in touched else ''} | {s.room} | {s.context} | {s.twin} | {s.what} |\n"
            for stage, s in STATIONS.items()]
    events = ", ".join(f"`{s.name}`" for s in Stage if s not in STATIONS)
    return HEAD + "".join(rows) + EVENTS + events + "\n"


def drop_reasons() -> str:
    """docs/drop-reasons.md"""
    rows = []
    for r in Drop:
        if r == Drop.NOT_DROPPED_YET:
            continue
        row = r.row
        whose = f"Linux {row.since}" if row.since else "ours"
        for i, (station, place) in enumerate(row.places.items() or [("", Place())]):
            head = " | | " if i else f"`{r.name}` | {whose} | {'yes' if row.skb else 'no'}"
            counters = place.counters.replace(" ", ", ").replace("/", " or ") or ("" if r in DELIVERED else "none")
            if place.before:
                counters += f"; before {place.before[0]} {place.before[1].replace(' ', ', ')}"
            rows.append(f"| {head} | {(place.kind or row.kind).value} | {place.meaning or row.meaning} | "
                        f"{f'`{station}`' if station else ''} | {counters} |\n")
    return """# How frames end

Made from `src/rxpath/abi/reasons.py`.  Every frame of the wire ends exactly once, under one of these names; the books
(offered = delivered + queued + dropped) are checked after every run.  The kernel's names are those of
`include/net/dropreason-core.h` (`SKB_DROP_REASON_*`); where the kernel has none, the name is ours.  Numbers are never shown: they differ
between kernels.

A reason may be given at several stations.  Where a frame was lost comes from the run; a counter moves once for each packet, so once for
all the frames of one datagram, and only where the kernel has it already.

| reason | name since | had an skb | kind | meaning | station | counters of a real kernel |
|---|---|---|---|---|---|---|
""" + "".join(rows)


def kernels() -> str:
    """docs/kernels.md"""
    profiles = {name: kernel.behaviours() for name, kernel in reversed(KERNELS.items())}
    rows = ["| " + " | ".join([f"`{b.name}`", *(str(does[b]) for does in profiles.values()),
                              row.since + (f" to {row.until}" if row.until else ""), row.source]) + " |\n"
            for b, row in BEHAVIOURS.items()]
    knobs = ", ".join(f"`{s.name}`" for s in Sysctl)
    whose = "| kernel | whose | HZ | |\n|---|---|---|---|\n" + "".join(
        f"| {name} | {k.whose} | {k.hz} | {'verified' if k.verified else 'unverified'} |\n" for name, k in KERNELS.items()) + "\n"
    head = f"| behaviour | {' | '.join(profiles)} | changed | source |\n|{'---|' * (3 + len(profiles))}\n"
    missing = "".join(f"\nNot modelled of {name}:\n\n" + "".join(f"- {text}\n" for text in kernel.not_modelled)
                      for name, kernel in KERNELS.items() if kernel.not_modelled)
    return """# Kernel profiles

Made from `src/rxpath/abi/kernels.py`.  `kernel = "6.18"` (the default) is today's kernel and the one that everything here was observed on,
`"3.10"` the one of the seeds; `"6.1"` was read, not observed.  A profile is a version and its vendor's exceptions; the path asks for a
behaviour, never for a version.  [K]: the date is from memory of the kernel's history.

Only 6.18 is held against the real kernel (`rxpath judge`).  The others are *unverified*: they are what the rows say that their version
does, and reports say so.  A snapshot takes the nearest one.

""" + whose + head + "".join(rows) + missing + f"""
Knobs that the path reads at run time: {knobs}.  Their defaults in each profile, their ranges and their sources are in
[host-file.md](host-file.md).
"""


def _kind(node: dict[str, Any]) -> str:
    """Of value, in a word."""
    if "const" in node:
        return "constant"
    if node["type"] == "object":
        known, each = node.get("properties", {}), node.get("additionalProperties")
        if "p50" in known or "median" in known:
            return "percentiles" if "p50" in known else "spread"
        return f"{{name: {_kind(each)}}}" if isinstance(each, dict) else "object"
    if node["type"] == "array":
        return {"integer": "numbers", "string": "texts"}.get(node["items"]["type"], "list")
    return {"string": "text", "integer": "number", "number": "number", "boolean": "true or false"}[node["type"]]


def json_page() -> str:
    """docs/json.md"""
    shape = json_shape.resolved()
    rows: list[str] = []

    def walk(prefix: str, node: dict[str, Any]) -> None:
        for name, inner in node["properties"].items():
            items, kind = inner.get("items", {}), _kind(inner)
            rows.append(f"| `{prefix}{name}` | {kind} | {inner.get('description', '')} |\n")
            if prefix.count(".") < 1 and kind not in ("percentiles", "spread"):
                for below, more in ((inner, ""), (items, "[]")):
                    if "properties" in below:
                        walk(f"{prefix}{name}{more}.", below)
    walk("", shape)
    return f"""# The JSON object

Made from `src/rxpath/workbench/views/json_shape.py`, as is `replay.schema.json` beside it, the JSON Schema that the tests hold the output
against.

`rxpath replay CAPTURE --json` prints one object on standard output.  {shape["description"]}  Percentiles are objects of `p50`, `p90`,
`p99`, `p99.9`, `max`, `mean` and `count`, spreads objects of `min`, `median`, `max` and `each`.

```console
$ rxpath replay first --json | jq '.offered, .delivered, .dropped'
$ rxpath replay first --json | jq '.latency_ns["p99"], .cpu_ns'
$ rxpath replay first --json --trail drops | jq '.trail[] | {{frame, end}}'
```

| key | value | what |
|---|---|---|
""" + "".join(rows)


def rules() -> str:
    """docs/rules.md"""
    return page()


def scenarios() -> str:
    """docs/scenarios.md"""
    return scenario_view.page()


def drivers() -> str:
    """docs/drivers.md"""
    out = ["# Drivers\n\nMade from `src/rxpath/drivers/rows.py` and `counters.py`.\n\n## What is simulated\n\n"
           "| driver | what | cards: most queues | receive ring | rx-usecs | MTU | line | refuses |\n|---|---|---|---|---|---|---|---|\n"]
    for row in DRIVERS.values():
        ring = f"{row.rx_ring.allowed}, default {row.rx_ring.default}" if row.rx_ring else "none"
        usecs = f"{row.moderation.allowed}; default {row.moderation.default}" if row.moderation else "no interrupts"
        models = ", ".join(f"{m}: {n}" for m, n in row.models.items())
        cells = [f"`{row.name}`", row.what, models, ring, usecs, f"to {row.mtu_most}, default {row.mtu}",
                 row.speed if row.has_ring else "none", ", ".join(f"{what} ({errno})" for what, errno in row.refuses.items())]
        out.append(f"| {' | '.join(cells)} |\n")
    out.append("\n## Where a driver counts its losses\n\nWhat the classes say:\n\n")
    out += [f"- **{loss}**: {LOSS_MEANING[loss]}\n" for loss in Loss]
    out.append("\nN is a number, `_` may be a blank. A host that names a driver which is not simulated gets the card that stands in for "
               "it; the report says which.\n\n| driver | its names in `ethtool -S` | what feeds the standard counters (`ip -s link`) | "
               "in none of them | simulated as |\n|---|---|---|---|---|\n")
    for name, counters in COUNTERS.items():
        names = "; ".join(f"{loss}: {' '.join(f'`{n}`' for n in text.split())}" for loss, text in counters.names.items()) or "none"
        rtnl = "; ".join(f"`{standard}` = {fed}" for standard, fed in counters.rtnl.items()) or "-"
        out.append(f"| `{name}` | {names} | {rtnl} | {counters.hidden or '-'} | {stand_in(name).name} |\n")
    return "".join(out)


def host_file(page: str) -> str:
    """docs/host-file.md: its tables anew; the words before them are written by hand, and stay."""
    made = text.markdown()
    return page[:page.index(made.partition("\n")[0])] + made


def host_readings(page: str) -> str:
    """docs/host-readings.md: its table anew; the words before it are written by hand, and stay."""
    head = "| text | what is read of it |\n|---|---|\n"
    rows = [f"| {f.name} | {f.what or 'as it is printed'} |\n" for f in FORMATS]
    return page[:page.index(head.partition("\n")[0])] + head + "".join(rows)


PAGES = {"drivers.md": drivers, "rules.md": rules, "doctor-rules.md": doctor_page.page, "kernel-map.md": kernel_map,
         "drop-reasons.md": drop_reasons, "kernels.md": kernels, "json.md": json_page, "scenarios.md": scenarios}
SCHEMA = pathlib.Path(__file__).with_name("replay.schema.json")


def pages(docs: pathlib.Path) -> dict[str, str]:
    """Every page that is made, by its name.  docs: where they lie."""
    by_hand = {"host-file.md": host_file, "host-readings.md": host_readings}
    return {name: make() for name, make in PAGES.items()} | {name: make((docs / name).read_text()) for name, make in by_hand.items()}


if __name__ == "__main__":
    for file, written in pages(pathlib.Path(sys.argv[1])).items():
        (pathlib.Path(sys.argv[1]) / file).write_text(written)
    SCHEMA.write_text(json_shape.schema())
