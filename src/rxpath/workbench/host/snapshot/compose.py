"""A Reading becomes a host file: snapshot().  The checks of a host file always take it; what they would refuse is a comment."""
from __future__ import annotations

from dataclasses import dataclass

from rxpath.abi.limits import NQ
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.snapshot import card, devices, machine, network, programs, sockets, steering
from rxpath.workbench.host.snapshot.devices import Card, Devices
from rxpath.workbench.host.snapshot.draft import Draft, Table
from rxpath.workbench.host.sysctls import DEFAULT_HZ
from rxpath.workbench.readings.records import Reading
from rxpath.workbench.readings.settings import Build, Surroundings
from rxpath.workbench.words.mistakes import BadInput

_UNREAD_MAX, _DEVICES_MAX = 12, 24


@dataclass(frozen=True)
class Snapshot:
    """text: the host file; host: what it comes to."""

    text: str
    host: Host


def snapshot(reading: Reading, *, with_sockets: bool = True) -> Snapshot:
    """The host file of what was read.  BadInput: the reading says nothing of a host's settings."""
    if not reading.records:
        raise BadInput(f"{reading.name or 'the text'}: nothing in it says what a host is set to: what `ethtool -i`, -g, -l, -c, -k and -x, "
                       "`ip address`, `ss -uamnpe`, `sysctl -a` and others print is read")
    draft = Draft()
    top = draft.top
    for line in _head(reading):
        top.note(line)
    profile = machine.kernel(reading, top)
    machine.costs(reading, top)
    machine.ticks(reading, top)
    cpus = machine.cpus(reading, top)
    found = devices.find(reading)
    machine.topology(reading, cpus, draft.table("cpu"))
    _cards(reading, found, profile, cpus, draft)
    if not found.cards:
        draft.remarks.append("no card was found (ip link, ethtool -i): the default one is assumed")
    if found.left:
        draft.remarks.append(f"devices left out: {', '.join(found.left[:_DEVICES_MAX])}"
                             + (f" and {len(found.left) - _DEVICES_MAX} more" if len(found.left) > _DEVICES_MAX else ""))
    build = reading.first(Build)
    hz = next((e.value for e in top.entries if e.key == "hz" and not e.off), DEFAULT_HZ[profile]) if build else DEFAULT_HZ[profile]
    machine.settings(reading, draft, profile, hz, [c.name for c in found.cards])
    network.firewall(reading, draft)
    network.routes(reading, found, draft)
    network.neighbours(reading, found, draft)
    if with_sockets:
        opened = sockets.choose(reading, found, draft)
        sockets.write(opened, reading, draft, _number(reading, "net.core.rmem_default"), _number(reading, "net.core.rmem_max"))
        programs.write(opened, reading, draft, cpus)
    host = draft.settle("snapshot")
    return Snapshot(draft.text(), host)


def _head(reading: Reading) -> list[str]:
    """What the file is, and what could not be read."""
    lines = [f"A host for rxpath, made of {reading.name or 'texts'} by rxpath host snapshot. Settings are the host's own; comments say "
             "what is not known, and how to find it out, and what is not modelled."]
    around = reading.first(Surroundings)
    if around is not None and around.container:
        lines.append("This is a network namespace of its own (a container): the machine's cards, interrupts and rings cannot be seen from "
                     "here. Take the snapshot on the machine itself (nsenter -t 1 -n).")
    whole = [u for u in reading.unread if not u.line]
    for unread in whole[:_UNREAD_MAX]:
        lines.append(f"Not read: {unread.source}: {unread.why}.")
    if len(whole) > _UNREAD_MAX:
        lines.append(f"Not read: {len(whole) - _UNREAD_MAX} more.")
    lines_of_texts = len(reading.unread) - len(whole)
    if lines_of_texts:
        lines.append(f"{lines_of_texts} line{'s' if lines_of_texts > 1 else ''} of the texts could not be read "
                     "(rxpath doctor --show-readings lists them).")
    return lines


def _cards(reading: Reading, found: Devices, profile: str, cpus: int, draft: Draft) -> None:
    """Each, as long as there are queues for it; the others are left out of `found`, too."""
    used = 0
    kept: list[Card] = []
    for one in found.cards:
        base = Table("card", True) if kept else draft.table("nic")
        simulated = card.simulate(reading, one, profile, cpus, base)
        if kept and used + simulated.queues > NQ:
            found.left.append(f"{one.name} ({one.driver or 'driver unknown'}, {simulated.queues} queues: there are {NQ} for all cards)")
            continue
        if kept:
            draft.tables.append(base)
        _card(reading, one, simulated, cpus, draft, base)
        used += simulated.most
        kept.append(one)
    found.cards[:] = kept


def _card(reading: Reading, one: Card, simulated: card.Simulated, cpus: int, draft: Draft, base: Table) -> None:
    """[nic], [ethtool], [irq], [rps] of the first card, [[card]] with its own of the others."""
    def table(name: str) -> Table:
        return base.below(name) if base.listed else draft.table(name)

    card.nic(reading, one, simulated, base)
    card.ethtool(reading, one, simulated, base, table("ethtool"))
    steering.irq(reading, one, simulated, cpus, base, table("irq"))
    steering.rps(reading, one, simulated, cpus, base, table("rps"), table("rps_flow_cnt"))


def _number(reading: Reading, name: str) -> int | None:
    text = reading.sysctl(name) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
