"""Classic BPF programs: net/core/filter.c.  For SO_ATTACH_FILTER udp_queue.py and tcp_ipv4.py of transport/ run them (and queue.py here, as
3.10 does), for SO_ATTACH_REUSEPORT_CBPF sock_reuseport.py of transport/.

A program is checked once, when it is attached: known instructions, jumps that stay inside and only go on, a return at the end.  So it ends,
and needs no check while it runs.  It reads the packet as skb.data shows it; what is not there ends it with 0."""
import errno
from collections.abc import Sequence
from typing import Any

from .._compile import be16, be32, byte, cold, mem_at, path_function
from ..abi.filter import (
    BPF_A,
    BPF_ABS,
    BPF_ADD,
    BPF_ALU,
    BPF_AND,
    BPF_B,
    BPF_DIV,
    BPF_H,
    BPF_IMM,
    BPF_IND,
    BPF_JA,
    BPF_JEQ,
    BPF_JGE,
    BPF_JGT,
    BPF_JMP,
    BPF_JSET,
    BPF_K,
    BPF_LD,
    BPF_LDX,
    BPF_LEN,
    BPF_LSH,
    BPF_MAXINSNS,
    BPF_MEM,
    BPF_MEMWORDS,
    BPF_MISC,
    BPF_MOD,
    BPF_MSH,
    BPF_MUL,
    BPF_NEG,
    BPF_OR,
    BPF_RET,
    BPF_RSH,
    BPF_ST,
    BPF_STX,
    BPF_SUB,
    BPF_TAX,
    BPF_TXA,
    BPF_W,
    BPF_X,
    BPF_XOR,
    NBPF,
    SKF_AD_CPU,
    SKF_AD_IFINDEX,
    SKF_AD_MARK,
    SKF_AD_MAX,
    SKF_AD_MODELLED,
    SKF_AD_OFF,
    SKF_AD_PKTTYPE,
    SKF_AD_PROTOCOL,
    SKF_AD_RANDOM,
    SKF_AD_RXHASH,
    SKF_LL_OFF,
    SKF_NET_OFF,
)
from ..abi.net import Net
from ..abi.numbers import MASK63, NO_PROG
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..path import Stage
from ..skb import skb_condense, skb_trim
from ..turn import at
from .errors import error

M32 = 0xFFFFFFFF
NOT_THERE = -1
Program = Sequence[tuple[int, int, int, int]]               # (code, jt, jf, k)


# ---------------------------------------------------------------- a run
@path_function
def bpf_prog_run(net: Net, cpu: int, skb: sk_buff, first: int) -> int:
    """The program that begins at `first`; what it returns."""
    a, x, pc = 0, 0, first
    words = net.bpf_mem[cpu]
    while True:
        f = net.bpf[pc]
        pc += 1
        code, k = f.code, f.k
        kind, mode = code & 7, code & 0xE0
        if kind == BPF_LD:
            if mode == BPF_ABS or mode == BPF_IND:
                off = k + (x if mode == BPF_IND else 0) & M32
                if off >= 1 << 31:
                    off -= 1 << 32
                if mode == BPF_ABS and off >= SKF_AD_OFF and off < 0:
                    a = bpf_ancillary(net, cpu, skb, off - SKF_AD_OFF, a, x)
                else:
                    a = bpf_load(net, skb, off, code & 0x18)
                    if a == NOT_THERE:
                        return 0
            elif mode == BPF_LEN:
                a = skb.len
            else:
                a = words[k] if mode == BPF_MEM else k
        elif kind == BPF_LDX:
            if mode == BPF_MSH:                             # the length of an IP header
                x = bpf_load(net, skb, k, BPF_B)
                if x == NOT_THERE:
                    return 0
                x = (x & 15) << 2
            elif mode == BPF_LEN:
                x = skb.len
            else:
                x = words[k] if mode == BPF_MEM else k
        elif kind == BPF_ST:
            words[k] = a
        elif kind == BPF_STX:
            words[k] = x
        elif kind == BPF_ALU:
            v = x if code & BPF_X else k
            if v == 0 and (code & 0xF0 == BPF_DIV or code & 0xF0 == BPF_MOD):
                return 0
            a = bpf_alu(code & 0xF0, a, v)
        elif kind == BPF_JMP:
            op, v = code & 0xF0, x if code & BPF_X else k
            if op == BPF_JA:
                pc += k
            elif (op == BPF_JEQ and a == v) or (op == BPF_JGT and a > v) or (op == BPF_JGE and a >= v) or (op == BPF_JSET and a & v != 0):
                pc += f.jt
            else:
                pc += f.jf
        elif kind == BPF_RET:
            return a if code & 0x18 == BPF_A else k
        elif code & 0xF8 == BPF_TXA:
            a = x
        else:
            x = a


