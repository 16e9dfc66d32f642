"""How a conversation's segments look, and how what came of it is told."""
import pytest

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge import run
from rxpath.workbench.judge.case import Case, Observation, Received, Recv
from rxpath.workbench.judge.compare import Difference, without_merged
from rxpath.workbench.judge.hosts import host
from rxpath.workbench.judge.tcp import generated, talk, transcript, wire
from rxpath.workbench.judge.tcp import steps as s
from rxpath.workbench.judge.tcp.build import dial, flat, read, row, seg

PEER_FIRST, HOST_FIRST = s.PEER_ISN + 1, 77


def sent(payload=b"", flags="A", options=b"", **more):
    """A segment from the host."""
    fields = {"sport": 80, "dport": 20001, "seq": HOST_FIRST, "ack": PEER_FIRST + 1000, "window": 63, **more}
    return f.eth(f.ip(f.tcp(payload, flags=wire.flag_bits(flags), options=options, src=f.US, dst=f.PEER, **fields), f.US, f.PEER, 6))


def line(frame, scale=10):
    return wire.line(wire.parsed(frame), PEER_FIRST, HOST_FIRST, scale)


def test_a_reply_is_told_relative_to_both_ends():
    assert line(sent()) == ". seq 0 ack 1000 win 64512"
    assert line(sent(seq=HOST_FIRST - 1, ack=PEER_FIRST, flags="SA", window=65160, options=wire.syn_options(1460, 10, True, 5))) == (
        "S. seq -1 ack 0 win 65160 <mss 1460,sackOK,ts ecr 0,nop,wscale 10>")
    assert line(sent(options=wire.timestamps(99, 1002) + wire.sack_blocks(((PEER_FIRST + 2000, PEER_FIRST + 2500),)))) == (
        ". seq 0 ack 1000 win 64512 <nop,nop,ts ecr 1002,nop,nop,sack 2000:2500>")
    assert line(sent(b"abc", "PA", seq=HOST_FIRST + 10)) == "P. seq 10 ack 1000 win 64512 len 3"


def test_a_number_of_the_sequence_may_wrap():
    assert wire.relative(5, 0xFFFFFFF0) == 21 and wire.relative(0xFFFFFFF0, 5) == -21


def test_only_what_may_differ_is_not_in_the_line():
    one, other = (sent(options=wire.timestamps(value, 7)) for value in (1, 2))
    assert line(one) == line(other)
    assert line(sent(options=wire.timestamps(1, 8))) != line(one)
    assert line(sent(window=64)) != line(sent())
    assert "ttl 63" in line(f.eth(f.ip(sent()[34:], f.US, f.PEER, 6, ttl=63)))
    assert "frag 0000" in line(f.eth(f.ip(sent()[34:], f.US, f.PEER, 6, frag=0)))
    broken = bytearray(sent())
    broken[50] ^= 1
    assert "(checksum)" in line(bytes(broken))
    assert "fo 8" in line(sent(options=wire.padded(bytes((34, 10)) + b"cookie12")))


def test_a_reset_of_a_segment_without_ack_has_no_number():
    assert line(sent(flags="RA", seq=0, window=0)) == "R. without seq ack 1000 win 0"


def test_what_is_no_segment_is_none():
    assert wire.parsed(f.udp_frame()) is None and wire.parsed(f.arp()) is None


def test_the_stream_shows_where_its_bytes_lie():
    assert wire.stream(0, 600)[250:350] == wire.stream(250, 100)
    got = talk.Talk.received(Received(wire.stream(500, 20), length=20))
    assert got == "20: 249+20"
    assert talk.Talk.received(Received(wire.stream(9, 5) + b"\xff", length=6, flags=("MSG_TRUNC",))) == "6: 9+5 255+1 MSG_TRUNC"
    assert wire.told(b"\5\5\5\5\5\5\5\5") == "5+1 " * 7 + "5+1" and wire.told(b"\5" * 9) == "9 pieces, CRC 12635cf2"
    assert talk.Talk.received(Received(errno="EAGAIN")) == "EAGAIN" and talk.Talk.received(Received()) == "EOF"


def test_flags_are_letters_and_dots():
    assert wire.flag_letters(wire.flag_bits("FSRPAUEC")) == "FSRP.UEC" and wire.flag_letters(0) == "none"
    with pytest.raises(ValueError):
        wire.flag_bits("X")


