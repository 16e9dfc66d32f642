"""Several cards in one host: each has its rings of the one pool, its filters, its hash, its device."""
import pytest

from rxpath.abi.mib import DevStat
from rxpath.abi.numbers import Out
from rxpath.drivers.igb_ethtool import ethtool_stats
from rxpath.drivers.igb_open import set_rx_fifo
from rxpath.drivers.net_device import ring_stats
from rxpath.network.ip_tables_setup import load_rules
from rxpath.workbench.host.iptables import flat, read

from ..frames import arp, ip4, udp_frame

SECOND_MAC, SECOND, PEER2 = bytes.fromhex("020000000002"), "10.1.0.1", "10.1.0.2"


def two(lab, **options):
    host = lab(cards=2, **options)
    host.boot.add_address(ip4(SECOND), 24, 2)
    return host


def to_second(payload=b"x" * 64, src=PEER2, **fields):
    return udp_frame(payload, src=src, dst=SECOND, mac=SECOND_MAC, **fields)


def test_each_card_takes_its_own_frames_into_its_own_rings(lab):
    host = two(lab, queues=2)
    app = host.app(host.udp(5000))
    host.send(udp_frame(), udp_frame(sport=40001)).send(to_second(), to_second(sport=40001), to_second(sport=40002), card=1)
    host.run()
    assert host.ends() == {"RECEIVED": 5} and host.net.thread[app].received == 5
    assert [sum(host.net.ring[q].arrived for q in pool) for pool in (range(2), range(2, 4))] == [2, 3]
    assert [host.net.dev_stat[0][dev][DevStat.rx_packets] + host.net.dev_stat[1][dev][DevStat.rx_packets] for dev in (0, 1, 2)] == [2, 0, 3]
    assert [ethtool_stats(host.net, card)["rx_packets"] for card in (0, 1)] == [2, 3]


def test_the_other_cards_mac_passes_no_filter(lab):
    host = two(lab)
    host.udp(5000)
    host.send(to_second()).send(udp_frame(), card=1)
    host.run()
    assert host.ends() == {"NIC_FILTER": 2} and [host.net.ring[q].filtered for q in (0, 1)] == [1, 1]


def test_a_full_ring_is_that_cards_loss(lab):
    host = two(lab, ring=64)
    host.udp(5000)
    host.boot.netdevs[1].close()
    host.boot.netdevs[1].ethtool("set_ringparam", rx=128)
    host.boot.netdevs[1].open()
    assert [host.net.ring[q].size for q in (0, 1)] == [64, 128]
    host.send(*[to_second() for _ in range(300)], gap=100, card=1)
    host.run()
    assert ring_stats(host.net, 0)["rx_missed_errors"] == 0 < ring_stats(host.net, 1)["rx_missed_errors"] == host.net.ring[1].missed


def test_a_packet_buffer_of_its_own(lab):
    host = two(lab, ring=64)
    app = host.app(host.udp(5000))
    set_rx_fifo(host.boot.netdevs[1], 64 << 10)
    host.send(*[f for _ in range(100) for f in (udp_frame(),)], gap=100).send(*[to_second() for _ in range(100)], gap=100, card=1)
    host.run()
    assert [host.net.ring[card].pb for card in (0, 1)] == [-1, 1] and host.net.buffer[1].size == 64 << 10
    assert host.net.ring[0].no_buffer == 0 < host.net.ring[1].no_buffer and host.net.ring[1].missed == 0
    assert host.net.thread[app].received == 100 + 100 - host.net.ring[0].missed


def test_a_knob_of_a_card_acts_from_now_on(lab):
    """What had arrived by then met the card as it was."""
    host = two(lab)
    host.app(host.udp(5000))
    host.send(to_second(), card=1).run(host.t + 1)
    host.boot.netdevs[1].close()                     # it was in the ring
    host.send(udp_frame()).run()
    assert host.ends() == {"RX_RESET": 1, "RECEIVED": 1}


def test_strict_rp_filter_knows_the_right_card(lab):
    """The way back to a source leads by one card: from the other strict refuses it, loose does not."""
    host = two(lab)
    host.app(host.udp(5000))
    host.net.dev[2].rp_filter = 1
    host.send(to_second(src=PEER2), to_second(src="10.0.0.9"), card=1)
    host.run()
    assert host.ends() == {"RECEIVED": 1, "IP_RPFILTER": 1}
    host.net.dev[2].rp_filter = 2
    host.send(to_second(src="10.0.0.9"), card=1)
    host.run()
    assert host.ends() == {"RECEIVED": 2, "IP_RPFILTER": 1}


def test_arp_is_answered_by_the_card_that_was_asked(lab):
    host = two(lab).listen()
    host.send(arp(spa=PEER2, tpa=SECOND), card=1)
    host.run()
    sent = host.left(Out.TX)
    assert len(sent) == 1 and sent[0].data[6:12] == SECOND_MAC
    assert host.net.tx[1].packets == 1 and host.net.tx[0].packets == 0


def test_a_rule_names_its_interface(lab):
    host = two(lab)
    host.app(host.udp(5000))
    rules = read.parse("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i eth1 -p udp -j DROP\nCOMMIT")
    load_rules(host.boot, flat.flatten(rules, "eth0", "lo", "eth1"))
    host.send(udp_frame()).send(to_second(), card=1)
    host.run()
    assert host.ends() == {"RECEIVED": 1, "NETFILTER_DROP": 1}


def test_a_socket_that_is_bound_to_one_card_hears_nothing_of_the_other(lab):
    host = two(lab)
    sk = host.udp(5000)
    host.net.socks[sk].bound_dev = host.net.dev[2].ifindex
    host.app(sk)
    host.send(udp_frame()).send(to_second(), card=1)
    host.run()
    assert host.ends() == {"RECEIVED": 1, "NO_SOCKET": 1}


def test_the_last_card_grows(lab):
    host = two(lab)
    host.app(host.udp(5000))
    host.boot.netdevs[1].ethtool("set_channels", combined=4)
    host.boot.netdevs[1].ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    host.queues = 5
    host.send(*[to_second(sport=40000 + i) for i in range(40)], card=1)
    host.run()
    assert host.ends() == {"RECEIVED": 40} and host.net.nring == 5
    assert host.net.ring[0].arrived == 0 and sum(host.net.ring[q].arrived > 0 for q in range(1, 5)) >= 3


def test_more_queues_than_there_are_rings():
    from ..lab import Lab
    host = Lab(cards=2, queues=8)
    with pytest.raises(ValueError, match="at most 64"):
        host.boot.igb_open(8, 256, [0], card=2, first=60)


@pytest.mark.parametrize("queues", [1, 2])
def test_running_ahead_equals_one_step(lab, queues):
    seen = []
    for one_step in (False, True):
        host = two(lab, queues=queues, one_step=one_step, ring=64)
        app = host.app(host.udp(5000), service=900)
        for i in range(150):
            host.send(udp_frame(sport=40000 + i), gap=400).send(to_second(sport=50000 + i), gap=300, card=1)
        host.run()
        seen.append((host.net.thread[app].latency_hash, host.ends(), [host.net.cpu[c].softirq_ns for c in (0, 1)]))
    assert seen[0] == seen[1]
