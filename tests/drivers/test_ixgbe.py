"""ixgbe: what it does otherwise than igb.  Figures are those of Linux 6.12's source."""
import hashlib

import pytest

from rxpath.abi.limits import NFDIR
from rxpath.abi.mib import Mib
from rxpath.abi.reasons import Drop
from rxpath.drivers import ixgbe_nfc
from rxpath.drivers.igb_open import igb_configure_itr, set_rx_fifo
from rxpath.drivers.ixgbe_itr import LATENCY, ixgbe_itr_by_size, ixgbe_update_itr
from rxpath.drivers.rows import IXGBE, ixgbe_water_marks, x540_water_marks
from rxpath.link.setup import set_rps

from ..frames import eth, fragments, ip, udp, udp_frame


def card(lab, **k):
    return lab(driver="ixgbe", **{"ring": 512, **k})


def posted(ring):
    return ring.next_to_use - ring.next_to_clean


# ---------------------------------------------------------------- the ring
def test_nothing_is_posted_at_the_end_of_a_poll(lab):
    """15 descriptors stay unposted at worst, also between polls: 496 to 511 of 512."""
    host = card(lab)
    host.app(host.udp(5000))
    ring, seen = host.net.ring[0], []
    for _ in range(40):
        host.send(udp_frame())
        host.run(host.t + 1_000_000)
        seen.append(posted(ring))
    assert seen[:18] == [*range(510, 495, -1), 511, 510, 509]
    assert min(seen) == 496 and max(seen) == 511
    same = lab(ring=512)
    same.app(same.udp(5000))
    same.send(udp_frame())
    same.run()
    assert posted(same.net.ring[0]) == 511                       # igb posts what its poll has cleaned


@pytest.mark.parametrize("size", [64, 512, 4096])
def test_a_ring_of_any_size_goes_round_and_loses_nothing(lab, size):
    host = card(lab, ring=size)
    app = host.app(host.udp(5000))
    n = min(size * 2 + 7, 600)
    for i in range(0, n, 40):
        host.send(*[udp_frame(b"%04d" % k) for k in range(i, min(i + 40, n))], gap=3000)
        host.run(host.t + 100_000)
    assert host.ends() == {"RECEIVED": n} and host.data(app, 4) == b"%04d" % (n - 1)


def test_a_full_ring_of_several_queues_is_in_no_standard_counter(lab):
    host = card(lab, ring=64, queues=2)
    host.udp(5000)
    host.send(*[udp_frame() for _ in range(100)], gap=1)
    host.run()
    dev, lost = host.boot.netdev, host.ends()["RX_MISSED"]
    stats = dev.ethtool("get_ethtool_stats")
    assert stats["rx_no_dma_resources"] == lost >= 37 and stats["rx_missed_errors"] == 0
    assert not any(dev.ndo("ndo_get_stats64").values())
    assert stats["rx_packets"] == stats["rx_pkts_nic"] == 100 - lost
    assert stats["rx_bytes_nic"] == stats["rx_bytes"] + 4 * stats["rx_packets"]
    assert sum(stats[f"rx_queue_{q}_packets"] for q in range(2)) == stats["rx_packets"]


def test_a_full_ring_of_one_queue_is_missed(lab):
    host = card(lab, ring=64)
    host.udp(5000)
    host.send(*[udp_frame() for _ in range(100)], gap=1)
    host.run()
    stats = host.boot.netdev.ethtool("get_ethtool_stats")
    assert stats["rx_missed_errors"] == host.ends()["RX_MISSED"] == host.boot.netdev.ndo("ndo_get_stats64")["rx_missed_errors"] > 0
    assert stats["rx_no_dma_resources"] == 0


def test_statistics_have_ixgbes_names_in_its_order(lab):
    names = list(card(lab, queues=2).boot.netdev.ethtool("get_ethtool_stats"))
    assert names[:8] == "rx_packets tx_packets rx_bytes tx_bytes rx_pkts_nic tx_pkts_nic rx_bytes_nic tx_bytes_nic".split()
    assert names[names.index("rx_ipsec") + 1:][:4] == ["tx_queue_0_packets", "tx_queue_0_bytes", "tx_queue_1_packets", "tx_queue_1_bytes"]
    assert names[-2:] == ["rx_pb_7_pxon", "rx_pb_7_pxoff"] and len(names) == len(set(names))


