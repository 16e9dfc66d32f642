"""What ethtool says of a card."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .base import DeviceRecord


@dataclass(frozen=True, slots=True)
class Value:
    """One line of ethtool -S.  block: the heading above it ("Rx Queue#: 0" of vmxnet3), where names repeat."""

    name: str
    value: int
    block: str = ""


@dataclass(frozen=True, slots=True)
class EthtoolStats(DeviceRecord):
    """ethtool -S, in its order, with names that repeat."""

    values: tuple[Value, ...] = ()

    def get(self, name: str) -> int | None:
        """The first of that name."""
        return next((v.value for v in self.values if v.name == name), None)


@dataclass(frozen=True, slots=True)
class Rings(DeviceRecord):
    """ethtool -g: rx, tx, rx_mini, rx_jumbo -> descriptors, None for n/a; other: lines since 5.18 as they are."""

    current: Mapping[str, int | None] = field(default_factory=dict)
    maximum: Mapping[str, int | None] = field(default_factory=dict)
    other: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Channels(DeviceRecord):
    """ethtool -l: rx, tx, other, combined; None for n/a."""

    current: Mapping[str, int | None] = field(default_factory=dict)
    maximum: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def rx_queues(self) -> int | None:
        """Receive queues: rx + combined."""
        if self.current.get("rx") is None and self.current.get("combined") is None:
            return None
        return (self.current.get("rx") or 0) + (self.current.get("combined") or 0)


@dataclass(frozen=True, slots=True)
class Coalesce(DeviceRecord):
    """ethtool -c: numbers by name (rx-usecs, rx-frames, ...), None for n/a; words: adaptive-rx, adaptive-tx, cqe-mode-rx, ... on or off."""

    values: Mapping[str, int | None] = field(default_factory=dict)
    words: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feature:
    """fixed: the driver lets nobody change it; requested: what was asked where that differs."""

    on: bool
    fixed: bool = False
    requested: bool | None = None


@dataclass(frozen=True, slots=True)
class Features(DeviceRecord):
    """ethtool -k by long name (generic-receive-offload, ...)."""

    features: Mapping[str, Feature] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriverInfo(DeviceRecord):
    """ethtool -i."""

    driver: str = ""
    version: str = ""
    firmware: str = ""
    bus_info: str = ""


@dataclass(frozen=True, slots=True)
class Indirection(DeviceRecord):
    """ethtool -x: the table (empty: not supported), the key, the function that is on."""

    table: tuple[int, ...] = ()
    rings: int | None = None
    key: bytes | None = None
    function: str = ""


@dataclass(frozen=True, slots=True)
class Pause(DeviceRecord):
    """ethtool -a; counters by -I."""

    autoneg: bool | None = None
    rx: bool | None = None
    tx: bool | None = None
    rx_negotiated: bool | None = None
    tx_negotiated: bool | None = None
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlowHash(DeviceRecord):
    """ethtool -n DEV rx-flow-hash FLOW: the fields by their letters (sd: addresses, fn: ports), "" for none."""

    flow: str = ""
    letters: str = ""


@dataclass(frozen=True, slots=True)
class FlowRule:
    """A rule of ethtool -n: its lines by name, the queue (-1: drop; None: something else)."""

    number: int
    values: Mapping[str, str]
    queue: int | None = None


@dataclass(frozen=True, slots=True)
class FlowRules(DeviceRecord):
    """ethtool -n: filters of the card."""

    rings: int | None = None
    rules: tuple[FlowRule, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkSettings(DeviceRecord):
    """ethtool without option: speed in Mbit/s, link, every line by its name."""

    speed: int | None = None
    link: bool | None = None
    values: Mapping[str, str] = field(default_factory=dict)
