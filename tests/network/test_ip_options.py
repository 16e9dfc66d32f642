"""Options of what arrives: what this host enters, and what its answers carry.  Every expectation was seen on Linux 6.18 (rxpath judge)."""
from rxpath.abi.mib import Mib
from rxpath.abi.numbers import Out

from ..frames import PEER, US, eth, icmp, ip, ip4, tcp, udp


def address(text):
    return ip4(text).to_bytes(4, "big")


def answers(host, *frames):
    host.listen().send(*frames).run()
    return [o.data for o in host.left(Out.TX)]


def options(frame):
    return frame[34:14 + (frame[14] & 15) * 4]


RR2 = b"\x07\x0b\x04" + bytes(8) + b"\0"
OTHER = "10.0.0.3"


def test_an_echo_reply_carries_the_record_route_with_both_of_our_entries(lab):
    reply, = answers(lab(), eth(ip(icmp(), proto=1, options=RR2)))
    assert options(reply) == b"\x07\x0b\x0c" + address(US) * 2 + b"\0"
    assert reply[14] == 0x48 and int.from_bytes(reply[16:18], "big") == len(reply) - 14


def test_no_room_for_the_answers_own_entry_means_no_answer(lab):
    half = b"\x07\x09\x04" + bytes(6) + b"\0\0\0"
    assert answers(lab(), eth(ip(icmp(), proto=1, options=half))) == []


def test_an_error_quotes_the_header_as_this_host_has_left_it_and_carries_the_options(lab):
    error, = answers(lab(), eth(ip(udp(b"x", dport=9), options=b"\x07\x07\x04" + bytes(5))))
    filled = b"\x07\x07\x08" + address(US) + b"\0"
    assert options(error) == filled
    assert error[14 + 28 + 8 + 20:][:8] == filled


def test_an_answer_goes_back_through_the_source_route(lab):
    from rxpath.network import setup
    host = lab()
    host.net.dev[0].accept_source_route = 1
    setup.add_neighbour(host.boot, ip4(OTHER), 0x020000000003)
    through = b"\x83\x0b\x0c" + address("10.0.0.4") + address(OTHER) + b"\0"
    for frame in answers(host, eth(ip(icmp(), proto=1, options=through)), eth(ip(tcp(flags=2), proto=6, options=through))):
        assert frame[30:34] == address(OTHER) and frame[:6] == bytes.fromhex("020000000003")
        assert options(frame) == b"\x83\x0b\x04" + address("10.0.0.4") + address(PEER) + b"\0"


def test_only_the_first_piece_of_a_long_answer_carries_what_is_not_copied(lab):
    host = lab()
    data = icmp(payload=b"e" * 1464)
    first, second = answers(host, eth(ip(data[:1400], proto=1, frag=0x2000, options=RR2)),
                            eth(ip(data[1400:], proto=1, frag=175, options=RR2)))
    assert options(first)[0] == 7 and options(second) == b"\x01" * 11 + b"\0"
    assert sum(host.net.snmp[c][Mib.Ip_OutRequests] for c in range(host.cpus)) == 1


def test_what_makes_no_sense_is_not_echoed_but_what_stands_before_it_is(lab):
    problem, = answers(lab(), eth(ip(icmp(), proto=1, options=b"\x07\x07\x08" + bytes(4) + b"\x01" + b"\x44\x04\x04\0")))
    assert options(problem) == b"\x07\x07\x08" + bytes(4) + b"\0"
    assert problem[14 + 28 + 4] == 30
