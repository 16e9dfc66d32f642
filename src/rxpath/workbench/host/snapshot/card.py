"""The tables of one card: [nic], [ethtool] of a Reading, as the simulated card takes them.  What it does not take stands beside the nearest
that it does, with the host's own value.  steering.py has interrupts and RPS."""
from __future__ import annotations

from dataclasses import dataclass

from rxpath.abi.kernels import kernel
from rxpath.drivers.counters import stand_in
from rxpath.drivers.rows import MTU_LEAST, Driver
from rxpath.workbench.host.snapshot import devices, filters
from rxpath.workbench.host.snapshot.devices import Card
from rxpath.workbench.host.snapshot.draft import Table
from rxpath.workbench.readings.records import (
    Channels,
    Coalesce,
    Features,
    FlowHash,
    Indirection,
    LinkSettings,
    Pause,
    Reading,
    Rings,
)
from rxpath.workbench.readings.settings import Memberships, Napi, Steering
from rxpath.workbench.readings.vectors import vectors
from rxpath.workbench.words import units

KEY_BYTES = 40                                              # of a host file's hkey; IPv4's hash takes the first 16


@dataclass(frozen=True)
class Simulated:
    """The card that is simulated for one of the host's.  same: it is the host's own driver; most: queues that it can have."""

    driver: str
    row: Driver
    model: str
    same: bool
    queues: int
    most: int


def simulate(reading: Reading, card: Card, profile: str, cpus: int, nic: Table) -> Simulated:
    """Choose driver, model and number of queues, and write them."""
    settings, slot = reading.device(LinkSettings, card.name), devices.slot(reading, card.name)
    driver, note = devices.simulated(card.driver, settings.speed if settings else None)
    row = stand_in(driver)
    same = row.name == driver and bool(card.driver)
    nic.set("driver", driver, note)
    model = row.default_model
    if same and row.pci_ids:
        if slot.id is not None and slot.id in row.pci_ids:
            model = row.pci_ids[slot.id]
            nic.set("model", model, f"PCI {slot.vendor or 0:04x}:{slot.id:04x}")
        else:
            nic.unknown(f"model: {model} of {', '.join(row.models)}", "lspci -nn")
    behaviours = [value for _, value in sorted(kernel(profile).behaviours().items())]
    row = row.of(model, behaviours)
    nic.set("name", card.name)
    if card.link is not None and card.link.address and card.link.address != "00:00:00:00:00:00":
        nic.set("mac", card.link.address)
    most = min(row.models[model], cpus) if row.queues_by_cpus else row.models[model]
    queues = _queues(reading, card)
    if queues is None:
        queues = row.default_queues(most, cpus)
        if row.has_ring:
            nic.unknown(f"queues: {queues}", f"ethtool -l {card.name}")
    elif queues > most or queues < 1:
        nic.not_here("queues", queues, f"1 to {most} here: {max(1, min(queues, most))} are simulated")
        queues = max(1, min(queues, most))
        if row.has_ring:
            nic.set("queues", queues)
    elif row.has_ring:
        nic.set("queues", queues)
    return Simulated(driver, row, model, same, queues, most)


def _queues(reading: Reading, card: Card) -> int | None:
    """ethtool -l; else what /sys, the RSS table's rings or /proc/interrupts show."""
    channels = reading.device(Channels, card.name)
    if channels is not None and channels.rx_queues:
        return channels.rx_queues
    seen = [s.queue for s in reading.of(Steering, "") if s.device == card.name]
    if seen:
        return max(seen) + 1
    table = reading.device(Indirection, card.name)
    if table is not None and table.rings:
        return table.rings
    found = vectors(reading, card.name)
    return max(found) + 1 if found else None


def nic(reading: Reading, card: Card, sim: Simulated, table: Table) -> None:
    """The rest of [nic]."""
    if card.addresses:
        table.set("addresses", sorted(card.addresses, key=card.addresses.index))
    else:
        table.unknown("addresses: those of a capture", f"ip address show {card.name}")
    if card.vlans is not None or card.link is not None:
        table.set("vlans", card.vlans or [])
    if card.link is not None and card.link.mtu is not None:
        mtu = max(MTU_LEAST, min(card.link.mtu, sim.row.mtu_most))
        table.set("mtu", mtu, "" if mtu == card.link.mtu else f"the host has {card.link.mtu}, which is not taken here")
    if card.link is not None and "PROMISC" in card.link.flags:
        table.set("promiscuous", True, "perhaps only while somebody captures")
    if card.link is not None and "ALLMULTI" in card.link.flags:
        table.set("multicast", ["all"])
    else:
        groups = sorted({g for m in reading.of(Memberships, "") for d, g in m.groups if d == card.name and g != "224.0.0.1"})
        if groups:
            table.set("multicast", groups)
    settings = reading.device(LinkSettings, card.name)
    if settings is not None and settings.speed and sim.row.has_ring:
        table.set("speed", units.bps_text(settings.speed * 1_000_000))
    elif sim.row.has_ring:
        table.unknown(f"speed: {sim.row.speed}", f"ethtool {card.name}")
    if card.link is not None and "xdp" in card.link.details:
        table.note("an XDP program is attached: not modelled; what it drops or redirects comes through here (bpftool net)")
    for text in card.notes:
        table.note(text)
    _napi(reading, card, sim, table)
    slot = devices.slot(reading, card.name)
    if slot.node is not None and slot.node > 0:
        table.set("node", slot.node)


