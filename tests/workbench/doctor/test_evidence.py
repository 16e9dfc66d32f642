"""Differences, shares and cards: widths of counters, resets, nothing counted twice, whose interrupts they are."""
from dataclasses import replace

import pytest

from rxpath.drivers.counters import Loss
from rxpath.workbench.doctor import cards, socket_facts, sockets  # noqa: F401
from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.doctor.facts import Known
from rxpath.workbench.doctor.rules import Missing
from rxpath.workbench.doctor.verdict import CANNOT_TELL, examine
from rxpath.workbench.readings.records import (
    DriverInfo,
    EthtoolStats,
    Interrupts,
    Irq,
    Link,
    Mpstat,
    Reading,
    Skmem,
    Snmp,
    Softnet,
    SoftnetRow,
    UdpSocket,
    UdpSockets,
    Value,
)
from rxpath.workbench.readings.settings import Surroundings
from rxpath.workbench.views import doctor as view
from rxpath.workbench.views import terminal

from .hosts import BASE, SECONDS, host


def softnet(before, after):
    return [Reading((Softnet((SoftnetRow(0, n, 0, 0),), True),), time=t) for n, t in ((before, 0.0), (after, 10.0))]


# ---------------------------------------------------------------- differences
@pytest.mark.parametrize("before, after, moved", [(5, 9, 4), (0xFFFFFFF0, 0x10, 0x20), (0xC0000000, 0x100, 0x40000100)])
def test_softnet_stat_wraps_at_32_bits(before, after, moved):
    assert Evidence(softnet(before, after)).on(0).processed == moved


def test_a_counter_that_shrank_was_reset_and_says_nothing():
    e = Evidence(softnet(500_000, 100))
    with pytest.raises(NotKnown, match="not reset"):
        e.on(0)
    assert e.resets == ("processed of CPU 0 in softnet_stat",)
    [reset] = [f for f in examine(Evidence(softnet(500_000, 100))).found if f.name == "reset"]
    assert reset.kind == "note" and "processed of CPU 0" in reset.title


def test_a_counter_of_a_protocol_that_shrank_is_not_known():
    readings = [Reading((Snmp({"Udp": {"InErrors": n}}),)) for n in (500_000, 100)]
    with pytest.raises(NotKnown):
        Evidence(readings).snmp("Udp", "InErrors")


def test_a_name_that_a_kernel_does_not_have_has_not_moved_and_a_group_that_nobody_read_is_not_known():
    e = Evidence([Reading((Snmp({"Udp": {"InErrors": n}}),)) for n in (5, 9)])
    assert e.snmp("Udp", "InErrors") == 4 and e.snmp("Udp", "MemErrors") == 0
    with pytest.raises(NotKnown) as missing:
        e.snmp("TcpExt", "ListenDrops")
    assert missing.value.reading == "/proc/net/netstat, twice"


def test_a_group_that_only_the_second_reading_has_wants_a_second_one():
    e = Evidence([Reading(), Reading((Snmp({"Udp": {"InErrors": 4}}),))])
    with pytest.raises(NotKnown, match=r"a second reading of /proc/net/snmp"):
        e.snmp("Udp", "InErrors")


def test_nstat_without_a_says_itself_what_moved():
    e = Evidence([Reading(), Reading((Snmp({"Udp": {"RcvbufErrors": 4}}, absent_is_zero=True, increase=True),))])
    assert e.snmp("Udp", "RcvbufErrors") == 4 and e.snmp("Udp", "NoPorts") == 0


def test_the_time_comes_from_clocks_from_what_is_said_or_from_the_ticks_of_stat():
    assert Evidence(host()).seconds == SECONDS
    timeless = [replace(r, time=None) for r in host()]
    assert Evidence(timeless, 3.0).seconds == 3.0
    assert Evidence(timeless).seconds == SECONDS
    with pytest.raises(NotKnown, match="--seconds"):
        Evidence([replace(r, time=None) for r in host(without=("stat",))]).seconds                 # noqa: B018


