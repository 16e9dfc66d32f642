"""The options of a segment: tcp_parse_options() of net/ipv4/tcp_input.c, tcp_options_write() of net/ipv4/tcp_output.c.  RFC 9293 3.2,
7323, 2018, 7413.

Malformed options end the reading and stop nothing: what was read before them holds."""
from .._compile import be16, be32, byte, cold, mem_at, path_function, put_be32, put_byte
from ..abi.headers import tcp_hdr
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import TCP_HLEN, TCPHDR_SYN
from ..abi.skbuff import sk_buff
from ..abi.tcp_options import (
    OPTION_FAST_OPEN_COOKIE,
    OPTION_SACK_ADVERTISE,
    OPTION_TS,
    OPTION_WSCALE,
    TCP_FASTOPEN_COOKIE_MAX,
    TCP_FASTOPEN_COOKIE_MIN,
    TCP_MAX_WSCALE,
    TCPOLEN_EXP_FASTOPEN_BASE,
    TCPOLEN_FASTOPEN_BASE,
    TCPOLEN_MSS,
    TCPOLEN_SACK_BASE,
    TCPOLEN_SACK_PERBLOCK,
    TCPOLEN_SACK_PERM,
    TCPOLEN_TIMESTAMP,
    TCPOLEN_WINDOW,
    TCPOPT_EOL,
    TCPOPT_EXP,
    TCPOPT_FASTOPEN,
    TCPOPT_FASTOPEN_MAGIC,
    TCPOPT_MSS,
    TCPOPT_NOP,
    TCPOPT_SACK,
    TCPOPT_SACK_PERM,
    TCPOPT_TIMESTAMP,
    TCPOPT_WINDOW,
    tcp_fastopen_cookie,
    tcp_options_received,
    tcp_out_options,
)

FASTOPEN_COOKIE_SIZE = 8                             # of one of ours
NOPS = TCPOPT_NOP << 24 | TCPOPT_NOP << 16


# ---------------------------------------------------------------- reading
@path_function
def tcp_clear_options(opt_rx: tcp_options_received) -> None:
    opt_rx.tstamp_ok = opt_rx.sack_ok = opt_rx.wscale_ok = opt_rx.snd_wscale = 0


@path_function
def tcp_parse_options(net: Net, skb: sk_buff, opt_rx: tcp_options_received, foc: tcp_fastopen_cookie, estab: bool) -> int:
    """What this segment's options say, into opt_rx.  estab: of a connection, where what a SYN agrees on is no more listened to.
    Returns where the SACK option lies behind the TCP header's start, 0: there is none.  foc: of a SYN only."""
    th, mem, at = tcp_hdr(net, skb), mem_at(net.mem_addr), skb.transport_header + TCP_HLEN
    left, sacked = th.doff * 4 - TCP_HLEN, 0
    syn = th.flags & TCPHDR_SYN != 0 and not estab
    opt_rx.saw_tstamp = 0
    while left > 0:
        kind = byte(mem, at)
        if kind == TCPOPT_EOL:
            return sacked
        if kind == TCPOPT_NOP:
            at += 1
            left -= 1
            continue
        if left < 2:
            return sacked
        size = byte(mem, at + 1)
        if size < 2 or size > left:
            return sacked
        if kind == TCPOPT_TIMESTAMP:
            if size == TCPOLEN_TIMESTAMP and (opt_rx.tstamp_ok if estab else net.sysctl[Sysctl.tcp_timestamps]):
                opt_rx.saw_tstamp, opt_rx.rcv_tsval, opt_rx.rcv_tsecr = 1, be32(mem, at + 2), be32(mem, at + 6)
        elif kind == TCPOPT_SACK:
            if size >= TCPOLEN_SACK_BASE + TCPOLEN_SACK_PERBLOCK and (size - TCPOLEN_SACK_BASE) % TCPOLEN_SACK_PERBLOCK == 0 \
                    and opt_rx.sack_ok:
                sacked = at - skb.transport_header
        elif syn:
            tcp_parse_syn_option(net, opt_rx, foc, kind, size, at)
        at += size
        left -= size
    return sacked


