"""Facts of a card: its losses by class (drivers/counters.py), standard counters, and the CPU that polls it."""
from __future__ import annotations

from collections.abc import Callable, Iterable

from rxpath.drivers.counters import COUNTERS, Counters, Loss
from rxpath.workbench.doctor import cards
from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.doctor.facts import FACTS, Fact, fact
from rxpath.workbench.readings.losses import losses
from rxpath.workbench.readings.records import EthtoolStats, Link, Reading

CLASSES = {"ring_lost": Loss.RING, "pktbuf_lost": Loss.PKTBUF, "either_lost": Loss.EITHER, "alloc_lost": Loss.ALLOC, "phy_lost": Loss.PHY,
           "len_lost": Loss.LEN, "filter_lost": Loss.FILTER, "xdp_lost": Loss.XDP, "pause_sent": Loss.PAUSE, "cloud_lost": Loss.CLOUD,
           "csum_seen": Loss.CSUM, "unclassified": "unclassified"}
MUCH_IDLE, SATURATED, STOLEN = 0.2, 0.95, 0.01             # where the rules about the CPU that polls divide
OWN = (Loss.RING, Loss.PKTBUF, Loss.EITHER)                 # a card's loss for want of room
MISSED = ("rx_missed_errors", "rx_fifo_errors", "rx_over_errors")
STANDARD = {"missed_lost": MISSED, "dropped_rest": ("rx_dropped",), "rx_dropped": ("rx_dropped",), "nohandler": ("rx_nohandler",)}


def _of_class(loss: Loss | str) -> None:
    name = next(n for n, c in CLASSES.items() if c == loss)
    FACTS[name] = Fact("device", "packets", f"counters of the class: {loss}", lambda e, device: cards.lost(e, device, loss))


for _loss in CLASSES.values():
    _of_class(_loss)


@fact("device", "packets", "standard counters of lost packets, where the driver's own are not known: the largest of missed, fifo, over")
def missed_lost(e: Evidence, device: str) -> float:
    try:
        cards.stats(e, device)
        if cards.driver_or_none(e, device) in COUNTERS:
            return 0                                        # its own counters say more, and the same
    except NotKnown:
        pass
    found = []
    for name in MISSED:                                     # they overlap: igb's fifo has the missed in it
        try:
            found.append(e.standard(device, name))
        except NotKnown as missing:
            error = missing
    if not found:
        raise error
    return max(found)


@fact("device", "packets", "lost by this card for lack of a descriptor or buffer, by whichever counter")
def nic_lost(e: Evidence, device: str) -> float:
    try:
        found = sum(cards.lost(e, device, loss) for loss in OWN)
        if cards.driver_or_none(e, device) in COUNTERS:
            return found
    except NotKnown:
        row = COUNTERS.get(cards.driver_or_none(e, device) or "")
        if row is None or row.hidden:
            raise
    return missed_lost(e, device)


@fact("host", "packets", "the same of all cards that received packets")
def nic_lost_all(e: Evidence, _: str) -> float:
    found = 0.0
    if not e.devices:
        raise NotKnown("ethtool -S of each card")
    for device in e.devices:
        try:
            found += nic_lost(e, device)
        except NotKnown:
            if device != "lo" and e.standard(device, "rx_packets") > 0:
                raise
    return found


# ---------------------------------------------------------------- standard counters
@fact("device", "packets", "rx_dropped")
def rx_dropped(e: Evidence, device: str) -> float:
    return e.standard(device, "rx_dropped")


@fact("device", "packets", "rx_nohandler")
def nohandler(e: Evidence, device: str) -> float:
    return e.standard(device, "rx_nohandler")


@fact("device", "packets", "rx_dropped, less what the driver and the backlogs put into it")
def dropped_rest(e: Evidence, device: str) -> float:
    whole = e.standard(device, "rx_dropped")
    if not whole:
        return 0
    row = _row(e, device)
    own = 0
    if "rx_dropped" in row.rtnl and row.names:
        own = sum(v.value for v in cards.stats(e, device).values if cards.mentions(row.rtnl["rx_dropped"], v.name))
    elsewhere = sum(m.dropped for m in e.softnet.values())
    if elsewhere and _droppers(e) > 1:
        raise NotKnown("the reasons: perf record -e skb:kfree_skb -a sleep 5; perf script")
    return max(whole - own - elsewhere, 0)


def _row(e: Evidence, device: str) -> Counters:
    """Its driver's row; a device that stands on others or is made of software alone has no losses of its own."""
    link = e.of_card(Link, device)
    if link is not None and (link.kind or link.parent):
        return COUNTERS["lo"]
    name = cards.driver(e, device)
    if name not in COUNTERS:
        raise NotKnown(f"the source of {name}: what it puts into rx_dropped")
    return COUNTERS[name]


@fact("device", "0 or 1", "nothing says whether its rx_dropped is a loss")
def dropped_unclear(e: Evidence, device: str) -> float:
    try:
        dropped_rest(e, device)
    except NotKnown:
        return e.standard(device, "rx_dropped") > 0
    return 0


def _droppers(e: Evidence) -> int:
    """Devices whose rx_dropped moved."""
    if "droppers" not in e.memo:
        e.memo["droppers"] = sum(_dropped(e, d) for d in e.devices)
    found: int = e.memo["droppers"]
    return found


def _dropped(e: Evidence, device: str) -> bool:
    try:
        return e.standard(device, "rx_dropped") > 0
    except NotKnown:
        return False


@fact("device", "frames", "damaged ones in a million received")
def phy_per_million(e: Evidence, device: str) -> float:
    bad = cards.lost(e, device, Loss.PHY)
    return 1e6 * bad / max(e.standard(device, "rx_packets") + bad, 1)


