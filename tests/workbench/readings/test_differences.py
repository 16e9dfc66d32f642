"""What moved between two readings, by the width of the counters; and what a card's counters say together, each packet once."""
import pathlib

import pytest

from rxpath.drivers.counters import Loss
from rxpath.workbench.readings import difference, losses, read_text, standard
from rxpath.workbench.readings import records as r
from rxpath.workbench.readings.counters import moved

DATA = pathlib.Path(__file__).parents[2] / "data" / "host"


def reading(*records, time=None):
    return r.Reading(records, time=time)


def softnet(*rows, known=True):
    return r.Softnet(tuple(r.SoftnetRow(*row) for row in rows), known)


@pytest.mark.parametrize("before, after, bits, said", [
    (5, 9, 64, (4, "")), ((1 << 32) - 10, 5, 32, (15, "wrapped")), ((1 << 31) + 5, 3, 64, ((1 << 31) - 2, "wrapped")),
    (4_000_000, 5, 32, (None, "reset")), (4_000_000, 5, 64, (None, "reset")), (1 << 40, 5, 64, (None, "reset")),
    (65530, 4, 16, (10, "wrapped")), (40000, 39999, 16, (None, "reset")), (70000, 5, 16, (None, "reset"))])
def test_a_smaller_value_is_a_wrap_or_a_reset_by_its_width(before, after, bits, said):
    assert moved(before, after, bits) == said


def test_softnet_wraps_at_32_bits_and_says_so():
    found = difference(reading(softnet((0, (1 << 32) - 100, 7, 1)), time=10), reading(softnet((0, 50, 9, 1)), time=12.5))
    row = found.reading.first(r.Softnet).rows[0]
    assert (row.processed, row.dropped, row.time_squeeze) == (150, 2, 0) and found.seconds == 2.5
    assert found.said == ("processed of CPU 0 in softnet_stat wrapped",)


def test_softnet_without_numbers_of_cpus_is_not_compared_when_a_cpu_went():
    found = difference(reading(softnet((0, 1, 0, 0), (1, 1, 0, 0), known=False)), reading(softnet((0, 9, 0, 0), known=False)))
    assert found.reading.first(r.Softnet) is None and "another number of rows" in found.said[0]


def test_lengths_of_queues_are_those_of_the_second_reading():
    before, after = (r.Softnet((r.SoftnetRow(0, n, 0, 0, backlog_len=n),), True) for n in (5, 7))
    row = difference(reading(before), reading(after)).reading.first(r.Softnet).rows[0]
    assert (row.processed, row.backlog_len) == (2, 7)


def test_a_boot_in_between_leaves_nothing_to_compare():
    found = difference(reading(r.Stat({}, btime=1000), softnet((0, 5, 0, 0))), reading(r.Stat({}, btime=9000), softnet((0, 9, 0, 0))))
    assert "booted in between" in found.said[0] and not list(found.reading.of(r.Softnet))


def test_a_device_that_was_reset_says_nothing_and_another_one_does():
    def card(device, value):
        return r.EthtoolStats(device=device, values=(r.Value("rx_queue_0_drops", value), r.Value("rx_packets", 10 * value)))

    found = difference(reading(card("eth0", 500), card("eth1", 5)), reading(card("eth0", 3), card("eth1", 9)))
    assert found.reading.device(r.EthtoolStats, "eth0") is None or found.reading.device(r.EthtoolStats, "eth0").device != "eth0"
    assert found.reading.device(r.EthtoolStats, "eth1").get("rx_queue_0_drops") == 4
    assert found.said == ("rx_queue_0_drops of eth0 in ethtool -S and 1 more went backwards: reset in between, so this interval says "
                          "nothing about it",)


def test_a_narrow_counter_of_a_driver_wraps_at_its_own_width():
    def card(value):
        return (r.DriverInfo(device="eth0", driver="r8169"), r.EthtoolStats(device="eth0", values=(r.Value("rx_missed", value),)))

    found = difference(reading(*card(65530)), reading(*card(4)))
    assert found.reading.first(r.EthtoolStats).get("rx_missed") == 10 and "wrapped" in found.said[0]


def test_names_that_repeat_by_queue_are_compared_in_their_order():
    before, after = (r.EthtoolStats(device="e", values=tuple(r.Value("pkts rx OOB", v, f"Rx Queue#: {q}") for q, v in enumerate(vs)))
                     for vs in ((1, 2), (4, 9)))
    assert [v.value for v in difference(reading(before), reading(after)).reading.first(r.EthtoolStats).values] == [3, 7]


def test_what_began_to_be_printed_with_its_first_packet_was_zero():
    before = read_text("Icmp: InMsgs\nIcmp: 0\nUdp: InErrors RcvbufErrors\nUdp: 3 3\n")
    after = read_text("Icmp: InMsgs\nIcmp: 7\nIcmpMsg: InType3\nIcmpMsg: 7\nUdp: InErrors RcvbufErrors\nUdp: 8 7\n")
    found = difference(before, after).reading
    assert found.counter("IcmpMsg", "InType3") == 7 and found.counter("Udp", "RcvbufErrors") == 4
    sentences = difference(read_text("Udp:\n    5 packets received\n"), read_text("Udp:\n    9 packets received\n"
                "    2 receive buffer errors\n"))
    assert sentences.reading.counter("Udp", "RcvbufErrors") == 2