@pytest.mark.parametrize("mtu, high, low", [(1500, 15, 10), (9000, 41, 39)])
def test_water_marks_of_the_packet_buffer(mtu, high, low):
    size = 448 << 10
    assert ixgbe_water_marks(size, mtu) == (size - (high << 10), low << 10)


def test_a_lone_ring_has_a_packet_buffer_that_sends_pause_frames(lab):
    host = card(lab, ring=64)
    host.udp(5000)
    dev = host.boot.netdev
    set_rx_fifo(dev, 64 << 10)
    dev.ethtool("set_pauseparam", tx=True)
    host.send(*[udp_frame(bytes(1000)) for _ in range(200)], gap=10)
    host.run()
    stats = dev.ethtool("get_ethtool_stats")
    assert stats["tx_flow_control_xoff"] >= 1 and host.ends()["TX_PAUSE"] > 0 and stats["rx_missed_errors"] == 0


# ---------------------------------------------------------------- the hash
def hash_of(host):
    skb = host.net.skb[host.net.socks[0].receive_queue.head]
    return skb.hash, skb.l4_hash


def test_a_hash_over_ports_is_an_l4_one(lab):
    plain = card(lab, queues=2)
    plain.udp(5000)
    plain.send(udp_frame())
    plain.run(plain.t + 1_000_000)
    assert hash_of(plain)[0] != 0 and hash_of(plain)[1] == 0     # UDP is hashed by addresses until somebody says sdfn
    other = card(lab, queues=2)
    other.udp(5000)
    other.boot.netdev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    other.send(udp_frame())
    other.run(other.t + 1_000_000)
    assert hash_of(other)[1] == 1
    igb = lab(queues=2)
    igb.udp(5000)
    igb.boot.netdev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    igb.send(udp_frame())
    igb.run(igb.t + 1_000_000)
    assert hash_of(igb) == (hash_of(other)[0], 0)                # the same hash, called an L3 one


# ---------------------------------------------------------------- moderation
@pytest.mark.parametrize("speed, size, latency, us", [
    (10000, 60, LATENCY, 10), (10000, 61, 0, 22), (10000, 316, LATENCY, 30), (10000, 1084, LATENCY, 56), (10000, 1514, LATENCY, 60),
    (10000, 1968, LATENCY, 64), (10000, 60, 0, 20), (10000, 1514, 0, 118), (10000, 1968, 0, 126), (1000, 60, LATENCY, 40),
    (1000, 320, LATENCY, 126), (1000, 134, 0, 126), (100, 60, 0, 20),
])
def test_the_distance_by_size(speed, size, latency, us):
    assert ixgbe_itr_by_size(speed, size, latency) == latency + us


@pytest.mark.parametrize("now_us, before, packets, nbytes, idle, wanted", [
    (50, 0, 9, 900, True, 10 | LATENCY), (50, 40 | LATENCY, 0, 0, False, 52 | LATENCY), (50, 40, 0, 0, False, 52),
    (126, 0, 0, 0, False, 126), (50, 0, 3, 180, False, 10 | LATENCY), (50, 0, 3, 9000, False, 52), (50, 0, 4, 240, False, 52),
    (50, 0, 47, 2820, False, 52), (50, 0, 48, 2880, False, 50), (50, 0, 95, 5700, False, 50), (50, 0, 96, 5760, False, 25),
    (12, 0, 255, 15300, False, 10), (50, 0, 256, 256 * 60, False, 20), (50, 0, 256, 256 * 1514, False, 118),
])
def test_the_choice_by_what_came(now_us, before, packets, nbytes, idle, wanted):
    assert ixgbe_update_itr(10000, now_us, before, packets, nbytes, idle) == wanted


def test_the_register_is_written_when_the_poll_completes(lab):
    """igb writes at the next interrupt."""
    host = card(lab)
    host.app(host.udp(5000))
    dev, ring = host.boot.netdev, host.net.ring[0]
    dev.itr_setting = 1
    igb_configure_itr(dev)
    assert (ring.itr_mode, ring.itr_ns) == (1, 50_000)
    host.send(udp_frame(), at=100_000)
    host.run(1_000_000)
    assert ring.irqs == 1 and ring.itr_ns == 14_000              # latency, by size: 106 bytes


