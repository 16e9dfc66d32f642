"""The card: what it takes, which queue, what it verifies, and when it interrupts."""
import ipaddress
import struct

import pytest

from rxpath.abi.numbers import CHECKSUM_NONE, CHECKSUM_UNNECESSARY, FEED_CSUM_GOOD, FEED_RX_ERROR
from rxpath.drivers.igb_ethtool import ethtool_stats
from rxpath.drivers.net_device import dev_mc_add, multicast_mac, ring_stats
from rxpath.drivers.rss import rss_hash_of
from rxpath.vtime import feed

from ..frames import MAC_PEER, eth, fragments, ip, ip4, tcp, udp, udp_frame

OTHER = bytes.fromhex("02000000aaaa")
GROUP = bytes.fromhex("01005e010203")


def put(host, frame, flags=0, length=None):
    """One frame with flags, or cut by a snap length."""
    host.t += 1000
    host.feed[host.at:host.at + len(frame)] = frame
    assert host.call(feed.feed_frame)(host.net, host.t, host.at, length or len(frame), len(frame), flags, 0)
    host.at += len(frame) + 15 & ~15
    host.sent += 1


# ---------------------------------------------------------------- filter
def test_frames_for_others_are_filtered_without_an_skb_unless_promiscuous(lab):
    host = lab()
    host.udp(5000)
    frame = eth(ip(udp(b"x")), dst=OTHER)
    host.send(frame)
    host.run()
    assert host.ends() == {"NIC_FILTER": 1}
    host.boot.netdev.ndo("ndo_set_rx_mode", True)
    host.send(frame)
    host.run()
    assert host.ends() == {"NIC_FILTER": 1, "OTHERHOST": 1}


def test_a_knob_of_the_filter_acts_at_the_time_at_which_it_is_turned(lab):
    host = lab()
    frame = eth(ip(udp(b"x")), dst=OTHER)
    host.send(frame, at=10_000)
    host.send(frame, at=90_000)
    host.run(50_000)
    host.boot.netdev.ndo("ndo_set_rx_mode", True)
    host.run(200_000)
    assert host.ends() == {"NIC_FILTER": 1, "OTHERHOST": 1}


def test_multicast_passes_by_table_by_allmulti_and_broadcast_always(lab):
    host = lab()
    ring = host.net.ring[0]
    frame = eth(b"\0" * 50, dst=GROUP, proto=0x88B5)
    host.send(frame)
    host.run()
    assert ring.filtered == 1
    dev_mc_add(host.boot.netdev, multicast_mac(ip4("239.1.2.3")))
    host.send(frame)
    host.run()
    assert (ring.filtered, ring.multicast) == (1, 1)
    other = eth(b"\0" * 50, dst=bytes.fromhex("01005e000009"), proto=0x88B5)
    host.send(other)
    host.run()
    assert ring.filtered == 2
    host.boot.netdev.ndo("ndo_set_rx_mode", None, True)
    host.send(other, eth(b"\0" * 50, dst=b"\xff" * 6, proto=0x88B5))
    host.run()
    stats = ethtool_stats(host.net)
    assert (ring.filtered, stats["rx_multicast"], stats["rx_broadcast"]) == (2, 2, 1)


def test_more_groups_than_places_let_all_multicast_pass(lab):
    host = lab()
    host.boot.netdev.ndo("ndo_set_rx_mode", None, None, [0x01005E000100 + i for i in range(65)])
    host.send(eth(b"\0" * 50, dst=GROUP, proto=0x88B5))
    host.run()
    assert host.net.ring[0].filtered == 0


def test_a_new_mac_is_filtered_for_at_once(lab):
    host = lab()
    host.udp(5000)
    host.boot.netdev.ndo("ndo_set_mac_address", int.from_bytes(OTHER, "big"))
    host.send(udp_frame(), eth(ip(udp(b"x")), dst=OTHER))
    host.run()
    assert host.ends() == {"NIC_FILTER": 1}                     # the other is queued in the socket


