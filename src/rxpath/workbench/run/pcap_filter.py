"""Expressions of pcap-filter(7) for --trail: 'udp port 53 and greater 100'.

The system's libpcap compiles them, else the extra `filters` (cypcap, which has its own); the program that comes out is run here.  Without
either a subset of the language is read, and says what it lacks.

Names of hosts are refused: libpcap would ask the name server.  So is what asks for more than the frame (inbound, ifname)."""
from __future__ import annotations

import ctypes
import ctypes.util
import ipaddress
import re
from collections.abc import Callable, Sequence

from rxpath.abi.filter import (
    BPF_ABS,
    BPF_ALU,
    BPF_IND,
    BPF_JMP,
    BPF_LD,
    BPF_LDX,
    BPF_LEN,
    BPF_MEM,
    BPF_MISC,
    BPF_MSH,
    BPF_RET,
    BPF_ST,
    BPF_STX,
)
from rxpath.workbench.run.headers import headers

Instruction = tuple[int, int, int, int]                     # code, jt, jf, k
Fits = Callable[[bytes, int], bool]                         # (the frame's bytes, its length on the wire)
U32, ANCILLARY, ETHERNET, SNAPLEN = 0xFFFFFFFF, 0xFFFFF000, 1, 262_144
NEEDS = "the whole language needs libpcap: pip install 'rxpath[filters]'"
WORD = re.compile(r"[A-Za-z_][\w.-]*(?:\.[\w-]+)*")
# what may stand in an expression and is no name of a host
KNOWN = set("""and or not src dst host net mask port portrange gateway proto protochain ether ip ip6 arp rarp tcp udp icmp icmp6 sctp igmp
    igrp pim ah esp vrrp carp broadcast multicast less greater len vlan mpls pppoed pppoes geneve inbound outbound ifname link fddi tr wlan
    atalk aarp decnet iso stp ipx netbeui lat moprc mopdl clnp esis isis l1 l2 iih lsp snp csnp psnp any random""".split())
AFTER_A_NAME = ("port", "portrange", "proto", "protochain")  # a service or a protocol, which /etc knows
PRIMITIVES = KNOWN - {"and", "or", "any", "len"}


class NoFilter(ValueError):
    """The expression cannot be used: one line."""


def is_expression(text: str) -> bool:
    """Whether it is meant as one, and not as one of --trail's own words."""
    return bool(re.search(r"\s|[()\[\]!=<>&|]", text.strip())) or text.strip() in PRIMITIVES


def compiled(text: str) -> Fits:
    """Raises NoFilter."""
    _no_names(text)
    for build in (_libpcap, _cypcap):
        program = build(text)
        if program is not None:
            if any(code & 7 in (BPF_LD, BPF_LDX) and code & 0xE0 in (BPF_ABS, BPF_IND) and k >= ANCILLARY for code, _, _, k in program):
                raise NoFilter("it asks for more than the frame (a direction, an interface)")
            return lambda frame, length: run(program, frame, length)
    return Subset(text).fits


def _no_names(text: str) -> None:
    before = ""
    for word in WORD.findall(re.sub(r"\[[^\]]*\]|[\da-fA-F]*:[\da-fA-F:.]+|0x[\da-fA-F]+|'[^']*'", " ", text)):
        if word not in KNOWN and before not in AFTER_A_NAME and not re.fullmatch(r"(tcp|icmp6?)-?\w+", word):
            raise NoFilter(f"{word}: names of hosts are not looked up; its address")
        before = word


# ---------------------------------------------------------------- libpcap
class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_uint), ("insns", ctypes.POINTER(_Instruction)))


def _library() -> ctypes.CDLL | None:
    for name in ("libpcap.so.1", "libpcap.so.0.8", ctypes.util.find_library("pcap")):
        if name:
            try:
                return ctypes.CDLL(name)
            except OSError:
                pass
    return None


def _libpcap(text: str) -> list[Instruction] | None:
    """None: the system has none."""
    lib = _library()
    if lib is None:
        return None
    lib.pcap_open_dead.restype, lib.pcap_geterr.restype = ctypes.c_void_p, ctypes.c_char_p
    lib.pcap_geterr.argtypes, lib.pcap_close.argtypes = [ctypes.c_void_p], [ctypes.c_void_p]
    lib.pcap_compile.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Program), ctypes.c_char_p, ctypes.c_int, ctypes.c_uint32]
    handle, program = lib.pcap_open_dead(ETHERNET, SNAPLEN), _Program()
    try:
        if lib.pcap_compile(handle, ctypes.byref(program), text.encode(), 1, U32):
            raise NoFilter(lib.pcap_geterr(handle).decode("utf-8", "replace"))
        found = [(i.code, i.jt, i.jf, i.k) for i in program.insns[:program.len]]
        lib.pcap_freecode(ctypes.byref(program))
        return found
    finally:
        lib.pcap_close(handle)


def _cypcap(text: str) -> list[Instruction] | None:
    """None: it is not installed."""
    try:
        import cypcap
    except ImportError:
        return None
    try:
        with cypcap.open_dead(cypcap.DatalinkType.EN10MB, SNAPLEN) as handle:
            return [tuple(i) for i in handle.compile(text, True, U32)]
    except cypcap.Error as error:
        raise NoFilter(str(error)) from None


