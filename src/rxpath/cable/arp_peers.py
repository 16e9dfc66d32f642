"""Hosts at the other end of a cable that answer ARP requests: a Source (time_driver.py) for hosts whose programs send.  RFC 826."""
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..abi.numbers import NEVER

ETH_P_ARP = b"\x08\x06"
ARP = struct.Struct(">HHBBH6sI6sI")
DELAY_NS = 100_000                                   # how soon they answer


def made_up_mac(addr: int) -> int:
    """A locally administered one, of that address alone."""
    return 0x0200_0000_0000 | addr


class ArpPeers:
    """known: MACs by address; a request for any other address is answered with one that mac_of makes up, None: not at all."""

    def __init__(self, known: Mapping[int, int] | None = None, mac_of: Callable[[int], int] | None = made_up_mac,
                 delay_ns: int = DELAY_NS) -> None:
        self.known, self.mac_of, self.delay_ns = dict(known or {}), mac_of, delay_ns

    def wake_at(self) -> int:
        return NEVER

    def woken(self, now: int) -> Iterator[tuple[int, bytes]]:
        return iter(())

    def heard(self, sent: Any) -> Iterator[tuple[int, bytes]]:
        """Its answer to a frame of the host's, an outputs.Output, if that asks for it."""
        frame = sent.data
        if frame[12:14] != ETH_P_ARP or len(frame) < 14 + ARP.size:
            return
        _, _, _, _, op, sha, sip, _, tip = ARP.unpack_from(frame, 14)
        mac = self.known.get(tip)
        if mac is None and self.mac_of is not None:
            mac = self.mac_of(tip)
        if op != 1 or mac is None or sip == tip:
            return
        lladdr = mac.to_bytes(6, "big")
        yield sent.t + self.delay_ns, sha + lladdr + ETH_P_ARP + ARP.pack(1, 0x0800, 6, 4, 2, lladdr, tip, sha, sip)