def test_shares_come_from_stat_or_from_an_mpstat_with_an_interval():
    assert Evidence(host(cpu={0: {"idle": 0.5, "soft": 0.25}})).share(0, "soft") == pytest.approx(0.25)
    at_once, since_boot = Mpstat({0: {"soft": 60.0, "idle": 40.0}}), Mpstat({0: {"soft": 1.0}}, since_boot=True)
    assert Evidence([Reading((since_boot,)), Reading((at_once,))]).share(0, "soft") == 0.6
    with pytest.raises(NotKnown):
        Evidence([Reading((since_boot,)), Reading((since_boot,))]).share(0, "soft")


def test_a_fact_that_is_missing_names_the_reading():
    facts = Known(Evidence([Reading(), Reading()]), "device", "eth0")
    assert facts["ring_lost"] == Missing("ethtool -S eth0, twice")
    assert facts["poll_idle"] == Missing("/proc/stat, twice")
    assert facts["irqs"] == Missing("/proc/interrupts, twice")


@pytest.mark.parametrize("drops, spread", [([i * 2 for i in range(100)], 1.0), ([0] * 50 + [900] * 50, 0.05)])
def test_losses_all_the_time_and_in_one_burst_differ_in_a_tenth_of_a_second(drops, spread):
    """Looks come every 20 ms: one in which nothing was lost says nothing yet."""
    looks = [Reading((Softnet((SoftnetRow(0, 1, n, 0),), True),), time=0.02 * i) for i, n in enumerate(drops)]
    assert Known(Evidence(looks), "cpu", "0")["backlog_spread"] == pytest.approx(spread, abs=0.01)


@pytest.mark.parametrize("driver, counter, told", [
    ("igb", "rx_fifo_errors", True), ("r8169", "rx_missed_errors", True), ("i40e", "rx_missed_errors", False)])
def test_losses_of_a_card_are_looked_at_between_the_readings_where_the_driver_reads_it(driver, counter, told):
    """i40e brings its counters up to date every second or two: any loss would look like a burst."""
    names = dict.fromkeys(("rx_missed_errors", "rx_fifo_errors"), 0)
    looks = [Reading((Link(device="eth0", stats=names | {counter: 9 * (i > 50)}), DriverInfo(device="eth0", driver=driver)), time=0.02 * i)
             for i in range(101)]
    spread = Known(Evidence(looks), "device", "eth0")["ring_spread"]
    assert spread == pytest.approx(0.05, abs=0.01) if told else isinstance(spread, Missing)


def test_fewer_looks_than_ten_tenths_of_a_second_do_not_tell_a_burst():
    looks = [Reading((Softnet((SoftnetRow(0, 1, n, 0),), True),), time=0.02 * n) for n in range(40)]
    assert isinstance(Known(Evidence(looks), "cpu", "0")["backlog_spread"], Missing)


def test_in_a_container_the_machines_packets_are_not_held_against_the_namespaces():
    readings = [replace(r, records=(*r.records, Surroundings(container=True)))
                for r in host(softnet={0: {"processed": 90_000}}, card={"link": {"rx_packets": 100}})]
    verdict = examine(Evidence(readings))
    assert "rounds" not in {f.name for f in verdict.found}
    assert any("container" in note for note in verdict.notes)


