"""packetdrill's language: what is read, and one clear line with its number for what is not."""
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.workbench.packetdrill import script as s
from rxpath.workbench.packetdrill.parse import parse


def events(text):
    return parse("a.pkt", text).events


def one(text):
    found = events(text)
    assert len(found) == 1
    return found[0].action


def refused(text, defined=None):
    """line: what, of the error."""
    with pytest.raises(s.ScriptError) as caught:
        parse("a.pkt", text, defined)
    return str(caught.value).removeprefix("a.pkt:")


MS = 1_000_000


# ---------------------------------------------------------------- times, lines, comments
@pytest.mark.parametrize("text, when", [
    ("0", s.When("absolute", 0)), ("1.5", s.When("absolute", 1500 * MS)),
    ("+0", s.When("relative", 0)), ("+.1", s.When("relative", 100 * MS)),
    ("+ 0.000001", s.When("relative", 1000)), ("*", s.When("any")), ("+.3~+.310", s.When("relative", 300 * MS, 310 * MS)),
    ("1~2", s.When("absolute", 1000 * MS, 2000 * MS))])
def test_times_are_absolute_relative_any_or_a_range(text, when):
    assert events(f"{text} > . 1:1(0) ack 1")[0].when == when


def test_events_know_their_lines_behind_comments_of_both_kinds():
    found = events("// one\n/* two\n three */ 0 close(3) = 0\n\n+0 %{ x = 1\ny = 2 }%\n+0 close(4) = 0\n")
    assert [e.line for e in found] == [3, 5, 7]
    assert found[1].action == s.Code("x = 1\ny = 2")


def test_a_script_has_options_a_shell_line_before_and_one_after():
    found = parse("a.pkt", "--tolerance_usecs=7000\n--define=N=2000\n`./defaults.sh\n`\n0 read(3, ..., N) = N\n`./restore.sh`")
    assert found.options == ((1, "tolerance_usecs", "7000"), (2, "define", "N=2000"))
    assert found.init == (3, "./defaults.sh\n") and found.cleanup == (6, "./restore.sh")
    assert found.events[0].action.result == s.Number(2000)


def test_words_may_stand_for_others():
    call = parse("a.pkt", "0 f(A, B) = 0", {"A": "0x10", "B": '"x y"'}).events[0].action
    assert call.arguments == (s.Number(16), s.Text("x y"))


def test_a_shell_line_with_a_time_is_an_event():
    assert one("+0 `nstat -n`") == s.Shell("nstat -n")


# ---------------------------------------------------------------- packets
def test_a_segment_with_everything():
    got = one("+0 < [ect0] 8080>4321 FP. 1:1001(1000) ack 5 win 257 urg 3 "
              "<mss 1460,sackOK,TS val 10 ecr 4294967295,nop,wscale 8,sack 1:2 3:4,nop,nop>")
    assert got == s.Segment("FP.", 1, 1000, 5, 257, 3, (
        s.Option("mss", 1460), s.Option("sackOK"), s.Option("TS", 10, 4294967295), s.Option("nop"), s.Option("wscale", 8),
        s.Option("sack", blocks=((1, 2), (3, 4))), s.Option("nop"), s.Option("nop")), (8080, 4321), s.Ip(ecn="ect0"), True)


@pytest.mark.parametrize("flags, read", [("S", "S"), ("S.", "S."), (".", "."), ("P.", "P."), ("-", ""), ("SEW", "SEW"), ("S.5", "S.5"),
                                         (".5", ".5"), ("SE.", "SE."), ("R", "R"), ("SFRP", "SFRP"), ("5", "5")])
def test_flags(flags, read):
    assert one(f"0 > {flags} 0:0(0)").flags == read


def test_options_that_hold_bytes():
    got = one("0 < S 0:0(0) win 1 <md5 000102030405060708090a0b0c0d0e0f,FO abcd,FO,nop,nop,FOEXP aa,nop>")
    assert [o.data.hex() for o in got.options] == ["000102030405060708090a0b0c0d0e0f", "abcd", "", "", "", "aa", ""]
    assert one("0 > . 1:1(0) ack 1 <...>").options is None


def test_sequence_numbers_may_wrap():
    assert one("0 < . 4294967295:1(2) ack 1 win 1").length == 2


