"""igb: ring to skb and back, throttling, transmit, and its operations on a running device."""
import pytest

from rxpath.abi.numbers import IGB_4K_ITR, IGB_20K_ITR, IGB_70K_ITR, NO_SKB, Out
from rxpath.drivers.igb_ethtool import ethtool_stats
from rxpath.drivers.igb_itr import BULK_LATENCY, LOW_LATENCY, LOWEST_LATENCY, igb_itr_class
from rxpath.drivers.net_device import ring_stats
from rxpath.path import Stage

from ..frames import eth, icmp, ip, udp, udp_frame
from ..pool import free_skbs, only_free


def stats(host):
    return {k: v for k, v in ethtool_stats(host.net).items() if v}


# ---------------------------------------------------------------- the ring
@pytest.mark.parametrize("size", [80, 88, 256, 4096])
def test_a_ring_of_any_size_goes_round_and_loses_nothing(lab, size):
    host = lab(ring=size)
    app = host.app(host.udp(5000))
    n = min(size * 2 + 7, 700)
    for i in range(0, n, 50):
        host.send(*[udp_frame(b"%04d" % k) for k in range(i, min(i + 50, n))], gap=3000)
        host.run(host.t + 100_000)
    assert host.ends() == {"RECEIVED": n} and host.data(app, 4) == b"%04d" % (n - 1)
    assert host.net.ring[0].size == size


def test_a_full_ring_loses_frames_without_an_skb_counted_by_the_number_of_queues(lab):
    host = lab(ring=80)
    host.app(host.udp(5000))
    host.send(*[udp_frame() for _ in range(100)], gap=1)
    host.run()
    lost = host.ends()["RX_MISSED"]
    assert 0 < lost <= 21
    assert host.net.ring[0].fill_max == 79
    assert stats(host)["rx_missed_errors"] == lost and "rx_queue_0_drops" not in stats(host)
    assert ring_stats(host.net)["rx_fifo_errors"] == 0
    two = lab(ring=80, queues=2)
    two.app(two.udp(5000))
    two.send(*[udp_frame() for _ in range(100)], gap=1)
    two.run()
    lost, q = two.ends()["RX_MISSED"], 0 if two.net.ring[0].arrived else 1
    assert stats(two)[f"rx_queue_{q}_drops"] == stats(two)["rx_fifo_errors"] == lost > 0
    assert "rx_missed_errors" not in stats(two)


@pytest.mark.parametrize(("kernel", "buffers"), [("6.18", 3), ("3.10", 5)])                 # of 3 kB at this MTU; of 2
def test_a_frame_over_one_buffer_spans_descriptors_and_arrives_whole(lab, kernel, buffers):
    host = lab(kernel=kernel)
    app = host.app(host.udp(5000))
    host.boot.netdev.ndo("ndo_change_mtu", 9000)
    data = bytes(range(256)) * 34
    host.net.trail = 1
    host.send(udp_frame(data), udp_frame(data[:8]))
    host.run()
    assert host.ends() == {"RECEIVED": 2}
    assert host.stations(0).count("igb_add_rx_frag") == host.stations(0).count("igb_is_non_eop") == buffers - 1
    host.send(udp_frame(data))
    host.run()
    assert host.data(app, len(data)) == data
    assert host.net.ring[0].packets == 3 and host.net.ring[0].next_to_clean == 2 * buffers + 1


@pytest.mark.parametrize(("kernel", "mtu", "size", "truesize"), [
    ("6.18", 1500, 1400, 2304), ("6.18", 1501, 100, 4352), ("6.18", 9000, 3072 - 42, 4352), ("6.18", 9000, 3073 - 42, 4352 + 4096),
    ("6.18", 9000, 8900, 4352 + 2 * 4096), ("3.10", 9000, 100, 2304), ("3.10", 9000, 5000, 2304 + 2 * 2048)])
def test_each_buffer_costs_its_half_of_a_page_or_of_two(lab, kernel, mtu, size, truesize):
    host = lab(kernel=kernel)
    sk = host.udp(5000)
    host.boot.netdev.ndo("ndo_change_mtu", mtu)
    host.send(udp_frame(b"x" * size))
    host.run()
    assert host.net.socks[sk].rmem_alloc == truesize