# ---------------------------------------------------------------- cards: nothing twice
@pytest.mark.parametrize("driver, moved, loss, packets", [
    ("igb", {"rx_queue_0_drops": 5, "rx_queue_1_drops": 7, "rx_fifo_errors": 15, "rx_missed_errors": 3}, Loss.RING, 12),
    ("igb", {"rx_queue_0_drops": 5, "rx_fifo_errors": 5, "rx_missed_errors": 0}, Loss.EITHER, 0),
    ("igb", {"rx_fifo_errors": 5}, Loss.EITHER, 5),
    ("igb", {"rx_queue_0_drops": 5, "rx_fifo_errors": 8, "rx_missed_errors": 3, "rx_no_buffer_count": 99}, Loss.EITHER, 3),
    ("mlx5_core", {"rx_discards_phy": 9, "rx_prio0_discards": 4, "rx_prio3_discards": 5}, Loss.PKTBUF, 9),
    ("bnxt_en", {"[0]: rx_discards": 4, "[1]: rx_discards": 5, "rx_total_ring_discards": 9}, Loss.RING, 9),
    ("bnxt_en", {"rx_discard_bytes_cos0": 900, "rx_discard_packets_cos0": 9, "rx_stat_discard": 9}, Loss.PKTBUF, 9),
    ("bnx2x", {"[0]: rx_discards": 4, "rx_discards": 4}, Loss.RING, 4),
    ("ice", {"rx_dropped": 6, "rx_dropped.nic": 8}, Loss.PKTBUF, 2),
    ("ice", {"rx_dropped": 6, "rx_dropped.nic": 8}, Loss.RING, 6),
    ("bnx2", {"rx_ftq_discards": 1, "rx_discards": 2, "rx_fw_discards": 4, "tx_xoff_frames": 9}, Loss.EITHER, 7),
    ("iavf", {"rx_discards": 4, "rx_unknown_protocol": 5}, Loss.RING, 4),
    ("fsl_dpaa2_eth", {"[hw] rx nobuffer discards": 4, "[hw] rx filtered frames": 5, "[qbman] buffer count": 99}, Loss.RING, 4),
    ("tg3", {"rxbds_empty": 50, "rx_discards": 3}, Loss.RING, 3),
    ("i40e", {"rx_missed_errors": 3, "rx_dropped": 5}, Loss.RING, 3),
    ("i40e", {"rx_dropped": 5}, Loss.RING, 5),
    ("igb", {"tx_flow_control_xon": 4, "tx_flow_control_xoff": 5}, Loss.PAUSE, 5),
])
def test_a_loss_counts_once_however_many_counters_have_it(driver, moved, loss, packets):
    e = Evidence(host(card={"driver": driver, "stats": moved}))
    assert cards.lost(e, "eth0", loss) == packets


def test_a_driver_without_a_row_shows_what_looks_like_a_loss_and_claims_nothing():
    verdict = examine(Evidence(host(card={"driver": "newcard", "stats": {"rx_fancy_drops": 4, "rx_cache_full": 9}})))
    [own] = [f for f in verdict.found if f.name == "unclassified"]
    assert own.kind == "open" and own.seen == ("rx_fancy_drops +4",) and verdict.status == CANNOT_TELL


def test_a_device_that_reports_every_twenty_seconds_is_looked_at_for_forty():
    for seconds, said in ((10, True), (39, True), (40, False)):
        readings = host(card={"driver": "gve", "stats": {"rx_queue_drop_cnt[0]": 0}})
        readings = [replace(r, time=0.0 if i == 0 else float(seconds)) for i, r in enumerate(readings)]
        notes = examine(Evidence(readings)).notes
        assert any("every 20 s: readings 40 s apart" in note for note in notes) is said


def test_without_ethtool_the_standard_counters_say_less_and_overlaps_count_once():
    link = {"rx_missed_errors": 3, "rx_fifo_errors": 8, "rx_packets": 9}
    verdict = examine(Evidence(host(card={"driver": "igb", "stats": None, "link": link})))
    [missed] = [f for f in verdict.found if f.name == "missed"]
    assert missed.count == 8 and verdict.status == 1
    assert any("ethtool -S eth0" in reading for reading in verdict.unknown)


@pytest.mark.parametrize("names, driver", [
    (["rxq0: rx_drops_no_frags", "rx_drops_no_pbuf", "rx_address_filtered", "rx_crc_errors"], "be2net"),
    (["rx_out_of_buffer", "rx_discards_phy", "rx_crc_errors_phy", "tx_pause_ctrl_phy"], "mlx5_core"),
    (["pps_allowance_exceeded", "queue_0_rx_page_alloc_fail", "rx_drops"], "ena"),
    (["rx_crc_errors", "rx_missed_errors", "rx_length_errors"], None), ([], None),
])
def test_a_driver_that_nobody_named_is_known_by_its_counters(names, driver):
    assert cards.guess(names) == driver


def test_counters_of_a_card_that_nobody_named_are_the_only_cards_or_stand_alone():
    def readings(*devices):
        return [Reading((EthtoolStats(values=(Value("rx_out_of_buffer", n), Value("rx_discards_phy", 0))),
                         *(Link(device=d, stats={"rx_packets": n}) for d in devices))) for n in (10, 30)]

    for devices, subject in ((("lo", "eth0"), "eth0"), (("eth0", "eth1"), ""), ((), "")):
        [ring] = [f for f in examine(Evidence(readings(*devices))).found if f.name == "ring"]
        assert (ring.subject, ring.count) == (subject, 20)


