"""Where a card's packets are worked on: [irq] by the effective affinity of each queue's interrupt, [rps], [rps_flow_cnt]."""
from __future__ import annotations

from rxpath.workbench.host.snapshot.card import Simulated
from rxpath.workbench.host.snapshot.devices import Card
from rxpath.workbench.host.snapshot.draft import Table
from rxpath.workbench.readings.places import merged
from rxpath.workbench.readings.records import Interrupts, Reading
from rxpath.workbench.readings.settings import Affinities, Affinity, Napi, SendSteering, Steering, Surroundings
from rxpath.workbench.readings.vectors import vectors
from rxpath.workbench.words import units

_MOSTLY = 80                                                # per cent of a queue's interrupts on one CPU: it stays there


def irq(reading: Reading, card: Card, sim: Simulated, cpus: int, nic: Table, table: Table) -> None:
    """A line for each queue: the CPU that takes its interrupt, and how that is known."""
    if not sim.row.has_interrupts:
        return
    interrupts, rows = reading.first(Interrupts), vectors(reading, card.name)
    numbers = {n.queue: n.irq for n in reading.of(Napi, "") if n.device == card.name and n.queue is not None and n.irq}
    affinities: dict[int, Affinity] = {}
    for record in reading.of(Affinities):
        affinities |= {irq: merged(affinities.get(irq), one) for irq, one in record.irqs.items()}
    unknown, wandered, counted = list[int](), list[int](), False
    for queue in range(sim.queues):
        number = numbers.get(queue) or (int(rows[queue].name) if queue in rows else None)
        cpu, note = _cpu(affinities.get(number) if number is not None else None)
        counts = rows[queue].counts[:len(interrupts.cpus)] if queue in rows and interrupts is not None else ()      # a row may be cut
        if cpu is None and interrupts is not None and sum(counts) > 0:
            share = max(counts) * 100 // sum(counts)
            if share < _MOSTLY:
                wandered.append(queue)
                continue
            cpu, note = interrupts.cpus[counts.index(max(counts))], f"{share}%"
            if not counted:
                table.note("affinities are not known: a queue's CPU is the one that had most of its interrupts since boot, and their share")
            counted = True
        where = f"irq {number}" if number is not None else ""
        if cpu is None:
            unknown.append(queue)
        elif cpu >= cpus:
            table.not_here(str(queue), cpu, f"{where}: CPU {cpu} is not simulated")
        else:
            table.set(str(queue), cpu, f"{where}: {note}" if where and note else where or note)
    for queues, why in ((unknown, ""), (wandered, ", which were on several since boot")):
        if queues:
            text = units.cpu_list_text(tuple(queues))
            nic.unknown(f"which CPU takes the interrupts of queue {text}{why}: the one of its number",
                        "/proc/irq/N/effective_affinity_list")
    around = reading.first(Surroundings)
    if around is not None and around.irqbalance:
        table.note("irqbalance runs on the host: it may have moved them since")


def _cpu(affinity: Affinity | None) -> tuple[int | None, str]:
    """The CPU that counts, and what is to be said."""
    if affinity is None:
        return None, ""
    if affinity.effective:
        several = len(affinity.effective) > 1
        return affinity.effective[0], f"effective on {units.cpu_list_text(affinity.effective)}, the first is assumed" if several else ""
    if affinity.asked and len(affinity.asked) == 1:
        return affinity.asked[0], "as smp_affinity_list asks"
    return None, ""


def rps(reading: Reading, card: Card, sim: Simulated, cpus: int, nic: Table, rps_table: Table, flows: Table) -> None:
    """Receive packet steering, where it is on."""
    masks: dict[int, tuple[int, ...]] = {}
    counts: dict[int, int] = {}
    for record in reading.of(Steering, ""):
        if record.device == card.name and record.rps_cpus is not None:
            masks[record.queue] = record.rps_cpus
        if record.device == card.name and record.rps_flow_cnt is not None:
            counts[record.queue] = record.rps_flow_cnt
    for queue, mask in sorted(masks.items()):
        steered = tuple(cpu for cpu in mask if cpu < cpus)
        if mask and queue >= sim.queues:
            nic.note(f"queue {queue} has RPS on the host and is not simulated")
        elif mask:
            rps_table.set(str(queue), units.cpu_list_text(steered), "" if steered == mask else f"the host has {units.cpu_list_text(mask)}")
    for queue, count in sorted(counts.items()):
        if count and queue < sim.queues:
            flows.set(str(queue), count)
    if not masks:
        nic.unknown("rps: off", f"/sys/class/net/{card.name}/queues/rx-N/rps_cpus")
    sends = [s for s in reading.of(SendSteering, "") if s.device == card.name]
    if sends:
        nic.note(f"XPS of {len(sends)} transmit queues is of the sending side: not modelled")
