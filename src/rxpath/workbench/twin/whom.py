"""The host whose twin it is, and who receives on it: this host as it is set now, a host file, or what the beginning of a capture tells."""
from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rxpath.cable.receiver import Receiver
from rxpath.cable.survey import Connections
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host import given
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import OTHER_TCP
from rxpath.workbench.host.snapshot.compose import snapshot
from rxpath.workbench.host.tables import open_sockets, threads
from rxpath.workbench.readings.live.host import read_host
from rxpath.workbench.readings.records import Address, Link, Reading
from rxpath.workbench.run import assemble
from rxpath.workbench.run.replay import captured_receiver
from rxpath.workbench.traffic.capture import said_receiver
from rxpath.workbench.twin.mirror import PipeMirror
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

LEARN_S = 2.0                                               # of what comes by a pipe, before the twin begins
TCP_READER = "tcp-programs"
LOCAL_PORTS = range(32768, 61000)                           # net.ipv4.ip_local_port_range's default: connections that this host opens


@dataclass(frozen=True)
class Whom:
    """said: what a reader of the figures must know.  text: of a case's host file, as a snapshot writes it."""
    host: Host
    receiver: Receiver
    said: tuple[str, ...]
    text: Callable[[], str] = str


def of_device(device: str, host: given.GivenHost, settings: Sequence[str], seed: int | None) -> Whom:
    """The receiver is this host; the settings are its own, or those of a host file."""
    own = host is None
    reading = read_host(sockets=own)

    def text() -> str:
        return snapshot(reading if own else read_host()).text

    if own:
        host = snapshot(reading).host
    chosen = given.the_host(host, settings, seed)
    if own and device not in chosen.interfaces:
        raise BadInput(f"{device}: not a card of this host's snapshot, which has {', '.join(chosen.interfaces)}: the twin is of a card, "
                       "not of what lies on top of it (--host gives another host)")
    receiver = _of_this_host(reading, device)
    said = ["settings: this host's, as rxpath host snapshot reads them" if own else "settings: of the host file"]
    if own:
        said.append("how long programs work on a datagram cannot be read: 0 us unless --set app.NAME.service says it")
    return replace(_ready(chosen, receiver, said, opens=True), text=text)


def of_pipe(mirror: PipeMirror, host: given.GivenHost, settings: Sequence[str], seed: int | None, local: str | None,
            stop: Callable[[], bool]) -> Whom:
    """The receiver is found by the first seconds of what comes by a pipe, or by all of a file."""
    chosen = given.the_host(host, settings, seed)
    mirror.until = 0.0 if mirror.seekable else time.monotonic() + LEARN_S
    receiver = captured_receiver(mirror, chosen, said_receiver(local, chosen), stop=lambda: stop() or 0 < mirror.until < time.monotonic())
    receiver.changes = []
    mirror.live()
    return _ready(chosen, receiver, [f"receiver: {receiver.evidence}"])


def _of_this_host(reading: Reading, device: str) -> Receiver:
    """By the addresses of the device, then of all others."""
    found = sorted(reading.of(Address), key=lambda a: a.device != device)
    ours = {a.address: a.prefix for a in found if a.device == device or not ipaddress.ip_address(a.address).is_loopback}
    mac = next((link.address for link in reading.of(Link) if link.device == device and len(link.address) == 17), "")
    return Receiver(mac=(units.mac(mac) if mac else 0) or assemble.MAC, addresses=list(ours), prefixes=ours)


def _ready(host: Host, receiver: Receiver, said: list[str], opens: bool = False) -> Whom:
    """opens: programs of the host may open connections.  TCP: nobody knows which connections will come.  Segments to ports that somebody
    listens on, or that this host may have opened a connection from, are of real ones; a thread that takes no time reads those that no
    program of the host file does."""
    host = assemble.settle(host, receiver)
    listening = {s.port for s in open_sockets(host) if s.listed.proto == "tcp"} | set(receiver.tcp_ports)
    rows, number, ports = receiver.tcp
    receiver = replace(receiver, tcp=Connections(rows, number + 1, tuple(sorted(listening | set(ports) | set(LOCAL_PORTS)))))
    served = {i for thread in threads(host) for i in thread.sockets}
    unread = any(s.listed.proto == "tcp" and i not in served for i, s in enumerate(open_sockets(host)))
    if (unread or opens) and not any({"*", OTHER_TCP} & set(app.sockets) for app in host.apps):
        apps: list[dict[str, Any]] = [dict(app) for app in host._raw.get("app", [])]
        apps.append({"name": TCP_READER, "cpu": "any", "sockets": [OTHER_TCP]})
        host = hostfile.revise(host, {"app": apps})
        said.append(f"TCP: connections are read by a thread that takes no time ({TCP_READER})")
    return Whom(host, receiver, tuple(said))