def test_buffers_follow_the_mtu_up_and_down(lab):
    host = lab()
    for mtu, length in ((9000, 3072), (1500, 2048), (1501, 3072), (68, 2048)):
        host.boot.netdev.ndo("ndo_change_mtu", mtu)
        assert host.net.ring[0].buf_len == length


def test_a_short_frame_is_padded_with_zeros(lab):
    host = lab()
    host.net.trail = 1
    host.send(eth(b"\xff" * 6, proto=0x88B5))
    host.run()
    assert host.net.ring[0].bytes == 60 and "igb_cleanup_headers" in host.stations(0)


def test_without_skbs_the_frame_stays_in_the_ring_for_a_later_poll(lab):
    host = lab(nskb=512)
    host.app(host.udp(5000))
    kept = free_skbs(host.net)
    only_free(host.net, [])
    host.send(udp_frame())
    host.run(host.t + 100_000)
    assert stats(host)["rx_queue_0_alloc_failed"] > 0 and host.ends() == {}
    only_free(host.net, kept)
    host.run()
    assert host.ends() == {"RECEIVED": 1}


def test_skbs_that_run_out_within_a_long_frame_leave_it_half_built(lab):
    host = lab(nskb=512)
    app = host.app(host.udp(5000))
    host.boot.netdev.ndo("ndo_change_mtu", 9000)
    kept = free_skbs(host.net)
    only_free(host.net, kept[:2])
    data = b"long" * 2000
    host.send(udp_frame(data))
    host.run(host.t + 100_000)
    assert host.net.ring[0].skb in kept[:2] and host.ends() == {}
    assert free_skbs(host.net) == []
    only_free(host.net, kept[2:])
    host.run()
    assert host.ends() == {"RECEIVED": 1} and host.data(app, len(data)) == data
    assert host.net.ring[0].skb == NO_SKB


# ---------------------------------------------------------------- interrupts
def irqs(host, n, gap):
    host.app(host.udp(5000))
    host.send(*[udp_frame() for _ in range(n)], gap=gap)
    host.run(host.t + 1_000_000)
    return host.net.ring[0].irqs


def test_rx_usecs_keeps_interrupts_apart(lab):
    host = lab()
    host.boot.netdev.ethtool("set_coalesce", rx_usecs=100)
    assert irqs(host, 100, 10_000) in (10, 11)                   # a millisecond
    off = lab()
    off.boot.netdev.ethtool("set_coalesce", rx_usecs=0)
    assert irqs(off, 100, 10_000) == 100
    with pytest.raises(ValueError, match="10 to 8191"):
        off.boot.netdev.ethtool("set_coalesce", rx_usecs=5)


@pytest.mark.parametrize("klass, packets, nbytes, then", [
    (LOWEST_LATENCY, 1, 8000, LOW_LATENCY), (LOWEST_LATENCY, 1, 8001, BULK_LATENCY),                          # segments of TSO
    (LOWEST_LATENCY, 4, 513, LOW_LATENCY), (LOWEST_LATENCY, 4, 512, LOWEST_LATENCY), (LOWEST_LATENCY, 5, 1000, LOWEST_LATENCY),
    (LOW_LATENCY, 9, 10_001, BULK_LATENCY), (LOW_LATENCY, 9, 10_000, LOW_LATENCY), (LOW_LATENCY, 10, 10_001, LOW_LATENCY),
    (LOW_LATENCY, 10, 12_010, BULK_LATENCY), (LOW_LATENCY, 10, 12_009, LOW_LATENCY),
    (LOW_LATENCY, 36, 10_001, LOWEST_LATENCY), (LOW_LATENCY, 35, 10_001, LOW_LATENCY),
    (LOW_LATENCY, 4, 8004, BULK_LATENCY), (LOW_LATENCY, 4, 8003, LOW_LATENCY),
    (LOW_LATENCY, 2, 511, LOWEST_LATENCY), (LOW_LATENCY, 2, 512, LOW_LATENCY), (LOW_LATENCY, 3, 300, LOW_LATENCY),
    (BULK_LATENCY, 36, 25_001, LOW_LATENCY), (BULK_LATENCY, 36, 25_000, BULK_LATENCY), (BULK_LATENCY, 35, 25_001, BULK_LATENCY),
    (BULK_LATENCY, 2, 1499, LOW_LATENCY), (BULK_LATENCY, 2, 1500, BULK_LATENCY), (BULK_LATENCY, 0, 0, BULK_LATENCY),
])
def test_classes_move_as_igb_update_itr_moves_them(klass, packets, nbytes, then):
    assert igb_itr_class(klass, packets, nbytes) == then


