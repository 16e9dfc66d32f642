"""The capture reader's state: where it is in the bytes, whom it reads for, what it has met.  No part of Net: a run may have none.

The reader's memory is one region (net.feed_addr): room for the unread rest of the bytes before, then the bytes just read.
A frame's arrival.offset points straight into it."""
from enum import IntEnum

from .._compile import CACHELINE, Array, array, i64, struct
from .limits import NCARD
from .survey import NLOCAL

NINTERFACE = 1024               # interfaces of a pcapng section
NLEFT = 1024                    # sources that leave checksums to their card
LEFT_IP, LEFT_UDP, LEFT_TCP = 1, 2, 4           # and which
NAME_WORDS, NAME_BYTES = 3, 5   # of an interface's name: IFNAMSIZ - 1 characters
MAX_CAPLEN = 256 << 10          # MAXIMUM_SNAPLEN of libpcap
MAX_BLOCK = 512 << 10           # of a pcapng block that has to be understood; others may be longer
MAX_LEN = 10 << 20              # a length on the wire beyond this is no length
SPLIT_BYTES = 512 << 10         # of the reader's memory, for segments of merged frames
MAX_TIME = 1 << 53              # ns: 104 days, half of NEVER


class Scan(IntEnum):
    """Why the reader stopped."""
    RECORD = 0                  # it has one
    MORE = 1                    # it needs more bytes
    FULL = 2                    # that queue's cable is full: s.pending
    LIMIT = 3                   # as many records as were asked for
    END = 4                     # the last record that was asked for, or the end of virtual time
    BAD = 5                     # s.problem


class Problem(IntEnum):
    """What is wrong with the bytes."""
    NONE = 0
    CAPLEN = 1
    BLOCK_LENGTH = 2
    BLOCK_TRAILER = 3
    BLOCK_HUGE = 4
    BYTE_ORDER = 5
    VERSION = 6
    INTERFACES = 7
    NO_SECTION = 8
    TIME_END = 9
    TRUNCATED = 10
    READ = 11


class Link(IntEnum):
    """How a record becomes an Ethernet frame."""
    UNSUPPORTED = 0
    ETHERNET = 1
    RAW = 2
    IPV4 = 3
    IPV6 = 4
    SLL = 5
    SLL2 = 6
    NULL = 7
    LOOP = 8


class Way(IntEnum):
    """Who says that a record came in or went out: the packet type of cooked headers, epb_flags."""
    UNKNOWN = 0
    IN = 1
    OUT = 2


class OwnBy(IntEnum):
    """How frames that the receiver sent itself are known: by its MAC; by that or its addresses, where it sends by another MAC than it
    receives by; only by its addresses, where its MAC is others' too: then destinations' MACs are made from addresses.  On lo it has sent
    all of them: what its kernel itself answers, the path answers too."""
    MAC = 0
    EITHER = 1
    ADDRESS = 2
    ANSWER = 3


@struct()
class interface_t:
    """struct of a pcap header or an Interface Description Block."""
    link: i64                   # Link
    linktype: i64               # its number in the file
    snaplen: i64
    ns_mul: i64                 # power of ten: ticks * mul // div
    ns_div: i64
    ns_shift: i64               # power of two: ticks >> shift are seconds; -1: power of ten
    ts_offset: i64              # ns
    fcs: i64                    # bytes at the end of each frame
    card: i64                   # of the host, to which its frames come
    records: i64
    mac: i64                    # its address, as far as the file says; else 0
    ip: i64                     # IPv4
    name: Array[i64] = array(NAME_WORDS)        # NAME_BYTES a word


