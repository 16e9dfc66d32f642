"""Of one network namespace: counters of protocols and devices, addresses, routes, neighbours."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .base import DeviceRecord, Record


@dataclass(frozen=True, slots=True)
class Snmp(Record):
    """Counters of protocols: group (Ip, Udp, TcpExt, Udp6, ...) -> name -> value, whatever printed them: /proc/net/snmp, netstat, snmp6,
    nstat, netstat -s (tool says which).  64 bit on 64-bit kernels.  absent_is_zero: the tool leaves zeros out; increase: values are since
    the tool's last run (nstat without -a)."""

    groups: Mapping[str, Mapping[str, int]]
    absent_is_zero: bool = False
    increase: bool = False
    tool: str = ""

    def get(self, group: str, name: str) -> int | None:
        value = self.groups.get(group, {}).get(name)
        return 0 if value is None and self.absent_is_zero else value


@dataclass(frozen=True, slots=True)
class NetDev(Record):
    """/proc/net/dev, ifconfig, netstat -i: device -> name (rx_bytes, rx_packets, rx_errs, rx_drop, rx_fifo, rx_frame, rx_compressed,
    rx_multicast, tx_bytes, ...).  rx_drop is rx_dropped + rx_missed_errors, rx_frame is length + over + crc + frame."""

    devices: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Link(DeviceRecord):
    """ip -s link of one device.  stats: names of rtnl_link_stats64 with rx_ or tx_ (rx_bytes, rx_missed_errors, rx_over_errors,
    rx_nohandler, tx_carrier_changes, ...).  parent: what stands behind @; kind: vlan, bond, veth, ... by -d; details: words of -d."""

    index: int = 0
    flags: tuple[str, ...] = ()
    mtu: int | None = None
    state: str = ""
    qdisc: str = ""
    qlen: int | None = None
    master: str = ""
    parent: str = ""
    kind: str = ""
    address: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    stats: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Address(DeviceRecord):
    """ip addr: address with its prefix length."""

    address: str = ""
    prefix: int = 32
    scope: str = ""
    family: int = 4


@dataclass(frozen=True, slots=True)
class Route(DeviceRecord):
    """ip route: kind (unicast, local, broadcast, ...), destination with prefix length or "default"."""

    destination: str = ""
    kind: str = "unicast"
    gateway: str = ""
    source_address: str = ""
    metric: int = 0
    table: str = "main"
    scope: str = ""
    family: int = 4


@dataclass(frozen=True, slots=True)
class Neighbour(DeviceRecord):
    """ip neigh, /proc/net/arp."""

    address: str = ""
    mac: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Sockstat(Record):
    """/proc/net/sockstat and sockstat6: protocol (sockets, TCP, UDP, FRAG, ...) -> name -> value; mem is in pages."""

    protocols: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Conntrack(Record):
    """/proc/net/stat/nf_conntrack, conntrack -S: counters (drop, insert_failed, early_drop, ...) summed over CPUs, 32 bit each; entries and
    most where they are known."""

    counters: Mapping[str, int]
    entries: int | None = None
    most: int | None = None