@pytest.mark.parametrize("setting, small, big", [(1, IGB_70K_ITR, IGB_4K_ITR), (3, IGB_20K_ITR, IGB_4K_ITR)])
def test_adaptive_throttling_with_one_queue_goes_by_class(lab, setting, small, big):
    host = lab()
    host.boot.netdev.ethtool("set_coalesce", rx_usecs=setting)
    host.app(host.udp(5000))
    assert host.net.ring[0].itr_ns == 162_000                    # IGB_START_ITR
    host.send(*[udp_frame() for _ in range(20)], gap=400_000)    # a lone small packet now and then
    host.run()
    assert host.net.ring[0].itr_val == small and host.net.ring[0].itr_ns == small * 250
    host.send(*[udp_frame(b"x" * 1400) for _ in range(20)], gap=12_000)          # full frames at line rate: 20k in a second
    host.run(host.t + 1000)
    assert host.net.ring[0].itr_ns == IGB_20K_ITR * 250
    host.send(*[udp_frame(b"x" * 1400) for _ in range(20)], gap=3_000)           # a burst: over 10 kB between two interrupts
    host.send(*[udp_frame(b"x" * 1400) for _ in range(100)], gap=12_000)         # at line rate bulk stays bulk
    host.run(host.t + 1000)
    assert host.net.ring[0].itr_ns == big * 250


def test_adaptive_throttling_with_several_queues_goes_by_size(lab):
    host = lab(queues=2)
    host.boot.netdev.ethtool("set_coalesce", rx_usecs=1)
    host.app(host.udp(5000))
    host.send(*[udp_frame(b"x" * 600) for _ in range(20)], gap=400_000)
    host.run()
    q = 0 if host.net.ring[0].arrived else 1
    assert host.net.ring[q].itr_val == (642 + 24) // 3


@pytest.mark.parametrize("setting, payload, value", [
    (1, 18, 42), (1, 234, 150), (1, 235, 100), (1, 1133, 399), (1, 1134, 600), (3, 18, IGB_20K_ITR), (3, 1134, 600),
])
def test_the_distance_of_several_queues_is_the_mean_size_of_frames(lab, setting, payload, value):
    """igb_update_ring_itr(): 24 bytes more on the wire; a third of it between 300 and 1200, else half; 3 is conservative."""
    host = lab(queues=2)
    host.boot.netdev.ethtool("set_coalesce", rx_usecs=setting)
    host.app(host.udp(5000))
    host.send(*[udp_frame(bytes(payload)) for _ in range(4)], gap=400_000).run()
    assert host.net.ring[0 if host.net.ring[0].arrived else 1].itr_val == value


def test_the_card_hears_of_a_new_distance_at_the_next_interrupt(lab):
    """igb_write_itr(); quarters of a microsecond, without the lowest two bits: 42 is 40."""
    host = lab(queues=2)
    host.boot.netdev.ethtool("set_coalesce", rx_usecs=1)
    host.app(host.udp(5000))
    host.send(udp_frame(bytes(18)), gap=400_000).run()
    ring = host.net.ring[0 if host.net.ring[0].arrived else 1]
    assert (ring.irqs, ring.itr_val, ring.itr_ns) == (1, 42, 162_000)
    host.send(udp_frame(bytes(18)), gap=400_000).run()
    assert (ring.irqs, ring.itr_val, ring.itr_ns) == (2, 42, 10_000)


def test_what_is_sent_decides_too(lab):
    """An answer is longer than what it answers: of several queues its mean size holds, of one its class."""
    several = lab(queues=2)
    several.boot.netdev.ethtool("set_coalesce", rx_usecs=1)
    several.send(*[udp_frame(bytes(18), dport=99) for _ in range(3)], gap=400_000).run()
    assert several.net.ring[0 if several.net.ring[0].arrived else 1].itr_val == (88 + 24) // 2
    one = lab()
    one.boot.netdev.ethtool("set_coalesce", rx_usecs=1)
    one.send(*[udp_frame(bytes(18), dport=99) for _ in range(2)], gap=400_000).run()
    assert one.net.ring[0].itr_val == IGB_70K_ITR
    one.send(udp_frame(bytes(470), dport=99), gap=400_000).run()             # 512 bytes, and 540 back
    assert one.net.ring[0].itr_class == LOWEST_LATENCY and one.net.ring[0].itr_val == IGB_20K_ITR