def test_icmp_and_udp():
    assert one("+0 < icmp unreachable frag_needed mtu 1200 [1:1001(1000)]") == s.Icmp("unreachable", "frag_needed", 1200, None, (1, 1000))
    error = s.Icmp("unreachable", "port_unreachable", echoed=(None, 20), inbound=False)
    assert one("+0 > icmp unreachable port_unreachable [udp (20)]") == error
    assert one("+0 < [ttl 3] udp 1>2 (100)") == s.Datagram(100, (1, 2), s.Ip(ttl=3))
    assert one("+0 > (tos 0x2,flowlabel 0x1) . 1:1(0) ack 1").ip == s.Ip(tos=2, flowlabel=1)


# ---------------------------------------------------------------- calls
def test_a_call_with_its_result_errno_and_notes():
    got = one("+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)")
    assert got == s.Call("connect", (s.Number(3), s.Any_(), s.Any_()), s.Number(-1), None, "EINPROGRESS", "Operation now in progress")
    assert one("+0 fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)").result == s.Number(2)
    assert one("+.1...0.2 accept(3, ..., ...) = 4").ends == 200 * MS


def test_expressions_of_all_kinds():
    got = one('0 f([1, 2], A|B|0x4, {}, {..., 5}, {events=IN, fd=4}, '
              '{msg_iov(1)=[{..., 9}], msg_flags=0}, htons(80), "a\\n" "b", "c"...) = -3')
    a = got.arguments
    assert a[:4] == (s.Array((s.Number(1), s.Number(2))), s.Or(s.Or(s.Word("A"), s.Word("B")), s.Number(4)), s.Array(()),
                     s.Array((s.Any_(), s.Number(5))))
    assert a[4] == s.Struct({"events": s.Word("IN"), "fd": s.Number(4)})
    assert a[5].sizes == {"msg_iov": s.Number(1)} and list(a[5].fields) == ["msg_iov", "msg_flags"]
    assert a[6:] == (s.Apply("htons", (s.Number(80),)), s.Text("a\nb"), s.Text("c", more=True)) and got.result == s.Number(-3)


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize("text, said", [
    ("", r"1: no event: a script is lines like"),
    ("0 close(3)", r"1: result of close\(\): expected '=', found the end of the file"),
    ("\n\n0 < X 0:0(0) win 1", r"3: expected TCP flags .* found 'X'"),
    ("0 < SS 0:0(0) win 1", r"1: expected TCP flags"),
    ("0 < S5E 0:0(0) win 1", r"1: expected TCP flags"),
    ("0 < . 0:5(4) win 1", r"1: 0:5\(4\): 0 and 4 bytes end at 4"),
    ("0 < . 0:0(0) ack 1", r"1: a segment that comes in needs its window"),
    ("0 < . 0:0(0) win 65536", r"1: win: 65536 is not in 0 to 65535"),
    ("0 < S 0:0(0) win 1 <mss 1460,sackOK>", r"1: TCP options of 6 bytes: a multiple of 4, 40 at most"),
    ("0 < S 0:0(0) win 1 <fast 1>", r"1: TCP option 'fast': known are mss"),
    ("0 < S 0:0(0) win 1 <...>", r"1: <\.\.\.> is only for packets that leave"),
    ("0 < [ect01] S 0:0(0) win 1", r"1: ect01 is only for packets that leave"),
    ("0 < gre : . 1:1(0) win 1", r"1: gre: tunnelled packets are not supported"),
    ("* close(3) = 0", r"1: time \* is only for packets that leave"),
    ("0~1 < . 1:1(0) win 1", r"1: a range of times is only for packets that leave"),
    ("2~1 > . 1:1(0)", r"1: the range of times ends before it begins"),
    ("-1 close(3) = 0", r"1: time -1 is negative"),
    ("+.2...0.1 close(3) = 0", r"1: close\(\) would end before it begins"),
    ("0 `ls", r"1: a ` without its second one"), ('0 f("x) = 0', r'1: a " without its second one'), ("0 %{ x", r"1: %\{ without \}%"),
    ("0 close(3) = 0\n`a`\n0 close(4) = 0", r"3: a shell line without a time ends a script; after it comes '0'"),
    ("0 f({a=1, a=2}) = 0", r"1: a is there twice"), ("0 f(" + "[" * 60 + "]" * 60 + ") = 0", r"1: brackets more than 50 deep"),
    ("0 < icmp unreachable [1:5(1)]", r"1: 1:5\(1\): 1 and 1 bytes end at 2")])
def test_a_mistake_is_one_line_with_its_number(text, said):
    assert re.match(said, refused(text)), refused(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="+-.*~<>SFPR:(),=[]{}|0123456789 \nxwin ack\"`%/", max_size=80))
def test_any_text_is_read_or_refused_with_a_line(text):
    try:
        parse("a.pkt", text)
    except s.ScriptError as e:
        assert re.match(r"a\.pkt:\d+: .", str(e))
