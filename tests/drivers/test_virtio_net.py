"""virtio_net: a guest's device.  Figures are those of Linux 6.12's source and of measurements on 6.18."""
import hashlib

import pytest

from rxpath.abi.mib import Mib
from rxpath.abi.numbers import CHECKSUM_NONE, CHECKSUM_UNNECESSARY, FEED_RX_ERROR
from rxpath.abi.reasons import Drop
from rxpath.drivers.igb_open import set_tap_queue
from rxpath.drivers.virtio_ethtool import tap_stats
from rxpath.drivers.virtio_net import VIRTIO_PIECE, get_mergeable_buf_len
from rxpath.link.setup import set_rps

from ..frames import csum, udp_frame
from ..lab import Lab
from .test_nic import put


def guest(lab, tap=0, **k):
    """A guest; its tap has no queue unless a test gives it one."""
    host = lab(driver="virtio_net", **k)
    set_tap_queue(host.boot.netdev, tap)
    return host


def sized(n, **k):
    """A datagram whose frame is n bytes long."""
    return udp_frame(bytes(n - 42), **k)


def posted(ring):
    return ring.next_to_use - ring.next_to_clean


def queued(host):
    """The first packet of the first socket's queue."""
    return host.net.skb[host.net.socks[0].receive_queue.head]


# ---------------------------------------------------------------- the ring
def test_every_descriptor_of_a_ring_can_be_posted(lab):
    host = guest(lab)
    host.udp(5000)
    assert posted(host.net.ring[0]) == 256
    host.send(*[udp_frame()] * 300, at=1000, gap=0)
    host.run()
    assert host.ends() == {"RX_MISSED": 44} and host.net.ring[0].fill_max == 256


def test_more_than_32_free_ones_are_posted_at_once_at_the_end_of_a_poll(lab):
    host = guest(lab)
    host.app(host.udp(5000))
    ring, seen = host.net.ring[0], []
    for _ in range(70):
        host.send(udp_frame())
        host.run(host.t + 1_000_000)
        seen.append(posted(ring))
    assert seen == [*range(255, 223, -1), 256] * 2 + [255, 254, 253, 252]
    assert ring.kicks == 3                                       # the first is that of the open


def test_within_a_poll_nothing_is_posted(lab):
    """64 are taken, then all that are free go back together."""
    host = guest(lab)
    host.udp(5000)
    host.send(*[udp_frame()] * 256, at=1000, gap=0)
    host.run()
    assert host.net.ring[0].kicks == 1 + 256 // 64 and host.net.napi[0].full_polls == 4


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_a_ring_goes_round_and_loses_nothing(lab, size):
    host = guest(lab, ring=size)
    app = host.app(host.udp(5000))
    n = min(size * 2 + 7, 600)
    for i in range(0, n, 40):
        host.send(*[udp_frame(b"%04d" % k) for k in range(i, min(i + 40, n))], gap=3000)
        host.run(host.t + 100_000)
    assert host.ends() == {"RECEIVED": n} and host.data(app, 4) == b"%04d" % (n - 1)


# ---------------------------------------------------------------- buffers and what a packet is charged
@pytest.mark.parametrize("average, length", [(0, 1536), (60, 1536), (1524, 1536), (1525, 1600), (3000, 3072), (4084, 4096), (65000, 4096)])
def test_a_buffer_is_as_long_as_packets_have_been(average, length):
    assert get_mergeable_buf_len(average) == length


def test_the_average_is_the_first_packet_then_moves_by_a_64th(lab):
    host = guest(lab)
    host.udp(5000)
    host.send(sized(1000), sized(200), sized(60))
    host.run()
    assert host.net.ring[0].mrg_avg_pkt_len == (63 * ((63 * 1000 + 200) >> 6) + 60) >> 6


@pytest.mark.parametrize("small_head", [576, 704])
@pytest.mark.parametrize("n, buffers", [(60, 0), (128, 0), (129, -1), (256, -1), (1204, -1), (1205, 1), (1514, 1), (9014, 6)])
def test_truesize_with_buffers_of_1536(lab, n, buffers, small_head):
    """0: copied; -1: built round its buffer; else a head beside so many buffers."""
    host = guest(lab)
    host.net.small_head = small_head
    host.udp(5000)
    host.boot.netdev.ndo("ndo_change_mtu", 9000)
    host.send(sized(n)).run()
    assert queued(host).truesize == (1536 + 256 if buffers < 0 else 256 + small_head + 1536 * buffers)
    assert queued(host).len == n - 42


