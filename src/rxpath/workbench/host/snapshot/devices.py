"""Which devices of a host are its cards, and what else stands on them: VLANs, bonds, bridges.  A host file has cards with addresses and
VLANs; the rest is said in comments."""
from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from rxpath.abi.limits import NCARD
from rxpath.drivers.counters import stand_in
from rxpath.drivers.rows import DEFAULT, IXGBE, LO, VETH, VIRTIO_NET
from rxpath.workbench.readings.records import (
    Address,
    Channels,
    Coalesce,
    DriverInfo,
    EthtoolStats,
    Link,
    LinkSettings,
    NetDev,
    Reading,
    Rings,
    Route,
)
from rxpath.workbench.readings.settings import Slot
from rxpath.workbench.readings.vectors import vectors

# what `ethtool -i` says of devices that are no cards
_SOFTWARE = {"bonding", "bridge", "tun", "team", "dummy", "vxlan", "macvlan", "ipvlan", "802.1Q VLAN Support", "openvswitch", "ipip", "gre",
             "vrf", "wireguard", "ifb", "geneve", "sit", "ip6tnl", "nlmon", "macvtap"}
_NAMED_LIKE_SOFTWARE = re.compile(r"(lo|(docker|virbr|br|bond|team|tun|tap|wg|vxlan|flannel|cni|cali|vnet|dummy|ifb|gre|sit)\d*[-.\w]*)\Z")
_DEVICES_MAX, _NAMED_MAX = 256, 8
_ABOVE = ("vlan", "bond", "bridge", "team")                 # kinds whose addresses a card below them gets


@dataclass
class Card:
    """A device that receives.  driver: as the host names it, "" if unknown; vlans: ids of the VLAN devices on it; notes: what stands on it
    and is not modelled."""

    name: str
    driver: str = ""
    link: Link | None = None
    addresses: list[str] = field(default_factory=list)
    vlans: list[int] | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Devices:
    """Cards, the first of which is [nic]; left: devices that are none, with why; elsewhere: addresses of those, which are local all the
    same."""

    cards: list[Card]
    left: list[str]
    elsewhere: list[str]


def driver_of(reading: Reading, name: str) -> str:
    """As ethtool -i says, or as rtnetlink's kind does."""
    info = reading.device(DriverInfo, name)
    if info is not None and info.driver:
        return info.driver
    link = reading.device(Link, name)
    return link.kind if link is not None else ""


def named(reading: Reading) -> list[str]:
    """Every device that a record names, but VLANs by their names only."""
    found: dict[str, None] = {}
    for kind in (Link, DriverInfo, Rings, Channels, Coalesce, EthtoolStats, LinkSettings, Address):
        for record in reading.of(kind, ""):
            if record.device:
                found.setdefault(record.device)
    for table in reading.of(NetDev, ""):
        found |= dict.fromkeys(table.devices)
    if not found and any(True for kind in (DriverInfo, Rings, Channels) for _ in reading.of(kind, "")):
        found["eth0"] = None                                # texts of one card that nobody named
    return list(found)


def _is_card(reading: Reading, name: str) -> str:
    """"" if it is one; else what it is."""
    link, driver = reading.device(Link, name), driver_of(reading, name)
    if (link is not None and "LOOPBACK" in link.flags) or name == LO.name:
        return LO.name
    if driver in _SOFTWARE:
        return driver
    if link is not None and link.kind and link.kind != VETH.name:
        return link.kind
    if link is not None and (link.kind or driver) == VETH.name and link.master:
        return f"{VETH.name} of {link.master}"
    has_slot = any(s.device == name for s in reading.of(Slot, ""))
    if not driver and not has_slot and (_NAMED_LIKE_SOFTWARE.match(name) or "." in name or "@" in name):
        return "software"
    return ""


def slot(reading: Reading, name: str) -> Slot:
    """What is known of a card's slot: files of /sys, and lspci by the name of its bus."""
    info = reading.device(DriverInfo, name)
    bus = info.bus_info if info is not None else ""
    found = Slot(device=name)
    for one in reading.of(Slot, ""):
        if one.device == name or (not one.device and bus and one.name == bus):
            found = replace(found, name=found.name or one.name, vendor=found.vendor or one.vendor, id=found.id or one.id,
                            node=one.node if found.node is None else found.node, irqs=found.irqs or one.irqs)
    return found


def _packets(reading: Reading, name: str) -> int:
    link = reading.device(Link, name)
    if link is not None and "rx_packets" in link.stats:
        return link.stats["rx_packets"]
    for table in reading.of(NetDev, ""):
        if name in table.devices:
            return table.devices[name].get("rx_packets", 0)
    return sum(sum(row.counts) for row in vectors(reading, name).values())      # without counters, who interrupts most