def test_the_smaller_of_both_directions_holds_and_a_pause_is_low_latency(lab):
    """ixgbe_set_itr(): nothing is sent, so that direction wants 2 us more each time; after more than a jiffy both begin anew."""
    host = card(lab)
    host.app(host.udp(5000))
    dev, ring = host.boot.netdev, host.net.ring[0]
    dev.itr_setting = 1
    igb_configure_itr(dev)
    seen = []
    for at in (100_000, 2_000_000, 30_000_000):                  # jiffies are 4 ms
        host.send(udp_frame(bytes(1472)), at=at).run(at + 500_000)
        seen.append(ring.itr_ns)
    assert seen == [52_000, 54_000, 10_000]


@pytest.mark.parametrize("usecs, ns", [(0, 0), (2, 2_000), (3, 2_000), (10, 10_000), (1022, 1_022_000)])
def test_a_fixed_distance_has_steps_of_2_us(lab, usecs, ns):
    host = card(lab)
    host.boot.netdev.ethtool("set_coalesce", rx_usecs=usecs)
    assert (host.net.ring[0].itr_mode, host.net.ring[0].itr_ns) == (0, ns)


def state(one_step, plain=False, n=600):
    from ..lab import Lab

    host = Lab(driver="ixgbe", ring=512, queues=2, cpus=3, one_step=one_step, plain=plain)
    for k in range(2):
        host.app(host.udp(5000 + k), cpu=2)
    dev = host.boot.netdev
    dev.itr_setting = 1
    igb_configure_itr(dev)
    dev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    set_rps(host.boot, 0, [1, 2])
    for i in range(n):
        host.send(udp_frame(bytes(i * 7 % 1400), sport=40000 + i % 5, dport=5000 + i % 2), gap=700 + i * 37 % 3000)
    host.run()
    net, h = host.net, hashlib.sha256()
    for q in range(2):
        r = net.ring[q]
        h.update(repr((r.missed, r.packets, r.irqs, r.itr_val, r.fill_max, r.next_to_use, net.napi[q].polls)).encode())
    for c in range(3):
        h.update(repr(([net.drop_stat[c][r] for r in Drop], [net.snmp[c][m] for m in Mib], net.cpu[c].softirq_ns)).encode())
    h.update(repr([net.thread[t].latency_hash for t in range(64, 66)]).encode())
    host.close()
    return h.hexdigest()


def test_running_ahead_equals_one_step_at_a_time_equals_plain():
    assert state(False) == state(True)
    assert state(False, n=60) == state(False, plain=True, n=60)


# ---------------------------------------------------------------- Flow Director
def test_a_filter_chooses_the_queue_before_rss(lab):
    host = card(lab, queues=4, cpus=4)
    host.udp(5000)
    dev = host.boot.netdev
    for port, q in ((5000, 3), (5001, 2)):
        dev.ethtool("set_rxclsrlins", rule=f"flow-type udp4 dst-port {port} action {q}")
    for sport in range(40000, 40016):
        host.send(udp_frame(sport=sport), udp_frame(sport=sport, dport=5001))
    host.run()
    assert [host.net.ring[q].arrived for q in range(4)] == [0, 0, 16, 16]
    stats = dev.ethtool("get_ethtool_stats")
    assert (stats["fdir_match"], stats["fdir_miss"]) == (32, 0)
    host.send(udp_frame(dport=6000), eth(b"\0" * 46, proto=0x88f7))
    host.run()
    assert dev.ethtool("get_ethtool_stats")["fdir_miss"] == 2


def test_action_minus_1_drops_in_the_card(lab):
    host = card(lab)
    host.udp(5000)
    dev = host.boot.netdev
    dev.ethtool("set_rxclsrlins", rule="flow-type ip4 src-ip 10.0.0.2 action -1 loc 5")
    host.send(udp_frame(), udp_frame(src="10.0.0.3"))
    host.run()
    assert host.ends() == {"NIC_FILTER": 1} and host.net.socks[0].qlen == 1
    dev.ethtool("set_rxclsrldel", loc=5)
    host.send(udp_frame())
    host.run()
    assert host.net.socks[0].qlen == 2


def test_ports_are_those_of_whole_packets_and_addresses_those_of_all(lab):
    host = card(lab, queues=4, cpus=4)
    dev = host.boot.netdev
    pieces = fragments(udp(bytes(3000)), [1480, 1480])
    dev.ethtool("set_rxclsrlins", rule="flow-type udp4 dst-port 5000 action 3")
    host.send(*pieces)
    host.run()
    assert host.net.ring[3].arrived == 0
    dev.ethtool("set_rxclsrldel", loc=NFDIR - 1)
    dev.ethtool("set_rxclsrlins", rule="flow-type ip4 src-ip 10.0.0.0 m 0.0.0.255 action 2")
    host.send(*fragments(udp(bytes(3000)), [1480, 1480], ident=8), eth(ip(bytes(20), proto=47)))
    host.run()
    assert host.net.ring[2].arrived == 4


