"""TCP's options: include/net/tcp.h, include/linux/tcp.h.  Kinds and lengths, what a segment's options said, what ours will say."""
from .._compile import Array, array, i8, i32, i64, struct, u32

TCPOPT_EOL, TCPOPT_NOP, TCPOPT_MSS, TCPOPT_WINDOW, TCPOPT_SACK_PERM, TCPOPT_SACK, TCPOPT_TIMESTAMP = 0, 1, 2, 3, 4, 5, 8
TCPOPT_MD5SIG, TCPOPT_FASTOPEN, TCPOPT_EXP, TCPOPT_FASTOPEN_MAGIC = 19, 34, 254, 0xF989
TCPOLEN_MSS, TCPOLEN_WINDOW, TCPOLEN_SACK_PERM, TCPOLEN_TIMESTAMP, TCPOLEN_MD5SIG = 4, 3, 2, 10, 18
TCPOLEN_SACK_BASE, TCPOLEN_SACK_PERBLOCK = 2, 8
TCPOLEN_FASTOPEN_BASE, TCPOLEN_EXP_FASTOPEN_BASE = 2, 4
TCPOLEN_TSTAMP_ALIGNED, TCPOLEN_WSCALE_ALIGNED, TCPOLEN_SACKPERM_ALIGNED = 12, 4, 4
TCPOLEN_SACK_BASE_ALIGNED, TCPOLEN_MSS_ALIGNED = 4, 4
TCP_MAX_WSCALE = 14
TCP_NUM_SACKS = 4
MAX_TCP_OPTION_SPACE = 40
TCP_FASTOPEN_COOKIE_MIN, TCP_FASTOPEN_COOKIE_MAX = 4, 16
OPTION_SACK_ADVERTISE, OPTION_TS, OPTION_WSCALE, OPTION_FAST_OPEN_COOKIE = 1, 2, 8, 256         # tcp_out_options.options


@struct()
class tcp_options_received:
    """What the options of a segment say; tstamp_ok and sack_ok: what its connection has agreed on, before it is read."""
    rcv_tsval: u32              # of this segment, if saw_tstamp
    rcv_tsecr: u32
    mss_clamp: i32              # largest segment that the other end takes, or we
    user_mss: i32               # TCP_MAXSEG, 0: not set
    saw_tstamp: i8              # the segment in hand has a time stamp
    tstamp_ok: i8               # time stamps were agreed on in the SYNs; so the next three
    sack_ok: i8
    wscale_ok: i8
    snd_wscale: i8              # of windows that come in
    dsack: i8                   # the first SACK block to send reports a duplicate
    num_sacks: i8


@struct()
class tcp_sack_block:
    start_seq: u32
    end_seq: u32


@struct()
class tcp_fastopen_cookie:
    """TCP Fast Open (RFC 7413)."""
    len: i32 = -1               # -1: no such option; 0: a cookie is asked for
    exp: i32                    # it came as the experimental option, and the answer does
    at: i64                     # where the cookie lies in packet memory, of the segment in hand


@struct()
class tcp_out_options:
    """What a segment of ours will say: filled by tcp_synack_options() and its kin, written by tcp_options_write()."""
    options: i32                # OPTION_*
    mss: i32                    # 0: not said
    ws: i32
    num_sack_blocks: i32
    tsval: u32
    tsecr: u32
    sack: Array[tcp_sack_block] = array(TCP_NUM_SACKS)
    fastopen_cookie_exp: i32    # OPTION_FAST_OPEN_COOKIE: in the experimental form
    fastopen_cookie_high: u32   # the eight bytes of a cookie of ours
    fastopen_cookie_low: u32
