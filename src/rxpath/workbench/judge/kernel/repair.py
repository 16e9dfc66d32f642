"""A connection without a handshake: TCP_REPAIR, as CRIU restores one.  Both ends' sequence numbers and windows are chosen."""
from __future__ import annotations

import socket
import struct

from rxpath.workbench.judge.tcp.steps import Repair
from rxpath.workbench.judge.tcp.wire import MSS, SACK_PERM, TIMESTAMP, WINDOW_SCALE

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_OPTIONS, TCP_TIMESTAMP, TCP_REPAIR_WINDOW = 19, 20, 21, 22, 24, 29
RECV_QUEUE, SEND_QUEUE, OFF_WITHOUT_PROBE = 1, 2, -1


def repaired(step: Repair, host: str, peer: tuple[str, int]) -> socket.socket:
    """Established with `peer`; no frame leaves for it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp = socket.IPPROTO_TCP
    try:
        sock.setsockopt(tcp, TCP_REPAIR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, step.port))
        for queue, seq in ((RECV_QUEUE, step.peer_seq), (SEND_QUEUE, step.host_seq)):
            sock.setsockopt(tcp, TCP_REPAIR_QUEUE, queue)
            sock.setsockopt(tcp, TCP_QUEUE_SEQ, struct.pack("=I", seq))
        sock.connect(peer)
        options = [(MSS, step.mss), (WINDOW_SCALE, step.scales[0] | step.scales[1] << 16)]
        options += [(SACK_PERM, 0)] if step.sack else []
        options += [(TIMESTAMP, 0)] if step.timestamp is not None else []
        sock.setsockopt(tcp, TCP_REPAIR_OPTIONS, b"".join(struct.pack("=II", *option) for option in options))
        if step.timestamp is not None:
            sock.setsockopt(tcp, TCP_TIMESTAMP, struct.pack("=I", step.timestamp))
        if step.window is not None:
            wl1, wnd, most, rcv_wnd, wup = step.window
            numbers = (step.peer_seq + wl1 & 0xFFFFFFFF, wnd, most, rcv_wnd, step.peer_seq + wup & 0xFFFFFFFF)
            sock.setsockopt(tcp, TCP_REPAIR_WINDOW, struct.pack("=5I", *numbers))
        sock.setsockopt(tcp, TCP_REPAIR, OFF_WITHOUT_PROBE)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
