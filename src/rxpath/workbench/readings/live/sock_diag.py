"""Sockets by sock_diag: UDP, and TCP that listens, of IPv4 and IPv6, with their memory; no privilege is needed.

Twins: net/ipv4/{udp_diag,tcp_diag,inet_diag}.c; layouts of include/uapi/linux/inet_diag.h."""
from __future__ import annotations

import socket
import struct

from rxpath.workbench.readings.live.netlink import Netlink, table
from rxpath.workbench.readings.records import Skmem, TcpSocket, TcpSockets, UdpSocket, UdpSockets
from rxpath.workbench.readings.records import Source as From

_BY_FAMILY = 20                                             # SOCK_DIAG_BY_FAMILY
_SKMEMINFO, _SKV6ONLY = 7, 11                               # INET_DIAG_*
_LISTEN = 10                                                # TCP_LISTEN
_STATES = {1: "ESTAB", 7: "UNCONN", 10: "LISTEN"}


def udp_sockets(diag: Netlink, names: dict[int, str]) -> UdpSockets:
    """Every UDP socket of the namespace."""
    sockets = [UdpSocket(**fields) for family in (socket.AF_INET, socket.AF_INET6)      # type: ignore[arg-type]
               for fields in _dump(diag, family, socket.IPPROTO_UDP, 0xFFFFFFFF, names)]
    return UdpSockets(source=From("ss -uamne"), sockets=tuple(sockets))


def tcp_listeners(diag: Netlink, names: dict[int, str]) -> TcpSockets:
    """TCP sockets that listen."""
    sockets = [TcpSocket(**fields) for family in (socket.AF_INET, socket.AF_INET6)      # type: ignore[arg-type]
               for fields in _dump(diag, family, socket.IPPROTO_TCP, 1 << _LISTEN, names)]
    return TcpSockets(source=From("ss -tlmne"), sockets=tuple(sockets))


def _dump(diag: Netlink, family: int, protocol: int, states: int, names: dict[int, str]) -> list[dict[str, object]]:
    """The fields of each socket: struct inet_diag_msg, and attributes at 72."""
    wanted = 1 << (_SKMEMINFO - 1)
    request = struct.pack("=BBBBI", family, protocol, wanted, 0, states) + b"\0" * 48
    found = []
    for answer in diag.ask(_BY_FAMILY, request, dump=True):
        state = answer[1]
        port, peer_port = struct.unpack_from(">HH", answer, 4)
        length = 4 if family == socket.AF_INET else 16
        address, peer = (socket.inet_ntop(family, answer[at:at + length]) for at in (8, 24))
        device = struct.unpack_from("=I", answer, 40)[0]
        _, receive, send, uid, inode = struct.unpack_from("=IIIII", answer, 52)
        has = table(answer, 72)
        memory = struct.unpack_from(f"={len(has.get(_SKMEMINFO, b'')) // 4}I", has.get(_SKMEMINFO, b""))
        skmem = None
        if len(memory) >= 7:
            r, rb, t, tb, f, w, o = memory[:7]
            skmem = Skmem(r, rb, t, tb, f, w, o, *memory[7:9])
        only = has.get(_SKV6ONLY)
        found.append({
            "family": 4 if family == socket.AF_INET else 6, "address": address, "port": port, "peer": peer if peer_port else "",
            "peer_port": peer_port, "state": _STATES.get(state, str(state)), "recv_q": receive, "send_q": send,
            "drops": skmem.d if skmem else None, "skmem": skmem, "uid": uid, "inode": inode,
            "bound_device": names.get(device, "") if device else "", "v6only": None if only is None else bool(only[0])})
    return found
