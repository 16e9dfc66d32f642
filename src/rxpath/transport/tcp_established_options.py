"""The options of a connection's segments: net/ipv4/tcp_input.c (tcp_fast_parse_options, tcp_inbound_hash), net/ipv4/tcp_output.c
(tcp_established_options).  RFC 7323, RFC 2018, RFC 2883.  Those of a SYN and of its answer: tcp_options.py."""
from .._compile import be32, byte, mem_at, path_function, put_be16, put_be32
from ..abi.headers import tcp_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import TCP_HLEN
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.tcp import tcp_sock
from ..abi.tcp_options import (
    MAX_TCP_OPTION_SPACE,
    TCPOLEN_MD5SIG,
    TCPOLEN_SACK_BASE_ALIGNED,
    TCPOLEN_SACK_PERBLOCK,
    TCPOLEN_TIMESTAMP,
    TCPOLEN_TSTAMP_ALIGNED,
    TCPOPT_EOL,
    TCPOPT_MD5SIG,
    TCPOPT_NOP,
    TCPOPT_SACK,
    TCPOPT_TIMESTAMP,
)
from .tcp_options import tcp_parse_options
from .tcp_seq import u32

TSTAMP_WORD = TCPOPT_NOP << 24 | TCPOPT_NOP << 16 | TCPOPT_TIMESTAMP << 8 | TCPOLEN_TIMESTAMP


# ---------------------------------------------------------------- what comes
@path_function
def tcp_take_timestamp(tp: tcp_sock, tsval: int, tsecr: int) -> None:
    """What is echoed comes without the connection's offset."""
    tp.saw_tstamp, tp.rcv_tsval = 1, tsval
    tp.rcv_tsecr = u32(tsecr - tp.tsoff) if tsecr else 0


@path_function
def tcp_parse_aligned_timestamp(net: Net, tp: tcp_sock, skb: sk_buff) -> bool:
    """The one layout that everybody sends."""
    mem, at_option = mem_at(net.mem_addr), skb.transport_header + TCP_HLEN
    if be32(mem, at_option) != TSTAMP_WORD:
        return False
    tcp_take_timestamp(tp, be32(mem, at_option + 4), be32(mem, at_option + 8))
    return True


@path_function
def tcp_fast_parse_options(net: Net, cpu: int, tp: tcp_sock, skb: sk_buff) -> bool:
    """Of a segment of a connection: its time stamp.  False: it has no options."""
    th = tcp_hdr(net, skb)
    tp.saw_tstamp = 0
    if th.doff * 4 == TCP_HLEN:
        return False
    if tp.tstamp_ok and th.doff * 4 == TCP_HLEN + TCPOLEN_TSTAMP_ALIGNED and tcp_parse_aligned_timestamp(net, tp, skb):
        return True
    opt = net.tcp_opt[cpu]
    opt.tstamp_ok, opt.sack_ok = tp.tstamp_ok, 0
    tcp_parse_options(net, skb, opt, net.tcp_foc[cpu], True)
    if opt.saw_tstamp:
        tcp_take_timestamp(tp, opt.rcv_tsval, opt.rcv_tsecr)
    return True


@path_function
def tcp_inbound_hash(net: Net, cpu: int, skb: sk_buff) -> int:
    """A signature for which nobody here has a key: its drop reason, else 0."""
    th, mem, at_option = tcp_hdr(net, skb), mem_at(net.mem_addr), skb.transport_header + TCP_HLEN
    left = th.doff * 4 - TCP_HLEN
    while left >= TCPOLEN_MD5SIG:                    # what is left is too short for one
        kind = byte(mem, at_option)
        if kind == TCPOPT_EOL:
            return 0
        size = 1
        if kind != TCPOPT_NOP:
            size = byte(mem, at_option + 1)
            if size < 2 or size > left:
                return 0
            if kind == TCPOPT_MD5SIG and size == TCPOLEN_MD5SIG:
                net.snmp[cpu][Mib.TcpExt_TCPMD5Unexpected] += 1
                return Drop.TCP_MD5UNEXPECTED
        at_option += size
        left -= size
    return 0


# ---------------------------------------------------------------- what goes
@path_function
def tcp_established_options(tp: tcp_sock) -> int:
    """Bytes of options of a segment: time stamps, then as many SACK blocks as there is room for."""
    size = TCPOLEN_TSTAMP_ALIGNED if tp.tstamp_ok else 0
    sacks = tp.num_sacks + tp.dsack
    if sacks:
        sacks = min(sacks, (MAX_TCP_OPTION_SPACE - size - TCPOLEN_SACK_BASE_ALIGNED) // TCPOLEN_SACK_PERBLOCK)
        size += TCPOLEN_SACK_BASE_ALIGNED + sacks * TCPOLEN_SACK_PERBLOCK
    return size


@path_function
def tcp_write_timestamp(net: Net, o: int, tsval: int, tsecr: int) -> None:
    mem = mem_at(net.mem_addr)
    put_be32(mem, o, TSTAMP_WORD)
    put_be32(mem, o + 4, tsval)
    put_be32(mem, o + 8, tsecr)


@path_function
def tcp_established_options_write(net: Net, tp: tcp_sock, o: int, size: int, tsval: int) -> None:
    """At offset o, `size` bytes as tcp_established_options() said.  A duplicate comes first, and is told once."""
    mem, left = mem_at(net.mem_addr), size
    if tp.tstamp_ok:
        tcp_write_timestamp(net, o, tsval, tp.ts_recent)
        o += TCPOLEN_TSTAMP_ALIGNED
        left -= TCPOLEN_TSTAMP_ALIGNED
    if left == 0:
        return
    put_be16(mem, o, TCPOPT_NOP << 8 | TCPOPT_NOP)
    put_be16(mem, o + 2, TCPOPT_SACK << 8 | left - 2)
    blocks = (left - TCPOLEN_SACK_BASE_ALIGNED) // TCPOLEN_SACK_PERBLOCK
    for k in range(blocks):
        start, end = tp.dup_start, tp.dup_end
        if k >= tp.dsack:
            start, end = tp.sel_start[k - tp.dsack], tp.sel_end[k - tp.dsack]
        put_be32(mem, o + 4 + 8 * k, start)
        put_be32(mem, o + 8 + 8 * k, end)
    tp.dsack = 0
