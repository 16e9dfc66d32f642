"""What counters alone say of the traffic: how much came in which time, how large it was, where it went."""
from __future__ import annotations

from dataclasses import dataclass

from rxpath.workbench.case.truth import Truth, truth
from rxpath.workbench.doctor.evidence import NotKnown
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import endpoint
from rxpath.workbench.readings.case import Recorded
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

HEADERS = 14 + 20 + 8                                       # Ethernet, IP, UDP
SMALLEST, LARGEST = 18, 1472                                # of payload: neither padded nor fragmented
CLASSES = ("ring", "backlog", "socket")


@dataclass(frozen=True, slots=True)
class Counted:
    """offered: datagrams that came to the host in so many seconds; lost: by class, what is known.  size: mean payload; port: of the
    socket that is assumed, address.  spread: in which share of the intervals anything was lost, None where samples do not say."""

    offered: int
    seconds: float
    lost: dict[str, int]
    size: int
    address: str
    port: int
    spread: float | None
    said: tuple[str, ...]

    @property
    def rate(self) -> float:
        return self.offered / self.seconds

    def share(self, key: str) -> float:
        return self.lost.get(key, 0) / self.offered


def counted(case: Recorded, host: Host, found: Truth | None = None) -> Counted:
    """BadInput: nothing came, or the counters do not say how much."""
    found = found or truth(case)
    e, said = found.evidence, []
    try:
        arrived = e.snmp("Udp", "InDatagrams") + found.lost("socket") + found.lost("memory")
    except NotKnown as missing:
        raise BadInput(f"{case.name}: how much came is not in it: {missing.reading}") from None
    lost = {key: total for key in CLASSES if (total := found.losses[key].total) is not None}
    offered = arrived + lost.get("ring", 0) + lost.get("backlog", 0)
    if offered < 100:
        raise BadInput(f"{case.name}: {offered} datagrams in {found.seconds:.1f} s: too few to say anything of their traffic")
    address, port = _socket(found, host)
    said.append(f"all of it is taken as UDP to {address}:{port}" if port else "")
    series = [found.losses[k].each for k in CLASSES if found.losses[k].each]
    steps = len(found.edges) - 1
    spread = sum(any(each[i] for each in series) for i in range(steps)) / steps if steps >= 10 and series else None
    return Counted(offered, found.seconds, lost, _size(found, said), address, port, spread, tuple(s for s in said if s))


def _socket(found: Truth, host: Host) -> tuple[str, int]:
    """The one that lost most, else the host's first one."""
    for name, _ in sorted(found.sockets.items(), key=lambda item: -item[1]):
        address, _, port = name.split(" ")[0].rpartition(":")
        if port.isdigit() and ":" not in address and "%" not in address:
            return address, int(port)
    for s in host.sockets:
        if s.proto == "udp":
            number, port_number = endpoint(s.bind[0], ports=True)[0]
            return units.ipv4_text(number), port_number
    return "0.0.0.0", 5000


def _size(found: Truth, said: list[str]) -> int:
    """Mean payload, by the counters of the device that received most."""
    best = (0, 0)
    for device in found.evidence.devices:
        if device == "lo":
            continue
        try:
            best = max(best, (found.evidence.standard(device, "rx_packets"), found.evidence.standard(device, "rx_bytes")))
        except NotKnown:
            continue
    packets, octets = best
    if not packets or not octets:
        said.append(f"their size is not known: {SMALLEST} bytes of payload are assumed")
        return SMALLEST
    mean = octets / packets - HEADERS
    if mean > LARGEST:
        said.append(f"a packet has {octets / packets:,.0f} bytes on average: merged by the card (LRO), so their "
                    "number is not that of frames")
    return round(min(max(mean, SMALLEST), LARGEST))
