"""The card's packet buffer in front of a lone ring, and 802.3x pause frames."""
import pytest

from rxpath.drivers.igb_ethtool import ethtool_stats
from rxpath.drivers.igb_open import set_rx_fifo

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
    assert host.net.ring[0].fifo_max == FIFO // SLOT * SLOT


def test_one_more_than_both_hold_is_lost(lab):
    host = burst(fifo_host(lab), 79 + FIFO // SLOT + 1)
    assert host.ends() == {"RX_MISSED": 1} and ethtool_stats(host.net)["rx_missed_errors"] == 1


def test_pause_frames_move_the_loss_to_the_sender(lab):
    """R35: this host counts no loss, and sees fewer frames."""
    off, on = (burst(fifo_host(lab, tx=tx), 300) for tx in (False, True))
    assert off.ends()["RX_MISSED"] > 100 and "TX_PAUSE" not in off.ends()
    assert set(on.ends()) == {"TX_PAUSE"} and on.ends()["TX_PAUSE"] > off.ends()["RX_MISSED"]
    stats = ethtool_stats(on.net)
    assert (stats["rx_missed_errors"], stats["tx_flow_control_xoff"], stats["tx_flow_control_xon"]) == (0, 1, 1)
    assert on.net.nic[0].high_water == FIFO - 1522 - 9728 & ~15 and on.net.ring[0].fifo_max <= on.net.nic[0].high_water + SLOT


def test_after_the_pause_frames_come_again(lab):
    host = burst(fifo_host(lab, tx=True), 300)
    held = host.ends()["TX_PAUSE"]
    host.send(*[udp_frame(b"x")] * 20, gap=10 * US).run()
    assert host.ends() == {"TX_PAUSE": held} and host.net.ring[0].xoff == 0


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
    assert host.net.nic[0].fifo == 0
    burst(host, 120)
    assert host.ends() == {"RX_MISSED": 120 - 79} and ethtool_stats(host.net)["rx_fifo_errors"] == 120 - 79


def test_rx_pause_with_several_queues_is_refused(lab):
    with pytest.raises(ValueError, match="not modelled"):
        lab(queues=2).boot.netdev.ethtool("set_pauseparam", rx=True)
    lab().boot.netdev.ethtool("set_pauseparam", rx=True)


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
        seen.append((host.ends(), r.xoffs, r.fifo_max, r.no_buffer, r.irqs, th.latency_hash, host.net.cpu[0].softirq_ns))
    assert seen[0] == seen[1] and seen[0][2] > 0