def test_namespaces_are_not_mixed():
    before, after = (reading(r.Snmp({"Udp": {"InErrors": n}}), r.Snmp({"Udp": {"InErrors": 10 * n}}, netns="blue")) for n in (1, 3))
    found = difference(before, after).reading
    assert (found.counter("Udp", "InErrors"), found.counter("Udp", "InErrors", "blue")) == (2, 20)


def test_an_interrupt_that_was_requested_anew_is_another_one():
    def irqs(*rows):
        return r.Interrupts((0, 1), tuple(r.Irq(name, counts, "", (who,)) for name, counts, who in rows))

    found = difference(reading(irqs(("24", (5, 1), "eth0-TxRx-0"), ("25", (9, 9), "eth0-TxRx-1"))),
                       reading(irqs(("24", (8, 1), "eth0-TxRx-0"), ("31", (2, 0), "eth0-TxRx-1"))))
    assert [(i.name, i.counts) for i in found.reading.first(r.Interrupts).rows] == [("24", (3, 0))]
    assert found.said == ("interrupt 31 (eth0-TxRx-1) is in the second reading only",)


def test_a_new_sockets_drops_are_all_its_own_and_a_closed_ones_are_not_known():
    def sockets(*known):
        return r.UdpSockets(tuple(r.UdpSocket(4, "0.0.0.0", port, inode=inode, drops=drops) for port, inode, drops in known))

    found = difference(reading(sockets((53, 7, 100), (514, 8, 5))), reading(sockets((53, 7, 130), (514, 9, 2))))
    assert [s.drops for s in found.reading.first(r.UdpSockets).sockets] == [30, 2]
    assert found.said == ("1 UDP socket was closed in between: what they dropped in that time is in Udp.RcvbufErrors alone",)


def test_rules_are_compared_in_place_and_words():
    before, after = (read_text(f"*filter\n:INPUT ACCEPT [{n}:0]\n[{2 * n}:9] -A INPUT -p udp -j DROP\nCOMMIT\n") for n in (5, 8))
    assert [x.packets for x in difference(before, after).reading.first(r.Rules).rules] == [3, 6]


def test_the_real_pair_balances():
    files = ("softnet_stat", "proc_net_snmp", "proc_net_udp", "time")
    before, after = (read_text("\n".join((DATA / w / f).read_text() for f in files)) for w in ("before", "after"))
    found = difference(before, after)
    seen = found.reading
    sockets = {s.port: s for s in seen.first(r.UdpSockets).sockets}
    assert sockets[8125].drops == seen.counter("Udp", "RcvbufErrors") == seen.counter("Udp", "InErrors") == 11843
    arrived = seen.counter("Ip", "InDelivers") - seen.counter("Icmp", "InMsgs")
    queued = arrived - sum(seen.counter("Udp", n) for n in ("InDatagrams", "InErrors", "NoPorts"))
    assert queued * 832 == sockets[8125].recv_q                                  # 106 datagrams of 120 bytes
    assert 0 < found.seconds < 5 and not found.said


# ---------------------------------------------------------------- classes
def card(**values):
    return r.EthtoolStats(values=tuple(r.Value(name.replace("__", ": "), value) for name, value in values.items()))


def test_a_sum_counts_only_what_its_parts_do_not_have():
    found = losses("igb", card(rx_queue_0_drops=6, rx_queue_1_drops=1, rx_missed_errors=4, rx_fifo_errors=12, rx_no_buffer_count=99))
    assert found[Loss.RING].packets == 7 and found[Loss.EITHER].packets == 5           # fifo is drops, missed, and one that neither has
    assert found[Loss.EITHER].events == {"rx_no_buffer_count": 99}


def test_totals_and_queues_of_other_cards():
    bnxt = r.EthtoolStats(values=(r.Value("[0]: rx_discards", 3), r.Value("[1]: rx_discards", 4), r.Value("rx_total_ring_discards", 7),
                                  r.Value("rx_discard_bytes_cos0", 900), r.Value("rx_stat_discard", 2)))
    found = losses("bnxt_en", bnxt)
    assert found[Loss.RING].packets == 7 and found[Loss.PKTBUF].packets == 2
    assert losses("mlx5_core", card(rx_discards_phy=10, rx_prio0_discards=8, rx_out_of_buffer=1))[Loss.PKTBUF].packets == 10
    assert losses("virtio_net", card(rx_drops=5, rx0_drops=2, rx1_drops=3))[Loss.ALLOC].packets == 5
    vmxnet3 = r.EthtoolStats(values=(r.Value("pkts rx OOB", 5, "a"), r.Value("pkts rx OOB", 7, "b")))
    assert losses("vmxnet3", vmxnet3)[Loss.RING].packets == 12


def test_a_driver_without_a_row_keeps_its_own_words():
    found = losses("newnic", card(rx_fancy_drops=3, rx_packets=10, rx_csum_complete=4))
    assert {k: v.counters for k, v in found.items()} == {"unclassified": {"rx_fancy_drops": 3}}


def test_standard_counters_mean_what_feeds_them():
    link = r.Link(device="eth0", stats={"rx_missed_errors": 4, "rx_dropped": 2, "rx_crc_errors": 1})
    assert {k: v.packets for k, v in standard("mlx5_core", link).items()} == {Loss.RING: 4, "unclassified": 2, Loss.PHY: 1}
    assert standard("ixgbe", link)[Loss.PKTBUF].packets == 4 and standard("", link)["unclassified"].packets == 6
