"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng): sections of either byte order, interfaces each with its link type and clock,
enhanced, simple and obsolete packet blocks; every other block is skipped.  Called by scan.py's next_record()."""
from .._compile import Mem, be16, be32, byte, le32, path_function
from ..abi.capture import MAX_BLOCK, MAX_CAPLEN, NAME_BYTES, NAME_WORDS, NINTERFACE, Link, Problem, Scan, Way, interface_t, scan_t
from .pcap import scan_bad, scan_u16, scan_u32

SHB, IDB, PB, SPB, EPB = 0x0A0D0D0A, 1, 2, 3, 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
OPT_ENDOFOPT, IF_NAME, IF_IPV4, IF_MAC, IF_TSRESOL, IF_FCSLEN, IF_TSOFFSET, EPB_FLAGS = 0, 2, 4, 6, 9, 13, 14, 2
EPB_STEER, STEER_MAGIC, STEER_MASK = 0xA7B5, 0x72787374, 0xFFFF         # for local use: "rxst", a number (case/hiding/steering.py)
TIME_LIMIT = 1 << 62            # ns since the epoch: the year 2116; with an offset of 69 years either way, differences fit
NOT_A_PACKET = int(Scan.MORE)


@path_function
def link_kind(linktype: int) -> int:
    """Which of ours a link type of the file is (https://www.tcpdump.org/linktypes.html)."""
    if linktype == 1:
        return Link.ETHERNET
    if linktype == 101 or linktype == 12 or linktype == 14:
        return Link.RAW
    if linktype == 228:
        return Link.IPV4
    if linktype == 229:
        return Link.IPV6
    if linktype == 113:
        return Link.SLL
    if linktype == 276:
        return Link.SLL2
    if linktype == 0:
        return Link.NULL
    if linktype == 108:
        return Link.LOOP
    return Link.UNSUPPORTED


@path_function
def interface_resolution(face: interface_t, resol: int) -> None:
    """if_tsresol: 10^-n seconds, or 2^-n with the top bit."""
    n = resol & 0x7F
    face.ns_shift, face.ns_mul, face.ns_div = -1, 1, 1
    if resol & 0x80:
        face.ns_shift = n
        return
    while n < 9:
        face.ns_mul *= 10
        n += 1
    while n > 9 and n < 28:                 # 10^18 is the most that fits; finer ticks are all zero
        face.ns_div *= 10
        n -= 1
    if n >= 28:
        face.ns_mul = 0