@pytest.mark.parametrize("queues", [1, 2])
def test_a_slow_link_has_4000_interrupts_a_second(lab, queues):
    host = lab(queues=queues)
    host.net.nic[0].speed = 100
    host.boot.netdev.ethtool("set_coalesce", rx_usecs=3)
    host.app(host.udp(5000))
    host.send(*[udp_frame() for _ in range(4)], gap=400_000)
    host.run()
    assert host.net.ring[0 if host.net.ring[0].arrived else 1].itr_val == IGB_4K_ITR


# ---------------------------------------------------------------- transmit
def ping(n=1):
    return eth(ip(icmp(rest=b"\0\1" + n.to_bytes(2, "big")), proto=1))


def test_an_echo_reply_leaves_by_the_ring_and_is_cleaned_by_the_next_poll(lab):
    host = lab().listen()
    host.send(ping())
    host.run()
    assert host.ends() == {"CONSUMED": 1}
    assert len(host.left(Out.TX)) == 1
    tx = host.net.tx[0]
    assert (tx.packets, tx.next_to_use, tx.next_to_clean) == (1, 1, 1)
    assert host.net.stage_count[0][Stage.igb_clean_tx_irq] == 1
    assert host.net.ring[0].irqs == 2, "its completion interrupts"
    assert len(free_skbs(host.net)) == host.net.nskb
    assert stats(host)["tx_queue_0_packets"] == stats(host)["tx_packets"] == 1


def test_a_full_tx_ring_loses_the_answer_and_the_books_do_not_mind(lab):
    host = lab()
    host.net.nic[0].speed = 1                                       # the wire takes a millisecond for a frame
    host.boot.netdev.ethtool("set_ringparam", tx=80)
    host.send(*[ping(i) for i in range(100)], gap=5000)
    host.run(host.t + 300_000)
    assert host.ends() == {"CONSUMED": 100}
    tx = host.net.tx[0]
    assert tx.packets == 76 and tx.busy == 24
    assert host.dev_stats()["tx_dropped"] == 24
    host.run(host.t + 200_000_000)
    assert tx.next_to_clean == tx.next_to_use == 76 and len(free_skbs(host.net)) == host.net.nskb


def test_more_than_128_sent_frames_are_cleaned_in_more_than_one_poll(lab):
    host = lab(itr_ns=8_000_000)
    host.send(*[ping(i) for i in range(200)], gap=4000)
    host.run()
    assert host.net.tx[0].next_to_clean == 200 and len(free_skbs(host.net)) == host.net.nskb


def test_running_ahead_equals_one_step_with_answers_from_every_queue(lab):
    seen = []
    for one_step in (False, True):
        host = lab(queues=2, one_step=one_step)
        app = host.app(host.udp(5000))
        frames = [f for i in range(60) for f in (ping(i), udp_frame(src=f"10.0.0.{i % 9 + 2}"), udp_frame(dport=6000 + i))]
        host.send(*frames, gap=700)
        host.run()
        seen.append((host.net.thread[app].latency_hash, host.ends(), [host.net.cpu[c].softirq_ns for c in range(2)],
                     [(host.net.tx[q].packets, host.net.ring[q].irqs) for q in range(2)]))
    assert seen[0] == seen[1]


# ---------------------------------------------------------------- operations
def test_rings_are_resized_on_a_running_device_and_the_books_know_what_was_lost(lab):
    host = lab(itr_ns=500_000)
    host.app(host.udp(5000))
    host.send(udp_frame())
    host.run(host.t + 100_000)
    host.send(*[udp_frame() for _ in range(10)])
    host.run(host.t + 10_000)                                    # throttled: they lie in the ring
    host.boot.netdev.ethtool("set_ringparam", rx=1001)
    assert host.net.ring[0].size == 1008
    host.send(*[udp_frame() for _ in range(300)], gap=2000)
    host.run()
    host.boot.netdev.ethtool("set_ringparam", rx=80)
    host.send(*[udp_frame() for _ in range(30)], gap=2000)
    host.run()
    assert host.ends() == {"RECEIVED": 331, "RX_RESET": 10}
    assert host.boot.netdev.ethtool("get_ringparam")["rx"] == 80
    assert len(free_skbs(host.net)) == host.net.nskb


