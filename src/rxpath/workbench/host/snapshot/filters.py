"""Rules of ethtool -n as ethtool -N takes them, where the simulated card has such filters; the others are comments."""
from __future__ import annotations

import re
from typing import Any

from rxpath.drivers import nfc
from rxpath.drivers.rows import Driver
from rxpath.workbench.host.snapshot.draft import Table
from rxpath.workbench.readings.records import FlowRule, FlowRules, Reading

_FLOWS = {"TCP over IPv4": "tcp4", "UDP over IPv4": "udp4", "SCTP over IPv4": "sctp4", "Raw IPv4": "ip4", "Raw Ethernet": "ether"}
_FIELDS = {"Src IP addr": "src-ip", "Dest IP addr": "dst-ip", "Src port": "src-port", "Dest port": "dst-port", "Src MAC addr": "src",
           "Dest MAC addr": "dst", "Ethertype": "proto"}
_NOTHING = re.compile(r"(0x)?[0:.]+\Z")                     # a mask that ignores nothing
_EVERYTHING = re.compile(r"(0x)?[fF:]+\Z|255\.255\.255\.255\Z|(ff:?){6}\Z", re.I)


def words(rule: FlowRule) -> str:
    """The rule as it would be typed; ValueError: what it says has no words here."""
    flow = _FLOWS.get(rule.values.get("Rule Type", ""))
    if flow is None or rule.queue is None:
        raise ValueError(f"{rule.values.get('Rule Type', 'a rule without type')}, {rule.values.get('Action', 'another action')}")
    said = [f"flow-type {flow}"]
    for name, key in _FIELDS.items():
        value, _, mask = rule.values.get(name, "").partition(" mask: ")
        if not value or _EVERYTHING.match(mask.strip()):
            continue
        if not _NOTHING.match(mask.strip() or "0"):
            raise ValueError(f"{name} with the mask {mask.strip()}")
        said.append(f"{key} {value.strip()}")
    return " ".join([*said, f"action {rule.queue}"])


def write(reading: Reading, device: str, row: Driver, model: str, queues: int, table: Table) -> None:
    """ethtool.ntuple of a card: at the place that a rule has on the host, else where the simulated card puts it."""
    found = reading.device(FlowRules, device)
    if found is None or not found.rules:
        return
    texts: list[str] = []
    admitted: list[Any] = []
    rules = nfc.RULES.get(row.name)
    for rule in found.rules:
        try:
            text = words(rule)
            if rules is None or "set_rxclsrlins" in row.refuses:
                raise ValueError(f"{text}: {row.name} has no filters here")
            try:
                admitted.append(rules.admit(rules.parse(f"{text} loc {rule.number}"), model, queues, admitted))
                text = f"{text} loc {rule.number}"
            except ValueError:
                admitted.append(rules.admit(rules.parse(text), model, queues, admitted))
            texts.append(text)
        except ValueError as error:
            table.note(f"filter {rule.number} is not modelled: {error}")
    if texts:
        table.set("ntuple", texts)
