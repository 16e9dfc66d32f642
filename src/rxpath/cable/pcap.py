"""Records of a pcap file (draft-ietf-opsawg-pcap): micro- and nanoseconds, both byte orders, the "modified" 24-byte records, and
versions up to 2.3 whose lengths may be swapped.  Called by scan.py's next_record(); the file header is read by capture.py."""
from .._compile import Mem, be16, be32, byte, le16, le32, path_function
from ..abi.capture import MAX_CAPLEN, Problem, Scan, Way, scan_t

PACKET_OUTGOING = 4             # <linux/if_packet.h>


@path_function
def scan_u32(s: scan_t, mem: Mem, o: int) -> int:
    """A word in the file's byte order."""
    if s.big:
        return be32(mem, o)
    return le32(mem, o)


@path_function
def scan_u16(s: scan_t, mem: Mem, o: int) -> int:
    if s.big:
        return be16(mem, o)
    return le16(mem, o)


@path_function
def scan_bad(s: scan_t, problem: int) -> int:
    s.problem = problem
    return Scan.BAD


@path_function
def pcap_record(s: scan_t, mem: Mem) -> int:
    """The record at s.at into s.rec_*."""
    at = s.at
    if at + s.header > s.end:
        return Scan.MORE
    caplen, length = scan_u32(s, mem, at + 8), scan_u32(s, mem, at + 12)
    if s.old_lengths and caplen > length:
        caplen, length = length, caplen
    if caplen > MAX_CAPLEN:
        return scan_bad(s, Problem.CAPLEN)
    if at + s.header + caplen > s.end:
        return Scan.MORE
    frac = scan_u32(s, mem, at + 4)
    if s.nano == 0:
        frac = frac * 1000
    s.rec_ts = scan_u32(s, mem, at) * 1_000_000_000 + frac
    s.rec_has_ts = 1
    s.rec_way = Way.UNKNOWN
    if s.header == 24 and byte(mem, at + 22) == PACKET_OUTGOING:
        s.rec_way = Way.OUT
    s.rec_at = at + s.header
    s.rec_caplen = caplen
    s.rec_len = length
    s.rec_if = 0
    s.rec += 1
    s.at = at + s.header + caplen
    return Scan.RECORD
