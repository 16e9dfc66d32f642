"""/proc/net/udp, udp6, tcp, tcp6 and ss.

/proc: 13 columns, addresses in the machine's byte order word by word, drops (udp) the last; sl is a hash bucket.  ss: `State Recv-Q Send-Q
Local Peer`, Netid before it only when several families are shown, skmem and -i on the same line or the next."""
from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

from .lines import Block, Line, number
from .records import Program, Record, Skmem, TcpSocket, TcpSockets, UdpSocket, UdpSockets

STATES = {1: "ESTAB", 2: "SYN-SENT", 3: "SYN-RECV", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT", 7: "UNCONN", 8: "CLOSE-WAIT",
          9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING", 12: "NEW-SYN-RECV"}
UDP_STATES = ("01", "07")                                   # a short row in another one is what TCP shows of TIME_WAIT and SYN_RECV
PROC_ROW = re.compile(r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2})(?: |$)(.*)")


def _address(text: str) -> str:
    """Words of 32 bits, little-endian: what x86 and arm64 print."""
    raw = b"".join(bytes.fromhex(text[i:i + 8])[::-1] for i in range(0, len(text), 8))
    return str(ipaddress.ip_address(raw))


def proc_sockets(block: Block) -> list[Record]:
    """A row with one word after the pointer is of UDP (its drops; none before 2.6.27), more are of TCP.  A table without rows
    says that there are no sockets."""
    udp: list[UdpSocket] = []
    tcp: list[TcpSocket] = []
    is_tcp, header = "tcp" in block.command, ""
    for line in block.rows(re.compile(rf"{PROC_ROW.pattern}|\s*sl\s"), re.compile(r"[0-9A-Fa-f:\s]+$")):
        if line.text.lstrip().startswith("sl"):
            header = line.text
            continue
        match = PROC_ROW.match(line.text)
        if match is None:
            block.odd(line)
            continue
        rest = match[6].split()
        queues = re.fullmatch(r"([0-9A-F]{8}):([0-9A-F]{8})", rest[0]) if rest else None
        if queues is None or len(rest) < 6 or None in (number(rest[3]), number(rest[5])):
            block.odd(line, "cut before its inode")
            continue
        common = (4 if len(match[1]) == 8 else 6, _address(match[1]), int(match[2], 16), _address(match[3]), int(match[4], 16),
                  STATES.get(int(match[5], 16), match[5]), int(queues[2], 16), int(queues[1], 16))
        drops = number(rest[8]) if len(rest) == 9 else None
        if is_tcp or (len(rest) > 9 and "udp" not in block.command) or match[5] not in UDP_STATES:
            tcp.append(TcpSocket(*common, uid=int(rest[3]), inode=int(rest[5])))
        else:
            udp.append(UdpSocket(*common, drops=drops, uid=int(rest[3]), inode=int(rest[5])))
    none: Record = (UdpSockets if header.endswith("drops") else TcpSockets)((), source=block.source)
    return _records(udp, tcp, block) or ([none] if header.endswith(("drops", "inode")) and not block.said else [])


def _records(udp: list[UdpSocket], tcp: list[TcpSocket], block: Block) -> list[Record]:
    result: list[Record] = []
    if udp:
        result.append(UdpSockets(tuple(udp), source=block.source))
    if tcp:
        result.append(TcpSockets(tuple(tcp), source=block.source))
    return result


# ---------------------------------------------------------------- ss
NETIDS = ("udp", "tcp", "raw", "nl", "u_str", "u_dgr", "u_seq", "p_raw", "p_dgr", "icmp6", "icmp", "udpl", "dccp", "sctp", "v_str", "v_dgr",
          "ti_rd", "ti_sq", "ti_st", "ti_dg", "xdp", "mptcp", "???")
SS_STATES = "UNCONN|ESTAB|LISTEN|SYN-SENT|SYN-RECV|FIN-WAIT-1|FIN-WAIT-2|TIME-WAIT|CLOSE-WAIT|LAST-ACK|CLOSING|UNKNOWN|CLOSED"
SS_ROW = re.compile(rf"\s*(?:({'|'.join(map(re.escape, NETIDS))})\s+)?({SS_STATES})\s+(\d{{1,20}})\s+(\d{{1,20}})\s+(\S+)(?:\s+(.*))?$")
SS_HEAD = re.compile(r"\s*(?:Netid\s+)?State\s+Recv-Q\s+Send-Q\s+Local Address:\s*Port")
SKMEM = re.compile(r"skmem:\(([a-z0-9,]*)\)")
OTHERS = "sockets of other kinds than udp and tcp are not used"
USERS = re.compile(r'\("([^"]*)",(?:pid=)?(\d{1,20}),(?:fd=)?(\d{1,20})\)')


def skmem(text: str) -> Skmem | None:
    """skmem:(r0,rb212992,t0,tb212992,f0,w0,o0,bl0,d0); the last two came later."""
    match = SKMEM.search(text)
    words = dict(re.findall(r"([a-z]+)(\d{1,20})", match[1])) if match else {}
    if "r" not in words or "rb" not in words:
        return None
    return Skmem(**{name: int(words[name]) for name in ("r", "rb", "t", "tb", "f", "w", "o", "bl", "d") if name in words})