@struct(align=CACHELINE)
class scan_t:
    at: i64                     # the next byte to read, the end of those that are there; may lie beyond it: those are skipped
    end: i64
    file_at: i64                # `at` 0 would be this byte of the file
    pcapng: i64
    big: i64                    # byte order of the file or section
    header: i64                 # bytes before a pcap record's data
    nano: i64
    old_lengths: i64            # pcap up to 2.3: caplen and len may be swapped
    ninterface: i64
    in_section: i64
    problem: i64
    rec: i64                    # number of the record, from 1; goes on when the file is read again
    rec_base: i64               # its value when this reading began
    rec_at: i64                 # its bytes
    rec_caplen: i64
    rec_len: i64
    rec_ts: i64                 # ns since the epoch
    rec_has_ts: i64
    rec_if: i64
    rec_way: i64
    rec_steer: i64              # what hidden addresses change in the card's hash (workbench/case/hiding/steering.py)
    rec_card: i64
    rec_has_mac: i64
    first: i64                  # records that are wanted
    last: i64
    mac: i64                    # the receiver; -1: nobody
    own_by: i64                 # OwnBy
    answer_ident: i64 = -1      # of the last answer of the kernel's that was a first fragment
    naddr: i64
    addr_hi: Array[i64] = array(NLOCAL)
    addr_lo: Array[i64] = array(NLOCAL)
    addr_version: Array[i64] = array(NLOCAL)
    started: i64
    last_ts: i64
    first_ts: i64               # of the first record, ns since the epoch
    clock: i64                  # virtual time that the timestamps ask for
    last_t: i64                 # of the last frame on the cable; times only grow
    last_rec: i64               # its record
    max_gap: i64
    speed_num: i64
    speed_den: i64
    speed_rem: i64
    rate_den: i64               # frames in rate_num ns; 0: by timestamps
    rate_num: i64
    rate_t: i64
    rate_rem: i64
    line_num: i64               # ns * 1024 for a byte on the wire; 0: no line rate
    arrival_rng: i64            # dice for when within its timestamp's resolution a frame came; 0: at once
    arrival_ts: i64             # the timestamp that they were thrown for last,
    arrival_ns: i64             # and what they said
    pending: i64                # the record has a place, but its queue was full
    pending_t: i64
    pending_q: i64
    pending_hash: i64
    pending_flags: i64
    frame: i64                  # arrival.frame of the frame in hand: the record, and which segment of it
    offered: i64
    own: i64                    # not offered: the receiver sent it
    unselected: i64
    unsupported: i64            # of a link type that cannot be
    no_interface: i64
    headless: i64               # shorter than its link header
    cut: i64                    # by a snap length
    longer: i64                 # caplen > len
    absurd_len: i64
    back: i64
    set_back: i64
    gaps: i64
    gap_ns: i64                 # that were left out
    bytes: i64
    ncard: i64                  # cards of the host; with one every frame is for it
    ncooked: i64                # ifindexes that SLL2 records have named so far
    cooked: Array[i64] = array(NCARD)                   # which: the first is the first card's
    card_mac: Array[i64] = array(NCARD)
    card_t: Array[i64] = array(NCARD)                   # when its last frame arrived
    card_name: Array[Array[i64]] = array(NCARD, NAME_WORDS)     # what the interfaces are called: five bytes a word
    fresh: i64                  # other source addresses: which ones; 0: as they are
    split_room: i64             # where segments of merged frames are made, SPLIT_BYTES: cable/split.py
    split_used: i64             # of these
    split_above: i64            # no frame that is not longer is merged
    split_count: i64            # segments of the record in hand; 0: it is not being split
    split_next: i64             # the next of them, from 0
    split_at: i64               # the record's frame, its bytes that are there, where its IP and TCP headers and its data begin
    split_caplen: i64
    split_ip: i64
    split_th: i64
    split_data: i64
    split_octets: i64           # bytes of data in all of it, and in each segment but the last
    split_size: i64
    merged: i64                 # frames that were split, and the segments that were made of them
    segments: i64
    nleft: i64                  # sources that leave checksums to their card: cable/wire.py
    left_addr: Array[i64] = array(NLEFT * 2)
    left_kinds: Array[i64] = array(NLEFT * 2)           # LEFT_*, 0: the place is empty
    left_frames: Array[i64] = array(NLEFT * 2)          # frames that were taken as good
    interfaces: Array[interface_t] = array(NINTERFACE)
