"""Names for %{ }%: struct tcp_info as TCP_INFO gives it (include/uapi/linux/tcp.h), and the constants of its fields."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rxpath.abi.numbers import TCP
from rxpath.transport.tcp_sockopt import FIELDS, LAYOUT
from rxpath.workbench.packetdrill.values import SYMBOLS

CONSTANTS = {f"TCP_{state.name}": int(state) for state in TCP} | {
    "TCPI_OPT_TIMESTAMPS": 1, "TCPI_OPT_SACK": 2, "TCPI_OPT_WSCALE": 4, "TCPI_OPT_ECN": 8, "TCPI_OPT_ECN_SEEN": 16, "TCPI_OPT_SYN_DATA": 32,
    "TCP_CA_Open": 0, "TCP_CA_Disorder": 1, "TCP_CA_CWR": 2, "TCP_CA_Recovery": 3, "TCP_CA_Loss": 4}


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
    """tcpi_... by name."""
    found = dict(zip(FIELDS, LAYOUT.unpack(raw[:LAYOUT.size]), strict=True))
    scales, flags = found.pop("wscales"), found.pop("flags")
    found |= {"snd_wscale": scales & 15, "rcv_wscale": scales >> 4, "delivery_rate_app_limited": flags & 1,
              "fastopen_client_fail": flags >> 1 & 3}
    return {f"tcpi_{name}": value for name, value in found.items()}
