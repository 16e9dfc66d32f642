"""The card's packet buffer in front of a lone ring, and 802.3x pause frames."""
import pytest

from rxpath.drivers.igb_ethtool import ethtool_stats
from rxpath.drivers.igb_open import set_rx_fifo
from rxpath.drivers.rows import IXGBE
from rxpath.drivers.rss import rss_hash_of

from ..frames import eth, udp_frame

US = 1000
FIFO = 64 << 10
FRAME = 1024 + 42
SLOT = FRAME + 4 + 15 & ~15


def fifo_host(lab, size=FIFO, tx=False, **options):
    """A ring of 80 whose reader's softirq starts late: interrupts 5 ms apart."""
    host = lab(**({"ring": 80, "itr_ns": 5_000 * US} | options))
    set_rx_fifo(host.boot.netdev, size)
    host.boot.netdev.ethtool("set_pauseparam", tx=tx)
    for q in range(host.queues):
        host.net.ring[q].itr_mode, host.net.ring[q].itr_ns, host.net.ring[q].itr_val = 0, options.get("itr_ns", 5_000 * US), 20_000
    host.udp(5000, rcvbuf=1 << 22)
    host.net.nic[0].rx_csum = 1
    return host


def burst(host, n, gap=2 * US):
    """One frame that interrupts at once, then n that come while the next interrupt is far away."""
    host.send(udp_frame(b"x" * 1024)).run(host.t + 500 * US)
    return host.send(*[udp_frame(bytes([k & 255]) * 1024) for k in range(n)], gap=gap).run()


def in_order(host):
    sk = host.net.socks[0]
    return sk.in_packets


def test_without_a_packet_buffer_a_full_ring_loses(lab):
    host = burst(fifo_host(lab, 0), 120)
    assert host.ends() == {"RX_MISSED": 120 - 79}


