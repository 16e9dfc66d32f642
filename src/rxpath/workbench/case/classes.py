"""Classes of losses: which counters of a real host and which reasons of a run (abi/reasons.py) are the same thing.

Each packet once: RcvbufErrors without InErrors, softnet_stat's column without rx_dropped, which has it again."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rxpath.abi.reasons import Drop
from rxpath.drivers.counters import COUNTERS, Loss
from rxpath.workbench.doctor import cards
from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.doctor.facts import rules_lost
from rxpath.workbench.readings.case import Sample
from rxpath.workbench.readings.records import Snmp, Softnet

SNMP, SOFTNET, NETSTAT = "/proc/net/snmp", "/proc/net/softnet_stat", "/proc/net/netstat"
AT_THE_CARD = (Loss.RING, Loss.EITHER, Loss.PKTBUF)


@dataclass(frozen=True, slots=True)
class LossClass:
    """key: for JSON.  title: for a person; counters: where Linux shows it.  reasons: of a run; counted: the run's own counters, where a
    frame of the wire is not one there.  total: between two readings (NotKnown: they do not say); at: as it stands in a sample, None where
    samples do not have it.  before_tap: a packet socket does not see what is lost there.  loss: False, it is no loss."""

    key: str
    title: str
    counters: str
    reasons: frozenset[str]
    total: Callable[[Evidence, str], int]
    at: Callable[[Sample, str, str], int | None]
    counted: tuple[str, ...] = ()
    before_tap: bool = False
    loss: bool = True


def _reasons(*names: Drop) -> frozenset[str]:
    return frozenset(name.name for name in names)


def _snmp(*names: str) -> tuple[Callable[[Evidence, str], int], Callable[[Sample, str, str], int | None]]:
    """Counters of protocols, summed."""
    pairs = [(group, name) for group, _, name in (text.partition(".") for text in names)]
    file = NETSTAT if pairs[0][0].endswith("Ext") else SNMP

    def total(e: Evidence, device: str) -> int:
        return sum(e.snmp(group, name) for group, name in pairs)

    def at(sample: Sample, device: str, driver: str) -> int | None:
        found = [v for record in sample.reading(file).of(Snmp) for group, name in pairs
                 if (v := record.groups.get(group, {}).get(name)) is not None]
        return sum(found) if found else None

    return total, at


def _softnet(column: str) -> tuple[Callable[[Evidence, str], int], Callable[[Sample, str, str], int | None]]:
    def total(e: Evidence, device: str) -> int:
        return sum(getattr(row, column) or 0 for row in e.softnet.values())

    def at(sample: Sample, device: str, driver: str) -> int | None:
        record = sample.reading(SOFTNET).first(Softnet)
        return None if record is None else sum(getattr(row, column) or 0 for row in record.rows)

    return total, at


def _card_total(e: Evidence, device: str) -> int:
    """By ethtool -S and the driver's row; a driver without counters of losses (veth, lo) has no ring."""
    name = cards.driver_or_none(e, device)
    if name is not None and name in COUNTERS and not any(loss in COUNTERS[name].names for loss in AT_THE_CARD):
        return 0
    return sum(cards.lost(e, device, loss) for loss in AT_THE_CARD)


def _card_at(sample: Sample, device: str, driver: str) -> int | None:
    """By the standard counters, of drivers that read the card when they are asked."""
    row = COUNTERS.get(driver)
    names = row.shown_in(Loss.RING, Loss.EITHER) if row is not None and row.on_asking else ()
    values = [sample.files.get(f"/sys/class/net/{device}/statistics/{name}", b"").strip() for name in names]
    return sum(map(int, values)) if values and all(v.isdigit() for v in values) else None


def _rules_total(e: Evidence, device: str) -> int:
    return round(rules_lost(e, ""))


def _not_sampled(sample: Sample, device: str, driver: str) -> int | None:
    return None


CLASSES: tuple[LossClass, ...] = (
    LossClass("ring", "the card and its ring", "ethtool -S", _reasons(Drop.RX_MISSED), _card_total, _card_at, before_tap=True),
    LossClass("backlog", "CPUs' backlogs", "softnet_stat, second column", _reasons(Drop.CPU_BACKLOG), *_softnet("dropped"),
              before_tap=True),
    LossClass("rules", "rules of the firewall", "iptables-save -c", _reasons(Drop.NETFILTER_DROP), _rules_total, _not_sampled),
    LossClass("rp_filter", "the reverse path filter", "TcpExt.IPReversePathFilter", _reasons(Drop.IP_RPFILTER),
              *_snmp("TcpExt.IPReversePathFilter")),
    LossClass("fragments", "fragments that nothing came of", "Ip.ReasmFails",
              _reasons(Drop.FRAG_REASM_TIMEOUT, Drop.FRAG_TOO_FAR, Drop.FRAG_QUEUE_KILLED), *_snmp("Ip.ReasmFails"),
              counted=("Ip.ReasmFails",)),
    LossClass("no_port", "UDP ports that nobody listens on", "Udp.NoPorts", _reasons(Drop.NO_SOCKET), *_snmp("Udp.NoPorts"),
              counted=("Udp.NoPorts",)),
    LossClass("checksum", "checksums of UDP", "Udp.InCsumErrors", _reasons(Drop.UDP_CSUM), *_snmp("Udp.InCsumErrors")),
    LossClass("socket", "receive buffers of UDP sockets", "Udp.RcvbufErrors", _reasons(Drop.SOCKET_RCVBUFF), *_snmp("Udp.RcvbufErrors"),
              counted=("Udp.RcvbufErrors",)),
    LossClass("memory", "memory of all UDP sockets (udp_mem)", "Udp.MemErrors", _reasons(Drop.PROTO_MEM), *_snmp("Udp.MemErrors")),
    LossClass("squeeze", "passes of net_rx_action that ended early", "softnet_stat, third column", frozenset(), *_softnet("time_squeeze"),
              counted=("softnet.time_squeeze",), loss=False),
)
BY_KEY: Mapping[str, LossClass] = {c.key: c for c in CLASSES}

__all__ = ["BY_KEY", "CLASSES", "LossClass", "NotKnown"]