@path_function
def ticks_resolution(face: interface_t) -> int:
    """ns of a tick of this interface's clock, at least 1 and at most a second."""
    if face.ns_shift >= 0:
        return max(1_000_000_000 >> min(face.ns_shift, 30), 1)
    return max(face.ns_mul // face.ns_div, 1)


@path_function
def ticks_to_ns(face: interface_t, high: int, low: int) -> int:
    """A timestamp of this interface's clock in ns since the epoch; absurd ones end at a limit that sums cannot overflow."""
    if high >> 31:                          # a clock that counts beyond 2^63
        return TIME_LIMIT
    ticks = high << 32 | low
    if face.ns_shift >= 0:
        n = face.ns_shift
        if n >= 63:
            return face.ts_offset
        seconds, part = ticks >> n, ticks & (1 << n) - 1
        if seconds > TIME_LIMIT // 1_000_000_000:
            return TIME_LIMIT
        if n > 30:                          # part * 10^9 has to fit
            part = part >> n - 30
            n = 30
        return seconds * 1_000_000_000 + (part * 1_000_000_000 >> n) + face.ts_offset
    if face.ns_mul > 1 and ticks > TIME_LIMIT // face.ns_mul:
        return TIME_LIMIT
    return min(ticks * face.ns_mul // face.ns_div, TIME_LIMIT) + face.ts_offset


@path_function
def section_block(s: scan_t, mem: Mem) -> int:
    """A Section Header Block: sets the byte order, forgets the interfaces.  RECORD: it is there, the caller measures it."""
    if s.at + 16 > s.end:
        return Scan.MORE
    if le32(mem, s.at + 8) == BYTE_ORDER_MAGIC:
        s.big = 0
    elif be32(mem, s.at + 8) == BYTE_ORDER_MAGIC:
        s.big = 1
    else:
        return scan_bad(s, Problem.BYTE_ORDER)
    if scan_u16(s, mem, s.at + 12) != 1:
        return scan_bad(s, Problem.VERSION)
    s.ninterface = 0
    s.in_section = 1
    return Scan.RECORD


@path_function
def name_word(mem: Mem, at: int, n: int, word: int) -> int:
    """Five bytes of a name, zeros behind its end."""
    value = 0
    for k in range(word * NAME_BYTES, word * NAME_BYTES + NAME_BYTES):
        value = value << 8
        if k < n:
            value |= byte(mem, at + k)
    return value


@path_function
def card_called(s: scan_t, mem: Mem, at: int, n: int) -> int:
    """The card of the host that has this interface's name, -1: none."""
    for card in range(s.ncard):
        same = 1
        for word in range(NAME_WORDS):
            if s.card_name[card][word] != name_word(mem, at, n, word):
                same = 0
        if same and n <= NAME_WORDS * NAME_BYTES:
            return card
    return -1


@path_function
def interface_name(s: scan_t, mem: Mem, face: interface_t, at: int, n: int) -> None:
    """n bytes at `at` are what this interface is called."""
    for word in range(NAME_WORDS):
        face.name[word] = name_word(mem, at, n, word)
    if s.ncard > 1:
        card = card_called(s, mem, at, n)
        if card >= 0:
            face.card = card


@path_function
def interface_block(s: scan_t, mem: Mem, at: int, size: int) -> int:
    """An Interface Description Block of `size` bytes."""
    if size < 20:
        return scan_bad(s, Problem.BLOCK_LENGTH)
    if s.ninterface >= NINTERFACE:
        return scan_bad(s, Problem.INTERFACES)
    face = s.interfaces[s.ninterface]
    s.ninterface += 1
    face.linktype = scan_u16(s, mem, at + 8)
    face.link = link_kind(face.linktype)
    face.snaplen = scan_u32(s, mem, at + 12)
    face.ts_offset, face.fcs, face.records, face.mac, face.ip = 0, 0, 0, 0, 0
    for word in range(NAME_WORDS):
        face.name[word] = 0
    face.card = s.ninterface - 1 if s.ninterface <= s.ncard else 0          # by order, unless it has a card's name
    interface_resolution(face, 6)
    o, stop = at + 16, at + size - 4
    while o + 4 <= stop:
        code, n = scan_u16(s, mem, o), scan_u16(s, mem, o + 2)
        if code == OPT_ENDOFOPT or o + 4 + n > stop:
            break
        if code == IF_TSRESOL and n >= 1:
            interface_resolution(face, byte(mem, o + 4))
        if code == IF_NAME:
            interface_name(s, mem, face, o + 4, n)
        if code == IF_IPV4 and n >= 4:
            face.ip = be32(mem, o + 4)
        if code == IF_MAC and n >= 6:
            face.mac = be16(mem, o + 4) << 32 | be32(mem, o + 6)
        if code == IF_FCSLEN and n >= 1:
            face.fcs = byte(mem, o + 4) >> 3
        if code == IF_TSOFFSET and n >= 8:
            high, low = scan_u32(s, mem, o + 4), scan_u32(s, mem, o + 8)
            if s.big == 0:
                high, low = low, high
            if high >> 31:
                high -= 1 << 32
            seconds = min(max(high, -4), 4) << 32 | low          # more than 500 years is absurd, and would overflow
            face.ts_offset = min(max(seconds, -2_200_000_000), 2_200_000_000) * 1_000_000_000
        o += 4 + (n + 3 & ~3)
    return Scan.MORE


@path_function
def packet_flags(s: scan_t, mem: Mem, o: int, stop: int) -> int:
    """epb_flags among the options from o: direction, and the length of this frame's own FCS.  Of a hidden capture s.rec_steer, too."""
    flags = 0
    while o + 4 <= stop:
        code, n = scan_u16(s, mem, o), scan_u16(s, mem, o + 2)
        if code == OPT_ENDOFOPT or o + 4 + n > stop:
            break
        if code == EPB_FLAGS and n == 4:
            flags = scan_u32(s, mem, o + 4)
        if code == EPB_STEER and n == 8 and be32(mem, o + 4) == STEER_MAGIC:
            s.rec_steer = scan_u32(s, mem, o + 8) & STEER_MASK
        o += 4 + (n + 3 & ~3)
    return flags


@path_function
def packet_block(s: scan_t, mem: Mem, kind: int, at: int, size: int) -> int:
    """Enhanced (6) and obsolete (2) packet blocks."""
    if size < 32:
        return scan_bad(s, Problem.BLOCK_LENGTH)
    caplen = scan_u32(s, mem, at + 20)
    if caplen > size - 32 or caplen > MAX_CAPLEN:
        return scan_bad(s, Problem.CAPLEN)
    s.rec_if = scan_u32(s, mem, at + 8)
    if kind == PB:
        s.rec_if = scan_u16(s, mem, at + 8)
    s.rec_ts, s.rec_has_ts, s.rec_way, s.rec_steer = 0, 0, Way.UNKNOWN, 0
    s.rec_at = at + 28
    s.rec_caplen = caplen
    s.rec_len = scan_u32(s, mem, at + 24)
    if s.rec_if < s.ninterface:
        face = s.interfaces[s.rec_if]
        s.rec_ts = ticks_to_ns(face, scan_u32(s, mem, at + 12), scan_u32(s, mem, at + 16))
        s.rec_has_ts = 1
    options = at + 28 + (caplen + 3 & ~3)
    if options < at + size - 4:
        way = packet_flags(s, mem, options, at + size - 4) & 3
        if way == 1:
            s.rec_way = Way.IN
        if way == 2:
            s.rec_way = Way.OUT
    return Scan.RECORD


@path_function
def simple_block(s: scan_t, mem: Mem, at: int, size: int) -> int:
    """A Simple Packet Block: the first interface, no time, cut at that interface's snap length."""
    if size < 16:
        return scan_bad(s, Problem.BLOCK_LENGTH)
    s.rec_if, s.rec_ts, s.rec_has_ts, s.rec_way, s.rec_steer = 0, 0, 0, Way.UNKNOWN, 0
    s.rec_at = at + 12
    s.rec_len = scan_u32(s, mem, at + 8)
    s.rec_caplen = min(s.rec_len, size - 16)
    if s.ninterface:
        face = s.interfaces[0]
        if face.snaplen:
            s.rec_caplen = min(s.rec_caplen, face.snaplen)
    if s.rec_caplen > MAX_CAPLEN:
        return scan_bad(s, Problem.CAPLEN)
    return Scan.RECORD


@path_function
def pcapng_record(s: scan_t, mem: Mem) -> int:
    """The next packet block into s.rec_*; other blocks on the way there are used or skipped."""
    while s.at + 12 <= s.end:
        at = s.at
        kind = le32(mem, at)
        if kind == SHB:                                         # a palindrome: the same in both byte orders
            got = section_block(s, mem)
            if got != Scan.RECORD:
                return got
        if s.in_section == 0:
            return scan_bad(s, Problem.NO_SECTION)
        kind, size = scan_u32(s, mem, at), scan_u32(s, mem, at + 4)
        if size < 12 or size & 3 or (kind == SHB and size < 28):
            return scan_bad(s, Problem.BLOCK_LENGTH)
        if size > MAX_BLOCK:
            if kind == SHB or kind == IDB or kind == EPB or kind == SPB or kind == PB:
                return scan_bad(s, Problem.BLOCK_HUGE)
            s.at = at + size                                    # beyond the end: the reader skips as far
            continue
        if at + size > s.end:
            return Scan.MORE
        if scan_u32(s, mem, at + size - 4) != size:
            return scan_bad(s, Problem.BLOCK_TRAILER)
        got = NOT_A_PACKET
        if kind == EPB or kind == PB:
            got = packet_block(s, mem, kind, at, size)
        elif kind == SPB:
            got = simple_block(s, mem, at, size)
        elif kind == IDB:
            got = interface_block(s, mem, at, size)
        if got == Scan.BAD:
            return got
        s.at = at + size
        if got == Scan.RECORD:
            s.rec += 1
            return Scan.RECORD
    return Scan.MORE
