"""ARP: answered to the byte, neighbours learnt.  More of the kernel's own answers are in test_linux_6_18.py."""
from scapy.layers.l2 import ARP, Ether

from rxpath.abi.numbers import Out
from rxpath.link import setup as link
from rxpath.network import setup

from ..frames import MAC_US, arp, eth, icmp, ip, ip4

OTHER = bytes.fromhex("020000000055")


def test_a_request_for_our_address_is_answered_to_the_byte(lab):
    host = lab().listen()
    host.send(arp()).run()
    [reply] = host.left(Out.TX)
    assert reply.data == bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
                               / ARP(op=2, hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", hwdst="02:00:00:00:00:02", pdst="10.0.0.2"))
    assert host.ends() == {"CONSUMED": 1}


def test_a_request_for_another_is_consumed_in_silence(lab):
    host = lab().listen()
    host.send(arp(tpa="10.0.0.9")).run()
    assert host.ends() == {"CONSUMED": 1}
    assert host.left(Out.TX) == []
    assert host.net.nneigh == 0


def test_who_asks_is_learnt_and_moves(lab):
    host = lab().listen()
    host.send(arp(sha=OTHER), eth(ip(icmp(), proto=1))).run()
    assert Ether(host.left(Out.TX)[1].data).dst == "02:00:00:00:00:55"
    host.run(host.t + 1_100_000_000)                 # locktime: not before
    host.send(arp(op=2, sha=bytes.fromhex("020000000066"), dst=MAC_US), eth(ip(icmp(), proto=1))).run()      # an answer moves it
    assert Ether(host.left(Out.TX)[2].data).dst == "02:00:00:00:00:66"
    assert host.net.nneigh == 1


def test_a_gratuitous_one_changes_who_is_known_but_adds_nobody(lab):
    host = lab()
    host.send(arp(spa="10.0.0.8", tpa="10.0.0.8")).run()
    assert host.net.nneigh == 0
    setup.add_neighbour(host.boot, ip4("10.0.0.8"), 1)
    host.send(arp(sha=OTHER, spa="10.0.0.8", tpa="10.0.0.8")).run()
    assert host.net.neigh[0].mac == 0x020000000055


def test_knobs_of_the_device(lab):
    for knob, value, frame, ends in (("drop_gratuitous_arp", 1, arp(tpa="10.0.0.2"), {"NOT_SPECIFIED": 1}),
                                     ("arp_ignore", 8, arp(), {"CONSUMED": 1}), ("arp_ignore", 1, arp(tpa="10.0.0.5"), {"CONSUMED": 1})):
        host = lab().listen()
        host.boot.add_address(ip4("10.0.0.5"), 24)
        setattr(host.net.dev[0], knob, value)
        host.send(frame).run()
        assert host.ends() == ends
        assert host.left(Out.TX) == []


def test_without_its_handler_arp_is_an_unknown_protocol(lab):
    host = lab()
    link.dev_remove_pack(host.boot, *link.packet_types(host.boot, 0x0806))
    host.send(arp()).run()
    assert host.ends() == {"UNHANDLED_PROTO": 1}
    link.dev_add_pack(host.boot, 0x0806)
    host.send(arp()).run()
    assert host.ends() == {"UNHANDLED_PROTO": 1, "CONSUMED": 1}