@pytest.mark.parametrize("card, finding, status, reading", [
    ({"driver": "newcard", "stats": {}}, "dropped", 3, "the source of newcard: what it puts into rx_dropped"),
    ({"driver": "ena", "stats": None}, "dropped", 3, "ethtool -S eth0, twice"),
    ({"driver": None, "stats": None}, "dropped", 3, "ethtool -i eth0"),
    ({"driver": "igb", "stats": {}}, "unhandled", 0, None),
])
def test_rx_dropped_is_a_loss_or_nobodys_and_where_nothing_tells_that_is_said(card, finding, status, reading):
    verdict = examine(Evidence(host(card=card | {"link": {"rx_dropped": 9, "rx_packets": 99}})))
    [one] = [f for f in verdict.found if f.name in ("dropped", "unhandled")]
    assert (one.name, verdict.status, one.count) == (finding, status, 9)
    assert [o.reading for o in one.open] == ([reading] if reading else [])


def test_a_device_on_top_of_others_has_no_losses_of_its_own():
    readings = [Reading((Link(device="bond0", kind="bond", stats={"rx_dropped": n, "rx_packets": n}),
                         Softnet((SoftnetRow(0, n, 0, 0),), True))) for n in (10, 30)]
    assert [f.name for f in examine(Evidence(readings)).found if f.subject == "bond0"] == ["unhandled"]


def test_a_standard_counter_says_what_feeds_it_on_this_driver():
    verdict = examine(Evidence(host(card={"driver": "mlx5_core", "stats": None, "link": {"rx_missed_errors": 9, "rx_packets": 99}})))
    [missed] = [f for f in verdict.found if f.name == "missed"]
    assert any("on mlx5_core it counts rx_out_of_buffer: no free descriptor" in line for line in missed.seen)


# ---------------------------------------------------------------- interrupts
@pytest.mark.parametrize("action, device, is_of", [
    ("eth0-TxRx-0", "eth0", True), ("i40e-eth0-TxRx-0", "eth0", True), ("eth0-Tx-Rx-0", "eth0", True), ("eth0-rx-0", "eth0", True),
    ("eth0-0", "eth0", True), ("eth0", "eth0", True), ("vmxnet3: eth0-rxtx-0", "eth0", True), ("mlx5_comp0@pci:0000:01:00.0", "eth0", True),
    ("eth0-tx-0", "eth0", False), ("eth01-TxRx-0", "eth0", False), ("eth0.5-TxRx-0", "eth0", False),
    ("mlx5_async@pci:0000:01:00.0", "eth0", False),
    ("virtio2-input.0", "eth0", False),
])
def test_whose_interrupt_it_is(action, device, is_of):
    rows = [Interrupts((0, 1), (Irq("40", (BASE + n, 0), actions=(action,)),)) for n in (0, 500)]
    readings = [replace(r, records=(*(x for x in r.records if not isinstance(x, Interrupts)), i))
                for r, i in zip(host(card={}), rows, strict=True)]
    found = cards.vectors(Evidence(readings), device)
    assert [v.moved[0] for v in found] == ([500] if is_of else [])


def test_a_saturated_cpu_is_found_although_it_polls_without_interrupts():
    """Queue 1 lost packets on CPU 1, which had hardly an interrupt meanwhile."""
    e = Evidence(host(cpu={0: {"idle": 0.9, "soft": 0.05}, 1: {"soft": 0.99}}, card={
        "stats": {"rx_queue_1_drops": 50}, "queues": 2, "irq": {0: {0: 90_000}, 1: {1: 3}}}))
    assert cards.poll_cpu(e, "eth0") == 1


def test_who_polls_need_not_be_known_where_all_cpus_are_alike():
    lost = {"card": {"stats": {"rx_queue_0_drops": 5}, "irq": {}}}
    for cpu, idle in (({0: {"idle": 0.5}, 1: {"idle": 0.9}}, 0.5), ({0: {"idle": 0.1, "soft": 0.5}, 1: {"idle": 0.9}}, None)):
        value = Known(Evidence(host(cpu=cpu, **lost)), "device", "eth0")["poll_idle"]
        assert (value == pytest.approx(idle)) if idle else isinstance(value, Missing)