def test_the_packet_buffer_holds_what_the_ring_cannot(lab):
    host = burst(fifo_host(lab), 79 + FIFO // SLOT)
    assert host.ends() == {} and in_order(host) == 80 + FIFO // SLOT
    stats = ethtool_stats(host.net)
    assert stats["rx_no_buffer_count"] == FIFO // SLOT and stats["rx_missed_errors"] == 0
    assert host.net.buffer[0].bytes_max == FIFO // SLOT * SLOT


def test_one_more_than_both_hold_is_lost(lab):
    host = burst(fifo_host(lab), 79 + FIFO // SLOT + 1)
    assert host.ends() == {"RX_MISSED": 1} and ethtool_stats(host.net)["rx_missed_errors"] == 1


@pytest.mark.parametrize("more, ends", [(0, {}), (1, {"RX_MISSED": 1})])
def test_its_last_bytes_are_used(lab, more, ends):
    """With its FCS, in units of 16: a frame that fills what is left, and one of a byte more."""
    host = fifo_host(lab)
    host.send(udp_frame(b"x" * 1024)).run(host.t + 500 * US)
    last = udp_frame(bytes(FIFO % SLOT - 4 - 42 + more))
    host.send(*[udp_frame(b"x" * 1024) for _ in range(79 + FIFO // SLOT)], last, gap=2 * US).run()
    assert host.ends() == ends and host.net.buffer[0].bytes_max == FIFO - (FIFO % SLOT if more else 0)


def test_pause_frames_move_the_loss_to_the_sender(lab):
    """R35: this host counts no loss, and sees fewer frames."""
    off, on = (burst(fifo_host(lab, tx=tx), 300) for tx in (False, True))
    assert off.ends()["RX_MISSED"] > 100 and "TX_PAUSE" not in off.ends()
    assert set(on.ends()) == {"TX_PAUSE"} and on.ends()["TX_PAUSE"] > off.ends()["RX_MISSED"]
    stats = ethtool_stats(on.net)
    assert (stats["rx_missed_errors"], stats["tx_flow_control_xoff"], stats["tx_flow_control_xon"]) == (0, 1, 1)
    pb = on.net.buffer[0]
    assert pb.high_water == FIFO - 1522 - 9728 & ~15 and pb.bytes_max <= pb.high_water + SLOT


def test_after_the_pause_frames_come_again(lab):
    host = burst(fifo_host(lab, tx=True), 300)
    held = host.ends()["TX_PAUSE"]
    host.send(*[udp_frame(b"x")] * 20, gap=10 * US).run()
    assert host.ends() == {"TX_PAUSE": held} and host.net.buffer[0].xoff == 0


def test_bytes_and_order_survive_the_packet_buffer(lab):
    host = fifo_host(lab)
    t = host.app(0, cpu=1)
    host.net.trail = 1
    burst(host, 130)
    assert host.ends() == {"RECEIVED": 131} and host.data(t, 4) == bytes([129]) * 4
    host.collect(last=True)
    taken = [m.frame for m in sorted(host.trail, key=lambda m: m.t) if m.stage == 1]
    assert taken == list(range(131))


def test_what_the_mac_filter_refuses_takes_no_place(lab):
    host = fifo_host(lab)
    host.send(udp_frame(b"x" * 1024)).run(host.t + 500 * US)
    host.send(*[eth(b"y" * 1024, dst=bytes.fromhex("0200000000ff")) for _ in range(200)], gap=US)
    host.send(*[udp_frame(b"z" * 1024) for _ in range(100)], gap=US).run()
    assert host.ends() == {"NIC_FILTER": 200}


def test_several_queues_drop_each_for_itself(lab):
    """DROP_EN: nothing waits in front of them, so that no pause frame is sent either."""
    host = fifo_host(lab, tx=True, queues=2)
    assert host.net.ring[0].pb == -1
    burst(host, 120)
    assert host.ends() == {"RX_MISSED": 120 - 79} and ethtool_stats(host.net)["rx_fifo_errors"] == 120 - 79


# ---------------------------------------------------------------- one buffer of several queues
def shared_host(lab, driver="ixgbe", size=FIFO, **options):
    """Two queues on two CPUs without DROP_EN; frames go by source port.  Queue 0's interrupt comes late."""
    host = lab(**({"ring": 80, "queues": 2, "cpus": 3, "driver": driver} | options))
    dev = host.boot.netdev
    set_rx_fifo(dev, size)
    dev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    dev.ethtool("set_pauseparam", **{"tx" if driver == "ixgbe" else "rx": True})
    for q in range(2):
        ring = host.net.ring[q]
        ring.itr_mode, ring.itr_ns, ring.itr_val = 0, (5_000 * US, 0)[q], (20_000, 0)[q]
    host.udp(5000, rcvbuf=1 << 22)
    return host


def ports(host):
    """A source port for each queue."""
    found = {}
    for port in range(4000, 4064):
        frame = udp_frame(b"x" * 18, sport=port)
        host.feed[:len(frame)] = frame
        nic, rss = host.net.nic[0], host.call(rss_hash_of)(host.net, 0, len(frame))
        found.setdefault(nic.reta[rss & nic.reta_mask], port)
    return found[0], found[1]


def test_a_full_ring_blocks_the_others(lab):
    """82599 with pause frames sent: no DROP_EN, so a frame without a descriptor holds up those behind it, for whichever queue."""
    host = shared_host(lab, size=FIFO + IXGBE.flow_director)
    slow, fast = ports(host)
    host.send(udp_frame(b"x" * 1024, sport=slow)).run(host.t + 500 * US)
    host.send(*[udp_frame(b"x" * 1024, sport=slow) for _ in range(100)], gap=2 * US)
    host.send(*[udp_frame(b"x" * 1024, sport=fast) for _ in range(10)], gap=2 * US).run(host.t + 1_000 * US)
    assert host.net.ring[1].packets == 0 and host.net.buffer[0].tail - host.net.buffer[0].head > 30
    irqs = host.net.ring[1].irqs
    assert irqs == 0                                 # nothing was written for it: it is not interrupted
    host.run()
    assert host.ends() == {} and host.net.ring[1].packets == 10 and host.net.socks[0].in_packets == 111
    assert 0 < host.net.ring[1].irqs <= 10


def test_with_drop_en_they_do_not(lab):
    host = shared_host(lab)
    host.boot.netdev.ethtool("set_pauseparam", tx=False)
    for q in range(2):
        host.net.ring[q].itr_mode, host.net.ring[q].itr_ns = 0, (5_000 * US, 0)[q]
    slow, fast = ports(host)
    host.send(udp_frame(b"x" * 1024, sport=slow)).run(host.t + 500 * US)
    host.send(*[udp_frame(b"x" * 1024, sport=slow) for _ in range(100)], gap=2 * US)
    host.send(*[udp_frame(b"x" * 1024, sport=fast) for _ in range(10)], gap=2 * US).run(host.t + 1_000 * US)
    assert host.net.ring[1].packets == 10
    assert host.run().ends()["RX_MISSED"] > 0


def test_pause_frames_with_several_queues(lab):
    """One slow queue pauses the sender for all; nothing is lost in this host."""
    host = shared_host(lab, size=FIFO + IXGBE.flow_director)
    slow, fast = ports(host)
    host.send(udp_frame(b"x" * 1024, sport=slow)).run(host.t + 500 * US)
    host.send(*[udp_frame(b"x" * 1024, sport=(slow, fast)[k % 2]) for k in range(400)], gap=US).run()
    assert set(host.ends()) == {"TX_PAUSE"} and min(host.net.ring[q].held for q in range(2)) > 0
    stats = host.boot.netdev.ethtool("get_ethtool_stats")
    assert (stats["rx_missed_errors"], stats["rx_no_dma_resources"], stats["tx_flow_control_xoff"]) == (0, 0, 1)
    pb = host.net.buffer[0]
    assert (pb.high_water, pb.low_water) == (FIFO - 15 * 1024, 10 * 1024) and pb.xons == 1


def test_a_full_shared_buffer_loses_in_no_queue(lab):
    """igb with receive pause: rx_missed_errors, not rx_queue_N_drops."""
    host = shared_host(lab, driver="igb")
    slow, _ = ports(host)
    host.send(udp_frame(b"x" * 1024, sport=slow)).run(host.t + 500 * US)
    host.send(*[udp_frame(b"x" * 1024, sport=slow) for _ in range(200)], gap=2 * US).run()
    stats = ethtool_stats(host.net)
    assert stats["rx_missed_errors"] == host.ends()["RX_MISSED"] > 0 and stats["rx_queue_0_drops"] == stats["rx_fifo_errors"] == 0
    assert stats["rx_no_buffer_count"] > stats["rx_missed_errors"]


def test_of_two_frames_at_one_moment_the_lower_queue_s_comes_first(lab):
    """Into the last place of the buffer."""
    host = shared_host(lab, driver="igb")
    slow, fast = ports(host)
    host.send(udp_frame(b"x" * 1024, sport=slow)).run(host.t + 500 * US)
    host.send(*[udp_frame(b"x" * 1024, sport=slow) for _ in range(79 + FIFO // SLOT - 1)], gap=2 * US)
    host.send(*[udp_frame(b"x" * 1024, sport=sport) for sport in (fast, slow)], gap=0).run()
    assert [host.net.ring[q].missed for q in range(2)] == [0, 1]


def test_running_ahead_changes_nothing_with_a_shared_buffer(lab):
    seen = []
    for one_step in (False, True):
        host = shared_host(lab, size=FIFO + IXGBE.flow_director, one_step=one_step)
        for q in range(2):
            host.net.ring[q].itr_ns = (300, 40)[q] * US
        host.app(0, cpu=2, service=900)
        slow, fast = ports(host)
        host.send(*[udp_frame(b"x" * 1024, sport=(slow, slow, fast)[k % 3]) for k in range(900)], gap=700).run()
        rings = [(r.irqs, r.packets, r.held, r.no_buffer, r.missed, r.fill_max) for r in (host.net.ring[q] for q in range(2))]
        pb, th = host.net.buffer[0], host.net.thread[64]
        times = [host.net.cpu[c].softirq_ns for c in range(2)]
        seen.append((host.ends(), rings, pb.xoffs, pb.bytes_max, th.latency_hash, times))
    assert seen[0] == seen[1] and seen[0][1][1][3] > 0


def test_a_reset_empties_the_packet_buffer(lab):
    host = fifo_host(lab)
    host.send(udp_frame(b"x" * 1024)).run(host.t + 500 * US)
    host.send(*[udp_frame(b"x" * 1024) for _ in range(100)], gap=US).run(host.t + 100 * US)
    host.boot.netdev.close()
    assert host.ends() == {"RX_RESET": 100}


@pytest.mark.parametrize("size", [1, 16383, 131073])
def test_a_size_that_no_card_has_is_refused(lab, size):
    with pytest.raises(ValueError, match="rx_fifo"):
        set_rx_fifo(lab().boot.netdev, size)


def test_running_ahead_changes_nothing(lab):
    seen = []
    for one_step in (False, True):
        host = fifo_host(lab, tx=True, one_step=one_step, itr_ns=300 * US)
        host.app(0, cpu=1, service=3000)
        burst(host, 700, gap=1500)
        r, th = host.net.ring[0], host.net.thread[64]
        pb = host.net.buffer[0]
        seen.append((host.ends(), pb.xoffs, pb.bytes_max, r.no_buffer, r.irqs, th.latency_hash, host.net.cpu[0].softirq_ns))
    assert seen[0] == seen[1] and seen[0][2] > 0