def _endpoint(text: str) -> tuple[str, int, str] | None:
    """(address, port, device) of 127.0.0.1:53, *:53, [::1]:53, :::53, 0.0.0.0%virbr0:67, [fe80::1]%eth0:546; a port * is 0; None: the port
    is a name."""
    address, _, port = text.rpartition(":")
    if port != "*" and number(port) is None:
        return None
    address, _, device = address.replace("[", "").replace("]", "").partition("%")
    return address, number(port) or 0, device


def _socket(match: re.Match[str], line: Line) -> UdpSocket | str:
    """One row; a text: why it was not read."""
    words = (match[6] or "").split(None, 1)
    here, there = _endpoint(match[5]), _endpoint(words[0]) if words else None
    if here is None or there is None:
        return "a port by its name: ss -n shows its number" if words and ":" in words[0] else "cut before the peer's address"
    family = 6 if ":" in here[0] or (here[0] == "*" and "v6only" in line.text) else 4
    return UdpSocket(family, here[0], here[1], there[0], there[1], match[2], int(match[3]), int(match[4]), bound_device=here[2])


def _with_words(socket: UdpSocket, text: str) -> UdpSocket:
    """What stands behind the addresses or on the next line: users, uid, ino, skmem, v6only."""
    memory = skmem(text) or socket.skmem
    uid, inode = re.search(r"\buid:(\d{1,20})", text), re.search(r"\bino:(\d{1,20})", text)
    only = re.search(r"\bv6only:([01])", text)
    programs = tuple(Program(name, int(pid), int(fd)) for name, pid, fd in USERS.findall(text))
    return replace(socket, skmem=memory, drops=memory.d if memory and memory.d is not None else socket.drops,
                   uid=int(uid[1]) if uid else socket.uid, inode=int(inode[1]) if inode else socket.inode,
                   v6only=only[1] == "1" if only else socket.v6only, programs=programs or socket.programs,
                   family=6 if only else socket.family)


INFO = re.compile(r"\b(cubic|bbr|reno|dctcp|rto|rtt|mss|pmtu|rcvmss|advmss|cwnd|bytes_received|bytes_acked|bytes_sent|segs_in|segs_out|"
                  r"rcv_space|rcv_ssthresh|rcv_rtt|lastrcv|data_segs_in|rcv_ooopack|snd_wnd|minrtt|ato|wscale):?(\S*)")


def ss(block: Block) -> list[Record]:
    """Without Netid: UDP where a socket is UNCONN, TCP where one listens or shows TCP's words, or what the command's -u or -t says."""
    found: list[tuple[str, UdpSocket, Line, str]] = []
    after_other = False
    for line in block:
        match = SS_ROW.match(line.text)
        if SS_HEAD.match(line.text) or line.text.lstrip().startswith(("Local Address", "Total:", "Recv-Q")):
            continue
        if match is not None:
            after_other = match[1] not in (None, "udp", "tcp")
            if after_other:
                block.pass_over(line, OTHERS)
                continue
            socket = _socket(match, line)
            if isinstance(socket, str):
                block.odd(line, socket)
                after_other = True
            else:
                rest = match[6].split(None, 1)[1] if len(match[6].split(None, 1)) > 1 else ""
                found.append((match[1] or "", _with_words(socket, rest), line, rest))
        elif found and re.search(r"skmem:|users:|\bino:|\bsk:|\bcgroup:|<->|-->|timer:|\buid:|\bbytes_|\brto:|\bcwnd:|\bmss:", line.text):
            netid, socket, first, rest = found[-1]
            if not after_other:
                found[-1] = (netid, _with_words(socket, line.text), first, f"{rest} {line.text}")
            else:
                block.pass_over(line, OTHERS)
        elif after_other:
            block.pass_over(line, OTHERS)
        else:
            block.odd(line)
    return _by_kind(found, block)


def _by_kind(found: list[tuple[str, UdpSocket, Line, str]], block: Block) -> list[Record]:
    options = "".join(re.findall(r"\s-(\w+)", block.command)) + "".join(w[0] for w in re.findall(r"\s--(udp|tcp)\b", block.command))
    plain = [(s, rest) for netid, s, _, rest in found if not netid]
    kind = ("udp" if "u" in options and "t" not in options else "tcp" if "t" in options and "u" not in options else
            "udp" if any(s.state == "UNCONN" for s, _ in plain) else
            "tcp" if any(s.state != "ESTAB" or INFO.search(rest) for s, rest in plain) else "")
    if not found and not block.said and not block.passed and kind:                # a header alone, of which kind the command says
        return [(UdpSockets if kind == "udp" else TcpSockets)((), source=block.source)]
    udp: list[UdpSocket] = []
    tcp: list[TcpSocket] = []
    for netid, socket, line, rest in found:
        if (netid or kind) == "udp":
            udp.append(socket)
        elif (netid or kind) == "tcp":
            values = {name: getattr(socket, name) for name in socket.__dataclass_fields__}
            tcp.append(TcpSocket(**values, info={m[1]: m[2] for m in INFO.finditer(rest)}))
        else:
            block.odd(line, "UDP or TCP? paste the command too, or ss -A udp,tcp, which shows it")
    return _records(udp, tcp, block)