@pytest.mark.parametrize("n, truesize", [(60, 832), (129, 4352), (1514, 4352), (3764, 4352), (3765, 832 + 4096), (9014, 13120)])
def test_truesize_with_buffers_of_4096(lab, n, truesize):
    host = guest(lab)
    host.app(host.udp(6000, rcvbuf=1 << 24))
    host.udp(5000)
    host.boot.netdev.ndo("ndo_change_mtu", 9000)
    for _ in range(10):                                          # until all buffers that are posted have that length
        host.send(*[sized(9000, dport=6000)] * 32, gap=20_000)
        host.run(host.t + 1_000_000)
    ring = host.net.ring[0]
    while ring.next_to_use - ring.next_to_clean != ring.size:
        host.send(sized(9000, dport=6000)).run(host.t + 1_000_000)
    assert get_mergeable_buf_len(ring.mrg_avg_pkt_len) == 4096
    host.send(sized(n))
    host.run(host.t + 1_000_000)
    skbs = [host.net.socks[k].receive_queue.head for k in range(2) if host.net.socks[k].receive_queue.head >= 0]
    assert [host.net.skb[i].truesize for i in skbs] == [truesize]


def test_after_long_packets_a_socket_holds_fewer_short_ones(lab):
    """118 datagrams of a middle length fit into the default buffer, 48 when buffers have grown."""
    held = []
    for average in (0, 4084):
        host = guest(lab, ring=64)
        ring = host.net.ring[0]
        ring.mrg_avg_pkt_len = average
        for i in range(64):
            host.net.desc[0][i].pkt_info = get_mergeable_buf_len(average)
        host.udp(5000)
        for _ in range(130):
            ring.mrg_avg_pkt_len = average
            host.send(sized(500))
            host.run(host.t + 20_000)
        held.append(host.net.socks[0].qlen)
    assert held == [118, 48]