@path_function
def bpf_alu(op: int, a: int, v: int) -> int:
    """32 bits; v is not 0 where it divides."""
    if op == BPF_MOD:
        return a % v
    if op == BPF_ADD:
        return a + v & M32
    if op == BPF_SUB:
        return a - v & M32
    if op == BPF_MUL:
        return (a & 0xFFFF) * v + ((a >> 16) * (v & 0xFFFF) << 16) & M32      # within 63 bits
    if op == BPF_DIV:
        return a // v
    if op == BPF_OR:
        return a | v
    if op == BPF_AND:
        return a & v
    if op == BPF_LSH:
        return a << (v & 31) & M32
    if op == BPF_RSH:
        return a >> (v & 31)
    if op == BPF_XOR:
        return a ^ v
    return -a & M32                                         # BPF_NEG


@path_function
def bpf_ancillary(net: Net, cpu: int, skb: sk_buff, what: int, a: int, x: int) -> int:
    """What the kernel knows of a packet.  A random number is drawn from this CPU's own dice, as in the kernel."""
    if what == SKF_AD_CPU:
        return cpu
    if what == SKF_AD_RANDOM:
        c = net.cpu[cpu]
        c.rng = c.rng * 6364136223846793005 + 1442695040888963407 & MASK63
        return c.rng >> 31
    if what == SKF_AD_RXHASH:
        return skb.hash & M32
    if what == SKF_AD_PROTOCOL:
        return skb.protocol
    if what == SKF_AD_PKTTYPE:
        return skb.pkt_type
    if what == SKF_AD_IFINDEX:
        return net.dev[skb.dev].ifindex
    if what == SKF_AD_MARK:
        return skb.mark
    return a ^ x                                            # SKF_AD_ALU_XOR_X


@path_function
def bpf_load(net: Net, skb: sk_buff, off: int, size: int) -> int:
    """1, 2 or 4 bytes from skb.data on, or from the network's or the link's header (SKF_NET_OFF, SKF_LL_OFF); NOT_THERE."""
    n = 1 if size == BPF_B else 2 if size == BPF_H else 4
    mem, linear = mem_at(net.mem_addr), skb.len - skb.data_len
    if off < 0:
        if off >= SKF_NET_OFF:
            start = skb.network_header + off - SKF_NET_OFF
        elif off >= SKF_LL_OFF:
            start = skb.mac_header + off - SKF_LL_OFF
        else:
            return NOT_THERE
        if start + n > skb.data + linear:
            return NOT_THERE
    elif off + n <= linear:
        start = skb.data + off
    elif off + n <= skb.len:
        return bpf_load_apart(net, skb, off, n)
    else:
        return NOT_THERE
    return byte(mem, start) if n == 1 else be16(mem, start) if n == 2 else be32(mem, start)


@cold
@path_function
def bpf_load_apart(net: Net, skb: sk_buff, off: int, n: int) -> int:
    """Bytes that are not all linear."""
    found = 0
    for i in range(off, off + n):
        one = skb_byte(net, skb, i)
        if one == NOT_THERE:
            return NOT_THERE
        found = found << 8 | one
    return found