def test_frames_too_long_or_too_short_are_length_errors(lab):
    host = lab()
    host.send(eth(b"\0" * 1504, proto=0x88B5), eth(b"\0" * 1505, proto=0x88B5), b"\x02\0\0\0\0\1")
    host.run()
    assert host.ends() == {"UNHANDLED_PROTO": 1, "RX_LENGTH": 2}
    stats = ethtool_stats(host.net)
    assert (stats["rx_long_length_errors"], stats["rx_short_length_errors"], stats["rx_length_errors"]) == (1, 1, 2)
    assert ring_stats(host.net)["rx_errors"] == 2


def test_frames_to_a_device_that_is_down_are_lost_on_the_cable(lab):
    host = lab()
    app = host.app(host.udp(5000))
    host.boot.netdev.close()
    host.send(udp_frame())
    host.run()
    host.call(feed.feed_consume)(host.net, host.t)
    host.boot.netdev.open()
    host.send(udp_frame(b"hello"))
    host.run()
    assert host.ends() == {"LINK_DOWN": 1, "RECEIVED": 1}
    assert host.data(app, 5) == b"hello"


# ---------------------------------------------------------------- RSS: Microsoft's verification suite
VECTORS = (("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
           ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA),
           ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A),
           ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F),
           ("153.39.163.191", 44251, "202.188.127.2", 1303, 0x5D1809C5, 0x10E828A2))