# ---------------------------------------------------------------- sockets
def test_proc_and_ss_of_one_socket_are_joined():
    proc = UdpSocket(4, "0.0.0.0", 53, recv_q=832, drops=7, inode=99)
    ss = UdpSocket(4, "0.0.0.0", 53, recv_q=832, skmem=Skmem(832, 212992, d=7))
    for order in ((proc, ss), (ss, proc)):
        [one] = sockets.of(Reading(tuple(UdpSockets((s,)) for s in order)))
        assert (one.recv_q, one.drops, one.inode, one.skmem) == (832, 7, 99, ss.skmem)


def test_sockets_of_one_address_are_joined_by_their_inodes_whatever_their_order():
    proc = tuple(UdpSocket(4, "0.0.0.0", 53, drops=d, inode=i) for d, i in ((5, 1), (9, 2)))
    ss = tuple(UdpSocket(4, "0.0.0.0", 53, skmem=Skmem(0, rb, d=d), inode=i) for rb, d, i in ((200, 9, 2), (100, 5, 1)))
    found = sockets.of(Reading((UdpSockets(proc), UdpSockets(ss))))
    assert [(s.inode, s.drops, s.skmem.rb) for s in found] == [(1, 5, 100), (2, 9, 200)]


def test_sockets_of_one_address_are_told_apart():
    twins = tuple(UdpSocket(4, "0.0.0.0", 53, drops=d, inode=i) for d, i in ((5, 1), (9, 2)))
    later = tuple(replace(s, drops=(s.drops or 0) + n) for s, n in zip(twins, (0, 4), strict=True))
    found = sockets.seen(Evidence([Reading((UdpSockets(twins),)), Reading((UdpSockets(later),))]))
    assert {name: s.drops for name, s in found.items()} == {"0.0.0.0:53": 0, "0.0.0.0:53 (2)": 4}


def test_drops_of_a_socket_that_was_opened_in_between_are_all_new_and_those_of_a_closed_one_are_elsewhere():
    after = UdpSocket(4, "0.0.0.0", 53, drops=4, inode=1)
    readings = [Reading((UdpSockets(()), Snmp({"Udp": {"RcvbufErrors": 0}}))),
                Reading((UdpSockets((after,)), Snmp({"Udp": {"RcvbufErrors": 9}})))]
    by_name = {f.name: f.count for f in examine(Evidence(readings)).found}
    assert by_name["socket"] == 4 and by_name["receive_buffer"] == 5


def test_drops_without_rcvbuf_errors_are_no_full_buffer():
    """A socket filter counts as a drop of the socket, too."""
    verdict = examine(Evidence(host(sockets=[{"drops": 40}], snmp={"Udp.InErrors": 40})))
    assert {f.name for f in verdict.found} == {"udp_other"} and verdict.status == 0


def test_many_findings_of_a_kind_are_told_once_and_then_counted():
    lost = {"Udp.RcvbufErrors": 9000, "Udp.InErrors": 9000}
    readings = host(sockets=[{"port": 5000 + n, "drops": 100 - n} for n in range(30)], snmp=lost)
    verdict = examine(Evidence(readings))
    said = terminal.plain(view.render(verdict, readings), view.WIDTH)
    assert said.count("LOST") == 6 and "and 25 more like the last" in said           # 5 sockets, and the datagrams of none
    assert len(view.as_json(verdict, readings, False)["findings"]) == 31


def test_a_host_with_very_many_devices_has_an_answer():
    """What is asked of each device is not asked of all for each."""
    def moment(at):
        cards = [r for n in range(300) for r in (Link(device=f"veth{n}", kind="veth", stats={"rx_packets": at, "rx_dropped": at}),
                                                 DriverInfo(device=f"veth{n}", driver="veth"))]
        irqs = Interrupts((0,), tuple(Irq(str(n), (at,), actions=(f"nvme0q{n}",)) for n in range(300)))
        return Reading((*cards, irqs, Softnet((SoftnetRow(0, at, 0, 0),), True)), time=float(at))

    e = Evidence([moment(0), moment(9)])
    asked = []
    e.of_device = lambda *args: asked.append(args) or Evidence.of_device(e, *args)
    assert len(examine(e).found) >= 300
    assert len(asked) < 300 * 60