def _napi(reading: Reading, card: Card, sim: Simulated, table: Table) -> None:
    """Where the polls run, and when interrupts come back."""
    each = sorted((n for n in reading.of(Napi, "") if n.device == card.name and n.id is not None and n.queue is not None),
                  key=lambda n: n.queue or 0)
    known = [n for n in reading.of(Napi, "") if n.device == card.name]
    if not sim.row.has_interrupts:
        return
    if not known:
        table.unknown("NAPI settings", f"/sys/class/net/{card.name}/threaded, napi_defer_hard_irqs, gro_flush_timeout")
        return
    if any(n.threaded for n in known):
        table.set("napi", "threaded")
        on_one = [n.thread_cpus[0] for n in each if n.thread_cpus is not None and len(n.thread_cpus) == 1]
        if each and len(on_one) == len(each):
            table.set("threaded_cpus", on_one)
        else:
            table.unknown("threaded_cpus, or not one for each thread: those of the interrupts", "taskset -p")
    for key, found in (("napi_defer_hard_irqs", [n.defer_hard_irqs for n in known]), ("gro_flush_timeout",
                                                                                      [n.gro_flush_timeout for n in known])):
        values = [value for value in found if value is not None]
        most = max(values, default=0)
        if most:
            table.set(key, units.duration_text(most) if key == "gro_flush_timeout" else most,
                      "" if len(set(values)) == 1 else f"the queues have {', '.join(map(str, values))}")
    if any(n.irq_suspend_timeout for n in known):
        table.note("irq_suspend_timeout is set: not modelled")


def ethtool(reading: Reading, card: Card, sim: Simulated, nic_table: Table, table: Table) -> None:
    """[ethtool]."""
    row = sim.row
    if row.has_ring:
        _rings(reading, card, sim, nic_table, table)
        _moderation(reading, card, sim, nic_table, table)
        _pause(reading, card, sim, nic_table, table)
    _features(reading, card, sim, nic_table, table)
    if row.has_ring:
        _hashes(reading, card, table)
        _indirection(reading, card, sim, nic_table, table)
        filters.write(reading, card.name, row, sim.model, sim.queues, table)


def _rings(reading: Reading, card: Card, sim: Simulated, nic: Table, table: Table) -> None:
    rings = reading.device(Rings, card.name)
    for key, ring in (("rx", sim.row.rx_ring), ("tx", sim.row.tx_ring)):
        has = rings.current.get(key) if rings is not None else None
        if not has or ring is None:
            if key == "rx" and ring is not None:
                nic.unknown(f"rx: {ring.default}", f"ethtool -g {card.name}")
            continue
        near = ring.size(has if ring.takes(has) else ring.nearest(has))
        rounded = ring.takes(has) and near != has
        table.set(key, near, "" if near == has else f"the host has {has}: " + ("rounded up here" if rounded else f"{ring.allowed} here"))
    if rings is not None and rings.current.get("rx_jumbo"):
        table.note(f"rx-jumbo: {rings.current['rx_jumbo']} on the host; a second ring is not modelled")


def _moderation(reading: Reading, card: Card, sim: Simulated, nic: Table, table: Table) -> None:
    """rx-usecs in the words of the simulated driver."""
    coalesce, moderation = reading.device(Coalesce, card.name), sim.row.moderation
    if moderation is None:
        return
    usecs = coalesce.values.get("rx-usecs") if coalesce is not None else None
    adaptive = bool(coalesce is not None and coalesce.words.get("adaptive-rx"))
    if usecs is None and not adaptive:
        nic.unknown(f"rx-usecs: {moderation.default}", f"ethtool -c {card.name}")
        return
    assert coalesce is not None
    wanted = moderation.adaptive if adaptive and moderation.adaptive else usecs or 0
    note = f"adaptive on the host, which has rx-usecs {usecs}" if adaptive and wanted != usecs else ""
    if not adaptive and wanted in moderation.words and wanted and not sim.same and card.driver not in moderation.words_of:
        note, wanted = f"the host has {wanted}, which is a word of this driver", moderation.least     # here it would be no time
    if moderation.takes(wanted):
        table.set("rx-usecs", wanted, note)
    elif moderation.least <= moderation.most:
        near = max(moderation.least, min(wanted, moderation.most))
        table.set("rx-usecs", near, f"the host has {wanted}: {moderation.allowed} here")
    else:
        table.not_here("rx-usecs", wanted, f"{sim.row.name} has no moderation here")
    if coalesce.values.get("rx-frames"):
        table.not_here("rx-frames", coalesce.values["rx-frames"], "no simulated card throttles by packets")
    if coalesce.words.get("cqe-mode-rx"):
        table.note("cqe-mode-rx: on; not modelled")