@cold
@path_function
def skb_byte(net: Net, skb: sk_buff, off: int) -> int:
    """A byte of the linear ones, of the pages or of the parts."""
    mem, linear = mem_at(net.mem_addr), skb.len - skb.data_len
    if off < linear:
        return byte(mem, skb.data + off)
    pos, i, part_next = off - linear, skb.frags, skb.frag_list
    while True:
        while i >= 0:
            page = net.skb[i]
            if pos < page.len:
                return byte(mem, page.data + pos)
            pos -= page.len
            i = page.next
        if part_next < 0:
            return NOT_THERE
        part = net.skb[part_next]
        k = part.len - part.data_len
        if pos < k:
            return byte(mem, part.data + pos)
        pos -= k
        i, part_next = part.frags, part.next


# ---------------------------------------------------------------- the control plane
LOADS = {BPF_LD | size | mode for size in (BPF_W, BPF_H, BPF_B) for mode in (BPF_ABS, BPF_IND)}
ALU = (BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR)
JUMPS = (BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET)
KNOWN = LOADS | {BPF_ALU | op | v for op in ALU for v in (BPF_K, BPF_X)} | {BPF_JMP | op | v for op in JUMPS for v in (BPF_K, BPF_X)} | {
    BPF_ALU | BPF_NEG, BPF_JMP | BPF_JA, BPF_LD | BPF_W | BPF_LEN, BPF_LD | BPF_IMM, BPF_LD | BPF_MEM, BPF_LDX | BPF_W | BPF_LEN,
    BPF_LDX | BPF_B | BPF_MSH, BPF_LDX | BPF_IMM, BPF_LDX | BPF_MEM, BPF_ST, BPF_STX, BPF_RET | BPF_K, BPF_RET | BPF_A,
    BPF_MISC | BPF_TAX, BPF_MISC | BPF_TXA}


def bpf_check_classic(program: Program) -> str:
    """Why the kernel does not take a program (EINVAL); "" if it does."""
    n = len(program)
    if not 0 < n <= BPF_MAXINSNS:
        return f"1 to {BPF_MAXINSNS} instructions"
    for pc, (code, jt, jf, k) in enumerate(program):
        here = f"instruction {pc} ({code:#x} {jt} {jf} {k})"
        if code not in KNOWN or not 0 <= k <= M32 or not 0 <= jt < 256 or not 0 <= jf < 256:
            return f"{here} is not an instruction of classic BPF"
        kind, op = code & 7, code & 0xF0
        if kind == BPF_ALU and not code & BPF_X:
            if k == 0 and op in (BPF_DIV, BPF_MOD):
                return f"{here} divides by 0"
            if k >= 32 and op in (BPF_LSH, BPF_RSH):
                return f"{here} shifts by 32 or more"
        elif code in (BPF_LD | BPF_MEM, BPF_LDX | BPF_MEM, BPF_ST, BPF_STX) and k >= BPF_MEMWORDS:
            return f"{here}: there are {BPF_MEMWORDS} words of memory"
        elif kind == BPF_JMP:
            furthest = k if op == BPF_JA else max(jt, jf)
            if pc + 1 + furthest >= n:
                return f"{here} jumps out of the program"
        elif code in LOADS and code & 0xE0 == BPF_ABS and k - (1 << 32) >= SKF_AD_OFF:
            what = k - (1 << 32) - SKF_AD_OFF
            if what % 4 or what >= SKF_AD_MAX:
                return f"{here}: nothing is at SKF_AD_OFF + {what}"
            if what not in SKF_AD_MODELLED:
                return f"{here}: what is at SKF_AD_OFF + {what} is not modelled"
    if program[-1][0] & 7 != BPF_RET:
        return "the last instruction does not return"
    return _unset_words(program)