def run(program: Sequence[Instruction], frame: bytes, length: int) -> bool:
    """Classic BPF over one frame: a load beyond what was captured refuses it, as the kernel has it."""
    a = x = at = 0
    memory = [0] * 16
    while True:
        code, jt, jf, k = program[at]
        at += 1
        sort, mode = code & 7, code & 0xE0
        if sort in (BPF_LD, BPF_LDX):
            if mode == BPF_MSH:
                if k >= len(frame):
                    return False
                value = 4 * (frame[k] & 15)
            elif mode in (BPF_ABS, BPF_IND):
                size, start = (4, 2, 1)[code >> 3 & 3], k + (x if mode == BPF_IND else 0)
                if start + size > len(frame):
                    return False
                value = int.from_bytes(frame[start:start + size], "big")
            else:
                value = memory[k] if mode == BPF_MEM else length if mode == BPF_LEN else k
            if sort == BPF_LD:
                a = value
            else:
                x = value
        elif sort in (BPF_ST, BPF_STX):
            memory[k] = a if sort == BPF_ST else x
        elif sort == BPF_ALU:
            operand = x if code & 8 else k
            if code & 0xF0 in (0x30, 0x90) and operand == 0:
                return False
            a = _alu(code & 0xF0, a, operand) & U32
        elif sort == BPF_JMP:
            operand, test = x if code & 8 else k, code & 0xF0
            if test == 0:
                at += k
            else:
                holds = a == operand if test == 0x10 else a > operand if test == 0x20 else a >= operand if test == 0x30 else a & operand
                at += jt if holds else jf
        elif sort == BPF_RET:
            return bool(a if code & 0x18 == 0x10 else k)
        elif sort == BPF_MISC and code & 0xF8:
            a = x
        else:
            x = a


def _alu(what: int, a: int, b: int) -> int:
    if what in (0x30, 0x90):
        return a // b if what == 0x30 else a % b
    if what in (0x60, 0x70):
        return 0 if b > 31 else a << b if what == 0x60 else a >> b
    return {0x00: a + b, 0x10: a - b, 0x20: a * b, 0x40: a | b, 0x50: a & b, 0x80: -a, 0xA0: a ^ b}[what]


# ---------------------------------------------------------------- without libpcap
class Subset:
    """[tcp|udp|icmp|arp|ip] [src|dst] host A, net A/N, port N, portrange N-M; less N, greater N; and, or, not, parentheses.  IPv4."""

    def __init__(self, text: str) -> None:
        self.words: list[str] = re.findall(r"&&|\|\||[()!]|[^\s()!&|]+", text)
        self.at = 0
        self.fits = self._or()
        if self.at < len(self.words):
            raise NoFilter(f"{self.words[self.at]}: {NEEDS}")

    def _take(self, *wanted: str) -> str:
        if self.at < len(self.words) and self.words[self.at] in wanted:
            self.at += 1
            return self.words[self.at - 1]
        return ""

    def _next(self) -> str:
        self.at += 1
        if self.at > len(self.words):
            raise NoFilter("the expression ends too early")
        return self.words[self.at - 1]

    def _or(self) -> Fits:
        left = self._and()
        while self._take("or", "||"):
            left = (lambda a, b: lambda f, n: a(f, n) or b(f, n))(left, self._and())
        return left

    def _and(self) -> Fits:
        left = self._not()
        while self._take("and", "&&"):
            left = (lambda a, b: lambda f, n: a(f, n) and b(f, n))(left, self._not())
        return left

    def _not(self) -> Fits:
        if self._take("not", "!"):
            inner = self._not()
            return lambda f, n: not inner(f, n)
        if self._take("("):
            inside = self._or()
            if not self._take(")"):
                raise NoFilter(") is missing")
            return inside
        return self._primitive()

    def _primitive(self) -> Fits:
        if way := self._take("less", "greater"):
            most = self._number()
            return (lambda f, n: n <= most) if way == "less" else (lambda f, n: n >= most)
        proto, side = self._take("tcp", "udp", "icmp", "arp", "ip"), self._take("src", "dst")
        kind = self._take("host", "net", "port", "portrange")
        if not kind and (side or not proto):
            raise NoFilter(f"{self.words[self.at] if self.at < len(self.words) else 'nothing'}: {NEEDS}")
        low = high = mask = 0
        if kind in ("port", "portrange"):
            first, _, last = self._next().partition("-")
            if not (first.isdigit() and (last or first).isdigit()):
                raise NoFilter(f"{first}: ports are numbers here; {NEEDS}")
            low, high = int(first), int(last or first)
        elif kind:
            try:
                network = ipaddress.IPv4Network(self._next(), strict=False)
            except ValueError as error:
                raise NoFilter(f"{error}; {NEEDS}") from None
            low, mask = int(network.network_address), int(network.netmask)

        def fits(frame: bytes, _: int) -> bool:
            h = headers(frame)
            if proto == "arp":
                return h.what == "ARP" and not kind
            if not h.source or (proto not in ("", "ip") and h.what.split(" ")[0].lower() != proto):
                return False
            ends = (h.sport, h.dport) if high else (h.source, h.destination)
            chosen = ends[:1] if side == "src" else ends[1:] if side == "dst" else ends
            return not kind or any(low <= e <= high if high else e & mask == low for e in chosen)
        return fits

    def _number(self) -> int:
        word = self._next()
        if not word.isdigit():
            raise NoFilter(f"{word}: a number of bytes")
        return int(word)
