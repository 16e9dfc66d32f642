"""What a captured receiver had sent on its connections when a frame came in: an open-loop replay adopts it (cable/tcp_sent.py fills it).

The sender in a capture answers to what that receiver sent.  So that its acknowledgements are of something that was sent here, too, each
frame brings along what had been sent by then; it is a part of the frame and not of the moment at which it is looked at, so that a CPU
that runs ahead finds the same."""
from .._compile import Array, array, i64, struct

NTCPSENT = 1 << 18              # frames that may be between the cable and TCP at a time
NTCPSPLIT = 1 << 16             # records within which one that was split is found
NTCPREPAIR = 1 << 15            # of these beside them, that repair others: their numbers begin at FIRST_MADE (abi/nic.py)
NTCPLOST = 1 << 16              # segments that are lost between two looks at them
NTCPGAP = 4096                  # gaps of the capture between two looks at them, and the bytes of all of these
GAP_BYTES = 32 << 20
FILL_TIMES, FILL_ANYWAY = 4, 1 << 16                    # of what it has of a connection, and bytes beside that, at most
NRUN = 8                        # pieces of the peer's data that lie behind gaps, of a connection

# flags
SENT_REAL = 1                   # the capture shows the connection to be real
SENT_NXT = 2                    # and something that the receiver has sent on it: snd_nxt
SENT_FIN = 4                    # with a FIN, which snd_nxt includes
SENT_OPTIONS = 8                # and its SYN: what it agreed to
SENT_TSTAMP = 16
SENT_SACK = 32
SENT_WSCALE = 64
SENT_GAP = 128                  # bytes of the peer's that it acknowledged are missing in the capture, before this frame's, and are too many
SENT_WSCALE_SHIFT = 8           # from here on the scale of its window, four bits
SENT_SYN = 1 << 12              # of a frame: it is a SYN
SENT_SPLIT = 1 << 13            # it came as several segments: tcp_split_t


@struct()
class tcp_seen_t:
    """A connection that a capture shows: the ends of a segment that comes in; and what the reader of the capture knows of the receiver's
    end, up to the record that it has read."""
    used: i64
    saddr: i64
    daddr: i64
    ports: i64                  # source << 16 | destination
    mss: i64                    # the smaller of what its ends have announced; 0: neither has
    full: i64                   # bytes of data in the sender's full segments, as most of them have; 0: not known
    wscale: i64                 # the scale of the peer's windows, at least: what the receiver sent went beyond them unscaled
    read: i64                   # in this reading of the file: scan_t.rec_base + 1
    peer_isn: i64               # of the SYN that began it; -1: none
    isn: i64                    # of the receiver's own SYN; -1: none
    snd_nxt: i64
    rcv_nxt: i64                # the capture shows the peer's bytes up to here without a gap; -1: none
    nrun: i64                   # and some behind gaps, in their order
    run_start: Array[i64] = array(NRUN)
    run_end: Array[i64] = array(NRUN)
    run_rec: Array[i64] = array(NRUN)                   # the record that began each
    rec: i64                    # and the one that ends at rcv_nxt
    acked: i64                  # the receiver has acknowledged them up to here; -1: none
    acked_rec: i64              # and that was the last record that had been offered then
    octets: i64                 # of the peer's data that the capture has, and that was filled in
    filled: i64
    flags: i64                  # SENT_*
    begun: i64                  # the path's: it has had a socket here
    syn_lost: i64               # and: its SYN was lost, and has not come again


@struct()
class tcp_sent_t:
    """Of one frame, or of all segments of a record that was split: see tcp_sent_slot()."""
    frame: i64                  # 0: of none
    conn: i64                   # of net.tcp_seen; -1: it found no place there
    snd_nxt: i64
    flags: i64
    octets: i64                 # of data in it; SENT_SPLIT: in each of its segments but the last


@struct()
class tcp_split_t:
    """Of a record that was split (cable/split.py), by its number."""
    last: i64                   # the number of its last segment, and bytes of data in that one
    octets: i64


@struct()
class tcp_ledger_t:
    """Segments of connections of the capture, and the bytes of data in them."""
    segments: i64
    octets: i64


@struct()
class tcp_gap_t:
    """Bytes of the peer's that its receiver acknowledged and the capture lacks."""
    record: i64                 # the frame that came when that was known
    conn: i64                   # of net.tcp_seen
    start: i64
    octets: i64
    since: i64                  # the records between which they must have come
    until: i64


@struct()
class tcp_lost_t:
    """A segment of a connection of the capture that this host has lost."""
    frame: i64
    t: i64
    reason: i64