@path_function
def tcp_parse_syn_option(net: Net, opt_rx: tcp_options_received, foc: tcp_fastopen_cookie, kind: int, size: int, at: int) -> None:
    """One of those that only a SYN has."""
    mem = mem_at(net.mem_addr)
    if kind == TCPOPT_MSS:
        mss = be16(mem, at + 2) if size == TCPOLEN_MSS else 0
        if mss:
            opt_rx.mss_clamp = min(mss, opt_rx.user_mss) if opt_rx.user_mss else mss
    elif kind == TCPOPT_WINDOW:
        if size == TCPOLEN_WINDOW and net.sysctl[Sysctl.tcp_window_scaling]:
            opt_rx.wscale_ok, opt_rx.snd_wscale = 1, min(byte(mem, at + 2), TCP_MAX_WSCALE)
    elif kind == TCPOPT_SACK_PERM:
        if size == TCPOLEN_SACK_PERM and net.sysctl[Sysctl.tcp_sack]:
            opt_rx.sack_ok = 1
            opt_rx.dsack = opt_rx.num_sacks = 0
    elif kind == TCPOPT_FASTOPEN:
        tcp_parse_fastopen_option(foc, size - TCPOLEN_FASTOPEN_BASE, at + TCPOLEN_FASTOPEN_BASE, 0)
    elif kind == TCPOPT_EXP and size >= TCPOLEN_EXP_FASTOPEN_BASE and be16(mem, at + 2) == TCPOPT_FASTOPEN_MAGIC:
        tcp_parse_fastopen_option(foc, size - TCPOLEN_EXP_FASTOPEN_BASE, at + TCPOLEN_EXP_FASTOPEN_BASE, 1)


@cold
@path_function
def tcp_parse_fastopen_option(foc: tcp_fastopen_cookie, n: int, at: int, exp: int) -> None:
    """A cookie of n bytes; of no length that can be: as if it were not there."""
    if n & 1:
        return
    if TCP_FASTOPEN_COOKIE_MIN <= n <= TCP_FASTOPEN_COOKIE_MAX:
        foc.at = at
    elif n != 0:
        n = -1
    foc.len, foc.exp = n, exp


# ---------------------------------------------------------------- writing
@path_function
def tcp_options_write(net: Net, skb: sk_buff, opts: tcp_out_options) -> int:
    """Behind the TCP header of a segment of ours; the bytes that they take, a multiple of four."""
    mem, begin = mem_at(net.mem_addr), skb.transport_header + TCP_HLEN
    at, options = begin, opts.options
    if opts.mss:
        put_be32(mem, at, TCPOPT_MSS << 24 | TCPOLEN_MSS << 16 | opts.mss)
        at += 4
    sack_perm = TCPOPT_SACK_PERM << 8 | TCPOLEN_SACK_PERM
    if options & OPTION_TS:
        put_be32(mem, at, (sack_perm << 16 if options & OPTION_SACK_ADVERTISE else NOPS) | TCPOPT_TIMESTAMP << 8 | TCPOLEN_TIMESTAMP)
        put_be32(mem, at + 4, opts.tsval)
        put_be32(mem, at + 8, opts.tsecr)
        at += 12
    elif options & OPTION_SACK_ADVERTISE:
        put_be32(mem, at, NOPS | sack_perm)
        at += 4
    if options & OPTION_WSCALE:
        put_be32(mem, at, TCPOPT_NOP << 24 | TCPOPT_WINDOW << 16 | TCPOLEN_WINDOW << 8 | opts.ws)
        at += 4
    if opts.num_sack_blocks:
        put_be32(mem, at, NOPS | TCPOPT_SACK << 8 | TCPOLEN_SACK_BASE + opts.num_sack_blocks * TCPOLEN_SACK_PERBLOCK)
        at += 4
        for i in range(opts.num_sack_blocks):
            put_be32(mem, at, opts.sack[i].start_seq)
            put_be32(mem, at + 4, opts.sack[i].end_seq)
            at += 8
    if options & OPTION_FAST_OPEN_COOKIE:
        at = tcp_fastopen_write(net, at, opts)
    return at - begin


@cold
@path_function
def tcp_fastopen_write(net: Net, at: int, opts: tcp_out_options) -> int:
    """A cookie of ours, in the form in which it was asked for."""
    mem = mem_at(net.mem_addr)
    if opts.fastopen_cookie_exp:
        put_be32(mem, at, TCPOPT_EXP << 24 | TCPOLEN_EXP_FASTOPEN_BASE + FASTOPEN_COOKIE_SIZE << 16 | TCPOPT_FASTOPEN_MAGIC)
        at += TCPOLEN_EXP_FASTOPEN_BASE
    else:
        put_byte(mem, at, TCPOPT_FASTOPEN)
        put_byte(mem, at + 1, TCPOLEN_FASTOPEN_BASE + FASTOPEN_COOKIE_SIZE)
        at += TCPOLEN_FASTOPEN_BASE
    put_be32(mem, at, opts.fastopen_cookie_high)
    put_be32(mem, at + 4, opts.fastopen_cookie_low)
    at += FASTOPEN_COOKIE_SIZE
    if not opts.fastopen_cookie_exp:
        put_byte(mem, at, TCPOPT_NOP)
        put_byte(mem, at + 1, TCPOPT_NOP)
        at += 2
    return at