VECTORS6 = (("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2CC18CD5, 0x40207D3D),
            ("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0F0C461C, 0xDDE51BBF),
            ("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4B61E985, 0x02D1FEEF))


def rss(host, frame):
    host.feed[0:len(frame)] = frame
    return host.call(rss_hash_of)(host.net, 0, len(frame))


def test_microsofts_verification_vectors_for_ipv4_and_ipv6_pass(lab):
    host = lab()
    for src, sport, dst, dport, two, four in VECTORS:
        assert rss(host, eth(ip(tcp(b"", sport, dport, src=src, dst=dst), src, dst, proto=6))) == four
        assert rss(host, eth(ip(b"x" * 20, src, dst, proto=47))) == two
        assert rss(host, eth(ip(udp(b"", sport, dport, src, dst), src, dst))) == two, "igb hashes UDP by addresses"
        assert rss(host, eth(ip(tcp(b"", sport, dport, src=src, dst=dst), src, dst, proto=6), vlan=5)) == four
    for src, sport, dst, dport, two, four in VECTORS6:
        for proto, want in ((6, four), (58, two)):
            head = struct.pack(">IHBB", 6 << 28, 20, proto, 64) + ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
            assert rss(host, eth(head + struct.pack(">HH", sport, dport) + b"\0" * 16, proto=0x86DD)) == want


def test_udp_ports_count_after_rx_flow_hash_udp4_sdfn_but_not_in_fragments(lab):
    host = lab()
    src, sport, dst, dport, two, four = VECTORS[0]
    assert host.boot.netdev.ethtool("get_rxnfc", flow="udp4") == "sd"
    host.boot.netdev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    whole = udp(b"y" * 64, sport, dport, src, dst)
    assert rss(host, eth(ip(whole, src, dst))) == four
    for fragment in fragments(whole, [32], src=src, dst=dst):
        assert rss(host, fragment) == two
    host.boot.netdev.ethtool("set_rxnfc", flow="tcp4", fields="sd")
    assert rss(host, eth(ip(tcp(b"", sport, dport, src=src, dst=dst), src, dst, proto=6))) == two
    assert rss(host, eth(b"\0" * 50, proto=0x0806)) == 0


def test_the_indirection_table_chooses_the_queue_by_the_low_seven_bits(lab):
    host = lab(queues=4, cpus=4)
    dev = host.boot.netdev
    assert dev.ethtool("get_rxfh")["indir"] == [i * 4 // 128 for i in range(128)]
    frames = [udp_frame(src=f"10.0.0.{i}") for i in range(2, 60)]
    want = [0] * 4
    for f in frames:
        want[(rss(host, f) & 127) * 4 // 128] += 1
    host.at = 4096
    host.send(*frames)
    host.run()
    assert [host.net.ring[q].arrived for q in range(4)] == want and min(want) > 3
    dev.ethtool("set_rxfh", indir=[3] * 128)
    host.send(*frames)
    host.run()
    assert host.net.ring[3].arrived == want[3] + len(frames)
    with pytest.raises(ValueError, match="each 0 to 3"):
        dev.ethtool("set_rxfh", indir=[4] * 128)


# ---------------------------------------------------------------- checksum offload
def summed(host, frame, flags=0, length=None):
    """ip_summed of the skb that the frame became, as it lies in the socket's queue."""
    put(host, frame, flags, length)
    host.run()
    sk = host.net.socks[0]
    assert sk.qlen
    return host.net.skb[sk.receive_queue.tail].ip_summed


def test_the_card_verifies_and_the_stack_believes_it(lab):
    host = lab()
    host.udp(5000)
    assert summed(host, udp_frame()) == CHECKSUM_UNNECESSARY
    assert summed(host, eth(ip(udp(b"x" * 20, check=0)))) == CHECKSUM_NONE         # no checksum: nothing was verified
    host.boot.netdev.ethtool("set_features", rx_checksumming=False)
    assert summed(host, udp_frame()) == CHECKSUM_NONE
    assert host.net.ring[0].csum_err == 0


def test_a_wrong_checksum_is_counted_by_the_driver_and_dropped_by_the_stack(lab):
    host = lab()
    host.udp(5000)
    host.send(eth(ip(udp(b"x" * 64, check=1))), eth(ip(udp(b"x" * 64), check=7)))
    host.run()
    assert host.ends() == {"UDP_CSUM": 1, "IP_CSUM": 1}
    assert ethtool_stats(host.net)["rx_queue_0_csum_err"] == 2


def test_a_frame_that_its_capture_vouches_for_is_taken_as_good_without_its_bytes(lab):
    host = lab()
    app = host.app(host.udp(5000))
    put(host, udp_frame(b"x" * 200)[:60], FEED_CSUM_GOOD, length=242)
    host.run()
    assert host.ends() == {"RECEIVED": 1}
    assert host.data(app, 200) == b"x" * 18 + bytes(182)


def test_a_fragments_l4_checksum_is_left_to_the_stack(lab):
    host = lab()
    app = host.app(host.udp(5000))
    host.send(*fragments(udp(b"z" * 3000), [1480, 1480]))
    host.run()
    assert host.ends() == {"RECEIVED": 3}
    assert host.data(app, 3000) == b"z" * 3000


def test_a_frame_with_a_receive_error_is_refused_by_igb_cleanup_headers(lab):
    host = lab()
    app = host.app(host.udp(5000))
    put(host, udp_frame(), FEED_RX_ERROR)
    put(host, udp_frame(b"good"))
    host.run()
    assert host.ends() == {"NOT_SPECIFIED": 1, "RECEIVED": 1}
    assert host.dev_stats()["rx_errors"] == 1 and host.data(app, 4) == b"good"


# ---------------------------------------------------------------- VLAN
def test_the_card_strips_the_tag_unless_told_not_to(lab):
    host = lab()
    frame = eth(b"q" * 60, vlan=0x2005, proto=0x88B5, src=MAC_PEER)
    desc = host.net.desc[0]
    host.send(frame)
    host.run(host.t + 200)                                       # in the ring, not yet cleaned
    host.call(feed.feed_consume)(host.net, host.t)
    assert desc[0].vlan == 0x2005 and desc[0].status & 8 and desc[0].length == len(frame) - 4
    buf = desc[0].buf
    assert bytes(host.boot.memory[buf:buf + 74]) == frame[:12] + frame[16:]
    host.run()
    host.boot.netdev.ethtool("set_features", rx_vlan_offload=False)
    host.send(frame)
    host.run(host.t + 200)
    host.call(feed.feed_consume)(host.net, host.t)
    assert desc[1].length == len(frame) and not desc[1].status & 8
    host.run()


def test_every_device_that_is_up_is_in_the_group_of_all_hosts(lab):
    """224.0.0.1 passes the card's filter without anybody having joined; other groups do not."""
    host = lab()
    host.app(host.udp(5000))
    groups = ("224.0.0.1", "224.0.0.2", "239.1.1.1")
    host.send(*[udp_frame(dst=group, mac=multicast_mac(ip4(group)).to_bytes(6)) for group in groups], gap=50_000).run()
    assert host.ends() == {"RECEIVED": 1, "NIC_FILTER": 2}
