"""The host of a script, as packetdrill sets one up for itself: one device towards a peer that nobody but the script is.

Addresses are those of Linux's own suite.  The device is the one that takes packets of up to 64 kB whatever its MTU, as packetdrill's tun
does; it merges nothing (GRO), interrupts at once, and there is one CPU, so that a packet has been through the stack when the next event
comes."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rxpath.drivers.rows import DRIVERS
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host import sysctl_conf
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.packetdrill.script import Script, ScriptError
from rxpath.workbench.packetdrill.wire import Ends
from rxpath.workbench.toml_in.tables import Wrong

LOCAL, REMOTE, PREFIX = "192.168.0.1", "192.0.2.1", 16
LOCAL_MAC, REMOTE_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
TOLERANCE_NS, TOLERANCE_MOST_NS = 4_000_000, 60_000_000_000                # packetdrill's own default; the most that is taken
# options of a script that have a meaning here; those in IGNORED change nothing that is compared
KNOWN = ("tolerance_usecs", "tcp_ts_tick_usecs", "define", "ip_version")
IGNORED = ("send_omit_free", "debug", "verbose", "non_fatal", "init_scripts", "code_command", "code_format", "code_sockopt", "speed",
           "dry_run", "cleanup_script", "bind_port", "connect_port")


def ends() -> Ends:
    return Ends(LOCAL, REMOTE, bytes.fromhex(LOCAL_MAC.replace(":", "")), bytes.fromhex(REMOTE_MAC.replace(":", "")))


def driver() -> str:
    return next(row.name for row in DRIVERS.values() if row.has_ring and row.own_max_frame > 65535)


def base() -> dict[str, Any]:
    """Tables of its host file."""
    return {"cpus": 1, "listen": "listed", "app": [],
            "nic": {"driver": driver(), "queues": 1, "addresses": [f"{LOCAL}/{PREFIX}"], "mac": LOCAL_MAC, "mtu": 1500},
            "ethtool": {"gro": False},
            "route": [{"dst": "default", "via": REMOTE}],
            "neighbour": [{"ip": REMOTE, "mac": REMOTE_MAC}]}


def make(settings: Sequence[str] = ()) -> Host:
    """settings: as for --set."""
    return hostfile.apply_overrides(hostfile.build(base(), "packetdrill"), list(settings))


def with_sysctls(host: Host, texts: Mapping[str, str]) -> tuple[Host, list[str]]:
    """The host with the sysctls of a script's shell lines; what of them changes nothing here."""
    values: dict[str, Any] = {}
    others: dict[str, str] = {}
    hz = host.hz or 250
    for name, text in texts.items():
        try:
            taken, left = sysctl_conf.sorted_out({name: text}, host.kernel, hz, (host.nic.name,))
            values.update(taken)
            others.update(left)
        except Wrong as e:
            others[name] = e.text
    notes = [f"sysctls without effect here: {line}" for line in sysctl_conf.without_effect(others)]
    return (hostfile.revise(host, {"sysctl": {**host.sysctl, **values}}) if values else host), notes


def tolerance(script: Script) -> int:
    """ns: by how much a packet may be early or late."""
    for line, name, value in script.options:
        if name not in KNOWN and name not in IGNORED:
            raise ScriptError(script.name, line, f"--{name}: not supported; {', '.join('--' + k for k in KNOWN)} are")
        if name == "ip_version" and value not in (None, "ipv4"):
            raise ScriptError(script.name, line, f"--ip_version={value}: IPv4 only")
        if name in ("tolerance_usecs", "tcp_ts_tick_usecs") and not (value or "").isdigit():
            raise ScriptError(script.name, line, f"--{name}={value}: microseconds, a whole number")
    found = {name: value for _, name, value in script.options}
    usecs = found.get("tolerance_usecs")
    return min(int(usecs[:12]) * 1000, TOLERANCE_MOST_NS) if usecs is not None else TOLERANCE_NS
