"""What the marks of a packet's way say of the host around it: turn/trail.py packs it, here it is read while the run goes on."""
from __future__ import annotations

from typing import Any

from rxpath.abi.protocols import protocol
from rxpath.outputs import Mark
from rxpath.path import Stage
from rxpath.workbench.run.frame_numbers import numbers
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.words.units import ipv4_text

ENQUEUE, READ = Stage.__udp_enqueue_schedule_skb, Stage.__skb_recv_udp      # in a class their names would be changed
TYPES = {1: "unicast", 2: "local", 3: "broadcast", 5: "multicast"}         # RTN_*


def facts(m: Machine, mark: Mark) -> dict[str, Any]:
    """By name; {}: nothing.

    queue, slot, of, waiting, poll  its ring; behind: packets that waited behind it on a backlog; merged_into: a frame
    route, type, table              rule (table and chain), line, target
    socket, name, queued, bytes, limit   as it came there, without it"""
    says = mark.arg
    if not says:
        return {}
    if mark.stage == Stage.napi_gro_receive:
        q = m.net.skb[mark.skb].queue_mapping
        return {"queue": q, "slot": (says & (1 << 20) - 1) - 1, "of": m.net.ring[q].size, "waiting": says >> 20 & (1 << 20) - 1,
                "poll": says >> 40}
    if mark.stage == Stage.ip_local_deliver:
        return _route(m, says - 1)
    if mark.stage == ENQUEUE:
        return {**_socket(m, (says >> 46) - 1), "queued": says >> 31 & 32767, "bytes": says & (1 << 31) - 1,
                "limit": m.net.socks[(says >> 46) - 1].rcvbuf}
    if mark.stage == READ:
        return _socket(m, says)
    if mark.stage == Stage.process_backlog:
        return {"behind": says - 1}
    if mark.stage == Stage.skb_gro_receive:
        found = numbers(says - 1)
        return {"merged_into": found.pop("frame"), **found}
    if mark.stage == Stage.nf_rule and m.rules is not None and says < len(m.rules.rules):
        rule = m.rules.rules[says]
        return {"rule": f"{rule.table} {rule.chain}", "line": rule.line, "target": ("policy " if rule.pseudo else "") + rule.target_name}
    return {}


def _route(m: Machine, i: int) -> dict[str, Any]:
    if not 0 <= i < m.net.nfib:
        return {}
    route = m.net.fib[i]
    return {"route": f"{ipv4_text(route.key_lo)}/{route.plen}", "type": TYPES.get(route.type, str(route.type)),
            "table": "local" if route.table == 255 else "main" if route.table == 254 else str(route.table)}


def _socket(m: Machine, i: int) -> dict[str, Any]:
    sk = m.net.socks[i]
    named = next((s.name for s in m.sockets if s.index == i), "")
    return {"socket": f"{protocol(sk.protocol).lower()}:{sk.port}", **({"name": named} if named else {})}
