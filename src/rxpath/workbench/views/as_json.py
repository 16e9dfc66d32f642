"""--json: one object with everything that the report knows.  docs/json.md describes it, replay.schema.json checks it.

The same seed gives the same bytes: nothing here depends on the wall clock or on the machine."""
from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rxpath.workbench.host import text as hosttext
from rxpath.workbench.run.books import Latency
from rxpath.workbench.traffic import capture as traffic

if TYPE_CHECKING:
    from rxpath.workbench.run.outcome import Outcome

SCHEMA_VERSION = 1


def latency(value: Latency) -> dict[str, int]:
    return {**value.quantiles, "max": value.max, "mean": value.mean, "count": value.count}


def _answer(run: Outcome) -> dict[str, Any]:
    from rxpath.workbench.views import advice as view

    assert run.whatif is not None
    return {"knobs": view.as_list(run.whatif), "whatif": view.as_dict(run.whatif)}


def _recording(run: Outcome) -> dict[str, Any]:
    from rxpath.workbench.views import recording

    assert run.recording is not None
    return {"recording": recording.as_dict(run.recording)}


def build(run: Outcome) -> dict[str, Any]:
    """The object, keys in the order in which one reads them."""
    b, host = run.books, run.host
    return {
        "schema": SCHEMA_VERSION,
        "kernel": host.kernel, "profile": host.profile, "seed": host.seed,
        "capture": run.traffic.describe(), "receiver": traffic.describe_receiver(run.receiver),
        "offered": b.offered, "delivered": b.delivered, "queued": b.queued, "dropped": b.dropped,
        "received": b.received, "consumed": b.consumed,
        "not_offered": run.not_offered,
        "elapsed_ns": b.elapsed_ns,
        "cpu_ns": b.cpu_ns(),
        "cpus": [{"cpu": c.cpu, "hardirq": c.hardirq, "softirq": c.softirq, "ksoftirqd": c.ksoftirqd, "syscall": c.syscall,
                  "application": c.application, "idle": c.idle} for c in b.cpus],
        "latency_ns": latency(b.latency),
        "counters": {"snmp": b.snmp, "netstat": b.netstat, "softnet": b.softnet, "ethtool": b.ethtool, "device": b.device},
        "queues": [asdict(q) for q in b.queues],
        "sockets": [asdict(s) for s in b.sockets],
        "apps": [{"name": a.name, "thread": a.thread, "cpu": a.cpu, "received": a.received, "application_ns": a.app_ns,
                  "syscall_ns": a.syscall_ns, "wakeups": a.wakeups, "latency_ns": latency(a.latency)} for a in b.apps],
        "high_water": b.high_water,
        "copies": b.copies,
        "stations": b.stations,
        "iptables": [asdict(r) for r in b.rules],
        **({"log": list(run.log)} if run.log else {}),
        **(_answer(run) if run.whatif is not None else {}),
        **(_recording(run) if run.recording is not None else {}),
        "notes": list(run.notes),
        "interrupted": run.interrupted,
        "host": hosttext.effective(host),
    }