class Silent:
    """A machine that says nothing; what is sent is kept."""

    def __init__(self):
        self.sockets, self.drops, self.sent = {}, {}, []

    def send(self, frames, number, seen):
        self.sent += frames

    def replied(self, seen):
        if len(self.sent) == 1:
            seen.replies.append(sent(seq=HOST_FIRST - 1, ack=PEER_FIRST, flags="SA", window=65160,
                                     options=wire.syn_options(1460, 10, True, 5)))

    def read(self, seen, waited=False):
        pass


def test_a_conversation_numbers_its_segments_from_what_the_host_has_said():
    machine = Silent()
    conversation = talk.Talk(machine)
    conversation.ports["l"] = 80
    case = Case("x", "transport", host(sockets=[]), flat([s.Handshake("c", accept=False), seg("PA", 0, 3, count=2), seg("R", 9, ack=None)]))
    seen = conversation.play(case)
    syn, ack, first, second, reset = (wire.parsed(frame) for frame in machine.sent)
    assert (syn.seq, syn.flags, syn.ack) == (s.PEER_ISN, 2, 0)
    assert (ack.seq, ack.ack) == (PEER_FIRST, HOST_FIRST) and ack.options[-1][1] == b"\0\0\3\xe9\0\0\0\5"
    assert (first.data, second.seq, second.data) == (wire.stream(0, 3), PEER_FIRST + 3, wire.stream(3, 3))
    assert (reset.seq, reset.ack, reset.flags) == (PEER_FIRST + 9, 0, 4)
    assert all(not reply.odd for reply in (syn, ack, first, second, reset))
    assert seen.answers == [("0 reply 0", "S. seq -1 ack 0 win 65160 <mss 1460,sackOK,ts ecr 0,nop,wscale 10>")]


def test_a_transcript_has_a_block_for_each_cause():
    steps = flat([dial(), row("data", seg("PA", 0, 10), read())])
    case = Case("talk", "transport", host(sockets=[]), steps, by_step=True)
    seen = Observation(answers=[("0 Open l", ""), ("3 reply 0", ". ack"), ("3 counters Ip.InReceives", 1), ("3 counters Tcp.InErrs", 1),
                                ("4 Recv c 0", "10 from 0 on")])
    assert isinstance(steps[4], Recv)
    assert list(transcript.lines(case, seen)) == ["== talk", "# data", "   3 reply 0: . ack", "   3 counters Tcp.InErrs: 1",
                                                  "   4 Recv c 0: 10 from 0 on", ""]


def test_generated_conversations_of_a_seed_are_always_the_same_and_end_with_a_reset():
    first, again, other = (list(generated.block(seed, 3)) for seed in (1, 1, 2))
    assert first == again and [c.steps for c in first] != [c.steps for c in other]
    for case in first:
        assert case.steps[-1].flags == "R" and case.steps[-1].follows
        held = [step for step in case.steps if isinstance(step, (s.Hold, s.Release))]
        assert [isinstance(step, s.Hold) for step in held] == [i % 2 == 0 for i in range(len(held))] and len(held) % 2 == 0
    assert sum(step.count for case in generated.block(1, 0) for step in case.steps if isinstance(step, s.Segment)) > 300
    assert len(list(generated.block(1, 0, 10))) < 3


def test_no_generated_segment_is_longer_than_the_mtu():
    for number in range(10):
        for case in generated.block(5, number):
            for step in case.steps:
                if isinstance(step, s.Segment):
                    options = 12 if step.options is None else len(step.options)
                    assert step.data + options + 40 <= 1500


def test_more_drops_of_joined_segments_are_no_difference_and_others_are():
    kernel = Observation(answers=[("4 counters TcpExt.TCPRcvCoalesce", 1)])
    found = [Difference(f"answer {n} drops TCP_OFOMERGE @ x", a, b) for n, a, b in ((3, 2, 1), (4, 2, 1), (9, 1, 2), (9, 1, 0))]
    assert without_merged(found, kernel) == [found[0], found[2], found[3]]
    assert without_merged(found, Observation()) == found


def test_of_a_conversation_the_first_step_that_differs_is_told():
    found = [Difference(f"answer {n} {what}", 1, 2) for n, what in ((12, "reply 0"), (9, "memory c"), (9, "counters a"), (10, "b"))]
    assert run.first_step(found) == found[1:3]
