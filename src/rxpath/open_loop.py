"""An open-loop replay of TCP, as far as the path takes part: which frames are of a captured connection, and which of these this host loses.

cable/tcp_sent.py has written down what the captured receiver had sent by each frame; transport/tcp_adopt.py adopts it; the workbench
repairs what was lost, as its sender would have (workbench/run/repairs.py).  Only a replay of a capture that has connections does any of
it."""
from ._compile import cold, path_function
from .abi.net import Net
from .abi.nic import FIRST_MADE, RECORD, RECORD_BITS
from .abi.reasons import Drop
from .abi.tcp_sent import NTCPLOST, NTCPREPAIR, NTCPSENT, NTCPSPLIT, SENT_GAP, SENT_SPLIT, SENT_SYN


@path_function
def tcp_sent_slot(frame: int) -> int:
    """Where net.tcp_sent has a frame, by its number."""
    if frame >= FIRST_MADE:
        return NTCPSENT + (frame & NTCPREPAIR - 1)
    return frame & NTCPSENT - 1


@path_function
def tcp_record(frame: int) -> int:
    """The record that a frame is of, or is a segment of; what was made during the run is of none."""
    if frame >= FIRST_MADE:
        return frame
    return frame & RECORD


@path_function
def tcp_sent_of(net: Net, frame: int) -> int:
    """The entry of net.tcp_sent for a frame of a connection that the capture shows; -1: it is of none."""
    if net.ntcp_seen == 0 or frame < 0:
        return -1
    i = tcp_sent_slot(frame)
    y = net.tcp_sent[i]
    return i if y.frame == tcp_record(frame) else -1


@cold
@path_function
def tcp_ends(net: Net, t: int, frame: int, reason: int) -> None:
    """A frame has ended at t: into the ledger of segments, and if it was lost, whoever repairs it finds it in net.tcp_lost."""
    i = tcp_sent_of(net, frame)
    if i < 0:
        return
    y, ended = net.tcp_sent[i], net.tcp_ended[reason]
    octets = y.octets
    if y.flags & SENT_SPLIT:
        z = net.tcp_split[y.frame & NTCPSPLIT - 1]
        if frame >> RECORD_BITS == z.last:
            octets = z.octets
    ended.segments += 1
    ended.octets += octets
    if y.flags & SENT_GAP:
        gap = net.tcp_ended_gap[reason]
        gap.segments += 1
        gap.octets += octets
    if reason <= Drop.CONSUMED:
        return
    if y.flags & SENT_SYN and y.conn >= 0 and net.tcp_again[reason]:
        seen = net.tcp_seen[y.conn]
        seen.syn_lost = 1
    i = net.tcp_nlost
    net.tcp_nlost += 1
    if i < NTCPLOST:
        x = net.tcp_lost[i]
        x.frame, x.t, x.reason = frame, t, reason
