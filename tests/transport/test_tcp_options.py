"""Options of a segment: read as the kernel reads them, written in its order."""
import ctypes

import pytest

from rxpath.abi.tcp_options import tcp_fastopen_cookie, tcp_options_received, tcp_out_options
from rxpath.transport.tcp_options import tcp_options_write, tcp_parse_options

SYN, ACK = 2, 16
MSS, WS, SACK_OK, TS = b"\2\4\5\xb4", b"\3\3\7", b"\4\2", b"\x08\x0a\0\0\0\5\0\0\0\6"


class Segment:
    """A TCP header with these options in packet memory."""

    def __init__(self, lab, options: bytes, flags: int = SYN):
        self.net = lab().net
        self.skb = self.net.skb[0]
        self.skb.transport_header = self.skb.head
        padded = options + bytes(-len(options) % 4)
        self.raw = (ctypes.c_uint8 * 256).from_address(self.net.mem_addr + self.skb.head)
        self.raw[12], self.raw[13] = (20 + len(padded)) // 4 << 4, flags
        self.raw[20:20 + len(padded)] = padded
        self.opt, self.foc = tcp_options_received(), tcp_fastopen_cookie(len=-1)

    def parse(self, estab=False):
        return tcp_parse_options(self.net, self.skb, self.opt, self.foc, estab)

    def said(self):
        o = self.opt
        return o.mss_clamp, (o.snd_wscale if o.wscale_ok else None), o.sack_ok, (o.rcv_tsval, o.rcv_tsecr) if o.saw_tstamp else None


def said(lab, options, flags=SYN, estab=False):
    s = Segment(lab, options, flags)
    s.parse(estab)
    return s.said()


@pytest.mark.parametrize("options, expected", [
    (MSS + SACK_OK + TS + b"\1" + WS, (1460, 7, 1, (5, 6))),
    (b"", (0, None, 0, None)),
    (b"\1\1\1" + WS, (0, 7, 0, None)),
    (b"\3\3\x0f", (0, 14, 0, None)),                             # a scale that is too large
    (b"\2\4\0\0" + SACK_OK, (0, None, 1, None)),                 # an MSS of 0
    (b"\2\3\5" + SACK_OK, (0, None, 1, None)),                   # an MSS of an odd size
    (MSS + b"\0" + WS, (1460, None, 0, None)),                   # the list ends
    (MSS + b"\x63\0" + WS, (1460, None, 0, None)),               # a length of nothing
    (MSS + b"\x63\x20" + SACK_OK, (1460, None, 0, None)),        # one that overruns the header
    (b"\x63\4\0\0" + MSS, (1460, None, 0, None)),                # nobody knows it
    (MSS + b"\1\1\1\x08", (1460, None, 0, None)),                # its length is not there
])
def test_what_a_syn_says(lab, options, expected):
    assert said(lab, options) == expected


def test_what_only_a_syn_may_say(lab):
    everything = MSS + SACK_OK + TS + b"\1" + WS
    assert said(lab, everything, ACK) == (0, None, 0, (5, 6))
    assert said(lab, everything, SYN, estab=True) == (0, None, 0, None), "a connection without time stamps does not see them"


def test_the_smaller_of_the_two_segment_sizes_holds(lab):
    for user, expected in ((0, 1460), (1000, 1000), (2000, 1460)):
        s = Segment(lab, MSS)
        s.opt.user_mss = user
        s.parse()
        assert s.opt.mss_clamp == expected


def test_where_the_sack_blocks_are(lab):
    two = b"\5\x12" + bytes(16)
    s = Segment(lab, b"\1\1" + two, ACK)
    s.opt.sack_ok = 1
    assert s.parse(estab=True) == 22
    for options in (b"\1\1\5\x0b" + bytes(9), b"\5\2"):          # no whole block
        s = Segment(lab, options, ACK)
        s.opt.sack_ok = 1
        assert s.parse(estab=True) == 0
    assert Segment(lab, b"\1\1" + two, ACK).parse(estab=True) == 0, "not agreed on"


@pytest.mark.parametrize("option, expected", [
    (b"\x22\2", (0, 0)), (b"\x22\x0a" + bytes(8), (8, 0)), (b"\x22\x0b" + bytes(9), (-1, 0)), (b"\x22\4\0\0", (-1, 0)),
    (b"\xfe\4\xf9\x89", (0, 1)), (b"\xfe\x0c\xf9\x89" + bytes(8), (8, 1)), (b"\xfe\4\xf9\x88", (-1, 0)),
])
def test_a_fast_open_cookie_in_both_forms(lab, option, expected):
    s = Segment(lab, option)
    s.parse()
    assert (s.foc.len, s.foc.exp) == expected
    if expected[0] > 0:
        assert s.foc.at == s.skb.head + 20 + len(option) - 8


@pytest.mark.parametrize("fields, expected", [
    ({"mss": 1460, "options": 1 | 2 | 8, "tsval": 5, "tsecr": 6, "ws": 10}, "020405b4 0402 080a 00000005 00000006 01 03030a"),
    ({"mss": 1460}, "020405b4"),
    ({"options": 1 | 8, "ws": 2}, "01010402 01030302"),
    ({"options": 2, "tsval": 0xFFFFFFFF, "num_sack_blocks": 1}, "0101080a ffffffff 00000000 0101050a 00000007 fffffff0"),
    ({"options": 256, "fastopen_cookie_high": 0x3A6D898F, "fastopen_cookie_low": 0x04A54497}, "220a 3a6d898f04a54497 0101"),
    ({"options": 256, "fastopen_cookie_exp": 1, "fastopen_cookie_high": 1}, "fe0cf989 0000000100000000"),
])
def test_what_we_write_is_in_the_order_of_linux(lab, fields, expected):
    s = Segment(lab, bytes(40))
    opts = tcp_out_options(**fields)
    opts.sack[0].start_seq, opts.sack[0].end_seq = 7, 0xFFFFFFF0
    n = tcp_options_write(s.net, s.skb, opts)
    assert bytes(s.raw[20:20 + n]) == bytes.fromhex(expected)
