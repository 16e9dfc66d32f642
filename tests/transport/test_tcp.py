"""TCP as far as it goes: refusals and RST, to the byte.  More of the kernel's own answers are in tests/network/test_linux_6_18.py."""
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from rxpath.abi.numbers import Out

from ..frames import PEER, US, eth, ip, ip4, tcp

SYN, FIN, RST, ACK = 2, 1, 4, 16


def segment(**fields):
    return eth(ip(tcp(**fields), proto=6))


@pytest.mark.parametrize("fields, seq, ack, flags", [
    ({"flags": SYN, "seq": 100}, 0, 101, "RA"),
    ({"flags": SYN | FIN, "seq": 0xFFFFFFFF}, 0, 1, "RA"),
    ({"flags": FIN, "seq": 5, "payload": b"hello"}, 0, 11, "RA"),
    ({"flags": ACK, "seq": 5, "ack": 0x80000001}, 0x80000001, 0, "R"),
    ({"flags": SYN | ACK, "ack": 7}, 7, 0, "R"),
])
def test_a_segment_of_no_connection_is_reset_to_the_byte(lab, fields, seq, ack, flags):
    host = lab().listen()
    host.send(segment(dport=81, **fields)).run()
    [rst] = host.left(Out.TX)
    assert rst.data == bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=US, dst=PEER, id=0, flags="DF", ttl=64)
                             / TCP(sport=81, dport=40000, seq=seq, ack=ack, flags=flags, window=0))
    assert host.ends() == {"NO_SOCKET": 1}
    assert host.mib() == {"Ip.InReceives": 1, "Ip.InDelivers": 1, "Tcp.InSegs": 1, "Tcp.OutSegs": 1, "Tcp.OutRsts": 1}


def test_a_reset_is_never_answered(lab):
    host = lab().listen()
    host.send(segment(dport=81, flags=RST), segment(dport=81, flags=RST | ACK)).run()
    assert host.left(Out.TX) == []
    assert host.ends() == {"NO_SOCKET": 2}


def test_a_syn_to_a_listener_is_answered(lab):
    host = lab().listen()
    host.boot.tcp_listener(0, 80)
    host.send(segment(dport=80)).run()
    assert host.ends() == {"CONSUMED": 1}
    assert host.mib() == {"Ip.InReceives": 1, "Ip.InDelivers": 1, "Tcp.InSegs": 1, "Tcp.OutSegs": 1}
    [answer] = host.left(Out.TX)
    assert str(Ether(answer.data)[TCP].flags) == "SA" and Ether(answer.data)[TCP].ack == 2


@pytest.mark.parametrize("flags, ends, replies", [
    (ACK, "TCP_FLAGS", 1), (RST, "TCP_RESET", 0), (RST | ACK, "TCP_FLAGS", 0), (SYN | FIN, "TCP_FLAGS", 0), (0, "TCP_FLAGS", 0)])
def test_a_listener_takes_nothing_but_syn(lab, flags, ends, replies):
    host = lab().listen()
    host.boot.tcp_listener(ip4(US), 80)
    host.send(segment(dport=80, flags=flags)).run()
    assert host.ends() == {ends: 1}
    assert len(host.left(Out.TX)) == replies


def test_a_listener_on_another_address_or_device_does_not_hear(lab):
    host = lab()
    host.boot.tcp_listener(ip4("10.0.0.2"), 80)
    host.boot.tcp_listener(0, 81, bound_dev=7)
    host.send(segment(dport=80), segment(dport=81)).run()
    assert host.ends() == {"NO_SOCKET": 2}


def test_checksums_are_verified_where_the_nic_did_not(lab):
    host = lab()
    host.boot.tcp_listener(0, 80)
    host.send(*[segment(dport=port, check=1, payload=b"z" * n) for port in (80, 81) for n in (0, 500)]).run()
    assert host.ends() == {"TCP_CSUM": 4}
    assert host.mib()["Tcp.InCsumErrors"] == host.mib()["Tcp.InErrs"] == 4


def test_segments_that_gro_has_merged_share_their_end(lab):
    host = lab(itr_ns=100_000).listen()
    host.net.dev[0].gro = 1
    host.send(*[segment(dport=81, flags=ACK, seq=1 + 100 * n, ack=5, payload=b"d" * 100) for n in range(4)], gap=100).run()
    assert host.ends() == {"NO_SOCKET": 4}
    assert host.mib()["Tcp.InSegs"] == host.mib()["Ip.InReceives"] == len(host.left(Out.TX)) == 1