@pytest.mark.parametrize("rule, says", [
    ("flow-type ether proto 0x88f7 action 1", "flow-type ether: ixgbe takes tcp4, udp4, sctp4, ip4"),
    ("flow-type udp4 dst-port 5000 action 2", "action 2: a queue, 0 to 1, or -1"),
    ("flow-type udp4 dst-port 5000 action 1 loc 2046", "loc: ixgbe has places 0 to 2045"),
    ("flow-type udp4 src-port 1 action 1", "one mask"),
    ("flow-type ip4 src-ip 10.0.0.1 action 1", "one mask"),
    ("flow-type udp4 dst-port 53 m 0x00ff action 1", "one mask"),
    ("flow-type udp4 dst-port 53 action 0", "already set"),
    ("flow-type udp4 action 1", "nothing to compare: src-ip"),
    ("flow-type udp4 dst-port 53", "action is missing"),
    ("flow-type ip4 dst-port 53 action 1", "dst-port: flow-type ip4 takes src-ip, dst-ip, action, loc"),
    ("flow-type udp4 dst-port 70000 action 1", "a port is 0 to 65535"),
    ("flow-type udp4 dst-ip 10.0.0 action 1", "dst-ip 10.0.0: an IPv4 address"),
    ("udp4", "a rule as ethtool -N takes it"),
])
def test_what_flow_director_refuses(rule, says):
    before = [ixgbe_nfc.admit(ixgbe_nfc.parse("flow-type udp4 dst-port 53 action 0 loc 1"), "82599", 2, [])]
    with pytest.raises(ValueError, match=says):
        ixgbe_nfc.admit(ixgbe_nfc.parse(rule), "82599", 2, before)


def test_what_ethtool_refuses(lab):
    host = card(lab, queues=2)
    dev = host.boot.netdev
    for op, args, says in (("set_coalesce", {"rx_usecs": 1023}, r"0 \(off\), 1 \(adaptive\), or 2 to 1022"),
                           ("set_coalesce", {"rx_usecs": 10, "rx_frames": 1}, "rx-frames: ixgbe has only rx-usecs"),
                           ("set_channels", {"combined": 64}, "1 to 63")):
        with pytest.raises(ValueError, match=says):
            dev.ethtool(op, **args)
    dev.ethtool("set_pauseparam", rx=True)
    assert dev.ethtool("get_pauseparam") == {"rx": True, "tx": False}
    dev.ethtool("set_ringparam", rx=5000, tx=70)
    assert dev.ethtool("get_ringparam") == {"rx_max": 8192, "tx_max": 8192, "rx": 5000, "tx": 72}


def test_rss_spreads_over_16_queues():
    assert [IXGBE.reta_default(i, 20, 128) for i in range(18)] == [*range(16), 0, 1]


@pytest.mark.parametrize("kernel, most", [("6.18", 8192), ("6.1", 4096)])
def test_a_ring_goes_to_the_limit_of_its_kernel(lab, kernel, most):
    host = card(lab, kernel=kernel)
    app = host.app(host.udp(5000, rcvbuf=1 << 22))
    dev = host.boot.netdev
    dev.ethtool("set_ringparam", rx=10_000)
    assert dev.ethtool("get_ringparam")["rx"] == dev.ethtool("get_ringparam")["rx_max"] == most == host.net.ring[0].size
    host.send(*[udp_frame(b"x")] * (most + 10), gap=2000).run()
    assert host.ends() == {"RECEIVED": most + 10} and host.data(app, 1) == b"x"


@pytest.mark.parametrize("model, size, spread, most", [("82599", 128, 16, 512), ("X540", 128, 16, 384), ("X550", 512, 20, 384)])
def test_its_cards_differ_by_rows(model, size, spread, most):
    row = IXGBE.of(model, [8192] * 64)
    assert (row.reta_size, row.rx_fifo[1] >> 10) == (size, most)
    assert {row.reta_default(i, 20, size) for i in range(size)} == set(range(spread))


@pytest.mark.parametrize("mtu, high, low", [(1500, 22, 5), (9000, 47, 20)])
def test_water_marks_of_an_x540(mtu, high, low):
    fifo = 384 << 10
    assert x540_water_marks(fifo, mtu) == (fifo - (high << 10), low << 10)
