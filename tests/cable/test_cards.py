"""Which card of a host a frame of a capture is for."""
import struct

import pytest

from rxpath.cable.capture import Capture
from rxpath.cable.receiver import Card, Receiver
from rxpath.network import setup as network
from rxpath.vtime import engine

from ..frames import MAC_US, ip, ip4, udp, udp_frame

SECOND_MAC, SECOND, PEER2 = bytes.fromhex("020000000002"), "10.1.0.1", "10.1.0.2"
CARDS = [Card("eth0", int.from_bytes(MAC_US, "big")), Card("eth1", int.from_bytes(SECOND_MAC, "big"))]


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def interface(name=None):
    options = b"" if name is None else struct.pack("<HH", 2, len(name)) + name + bytes(-len(name) % 4) + bytes(4)
    return block(1, struct.pack("<HHI", 1, 0, 65535) + options)


def packet(i, frame, t):
    return block(6, struct.pack("<IIIII", i, 0, t, len(frame), len(frame)) + frame)


def replay(lab, tmp_path, content, queues=1):
    host = lab(cards=2, queues=queues)
    network.add_address(host.boot, ip4(SECOND), 24, 2)
    host.app(host.udp(5000))
    path = tmp_path / "c.pcapng"
    path.write_bytes(content)
    plain = host.boot.plain
    with Capture(path, receiver=Receiver(mac=CARDS[0].mac), start_ns=1000, plain=plain) as capture:
        capture.cards(CARDS)
        capture.attach(host.net)
        while capture.load():
            host.call(engine.run)(host.net, capture.until, 0)
            capture.consume()
        host.call(engine.run)(host.net, capture.until + 50_000_000, 0)
        host.sent = host.net.offered
        counts = capture.counts()
    return host, counts


SHB = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
HERE, THERE = udp_frame(), udp_frame(src=PEER2, dst=SECOND, mac=SECOND_MAC)


@pytest.mark.parametrize("faces, order", [
    ([b"eth0", b"eth1"], (0, 1)), ([b"eth1", b"eth0"], (1, 0)),        # by name
    ([None, None], (0, 1)), ([b"ens3", b"ens4"], (0, 1)),              # else by order
    ([b"eth1", None], (1, 1)),                                         # one by name, one by order
    ([b"eth10", b"eth"], (0, 1)),                                      # a name is the whole name
])
def test_an_interface_of_a_file_is_the_card_of_its_name_else_of_its_order(lab, tmp_path, faces, order):
    content = SHB + b"".join(map(interface, faces))
    content += b"".join(packet(i, (HERE, THERE)[card], 10 * i) for i, card in enumerate(order))
    host, counts = replay(lab, tmp_path, content)
    assert host.ends() == {"RECEIVED": 2} and counts["offered"] == 2
    assert [host.net.ring[q].arrived for q in (0, 1)] == [order.count(0), order.count(1)]


def test_more_interfaces_than_cards_are_the_first_cards(lab, tmp_path):
    content = SHB + interface() * 3 + packet(0, HERE, 0) + packet(1, THERE, 10) + packet(2, HERE, 20)
    host, _ = replay(lab, tmp_path, content)
    assert host.ends() == {"RECEIVED": 3} and [host.net.ring[q].arrived for q in (0, 1)] == [2, 1]


def test_what_either_card_sends_is_not_offered(lab, tmp_path):
    sent = MAC_US + SECOND_MAC + THERE[12:]
    host, counts = replay(lab, tmp_path, SHB + interface() * 2 + packet(1, sent, 0) + packet(1, THERE, 10))
    assert counts["own"] == 1 and host.ends() == {"RECEIVED": 1}


def test_a_cooked_capture_of_all_interfaces_goes_by_its_ifindexes(lab, tmp_path):
    def cooked(ifindex, src, dst):
        head = struct.pack(">HHIHBB8s", 0x0800, 0, ifindex, 1, 0, 6, bytes.fromhex("0200000000020000"))
        return head + ip(udp(b"x" * 20, src=src, dst=dst), src, dst)
    content = SHB + block(1, struct.pack("<HHI", 276, 0, 65535))
    content += packet(0, cooked(3, "10.0.0.2", "10.0.0.1"), 0) + packet(0, cooked(7, PEER2, SECOND), 10)
    content += packet(0, cooked(7, PEER2, SECOND), 20) + packet(0, cooked(9, "10.0.0.2", "10.0.0.1"), 30)
    host, _ = replay(lab, tmp_path, content)
    assert [host.net.ring[q].arrived for q in (0, 1)] == [2, 2] and host.ends() == {"RECEIVED": 4}