@pytest.mark.parametrize("n", [1524, 1525, 2048, 2049, 3060, 3061, 4084, 9014, 60000])
def test_a_frame_of_several_buffers_is_whole(lab, n):
    payload = bytes(i * 7 & 255 for i in range(n - 42))
    host = guest(lab)
    app = host.app(host.udp(5000, rcvbuf=1 << 20))
    host.send(udp_frame(payload)).run()
    assert host.net.ring[0].next_to_clean == -(-(n + 12 - 496 * (n > 32256)) // 1536)  # num_buffers; one in 21 is longer
    assert host.data(app, len(payload)) == payload
    host.send(udp_frame(b"next")).run()
    assert host.data(app, 4) == b"next" and host.ends() == {"RECEIVED": 2}


@pytest.mark.parametrize("n", [2100, 4084, 4085, 9014])
def test_a_frame_in_buffers_of_4096_is_whole(lab, n):
    payload = bytes(i * 11 & 255 for i in range(n - 42))
    host = guest(lab)
    for i in range(256):
        host.net.desc[0][i].pkt_info = 4096
    app = host.app(host.udp(5000, rcvbuf=1 << 20))
    host.send(udp_frame(payload)).run()
    assert host.net.ring[0].next_to_clean == -(-(n + 12) // 4096) and host.data(app, len(payload)) == payload
    assert host.net.desc[0][VIRTIO_PIECE].buf != host.net.desc[0][0].buf


def test_without_memory_a_packet_is_lost_and_its_buffers_are_free_again(lab):
    host = guest(lab, nskb=64)
    host.udp(5000, rcvbuf=1 << 24)
    host.send(*[sized(4000)] * 60, gap=5000)
    host.run()
    ends, ring = host.ends(), host.net.ring[0]
    assert set(ends) == {"RX_ALLOC_FAILED"} and ring.hw_head == ring.next_to_clean == 3 * 60
    lost, stats = ends["RX_ALLOC_FAILED"], host.boot.netdev.ethtool("get_ethtool_stats")
    assert stats["rx_drops"] == stats["rx0_drops"] == lost == host.dev_stats()["rx_dropped"] and host.net.socks[0].qlen == 60 - lost


# ---------------------------------------------------------------- what the host says
def test_a_good_checksum_is_data_valid_and_a_wrong_one_is_left_to_the_stack(lab):
    host = guest(lab)
    host.udp(5000)
    wrong = bytearray(udp_frame(b"x"))
    wrong[40] ^= 1
    host.send(udp_frame(b"x"), bytes(wrong))
    host.run()
    assert queued(host).ip_summed == CHECKSUM_UNNECESSARY
    assert host.ends() == {"UDP_CSUM": 1} and host.mib()["Udp.InCsumErrors"] == 1
    assert host.net.ring[0].csum_err == 0


def test_a_checksum_that_was_left_to_offload_counts_as_good(lab):
    """NEEDS_CSUM: what stands there is the sum of the pseudo header."""
    host = guest(lab)
    host.udp(5000)
    frame = bytearray(udp_frame(b"left to the device"))
    pseudo = bytes(frame[26:34]) + bytes([0, 17]) + (len(frame) - 34).to_bytes(2, "big")
    frame[40:42] = (csum(pseudo) ^ 0xFFFF).to_bytes(2, "big")
    host.send(bytes(frame)).run()
    assert host.ends() == {} and queued(host).ip_summed == CHECKSUM_UNNECESSARY


def test_without_a_verdict_the_stack_verifies(lab):
    host = guest(lab)
    host.net.nic[0].rx_csum = 0
    host.udp(5000)
    host.send(udp_frame()).run()
    assert host.net.socks[0].qlen == 1 and queued(host).ip_summed == CHECKSUM_NONE


def test_no_hash_no_padding_and_udp_ports_choose_the_queue(lab):
    host = guest(lab, queues=4, cpus=4)
    host.udp(5000)
    for sport in range(40000, 40032):
        host.send(udp_frame(b"", sport=sport))
    host.run()
    assert all(host.net.ring[q].arrived > 0 for q in range(4)) and queued(host).hash == 0
    assert sum(host.net.ring[q].bytes for q in range(4)) == 32 * 42
    assert [host.net.nic[0].reta[i] for i in range(6)] == [0, 1, 2, 3, 0, 1]


# ---------------------------------------------------------------- interrupts
def test_an_interrupt_only_for_the_packet_that_the_driver_waits_for(lab):
    host = guest(lab)
    host.app(host.udp(5000))
    for _ in range(10):
        host.send(udp_frame(), gap=100_000)
    host.run()
    assert host.net.ring[0].irqs == 10
    busy = guest(lab)
    busy.udp(5000)
    busy.send(*[udp_frame()] * 200, gap=200)                     # faster than they are handled
    busy.run()
    assert busy.net.ring[0].irqs < 10


def test_what_comes_while_gro_lets_go_is_polled_without_an_interrupt(lab):
    """virtqueue_poll()"""
    host = guest(lab)
    host.udp(5000)
    polls = []
    for gap in range(1000, 12_000, 200):
        ring, napi = host.net.ring[0], host.net.napi[0]
        irqs, before = ring.irqs, napi.polls
        host.send(udp_frame(), gap=1_000_000).send(udp_frame(), gap=gap).run(host.t + 1_000_000)
        polls.append((ring.irqs - irqs, napi.polls - before))
    assert polls[0] == (1, 1) and (1, 2) in polls and polls[-1] == (2, 2)


# ---------------------------------------------------------------- counters and refusals
def test_what_the_host_loses_is_in_no_counter_of_the_guest(lab):
    host = guest(lab, ring=64)
    host.udp(5000)
    host.send(*[udp_frame()] * 100, at=1000, gap=0)
    host.run()
    dev = host.boot.netdev
    assert host.ends() == {"RX_MISSED": 36} and not any(dev.ndo("ndo_get_stats64").values())
    assert tap_stats(dev) == {"tap_tx_dropped": 36}
    stats = dev.ethtool("get_ethtool_stats")
    assert {name: n for name, n in stats.items() if n} == {"rx_kicks": 2, "rx0_kicks": 2}


def test_a_frame_that_the_hosts_card_found_damaged_never_comes(lab):
    host = guest(lab)
    app = host.app(host.udp(5000))
    put(host, udp_frame(b"bad!"), FEED_RX_ERROR)
    put(host, udp_frame(b"good"))
    host.run()
    assert host.ends() == {"NIC_FILTER": 1, "RECEIVED": 1} and host.data(app, 4) == b"good"
    assert "rx_errors" not in host.dev_stats() and host.net.ring[0].filtered == 1


def test_a_full_ring_leaves_packets_in_the_tap(lab):
    """tun's ptr_ring of tx_queue_len, 1000 by default: only what it cannot hold is lost, by the tap."""
    host = lab(driver="virtio_net", ring=64)
    app = host.app(host.udp(5000, rcvbuf=1 << 24))
    host.send(*[udp_frame(bytes([k & 255])) for k in range(64 + 1000 + 7)], at=1000, gap=0)
    host.run()
    assert host.ends() == {"RECEIVED": 1064, "RX_MISSED": 7} and tap_stats(host.boot.netdev) == {"tap_tx_dropped": 7}
    assert host.net.buffer[0].waiting_max == 1000 and host.data(app, 1) == bytes([1063 & 255])


def test_each_queue_has_a_tap_queue_of_its_own(lab):
    host = lab(driver="virtio_net", ring=64, queues=2)
    host.udp(5000)
    set_tap_queue(host.boot.netdev, 10)
    host.boot.netdev.ethtool("set_rxfh", equal=1)
    host.send(*[udp_frame()] * 80, at=1000, gap=0).run()
    assert host.ends() == {"RX_MISSED": 6} and host.net.buffer[1].waiting_max == 0


def test_a_tap_queue_that_is_too_long_is_refused(lab):
    with pytest.raises(ValueError, match="tap queue 8193: 0 to 8192"):
        guest(lab, tap=8193)


def test_a_closed_device_keeps_its_buffers(lab):
    """What comes meanwhile waits in the ring, then in the tap, and is received when the device is up again."""
    host = guest(lab, tap=10, ring=64)
    app = host.app(host.udp(5000, rcvbuf=1 << 20))
    dev = host.boot.netdev
    host.send(udp_frame(b"first")).run()
    dev.close()
    host.send(*[udp_frame(b"kept") for _ in range(63 + 10 + 3)], gap=100).run()
    dev.sync()                                       # nobody looks at the cable of a device that is down
    assert host.ends() == {"RECEIVED": 1, "RX_MISSED": 3} and host.queued() == 73
    dev.open()
    host.run(host.t + 1_000_000)
    assert host.ends() == {"RECEIVED": 74, "RX_MISSED": 3} and host.data(app, 4) == b"kept"
    dev.close()
    dev.ethtool("set_ringparam", rx=128)
    dev.open()
    assert posted(host.net.ring[0]) == 128
    host.send(udp_frame(b"last")).run()
    assert host.data(app, 4) == b"last"


def test_a_poll_under_way_ends_when_the_device_is_closed(lab):
    host = guest(lab)
    host.udp(5000, rcvbuf=1 << 20)
    host.send(*[udp_frame()] * 200, at=1000, gap=0).run(20_000)
    taken = host.net.ring[0].next_to_clean
    assert 0 < taken < 64
    host.boot.netdev.close()
    host.run(1_000_000)
    assert host.net.ring[0].next_to_clean <= taken + 1 and host.net.ring[0].hw_head == 200
    assert host.net.ring[0].unmasked == 0 and host.net.napi[0].state == 0, "and it stays silent"


@pytest.mark.parametrize("kernel, average, lengths", [
    ("6.18", 0, [1536] * 20 + [2032]), ("3.10", 0, [1536] * 20 + [2048]),
    ("6.18", 4084, [4096] * 6 + [8176]), ("3.10", 4084, [4096] * 8)])
def test_the_last_buffer_of_a_page_fragment_takes_what_is_left(lab, kernel, average, lengths):
    host = guest(lab, kernel=kernel)
    ring = host.net.ring[0]
    ring.mrg_avg_pkt_len, ring.frag_left = average, 0
    n = len(lengths)
    host.boot.netdev.close()
    host.boot.netdev.ethtool("set_ringparam", rx=512)
    host.boot.netdev.open()
    assert [host.net.desc[0][i].pkt_info for i in range(2 * n)] == lengths * 2


@pytest.mark.parametrize("n, truesize", [(129, 8432), (7800, 8432), (7900, 832 + 8176)])
def test_truesize_of_the_last_buffer(lab, n, truesize):
    """Measured on 6.18: what lay in the last buffer of 32 KiB was charged 8432."""
    host = guest(lab)
    host.udp(5000)
    host.net.desc[0][0].pkt_info = 8176
    payload = bytes(i * 13 & 255 for i in range(n - 42))
    app = host.app(host.udp(6000))
    host.send(udp_frame(payload)).run()
    assert queued(host).truesize == truesize
    host.net.desc[0][1].pkt_info = 8176
    host.send(udp_frame(payload, dport=6000)).run()
    assert host.data(app, len(payload)) == payload


def test_a_frame_needs_buffers_for_all_of_it(lab):
    """One is left: a frame that takes two is lost at the host, the next that takes one is not."""
    host = guest(lab, ring=64)
    host.udp(5000)
    host.send(*[udp_frame()] * 63, sized(1525), sized(1524), at=1000, gap=0)
    host.run()
    assert host.ends() == {"RX_MISSED": 1} and host.net.socks[0].qlen == 64


def test_a_runt_is_a_length_error_and_no_error(lab):
    host = guest(lab)
    host.send(b"\2" * 13).run()
    stats = host.boot.netdev.ndo("ndo_get_stats64")
    assert (stats["rx_length_errors"], stats["rx_errors"]) == (1, 0)


def test_statistics_have_their_names_and_order(lab):
    names = list(guest(lab, queues=2, cpus=2).boot.netdev.ethtool("get_ethtool_stats"))
    assert names[:10] == ("rx_drops rx_xdp_packets rx_xdp_tx rx_xdp_redirects rx_xdp_drops rx_kicks tx_xdp_tx tx_xdp_tx_drops tx_kicks "
                          "tx_tx_timeouts").split()
    assert names[10:16] == [f"rx0_{name[3:]}" for name in names[:6]] and names[-4:] == [f"tx1_{name[3:]}" for name in names[6:10]]


@pytest.mark.parametrize("op, args, says", [
    ("set_coalesce", {"rx_usecs": 10}, r"rx-usecs 10: 0 only.*EOPNOTSUPP"), ("set_coalesce", {"rx_frames": 0}, r"rx-frames 0: 1.*EINVAL"),
    ("set_coalesce", {"tx_frames": 2}, r"tx-frames 2: 0 or 1 \(EINVAL"), ("set_coalesce", {"adaptive_rx": 1}, "adaptive-rx.*EOPNOTSUPP"),
    ("set_ringparam", {"rx": 300}, r"rx 300: 64 to 1024, a power of two \(EINVAL"), ("set_ringparam", {"tx": 2048}, "tx 2048.*EINVAL"),
    ("set_pauseparam", {"rx": True}, r"set_pauseparam \(EOPNOTSUPP"), ("set_rxclsrlins", {"rule": "x"}, r"set_rxclsrlins \(EOPNOTSUPP"),
    ("set_features", {"rx_checksumming": False}, r"set_features \(fixed on"), ("set_channels", {"combined": 64}, "1 to 63"),
])
def test_what_ethtool_refuses(lab, op, args, says):
    with pytest.raises(ValueError, match=says):
        guest(lab).boot.netdev.ethtool(op, **args)


def test_what_ethtool_takes(lab):
    host = guest(lab)
    app = host.app(host.udp(5000))
    dev = host.boot.netdev
    dev.ethtool("set_coalesce", rx_usecs=0, rx_frames=1)
    dev.ethtool("set_ringparam", rx=512)
    assert dev.ethtool("get_ringparam")["rx"] == 512 and posted(host.net.ring[0]) == 512
    host.send(udp_frame(b"new")).run()
    assert host.data(app, 3) == b"new"


# ---------------------------------------------------------------- running ahead (more in vtime/test_same.py)
def state(one_step, plain=False, n=600):
    host = Lab(driver="virtio_net", ring=64, queues=2, cpus=3, one_step=one_step, plain=plain)
    for k in range(2):
        host.app(host.udp(5000 + k), cpu=2)
    set_rps(host.boot, 0, [1, 2])
    for i in range(n):                                           # of all lengths, up to several buffers
        host.send(udp_frame(bytes(i * 7 % 5000), sport=40000 + i % 5, dport=5000 + i % 2), gap=700 + i * 37 % 3000)
    host.run()
    net, h = host.net, hashlib.sha256()
    for q in range(2):
        r = net.ring[q]
        h.update(repr((r.missed, r.packets, r.irqs, r.kicks, r.mrg_avg_pkt_len, r.fill_max, r.next_to_use, net.napi[q].polls)).encode())
    for c in range(3):
        h.update(repr(([net.drop_stat[c][r] for r in Drop], [net.snmp[c][m] for m in Mib], net.cpu[c].softirq_ns)).encode())
    h.update(repr([net.thread[t].latency_hash for t in range(64, 66)]).encode())
    host.close()
    return h.hexdigest()


def test_running_ahead_equals_one_step_at_a_time_equals_plain():
    assert state(False) == state(True)
    assert state(False, n=60) == state(False, plain=True, n=60)
