"""Routes, neighbours and firewall rules of a Reading: [[route]], [[neighbour]], [iptables]."""
from __future__ import annotations

from rxpath.workbench.host.iptables.read import parse
from rxpath.workbench.host.iptables.ruleset import RulesError
from rxpath.workbench.host.model.network import ROUTES_MAX
from rxpath.workbench.host.snapshot.devices import Devices
from rxpath.workbench.host.snapshot.draft import Draft, Table
from rxpath.workbench.readings.records import Neighbour, Reading, Route, Rules
from rxpath.workbench.readings.settings import OtherFirewall, PolicyRules
from rxpath.workbench.words import units

_KINDS = ("unicast", "local", "broadcast", "blackhole", "unreachable", "prohibit")
_NOTES_MAX = 8                                              # of routes that are left out, one by one


def routes(reading: Reading, devices: Devices, draft: Draft) -> None:
    """Those beyond what the addresses bring, the best of each destination; addresses of devices that are no cards are local, too."""
    own = {address for card in devices.cards for address in card.addresses}
    brought = {_network(address) for address in own}
    names = {card.name for card in devices.cards}
    left: list[str] = []
    seen: set[str] = set()
    wanted: list[tuple[Route, str]] = []
    known = [r for r in reading.of(Route, "") if r.family == 4]
    for route in sorted(known, key=lambda r: r.metric):
        destination = _destination(route.destination)
        if route.table not in ("main", "local", "default") or route.kind not in _KINDS or not destination:
            if route.kind not in ("anycast", "multicast"):
                left.append(f"{route.kind} {route.destination} (table {route.table})")
            continue
        if route.table == "local" or route.kind in ("local", "broadcast"):
            continue                                        # what addresses bring; those of other devices follow below
        if route.kind == "unicast" and not route.gateway and destination in brought:
            continue
        if route.kind == "unicast" and route.device and route.device not in names:
            left.append(f"{route.destination} dev {route.device}, which is no card here")
            continue
        if destination in seen:
            left.append(f"{route.destination} via {route.gateway or route.device}: a further next hop, or a larger metric")
            continue
        seen.add(destination)
        wanted.append((route, destination))
    for route, destination in wanted[:ROUTES_MAX - len(devices.elsewhere)]:
        table = draft.add("route")
        table.set("dst", destination)
        if route.kind != "unicast":
            table.set("type", route.kind)
        else:
            if route.gateway:
                table.set("via", route.gateway)
            if route.device and route.device != devices.cards[0].name:
                table.set("dev", route.device)
    for address in devices.elsewhere:
        if address.startswith("127.") or f"{address}/32" in seen:
            continue
        seen.add(f"{address}/32")
        table = draft.add("route", "An address of a device that is no card here: it is this host's all the same.")
        table.set("dst", f"{address}/32")
        table.set("type", "local")
    _say(draft, known, left, reading)


def _say(draft: Draft, known: list[Route], left: list[str], reading: Reading) -> None:
    """What is not written, as a comment of the whole file."""
    if not known:
        draft.remarks.append("routes: not known (ip route show table all); those that the addresses bring are assumed")
    for text in left[:_NOTES_MAX]:
        draft.remarks.append(f"route left out: {text}")
    if len(left) > _NOTES_MAX:
        draft.remarks.append(f"{len(left) - _NOTES_MAX} more routes left out")
    rules = reading.first(PolicyRules)
    if rules is not None and rules.extra:
        draft.remarks.append(f"{rules.extra} policy rules (ip rule): not modelled, table main is asked")


def _destination(text: str) -> str:
    """As a host file writes it; "" if it is no IPv4 network."""
    if text in ("default", "0.0.0.0/0"):
        return "default"
    try:
        address, prefix = units.cidr(text)
    except ValueError:
        return ""
    return f"{units.ipv4_text(address & units.netmask(prefix))}/{prefix}"


def _network(address: str) -> str:
    return _destination(address)


def neighbours(reading: Reading, devices: Devices, draft: Draft) -> None:
    """Those on the cards; others are learnt from traffic."""
    names = {card.name for card in devices.cards}
    seen: set[str] = set()
    for item in reading.of(Neighbour, ""):
        if item.device in names and item.address not in seen and len(seen) < ROUTES_MAX and item.state not in ("failed", "incomplete"):
            try:
                if units.mac(item.mac) == 0:
                    continue
                units.ipv4(item.address)
            except ValueError:
                continue
            seen.add(item.address)
            table = draft.add("neighbour")
            table.set("ip", item.address)
            table.set("mac", item.mac)


def firewall(reading: Reading, draft: Draft) -> None:
    """The rules as iptables-save prints them, unsupported ones left out and named."""
    table = draft.table("iptables")
    saved = next((r for r in reading.of(Rules, "") if r.text and r.family == 4), None)
    others = [r for r in reading.of(Rules, "") if not r.text and r.family == 4]
    if saved is not None:
        _saved(saved.text, table)
    elif others:
        table.note(f"rules: what {others[0].tool} prints cannot be restored; iptables-save says them in full")
    elif any("iptables" in u.source for u in reading.unread):
        why = next(u.why for u in reading.unread if "iptables" in u.source)
        table.note(f"rules: not known (iptables-save: {why})")
    else:
        table.note("rules: not known (iptables-save); none are assumed")
    for record in reading.of(OtherFirewall, ""):
        if record.tables:
            table.note(f"tables of nftables that are not iptables': {', '.join(record.tables)}: not modelled (nft list ruleset)")
    if any(u.source == "nft" for u in reading.unread):
        table.note("tables of nftables: not known (nft list ruleset)")


def _saved(text: str, table: Table) -> None:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    read = None
    while read is None:
        rules = "\n".join(lines) + "\n"
        try:
            read = parse(rules, "iptables-save", skip_unsupported=True)
        except RulesError as error:
            if not 1 <= error.line <= len(lines) or "-A" not in lines[error.line - 1].split() or len(table.entries) > _NOTES_MAX:
                table.not_here("text", rules, f"{error}")
                return
            table.note(f"not taken here: {lines.pop(error.line - 1)}: {error.reason}")
    kept = sum(len(chain.rules) for chains in read.tables.values() for chain in chains.values())
    if not kept and not any(chain.policy is not None and chain.policy.name == "DROP" for chains in read.tables.values()
                            for chain in chains.values()) and not read.skipped:
        table.note("iptables-save prints no rule")
        return
    if read.skipped:
        table.note("a rule that is left out can change what those behind it get: a DROP at the end, too")
    for skipped in read.skipped[:_NOTES_MAX]:
        table.note(f"not modelled: {skipped.text}: {skipped.reason}")
    if len(read.skipped) > _NOTES_MAX:
        table.note(f"{len(read.skipped) - _NOTES_MAX} more rules are not modelled")
    if read.skipped:
        table.set("skip_unsupported", True)
    table.set("text", rules)
