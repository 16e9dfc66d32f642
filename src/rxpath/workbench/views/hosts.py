"""The hosts of a capture for a person, and as JSON: what each got and sent, which ports it serves, why it may be the receiver, and the
command that replays the capture for it."""
from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath.cable.receiver import HostSeen, Receiver
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.views.terminal import titled
from rxpath.workbench.words.figures import share

PORTS, NAMES = 6, 3


def table(hosts: Sequence[HostSeen], chosen: Sequence[str] = ()) -> Any:
    """One line for each, the chosen one marked."""
    made = table_of("host", "addresses", "MAC", "in", "out", "serves", "UDP", "TCP", left=3)
    made.columns[5].justify, made.columns[5].no_wrap = "left", False
    for h in hosts:
        mark = "*" if set(h.addresses[:1]) & set(chosen) else ""
        made.add_row(h.name + mark, Text(_some(h.addresses)), Text(h.mac or "-"), f"{h.frames_in:,}", f"{h.frames_out:,}", _ports(h),
                     share(h.udp, h.frames_in), share(h.tcp, h.frames_in))
    return made


def _some(items: Sequence[str], most: int = NAMES) -> str:
    return (" ".join(items[:most]) + (f" +{len(items) - most}" if len(items) > most else "")) or "-"


def _ports(h: HostSeen) -> str:
    parts = [f"{name} {_some([str(p) for p in ports], PORTS)}" for name, ports in (("udp", h.udp_ports), ("tcp", h.tcp_ports)) if ports]
    return ", ".join(parts) or "-"


def command(file: str, h: HostSeen) -> str:
    return f"rxpath replay {shlex.quote(file)} --local {h.local}"


def meaning(h: HostSeen, records: int) -> str:
    """What a replay for it would mean."""
    others = h.for_others
    parts = [f"{h.offered:,} of {records:,} frames would be offered"]
    if h.frames_in:
        kinds = (("UDP", h.udp), ("ICMP", h.icmp), ("TCP", h.tcp))
        named = ", ".join(f"{share(n, h.frames_in)} {what}" for what, n in kinds if n)
        parts.append(f"{h.frames_in:,} to it" + (f" ({named})" if named else ""))
    if others:
        parts.append(f"{others:,} to groups, all or other hosts")
    return "; ".join(parts)


def render(file: str, receiver: Receiver) -> Group:
    """`rxpath hosts`: the list, then each in words."""
    parts: list[Any] = [Text(f"receiver: {receiver.evidence}", "bold"), Text(),
                        titled(f"Hosts of {file} ({receiver.records:,} frames), the likeliest receiver first",
                               table(receiver.hosts, receiver.addresses))]
    if receiver.addresses_seen > receiver.addresses_listed:
        parts.append(Text(more(receiver), "dim"))
    for h in receiver.hosts:
        parts += [Text(), Text.assemble((h.name, "bold"), f"  {_some(h.addresses)}: ", "; ".join(h.why) or "nothing speaks for it"),
                  Text(f"    {meaning(h, receiver.records)}", "dim"), Text(f"    {command(file, h)}")]
    return Group(*parts)


def more(r: Receiver) -> str:
    """That the list is not all."""
    many = f"more than {r.addresses_seen:,}" if r.addresses_left_out else f"{r.addresses_seen:,}"
    text = f"{many} addresses send or receive in this capture; the {len(r.hosts)} likeliest receivers are listed"
    return text + ("; of the seldom seen ones only some were kept" if r.addresses_left_out else "")


def advice(receiver: Receiver) -> Group:
    """The same list in short, for a report whose answer means little."""
    others = [h for h in receiver.hosts if h.frames_in and not set(h.addresses[:1]) & set(receiver.addresses)]
    lines = [Text("  the same command with " + " or ".join(f"--local {h.local}" for h in others[:NAMES]))] if others else []
    return titled("Hosts of this capture, of which another may be meant (rxpath hosts says more)",
                  table(receiver.hosts, receiver.addresses), *lines)


def as_list(receiver: Receiver) -> list[dict[str, Any]]:
    """For --json."""
    return [{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(h).items()} for h in receiver.hosts]