def _pause(reading: Reading, card: Card, sim: Simulated, nic_table: Table, table: Table) -> None:
    pause, row = reading.device(Pause, card.name), sim.row
    if pause is None or "set_pauseparam" in row.refuses:
        return
    rx, tx = (b if b is not None else a for a, b in ((pause.rx, pause.rx_negotiated), (pause.tx, pause.tx_negotiated)))
    note = "negotiated: what the switch agreed to is not known" if pause.autoneg and pause.rx_negotiated is None else ""
    if rx or tx:
        nic_table.set("rx_fifo", row.packet_buffer, "the packet buffer of the card, which pause frames need")
    if rx is not None:
        table.set("pause-rx", rx, note if rx else "")
    if tx is not None:
        table.set("pause-tx", tx, note if tx else "")


def _features(reading: Reading, card: Card, sim: Simulated, nic: Table, table: Table) -> None:
    known = reading.device(Features, card.name)
    if known is None:
        nic.unknown("offloads", f"ethtool -k {card.name}")
        return
    for name, key in (("generic-receive-offload", "gro"), ("rx-checksumming", "rx-checksumming"), ("rx-vlan-offload", "rx-vlan-offload"),
                      ("rx-udp-gro-forwarding", "rx-udp-gro-forwarding")):
        feature = known.features.get(name)
        if feature is None:
            continue
        if name == "generic-receive-offload" and not sim.row.gro:
            if feature.on:
                table.not_here(key, True, f"{sim.row.name} does no GRO here")
        elif name == "rx-checksumming" and not feature.on and "set_features" in sim.row.refuses:
            table.not_here(key, False, f"{sim.row.name} does not take it ({sim.row.refuses['set_features']})")
        else:
            table.set(key, feature.on)
    for name, what in (("large-receive-offload", "LRO"), ("rx-gro-hw", "GRO in hardware"), ("rx-gro-list", "GRO by lists")):
        feature = known.features.get(name)
        if feature is not None and feature.on:
            table.note(f"{name}: on; {what} is not modelled: packets come one by one here")


def _hashes(reading: Reading, card: Card, table: Table) -> None:
    """Which fields RSS hashes."""
    said = {h.flow: h.letters for h in reading.of(FlowHash, "") if h.device in (card.name, "")}
    for flow in ("udp4", "tcp4"):
        letters = "".join(c for c in "sdfn" if c in said.get(flow, ""))
        if letters in ("sd", "sdfn"):
            table.set(f"rx-flow-hash-{flow}", letters)
        elif said.get(flow):
            table.not_here(f"rx-flow-hash-{flow}", said[flow], "sd or sdfn here")


def fold(table: tuple[int, ...], size: int) -> tuple[tuple[int, ...], bool]:
    """An RSS table as one of another size that is chosen from by the lowest bits of the hash; False: it cannot be the same.  Shorter: the
    entries that share their low bits must agree; longer: it is repeated."""
    if len(table) <= size and size % len(table) == 0:
        return table * (size // len(table)), True
    if len(table) % size == 0:
        return table[:size], all(table[i] == table[i % size] for i in range(len(table)))
    return tuple(table[i % len(table)] for i in range(size)), False


def _indirection(reading: Reading, card: Card, sim: Simulated, nic: Table, table: Table) -> None:
    """The RSS key and table."""
    rss, row = reading.device(Indirection, card.name), sim.row
    if rss is None or (not rss.table and not rss.key):
        if sim.queues > 1:
            nic.unknown("hkey and indir, so that flows get other queues than on the host", f"ethtool -x {card.name}")
        return
    if rss.function and rss.function not in ("toeplitz", "on"):
        table.note(f"the hash function is {rss.function}: not modelled, toeplitz is")
    if rss.key is not None and len(rss.key) >= KEY_BYTES:
        table.set("hkey", rss.key[:KEY_BYTES].hex(), "" if len(rss.key) == KEY_BYTES else
                  f"the first {KEY_BYTES} of {len(rss.key)} bytes: IPv4 needs no more")
    elif rss.key:
        table.not_here("hkey", rss.key.hex(), f"{KEY_BYTES} bytes here")
    if not rss.table:
        return
    entries, exact = fold(rss.table, row.reta_size)
    spread = min(sim.queues, row.rss_most)
    if max(entries) >= spread or min(entries) < 0:
        table.not_here("indir", list(entries), f"queues 0 to {spread - 1} here")
        return
    note = "" if exact else f"the host's table of {len(rss.table)} is not the same in {row.reta_size} entries"
    if entries == row.indirection(sim.queues):
        table.set("indir", "default", note)
        return
    used = max(entries) + 1
    same = entries == tuple(i % used for i in range(len(entries)))
    table.set("indir", f"equal {used}" if same else list(entries), note)