def _unset_words(program: Program) -> str:
    """check_load_and_stores(): a word of memory is written before it is read, on each way to it."""
    ways = [0xFFFF] * len(program)                          # words that are set on all ways to an instruction
    valid = 0
    for pc, (code, jt, jf, k) in enumerate(program):
        valid &= ways[pc]
        kind = code & 7
        if kind in (BPF_ST, BPF_STX):
            valid |= 1 << k
        elif code in (BPF_LD | BPF_MEM, BPF_LDX | BPF_MEM) and not valid >> k & 1:
            return f"instruction {pc} reads word {k}, which nothing has written"
        elif kind == BPF_JMP:
            for to in {k} if code & 0xF0 == BPF_JA else {jt, jf}:
                ways[pc + 1 + to] &= valid
            valid = 0xFFFF
    return ""


# ---------------------------------------------------------------- SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER
@cold
@path_function
def sk_filter_trim_cap(net: Net, cpu: int, sk: sock, skb: sk_buff, cap: int) -> bool:
    """May the socket, which has a program, have it?  The program sees the packet from its transport header on, and says how many bytes
    stay: 0, none; else `cap` at least."""
    at(net, cpu, skb, Stage.run_bpf_filter)
    n = bpf_prog_run(net, cpu, skb, sk.filter)
    if n == 0:
        return False
    n = max(n, cap)
    if n < skb.len:
        skb_trim(net, skb, n)
        if skb.frag_list >= 0:
            skb_condense(net, skb)
    return True


def check_unlocked(b: Any, i: int, option: str) -> None:
    """EPERM: SO_LOCK_FILTER is set."""
    if b.net.socks[i].filter_locked:
        raise error(errno.EPERM, option)


def sk_attach_filter(b: Any, i: int, program: Program) -> None:
    """In the place of one that is there.  EPERM: it is locked; EINVAL: the kernel's checker refuses the program; ENOMEM: no room for it."""
    check_unlocked(b, i, "SO_ATTACH_FILTER")
    if bpf_check_classic(program):
        raise error(errno.EINVAL, "SO_ATTACH_FILTER")
    first = bpf_prog_load(b.net, program)
    if first < 0:
        raise error(errno.ENOMEM, "SO_ATTACH_FILTER")
    sk = b.net.socks[i]
    sk.filter, sk.filter_len = first, len(program)
    b.net.nfiltered = 1


def sk_detach_filter(b: Any, i: int) -> None:
    """EPERM: it is locked; ENOENT: there is none."""
    check_unlocked(b, i, "SO_DETACH_FILTER")
    sk = b.net.socks[i]
    if sk.filter == NO_PROG:
        raise error(errno.ENOENT, "SO_DETACH_FILTER")
    sk.filter, sk.filter_len = NO_PROG, 0


def sk_lock_filter(b: Any, i: int, on: bool) -> None:
    """For good.  EPERM: to unlock one."""
    if not on:
        check_unlocked(b, i, "SO_LOCK_FILTER")
    b.net.socks[i].filter_locked = int(on)


def sk_get_filter(b: Any, i: int) -> list[tuple[int, int, int, int]]:
    """Its instructions; none where there is no program."""
    sk = b.net.socks[i]
    return [(f.code, f.jt, f.jf, f.k) for f in (b.net.bpf[sk.filter + n] for n in range(sk.filter_len))]


# ---------------------------------------------------------------- where programs stand
def bpf_prog_load(net: Any, program: Program) -> int:
    """Where it stands from now on, -1: no room.  Where the same instructions stand already, there."""
    words = [tuple(instruction) for instruction in program]
    there = [(f.code, f.jt, f.jf, f.k) for f in (net.bpf[i] for i in range(net.nbpf))]
    for first in range(len(there) - len(words) + 1):
        if there[first:first + len(words)] == words:
            return first
    first = int(net.nbpf)
    if first + len(words) > NBPF:
        return -1
    for i, (code, jt, jf, k) in enumerate(words, first):
        f = net.bpf[i]
        f.code, f.jt, f.jf, f.k = code, jt, jf, k
    net.nbpf = first + len(words)
    return first