# ---------------------------------------------------------------- the ring and who polls it
@fact("device", "descriptors", "the receive ring")
def ring(e: Evidence, device: str) -> float:
    return cards.ring(e, device)


@fact("device", "descriptors", "the largest that the driver takes, where it is larger")
def ring_max(e: Evidence, device: str) -> float:
    most = cards.ring(e, device, most=True)
    if most <= cards.ring(e, device):
        raise NotKnown("a larger ring: there is none")
    return most


@fact("device", "us", "rx-usecs, without adaptive moderation")
def rx_usecs(e: Evidence, device: str) -> float:
    return cards.usecs(e, device)


@fact("device", "packets a second", "of its busiest queue")
def queue_rate(e: Evidence, device: str) -> float:
    try:
        return max(cards.queue_packets(e, device).values()) / e.seconds
    except NotKnown:
        if cards.queues(e, device) != 1:
            raise
        return e.standard(device, "rx_packets") / e.seconds


@fact("device", "of 1", "of the ring that comes within one rx-usecs")
def window_fill(e: Evidence, device: str) -> float:
    usecs = cards.usecs(e, device)
    return 0.0 if usecs <= 3 else usecs / 1e6 * queue_rate(e, device) / cards.ring(e, device)       # 0 to 3 are codes on some cards


@fact("device", "us", "what half a ring lasts at that rate")
def usecs_most(e: Evidence, device: str) -> float:
    return cards.ring(e, device) / 2 / max(queue_rate(e, device), 1) * 1e6


@fact("device", "CPU", "the CPU that polls it (of the queue that lost most)")
def poll_cpu(e: Evidence, device: str) -> float:
    return cards.poll_cpu(e, device)


def _worst(e: Evidence, device: str, of: Callable[[int], float], worst: Callable[[Iterable[float]], float],
           decides: Callable[[float], bool]) -> float:
    """Of the CPU that polls; where nobody knows which it is, of the CPU where it is worst, if that decides for all of them."""
    try:
        return of(cards.poll_cpu(e, device))
    except NotKnown:
        value = worst(of(cpu) for cpu in e.shares)
        if not decides(value):
            raise
        return value


@fact("device", "of 1", "of that CPU's time without work (where it is not known which: the least of all CPUs', if that decides)")
def poll_idle(e: Evidence, device: str) -> float:
    return _worst(e, device, lambda cpu: e.share(cpu, "idle"), min, lambda least: least > MUCH_IDLE)


@fact("device", "of 1", "of that CPU's time in interrupts and softirqs (or the most of all CPUs', if that decides)")
def poll_busy(e: Evidence, device: str) -> float:
    return _worst(e, device, lambda cpu: e.share(cpu, "soft") + e.share(cpu, "hard"), max, lambda most: most < SATURATED)


@fact("device", "of 1", "of that CPU's time in hard interrupts")
def poll_hard(e: Evidence, device: str) -> float:
    return e.share(cards.poll_cpu(e, device), "hard")


@fact("device", "of 1", "of that CPU's time that the hypervisor took (or the most of all CPUs', if that decides)")
def poll_steal(e: Evidence, device: str) -> float:
    return _worst(e, device, lambda cpu: e.share(cpu, "steal"), max, lambda most: most <= STOLEN)


@fact("device", "passes", "that ended early on that CPU")
def poll_squeezed(e: Evidence, device: str) -> float:
    return e.on(cards.poll_cpu(e, device)).time_squeeze


@fact("device", "packets", "on that CPU for each pass that ended early")
def per_squeeze(e: Evidence, device: str) -> float:
    moved = e.on(cards.poll_cpu(e, device))
    return moved.processed / max(moved.time_squeeze, 1)


@fact("device", "queues", "of all cards, polled by that CPU")
def napis_on_cpu(e: Evidence, device: str) -> float:
    return cards.napis_on(e, cards.poll_cpu(e, device))


@fact("device", "interrupts", "of its receive vectors")
def irqs(e: Evidence, device: str) -> float:
    every = cards.vectors(e, device)
    if not every:
        raise NotKnown(f"/proc/interrupts with the vectors of {device}")
    return sum(sum(v.moved.values()) for v in every)


@fact("device", "interrupts a second", "the same")
def irq_rate(e: Evidence, device: str) -> float:
    return irqs(e, device) / e.seconds


@fact("device", "packets", "for each interrupt")
def packets_per_irq(e: Evidence, device: str) -> float:
    return e.standard(device, "rx_packets") / max(irqs(e, device), 1)


@fact("device", "of 1", "of the stretches of a tenth of a second in which it lost packets")
def ring_spread(e: Evidence, device: str) -> float:
    name = cards.driver(e, device)

    def lost(reading: Reading) -> float | None:
        stats = e.of_device(reading, EthtoolStats, device)
        if stats is None or name not in COUNTERS:
            return None
        found = losses(name, stats)
        return sum(found[loss].packets for loss in (Loss.RING, Loss.EITHER) if loss in found)

    def shown(reading: Reading) -> float | None:
        """By standard counters, which are looked at between the readings where the driver reads the card for them."""
        links = [(e.link(reading, device, s), s) for s in standard]
        return sum(link.stats[s] for link, s in links if link is not None) if all(link is not None for link, _ in links) else None

    try:
        return e.spread(lost)
    except NotKnown:
        row = COUNTERS.get(name)
        standard = row.shown_in(Loss.RING, Loss.EITHER) if row is not None and row.on_asking else ()
        if not standard:
            raise
    return e.spread(shown)