def test_buffers_are_each_somewhere_exactly_once_after_resizes(lab):
    host = lab()
    host.app(host.udp(5000))
    for size in (512, 80, 1024, 256):
        host.boot.netdev.ethtool("set_ringparam", rx=size)
        host.send(*[udp_frame() for _ in range(90)], gap=2000)
        host.run()
    only_free(host.net, free_skbs(host.net))                            # each has its buffer now
    heads = [host.net.skb[i].head for i in range(host.net.nskb)] + [host.net.desc[0][i].buf for i in range(host.net.ring[0].buffers)]
    assert len(set(heads)) == len(heads) == host.net.nskb + 1024


def test_queues_change_on_a_running_device_and_the_cable_steers_anew(lab):
    host = lab(queues=4, cpus=4)
    host.app(host.udp(5000))
    frames = [udp_frame(src=f"10.0.0.{i}") for i in range(2, 42)]
    host.send(*frames, gap=2000)
    host.run(host.t - 40_000)
    host.boot.netdev.ethtool("set_channels", combined=1)
    host.run()
    before = [host.net.ring[q].arrived for q in range(4)]
    assert sum(before) == 40 and before[0] > 20
    host.send(*frames, gap=2000)
    host.run()
    assert [host.net.ring[q].arrived for q in range(4)] == [before[0] + 40, *before[1:]]
    host.boot.netdev.ethtool("set_channels", combined=4)
    host.send(*frames, gap=2000)
    host.run()
    assert all(host.net.ring[q].arrived > before[q] for q in range(4))
    ends = host.ends()
    assert ends["RECEIVED"] + ends.get("RX_RESET", 0) == 120
    with pytest.raises(ValueError, match="1 to 8"):
        host.boot.netdev.ethtool("set_channels", combined=9)


def test_down_and_up_in_the_middle_of_a_poll_goes_on(lab):
    host = lab()
    host.app(host.udp(5000))
    host.send(*[udp_frame() for _ in range(200)], gap=100)
    host.run(host.t - 5_000)                                     # the poll is under way
    host.boot.netdev.close()
    host.boot.netdev.open()
    host.send(*[udp_frame() for _ in range(50)], gap=3000)
    host.run()
    ends = host.ends()
    assert ends["RX_RESET"] > 0 and sum(ends.values()) == 250 and ends["RECEIVED"] >= 50


def test_a_jumbo_mtu_lets_long_frames_in_and_wrong_ones_are_refused(lab):
    host = lab()
    host.send(udp_frame(b"x" * 3000))
    host.run()
    assert host.ends() == {"RX_LENGTH": 1}
    host.boot.netdev.ndo("ndo_change_mtu", 9216)
    with pytest.raises(ValueError, match="68 to 9216"):
        host.boot.netdev.ndo("ndo_change_mtu", 9217)
    with pytest.raises(ValueError, match="has no ndo_bad"):
        host.boot.netdev.ndo("ndo_bad")


def test_boot_says_what_it_did_in_the_seeds_order(lab):
    said = [f for f, _ in lab(queues=2).boot.log]
    steps = ["igb_init_module", "igb_probe", "igb_alloc_q_vector", "__igb_open", "igb_setup_all_tx_resources", "igb_setup_all_rx_resources",
             "igb_request_msix", "napi_enable"]
    at = [said.index(s) for s in steps]
    assert at == sorted(at) and said.count("igb_request_msix") == 2


def test_ethtool_names_are_those_of_igb(lab):
    host = lab()
    host.app(host.udp(5000))
    host.send(udp_frame(), eth(ip(udp(b"x" * 30))))
    host.run()
    names = list(ethtool_stats(host.net))
    assert names[:4] == ["rx_packets", "tx_packets", "rx_bytes", "tx_bytes"]
    assert names[-5:] == ["rx_queue_0_packets", "rx_queue_0_bytes", "rx_queue_0_drops", "rx_queue_0_csum_err", "rx_queue_0_alloc_failed"]
    assert stats(host)["rx_packets"] == stats(host)["rx_queue_0_packets"] == 2
    assert host.boot.netdev.ethtool("get_ethtool_stats") == ethtool_stats(host.net)
