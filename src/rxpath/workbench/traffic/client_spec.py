"""TCP clients of a traffic spec, `[[client]]`: who connects, what each connection sends, and how its way and its sender behave.

They are a closed loop: what this host answers, or does not, decides what comes next (traffic/clients.py)."""
from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from rxpath.workbench.toml_in.tables import Duration, Flag, Int, Part, Size, key
from rxpath.workbench.traffic.ranges import ADDRESS_TEXT, PORT_TEXT, Addresses, Ports, Pps, Range
from rxpath.workbench.words import units

CONNECTIONS_MAX = 100_000
PORTS = ((1024, 65535),)


def _count(ranges: tuple[Range, ...]) -> int:
    return sum(last - first + 1 for first, last in ranges)


class Client(Part):
    """Connections of one kind; `[[client]]`."""

    connections: Int = key(1, "how many", f"1 to {CONNECTIONS_MAX}", ge=1, le=CONNECTIONS_MAX)
    rate: Pps | None = key(None, "of connections; none: all at once", units.PPS_ALLOWED, example='"500pps"')
    kind: Literal["constant", "poisson"] = key("constant", "when they begin: evenly, or at random", "constant or poisson")
    start: Duration = key(0, "when the first begins", units.DURATION_ALLOWED)
    duration: Duration | None = key(None, "from then on; after that nobody sends anything; none: until all is acknowledged",
                                    units.DURATION_ALLOWED, example='"2s"')
    size: Size = key(1000, "bytes of a message", units.SIZE_ALLOWED, ge=1, le=1 << 30)
    messages: Int = key(1, "of each connection; 0: it connects and says nothing", "0 to 1000000", ge=0, le=1_000_000)
    gap: Duration = key(0, "from one message to the next", units.DURATION_ALLOWED)
    waits: Flag = key(False, "the next message waits until the last is acknowledged, as with Nagle's algorithm or a window of one; gap "
                             "counts from then", "true or false")
    close: Literal["fin", "rst", "stay"] = key("fin", "how it ends after its last message: by FIN; by RST when all is acknowledged; or "
                                                "after this host's FIN",
                                               "fin, rst or stay")
    rtt: Duration = key("100us", "the network's share of a round trip, half of it each way; some 10us at least",
                        units.DURATION_ALLOWED, validate_default=True, le=10_000_000_000)
    mss: Int = key(1460, "of its SYN, and the longest segment that it sends, options included", "88 to 8960", ge=88, le=8960)
    cwnd: Int = key(10, "initial congestion window in segments (Reno: slow start, half after a loss); 0: only the receiver's window holds "
                        "it", "0 to 100000", "RFC 6928", ge=0, le=100_000)
    ignores_window: Flag = key(False, "it sends as if the receiver's window had no end", "true or false")
    stamps: Literal["on", "off", "astray"] = key("on", "RFC 7323's time stamps; astray: every 8th segment's is a minute old, as behind an "
                                                 "address that two clocks share", "on, off or astray")
    sack: Flag = key(True, "SACK", "true or false")
    loss: float = key(0.0, "share of its segments with data that the network loses on the way here", "0 to 1", ge=0, le=1)
    ack_loss: float = key(0.0, "share of this host's segments that the network loses on the way back", "0 to 1", ge=0, le=1)
    forged: Int = key(0, "RSTs that somebody else forges after each message: in the window, but not at its beginning", "0 to 1000",
                      ge=0, le=1000)
    src: Addresses = key(None, "senders; default 10.0.0.2", ADDRESS_TEXT, example='"10.0.0.2-10.0.0.99"')
    dst: Addresses = key(None, "the receiver; default the host's first address, else 10.0.0.1", ADDRESS_TEXT, example='"10.0.0.1"')
    sport: Ports = key(PORTS, "source ports, in turn", PORT_TEXT)
    dport: Ports = key(((80, 80),), "destination ports, in turn", PORT_TEXT)
    closed: Flag = key(False, "nobody listens on its ports", "true or false")

    @model_validator(mode="after")
    def _check(self) -> Client:
        if self.rate is not None and self.rate > 10_000_000:
            raise ValueError("rate: up to 10Mpps")
        if self.kind == "poisson" and self.rate is None:
            raise ValueError("kind poisson needs a rate")
        if self.duration == 0:
            raise ValueError("a duration of 0: at least 1ns")
        room = _count(self.src or ((0, 0),)) * _count(self.sport)
        if self.connections > room:
            raise ValueError(f"{self.connections} connections: addresses and ports make only {room}")
        if self.forged and not self.messages:
            raise ValueError("forged RSTs come after messages: messages is 0")
        if self.size * self.messages > 1 << 40:
            raise ValueError("more than 1 TiB for a connection")
        return self
