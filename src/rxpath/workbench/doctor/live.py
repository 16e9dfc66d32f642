"""This host, read twice with looks at its queues in between: what `rxpath doctor` does without files.

Between the two whole readings only the queues and losses that Linux shows are looked at (softnet_stat, udp, snmp): some 0.1 ms each, and a
standard counter or two of each card whose driver reads the card for it; never more than a hundredth of the time, however long /proc/net/udp
is.  Nothing is parsed before the end, nothing is written."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from rxpath.drivers import counters
from rxpath.workbench.doctor import tasks
from rxpath.workbench.readings.live import netdev, rtnetlink, sock_diag
from rxpath.workbench.readings.live.device_files import is_ours
from rxpath.workbench.readings.live.ethtool import Cards
from rxpath.workbench.readings.live.firewall import saved_rules
from rxpath.workbench.readings.live.host import read_host
from rxpath.workbench.readings.live.netlink import NETLINK_ROUTE, NETLINK_SOCK_DIAG, Generic, Netlink
from rxpath.workbench.readings.live.proc import COUNTERS, QUEUES, Proc, Sample
from rxpath.workbench.readings.records import DriverInfo, Link, Reading, Record, Source, Unread
from rxpath.workbench.readings.settings import Processes
from rxpath.workbench.readings.sniff import read_text

STATISTICS = "/sys/class/net/{}/statistics/{}"
LOOKS = (*QUEUES, "/proc/net/snmp")
EVERY = 0.02                                                # s between looks
COST = 0.01                                                 # of the time at most
UNUSED = "/proc/schedstat"                                  # tasks have their own
MORE = ("/proc/net/stat/nf_conntrack",)                     # there where connections are tracked
SYSCTLS = ("net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_count")


class Watch:
    """Reads this host over and over: the last reading of one verdict is the first of the next."""

    def __init__(self) -> None:
        settings = read_host()
        self.settings, self.unread = settings.records, settings.unread
        self.pids = {p.pid for r in settings.of(Processes) for p in r.processes} | set(tasks.ksoftirqds())
        self._proc, self._looks = Proc((*(f for f in COUNTERS if f != UNUSED), *MORE)), Proc(LOOKS)
        self._whole = self._read()
        self._losses = {STATISTICS.format(device, name): (device, name) for device, name in loss_counters(self._whole)}
        self._cards = Proc(tuple(self._losses))

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._proc.close()
        self._looks.close()
        self._cards.close()

    def readings(self, seconds: float, stop: Callable[[], bool] = lambda: False) -> list[Reading]:
        """The readings of the next so many seconds, or until it is stopped."""
        first, end = self._whole, time.monotonic() + seconds
        looks: list[tuple[Sample, Sample]] = []
        while not stop() and (left := end - time.monotonic()) > 0:
            cost = sum(look.took for look in looks[-1]) if looks else 0.0
            time.sleep(min(max(EVERY, cost / COST), left))
            if end - time.monotonic() > 0:
                looks.append((self._looks.sample(), self._cards.sample()))
        self._whole = self._read()
        between = [replace(found := _known(look), records=(*found.records, *self._lost(cards))) for look, cards in looks]
        return [first, *between, self._whole]

    def _lost(self, sample: Sample) -> list[Record]:
        """What the cards had lost by then: a record for each."""
        stats: dict[str, dict[str, int]] = {}
        for path, data in sample.contents:
            device, name = self._losses[path]
            if (text := data.strip()).isdigit():
                stats.setdefault(device, {})[name] = int(text)
        return [Link(source=Source("/sys/class/net"), device=device, stats=values) for device, values in stats.items()]

    def _read(self) -> Reading:
        sample = self._proc.sample()
        threads = tasks.read(sorted(self.pids))
        records: list[Record] = [threads]
        unread = [u for u in (*self.unread, *sample.missing) if u.source not in MORE]
        for read in (_links, _sockets):
            try:
                records += read()
            except OSError as error:
                unread.append(Unread(read.__name__.strip("_"), 0, "", error.strerror or "refused"))
        names = {r.index: r.device for r in records if isinstance(r, Link)}
        records += _statistics(list(names.values()), names, unread)
        rules, refused = saved_rules()
        del refused                                         # said once, by the settings
        counted = _known(sample).together(read_text(rules, "iptables-save")) if rules else _known(sample)
        devices = {r.device for r in records if isinstance(r, Link)}
        settings = tuple(r for r in self.settings if not isinstance(r, Link) and not _counted(r) and (
            not hasattr(r, "device") or r.device in devices))
        return replace(counted, records=(*counted.records, *records, *settings), unread=tuple(unread) + counted.unread,
                       time=sample.time, name="this host")


def loss_counters(reading: Reading) -> Iterator[tuple[str, str]]:
    """(device, standard counter) that say when a card lost packets for want of room: of drivers that read the card when they are asked
    (others bring them up to date every second or two, which would look like bursts), of devices that /sys shows."""
    drivers = {r.device: r.driver for r in reading.of(DriverInfo, "")}
    for link in reading.of(Link, ""):
        row = counters.COUNTERS.get(drivers.get(link.device, ""))
        if row is not None and row.on_asking and is_ours(link):
            for name in row.shown_in(counters.Loss.RING, counters.Loss.EITHER):
                yield link.device, name


def _counted(record: Record) -> bool:
    """Of the settings: what is read anew."""
    return type(record).__name__ in ("Interrupts", "Stat", "UdpSockets", "Rules", "EthtoolStats")


def _known(sample: Sample) -> Reading:
    reading = sample.reading()
    return replace(reading, unread=tuple(u for u in reading.unread if u.source not in MORE))


def _links() -> list[Record]:
    with Netlink(NETLINK_ROUTE) as route:
        return list(rtnetlink.links(route))


def _sockets() -> list[Record]:
    with Netlink(NETLINK_SOCK_DIAG) as diag:
        return [sock_diag.udp_sockets(diag, {}), sock_diag.tcp_listeners(diag, {})]


def _statistics(devices: list[str], names: dict[int, str], unread: list[Unread]) -> list[Record]:
    """ethtool -S of each, with the kernel's own counters of its queues, where the driver fills them (6.10 and later)."""
    cards = Cards(None)
    try:
        found = {device: record for device in devices if (record := cards.stats(device)) is not None}
        unread += cards.unread
    finally:
        cards.close()
    try:
        with Generic() as generic:
            for more in netdev.queue_counters(generic, names):
                own = found.get(more.device)
                known = {v.name for v in own.values} if own is not None else set()
                values = (*(own.values if own is not None else ()), *(v for v in more.values if v.name not in known))
                found[more.device] = replace(more, values=values)
    except OSError:
        pass                                                # an older kernel: ethtool -S has what there is
    return list(found.values())
