"""Segments to the wire and back, judged by scapy; and the difference between what was expected and what left."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from rxpath.workbench.packetdrill import compare, host, wire
from rxpath.workbench.packetdrill.missing import Missing
from rxpath.workbench.packetdrill.parse import parse
from rxpath.workbench.packetdrill.script import Option

ENDS = host.ends()
PEER_MAC, OUR_MAC = "02:00:00:00:00:02", "02:00:00:00:00:01"                   # without them scapy would ask the real network


def packet(text):
    return parse("a.pkt", f"0 {text}").events[0].action


def flow(offset=None):
    return wire.Flow(8080, 32768, offset)


def read(frame):
    """As scapy reads it, which computes the same checksums."""
    p = Ether(frame)
    again = p.copy()
    for layer in (IP, TCP, UDP, ICMP):
        if again.haslayer(layer):
            del again[layer].chksum
    assert bytes(again) == frame
    return p


def left(**tcp):
    """A segment of this host, as the wire has it."""
    ip = {k: tcp.pop(k) for k in ("tos", "ttl") if k in tcp}
    body = tcp.pop("body", b"")
    frame = Ether(src=PEER_MAC, dst=OUR_MAC) / IP(src=host.LOCAL, dst=host.REMOTE, **ip) / TCP(sport=8080, dport=32768, **tcp) / body
    return wire.frame_in(5, bytes(frame))


# ---------------------------------------------------------------- in
def test_a_segment_comes_in_with_the_hosts_own_numbers_put_back():
    f = flow(1000)
    f.stamps[7] = 70_000
    p = read(wire.segment_out(ENDS, f, packet("< [ect0] P. 5:15(10) ack 6 win 257 urg 2 <nop,nop,TS val 9 ecr 7,nop,nop,sack 1:3>"), 3))
    t = p[TCP]
    assert (p[IP].src, p[IP].dst, p[IP].tos, t.sport, t.dport) == (host.REMOTE, host.LOCAL, 2, 32768, 8080)
    assert (t.seq, t.ack, str(t.flags), t.window, t.urgptr, bytes(t.payload)) == (5, 1006, "PA", 257, 2, bytes(10))
    assert t.options == [("NOP", None), ("NOP", None), ("Timestamp", (9, 70_000)), ("NOP", None), ("NOP", None), ("SAck", (1001, 1003))]


def test_a_syn_needs_no_numbers_of_the_host():
    t = read(wire.segment_out(ENDS, flow(), packet("< SEW 0:0(0) win 1 <mss 1460,sackOK,nop,nop,nop,wscale 8,FO abcd>"), 3))[TCP]
    assert (t.seq, t.ack, str(t.flags)) == (0, 0, "SEC")
    assert t.options == [("MSS", 1460), ("SAckOK", b""), *[("NOP", None)] * 3, ("WScale", 8), ("TFO", b"\xab\xcd")]


def test_echoed_time_stamps_that_the_script_did_not_see_go_by_the_first_one():
    f = flow(0)
    f.first_stamp = (100, 5000)
    assert [f.live_ecr(n) for n in (0, 100, 150)] == [0, 5000, 5050]


def test_datagrams_and_icmp_errors_come_in():
    assert read(wire.datagram_out(ENDS, flow(), packet("< udp (100)"), 1))[UDP].len == 108
    p = read(wire.icmp_out(ENDS, flow(1000), packet("< icmp unreachable frag_needed mtu 1200 [1:1001(1000)]"), 1))
    inner = p[ICMP].payload
    assert (p[ICMP].type, p[ICMP].code, p[ICMP].nexthopmtu) == (3, 4, 1200)
    assert (inner.src, inner.dst, inner.len, inner.payload.sport, inner.payload.seq) == (host.LOCAL, host.REMOTE, 1040, 8080, 1001)
    with pytest.raises(Missing, match="ICMP code unreachable nowhere"):
        wire.icmp_out(ENDS, flow(), packet("< icmp unreachable nowhere"), 1)


# ---------------------------------------------------------------- out
def test_a_syn_ack_teaches_where_the_hosts_numbers_begin():
    f = flow()
    seen = left(flags="SA", seq=70_000, ack=1, window=65160, options=[("MSS", 1460), ("NOP", None), ("WScale", 8)])
    assert compare.difference(packet("> S. 0:0(0) ack 1 win 65160 <mss 1460,nop,wscale 8>"), seen, f) is None
    assert f.offset == 70_000
    assert compare.difference(packet("> . 1:1(0) ack 1"), left(flags="A", seq=70_001, ack=1), f) is None


@pytest.mark.parametrize("expected, wire_has, said", [
    ("> . 1:1(0) ack 2", {}, "ack 2 was expected, it is 1"), ("> P. 1:1(0) ack 1", {}, "flags P. was expected, it is ."),
    ("> . 2:2(0) ack 1", {}, "seq 2 was expected, it is 1"), ("> . 1:3(2) ack 1", {}, "length 2 was expected, it is 0"),
    ("> . 1:1(0) ack 1 win 8", {"window": 9}, "win 8 was expected, it is 9"), ("> . 1:1(0) ack 1 urg 1", {}, "urg 1 was expected, it is 0"),
    ("> [ect0] . 1:1(0) ack 1", {"tos": 1}, "ECN ect0 was expected, it is ect1"),
    ("> [ect01] . 1:1(0) ack 1", {}, "ect0 or ect1 was expected, it is noecn"),
    ("> [tos 0x8] . 1:1(0) ack 1", {}, "TOS 0x8 was expected, it is 0x0"), ("> [ttl 3] . 1:1(0) ack 1", {}, "TTL 3 was expected, it is 64"),
    ("> . 1:1(0) ack 1 <mss 5>", {}, "options <mss 5> were expected, they are <>"),
    ("> . 1:1(0) ack 1", {"options": [("NOP", None)] * 4}, "options <> were expected, they are <nop,nop,nop,nop>"),
    ("> . 1:1(0) ack 1 <nop,nop,TS val 1 ecr 3>", {"options": [("NOP", None)] * 2 + [("Timestamp", (8, 2))]},
     "options <nop,nop,TS val 1 ecr 3> were expected, they are <nop,nop,TS val 8 ecr 2>"),
    ("> udp (3)", {}, "a UDP datagram was expected, a TCP segment came")])
def test_the_first_difference_is_told(expected, wire_has, said):
    assert compare.difference(packet(expected), left(**{"flags": "A", "seq": 71, "ack": 1, **wire_has}), flow(70)) == said


@pytest.mark.parametrize("expected, wire_has", [
    ("> . 1:1(0) ack 1", {}), ("> . 1:1(0) ack 1 <...>", {"options": [("MSS", 5)]}), ("> [noecn] . 1:1(0) ack 1", {}),
    ("> [ect01] . 1:1(0) ack 1", {"tos": 1}), ("> .6 1:1(0) ack 1", {"flags": "ACN"}),
    ("> . 1:1(0) ack 1 <nop,nop,sack 3:5>", {"options": [("NOP", None)] * 2 + [("SAck", (3, 5))]}),
    ("> . 1:1(0) ack 1 <nop,nop,TS val 1 ecr 2>", {"options": [("NOP", None)] * 2 + [("Timestamp", (8, 2))]})])
def test_what_a_script_does_not_say_may_be_anything(expected, wire_has):
    assert compare.difference(packet(expected), left(**{"flags": "A", "seq": 71, "ack": 1, **wire_has}), flow(70)) is None


def test_a_time_stamp_that_leaves_is_remembered_for_its_echo():
    f = flow(70)
    seen = left(flags="A", seq=71, ack=1, options=[("NOP", None), ("NOP", None), ("Timestamp", (8, 2))])
    compare.difference(packet("> . 1:1(0) ack 1 <nop,nop,TS val 100 ecr 2>"), seen, f)
    assert f.live_ecr(100) == 8 and f.live_ecr(101) == 9


def test_frames_that_a_script_cannot_speak_of_are_left_out():
    assert wire.frame_in(1, bytes(Ether(src=PEER_MAC, dst=OUR_MAC) / ARP(psrc="192.0.2.1", hwsrc=PEER_MAC))) is None
    assert wire.frame_in(1, bytes(Ether(src=PEER_MAC, dst=OUR_MAC, type=0x0800))) is None


def test_broken_options_of_what_left_are_shown_as_they_are():
    assert wire.options_in(b"\x02\x04\x05") == (Option("mss", data=b"\x04\x05"),)
    assert wire.options_in(b"\x63\x03\x01\x00") == (Option("kind99", data=b"\x01"), Option("eol"))


@pytest.mark.parametrize("text", ["< S 0:0(0) win 1 <mss 1460,sackOK,nop,nop>",
                                  "> . 1:1001(1000) ack 5 win 7 urg 3", "> FP. 1:1(0) ack 1 <...>",
                                  "< udp (100)", "> icmp unreachable port_unreachable", "> R 5:5(0)", "> - 5:5(0)",
                                  "> . 1:1(0) ack 1 <nop,nop,TS val 1 ecr 2,sack 1:2 3:4,FO abcd,eol,eol>"])
def test_a_packets_text_is_what_a_script_says(text):
    assert compare.text(packet(text)) == text
