"""Names for %{ }%: struct tcp_info as TCP_INFO gives it (include/uapi/linux/tcp.h), and the constants of its fields."""
from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from rxpath.abi.numbers import TCP
from rxpath.workbench.packetdrill.values import SYMBOLS

CONSTANTS = {f"TCP_{state.name}": int(state) for state in TCP} | {
    "TCPI_OPT_TIMESTAMPS": 1, "TCPI_OPT_SACK": 2, "TCPI_OPT_WSCALE": 4, "TCPI_OPT_ECN": 8, "TCPI_OPT_ECN_SEEN": 16, "TCPI_OPT_SYN_DATA": 32,
    "TCP_CA_Open": 0, "TCP_CA_Disorder": 1, "TCP_CA_CWR": 2, "TCP_CA_Recovery": 3, "TCP_CA_Loss": 4}
BYTES = ("state", "ca_state", "retransmits", "probes", "backoff", "options")
WORDS = ("rto", "ato", "snd_mss", "rcv_mss", "unacked", "sacked", "lost", "retrans", "fackets", "last_data_sent", "last_ack_sent",
         "last_data_recv", "last_ack_recv", "pmtu", "rcv_ssthresh", "rtt", "rttvar", "snd_ssthresh", "snd_cwnd", "advmss", "reordering",
         "rcv_rtt", "rcv_space", "total_retrans")
LATER = "QQQQ" "IIIIII" "QQQQ" "II" "QQ" "IIIII"
LATER_NAMES = ("pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received", "segs_out", "segs_in", "notsent_bytes", "min_rtt",
               "data_segs_in", "data_segs_out", "delivery_rate", "busy_time", "rwnd_limited", "sndbuf_limited", "delivered", "delivered_ce",
               "bytes_sent", "bytes_retrans", "dsack_dups", "reord_seen", "rcv_ooopack", "snd_wnd", "rcv_wnd")


class Names(Mapping[str, Any]):
    """Asked of the socket when the first tcpi_ name is read: a script without one needs no such option."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.fields: dict[str, int] | None = None

    def __getitem__(self, name: str) -> Any:
        if name in CONSTANTS:
            return CONSTANTS[name]
        if not name.startswith("tcpi_") or self.sock is None:
            raise KeyError(name)
        if self.fields is None:
            try:
                self.fields = unpack(self.sock.getsockopt(SYMBOLS["SOL_TCP"], SYMBOLS["TCP_INFO"], 1024))
            except OSError:                             # no TCP socket, or closed
                raise KeyError(name) from None
        return self.fields[name]

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(CONSTANTS)

    def __len__(self) -> int:
        return len(CONSTANTS)


def names(sock: Any) -> Names:
    return Names(sock)


def unpack(raw: bytes) -> dict[str, int]:
    """tcpi_... by name, as many as there are."""
    found: dict[str, int] = dict(zip(BYTES, raw[:6], strict=True))
    found |= {"snd_wscale": raw[6] & 15, "rcv_wscale": raw[6] >> 4, "delivery_rate_app_limited": raw[7] & 1,
              "fastopen_client_fail": raw[7] >> 1 & 3}
    found |= dict(zip(WORDS, struct.unpack_from("24I", raw, 8), strict=True))
    at = 104
    for name, kind in zip(LATER_NAMES, LATER, strict=True):
        size = struct.calcsize(kind)
        if at + size > len(raw):
            break
        found[name] = struct.unpack_from(kind, raw, at)[0]
        at += size
    return {f"tcpi_{name}": value for name, value in found.items()}
