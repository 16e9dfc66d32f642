"""Hosts that cases share: a veth named vb0, 10.0.0.1/24, two neighbours that are known, limits of ICMP off where they would blur a case."""
from __future__ import annotations

from typing import Any

NIC = {"driver": "veth", "name": "vb0", "mac": "02:00:00:00:00:01", "addresses": ["10.0.0.1/24"]}
NEIGHBOURS = [{"ip": "10.0.0.2", "mac": "02:00:00:00:00:02"}, {"ip": "10.0.0.3", "mac": "02:00:00:00:00:03"}]
NO_LIMITS = {"net.ipv4.icmp_ratemask": 0}


def host(sockets: list[dict[str, Any]] | None = None, sysctl: dict[str, Any] | None = None, rules: str = "", **more: Any) -> dict[str, Any]:
    """A host file as a dict.  sockets: None: one UDP socket on port 5000."""
    made: dict[str, Any] = {
        "kernel": "6.18", "listen": "listed", "app": [], "nic": NIC, "ethtool": {"rx-checksumming": False},
        "neighbour": NEIGHBOURS, "sysctl": {**NO_LIMITS, **(sysctl or {})},
        "socket": [{"name": "a", "bind": "*:5000"}] if sockets is None else sockets,
    }
    if rules:
        made["iptables"] = {"text": rules}
    return {**made, **more}