def find(reading: Reading) -> Devices:
    """The host's cards in the order: the default route's, those with addresses, the busiest."""
    every = named(reading)
    addressed = {a.device for a in reading.of(Address, "") if a.family == 4}
    names = sorted(every, key=lambda name: name not in addressed)[:_DEVICES_MAX]      # hosts of containers have thousands
    what = {name: _is_card(reading, name) for name in names}
    cards = {name: Card(name, driver_of(reading, name), reading.device(Link, name)) for name in names if not what[name]}
    left: list[str] = []
    elsewhere = [a.address for a in reading.of(Address, "") if a.device in addressed.difference(names) and a.family == 4]
    for name, kind in what.items():
        if kind and kind != LO.name:
            below = _below(reading, name, cards)
            _above(reading, name, kind, cards.get(below), left)
    for name in names:
        own = [f"{a.address}/{a.prefix}" for a in reading.of(Address, "") if a.device == name and a.family == 4]
        below = name if name in cards else _below(reading, name, cards)
        if below in cards and (name in cards or _kind(reading, name, what[name]) in _ABOVE):
            cards[below].addresses += [a for a in own if a not in cards[below].addresses]
        elif what[name] != LO.name:
            elsewhere += [a.split("/")[0] for a in own]
    default = {r.device for r in reading.of(Route, "") if r.destination == "default" and r.table == "main"}
    default |= {_below(reading, d, cards) for d in default}

    def rank(card: Card) -> tuple[object, ...]:
        down = card.link is not None and "UP" not in card.link.flags
        return down, card.name not in default, not card.addresses, -_packets(reading, card.name), names.index(card.name)

    ordered = sorted(cards.values(), key=rank)
    up = [c for c in ordered if c.link is None or "UP" in c.link.flags] or ordered[:1]
    left += [f"{c.name} ({c.driver or 'driver unknown'}) is down" for c in ordered if c not in up]
    if up[NCARD:]:
        left.append(f"{', '.join(c.name for c in up[NCARD:][:_NAMED_MAX])} (there is room for {NCARD} cards, not for {len(up)})")
    if len(every) > len(names):
        left.append(f"{len(every) - len(names)} of {len(every)} devices that were not looked at")
    return Devices(up[:NCARD], left, elsewhere)


def _kind(reading: Reading, name: str, otherwise: str) -> str:
    link = reading.device(Link, name)
    kind = link.kind if link is not None and link.kind else otherwise
    return {"bonding": "bond", "802.1Q VLAN Support": "vlan", "software": "vlan" if "." in name else ""}.get(kind, kind)


def _below(reading: Reading, name: str, cards: dict[str, Card]) -> str:
    """The card that a device stands on: its parent, or the first that is up of those that have it as master; through several steps."""
    for _ in range(4):
        if name in cards:
            return name
        link = reading.device(Link, name)
        parent = link.parent.split("@")[0] if link is not None and link.parent else name.rpartition(".")[0]
        slaves = [other for other in reading.of(Link, "") if other.master == name]
        slaves.sort(key=lambda other: ("UP" not in other.flags, _is_card(reading, other.device) != ""))
        following = parent or (slaves[0].device if slaves else "")
        if not following or following == name:
            return ""
        name = following
    return ""


def _above(reading: Reading, name: str, kind: str, card: Card | None, left: list[str]) -> None:
    """Say what a device that is no card is, on its card if it stands on one."""
    link, kind = reading.device(Link, name), _kind(reading, name, kind)
    if card is None or kind not in _ABOVE:
        left.append(f"{name} ({kind or 'no card'})")
        return
    if kind == "vlan":
        text = link.details.get("id", "") if link is not None else ""
        text = text or name.rpartition(".")[2]
        if text.isdigit() and int(text) <= 4094:
            card.vlans = sorted({*(card.vlans or []), int(text)})
            return
    slaves = [other.device for other in reading.of(Link, "") if other.master == name]
    card.notes.append(f"{name} ({kind} of {', '.join(slaves) or card.name}) is not modelled: its addresses stand here")


def simulated(driver: str, speed: int | None) -> tuple[str, str]:
    """The driver to write, and what to say about it: the host's own, if there is a row for it, else one of about its speed."""
    if not driver:
        return DEFAULT, "the host's driver is not known (ethtool -i): this one is a guess"
    try:
        row = stand_in(driver)
    except ValueError:
        row = stand_in(VIRTIO_NET.name if driver.startswith(("vir", "xen", "vif")) else IXGBE.name if (speed or 0) > 2500 else DEFAULT)
        return row.name, f"{driver} is not known here: {row.name} stands in for it"
    return driver, "" if row.name == driver else f"not simulated: {row.name} stands in for it"
