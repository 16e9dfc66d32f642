"""--json: one object with everything that the report knows.  json_shape.py says what it is: docs/json.md and replay.schema.json, which the
tests hold it against, are made from that.

The same seed gives the same bytes: nothing here depends on the wall clock or on the machine."""
from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rxpath.workbench.advice.answer import WhatIf
from rxpath.workbench.advice.assumed import assumed
from rxpath.workbench.advice.expected_error import expected_error
from rxpath.workbench.advice.states import little, states
from rxpath.workbench.host import text as hosttext
from rxpath.workbench.jobs.spread import Spread
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.spent import Spent
from rxpath.workbench.run.where_lost import by_class
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.views import advice, hosts, recording

SCHEMA_VERSION = 3


def build(run: Outcome, answer: WhatIf | None = None, varies: Spread | None = None) -> dict[str, Any]:
    """The object, keys in the order in which one reads them.  varies: the run over seeds, where no what-if has it."""
    b, host = run.books, run.host
    varies = answer.spread if answer is not None else varies
    return {
        "schema": SCHEMA_VERSION,
        "kernel": host.kernel, "profile": host.profile, "seed": host.seed,
        "capture": run.traffic.describe(), "receiver": traffic.describe_receiver(run.receiver),
        "hosts": hosts.as_list(run.receiver), "little": little(run), "replies": run.taught.text if run.taught is not None else "",
        **({"taught": {k: v for k, v in asdict(run.taught).items() if k != "text"}} if run.taught is not None else {}),
        "offered": b.offered, "delivered": b.delivered, "queued": b.queued, "dropped": b.dropped, "lost_at": b.lost_at,
        "ended": by_class(b.lost_at),
        **({"unhandled": [asdict(u) for u in b.unhandled]} if b.unhandled else {}),
        **({"tcp": asdict(b.tcp)} if b.tcp is not None else {}),
        **({"clients": asdict(run.clients)} if run.clients is not None else {}),
        "received": b.received, "consumed": b.consumed,
        "not_offered": run.not_offered,
        "elapsed_ns": b.elapsed_ns,
        "cpu_ns": b.cpu_ns(),
        "cpus": [{"cpu": c.cpu, "hardirq": c.hardirq, "softirq": c.softirq, "ksoftirqd": c.ksoftirqd, "syscall": c.syscall,
                  "application": c.application, "idle": c.idle} for c in b.cpus],
        "latency_ns": b.latency.as_dict(), "done_ns": b.done.as_dict(),
        **({"spent": [_spent(s) for s in b.spent]} if b.spent else {}),
        "counters": {"snmp": b.snmp, "netstat": b.netstat, "softnet": b.softnet, "ethtool": b.ethtool, "device": b.device},
        "queues": [{k: v for k, v in asdict(q).items() if v != ""} for q in b.queues],
        **({"cards": [asdict(c) for c in b.cards]} if b.cards else {}),
        "sockets": [asdict(s) for s in b.sockets],
        "apps": [{"name": a.name, "thread": a.thread, "cpu": a.cpu, "received": a.received, "application_ns": a.app_ns,
                  "syscall_ns": a.syscall_ns, "wakeups": a.wakeups, "latency_ns": a.latency.as_dict(), "done_ns": a.done.as_dict(),
                  "pauses": a.pauses, "paused_ns": a.paused_ns,
                  **({"connections": asdict(a.connections)} if a.connections is not None else {})} for a in b.apps],
        **({"senders": [asdict(s) for s in b.senders]} if b.senders else {}),
        **({"stalls": [asdict(s) for s in b.stalls]} if b.stalls else {}),
        "high_water": b.high_water,
        "copies": b.copies,
        "stations": b.stations,
        "iptables": [asdict(r) for r in b.rules],
        **({"log": list(run.log)} if run.log else {}),
        "states": [asdict(s) for s in states(run)], "assumed": assumed(run),
        **({"expected_error": [asdict(e) for e in errors]} if (errors := expected_error(run)) else {}),
        **({"knobs": advice.as_list(answer), "whatif": advice.as_dict(answer)} if answer is not None and answer.asked else {}),
        **({"sensitivity": [asdict(a) for a in answer.sensitivity]} if answer is not None else {}),
        **({"spread": varies.to_dict()} if varies is not None else {}),
        **({"recording": recording.as_dict(run.recording)} if run.recording is not None else {}),
        "notes": list(run.notes),
        "interrupted": run.interrupted,
        "host": hosttext.effective(host),
    }


def _spent(s: Spent) -> dict[str, Any]:
    return {"program": s.program, "done_ns": s.done.as_dict(), "places": {place: ns.as_dict() for place, ns in s.places.items()}}
