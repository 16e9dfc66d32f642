"""Cost profiles: each number has a source, the sums on the way are the anchors that they were taken from."""
import pytest

from rxpath.path import STATIONS, Stage
from rxpath.vtime.costs import ProfileError, load_profile, profile_names

from ..frames import udp_frame


def station_sum(host, profile, before):
    """How often one more packet has passed each station that costs something, all CPUs."""
    stages = list(STATIONS)
    return {s: host.net.stage_count[c][s] - before[c][s] for c in range(host.cpus) for s in stages
            if host.net.stage_count[c][s] != before[c][s] and profile.ns.get(s, 0)}


@pytest.mark.parametrize("name", profile_names())
def test_every_number_has_its_source(name):
    profile = load_profile(name)
    assert set(profile.source) == set(profile.ns)
    assert all(any(mark in text for mark in ("[V]", "[M]", "[D]", "[K]")) for text in profile.source.values())


@pytest.mark.parametrize(("name", "softirq"), [("bm36", 505), ("xeon2g_2015", 1980)])
def test_a_udp_packet_in_softirq_costs_what_the_anchor_says(lab, name, softirq):
    """bm36: 505 (540 measured); xeon2g_2015: S of its equations."""
    profile = load_profile(name)
    host = lab(costs=profile.ns)
    host.udp(5000)
    host.send(udp_frame())
    host.run()
    before = [list(host.net.stage_count[c]) for c in range(host.cpus)]
    host.send(udp_frame())
    host.run()
    counts = station_sum(host, profile, before)
    counts[Stage.napi_build_skb], counts[Stage.LOCK] = 1, 1      # the lock is not counted, it costs all the same
    counts.pop(Stage.__skb_checksum_complete, 0)                 # the anchor's NIC has verified it
    assert sum(n * profile.ns[s] for s, n in counts.items()) == softirq, counts


def test_receiving_on_bm36_costs_300_and_a_system_call_of_75():
    ns = load_profile("bm36").ns
    assert ns[Stage.udp_recvmsg] == 300 and ns[Stage.SYSCALL_ENTRY] + ns[Stage.SYSCALL_EXIT] == 75


def test_a_tcp_segment_on_one_cpu_of_vm_costs_what_was_measured():
    """Over a frame that ip_rcv_core drops: a pure ACK 650 ns; a segment in order that is acknowledged every second time 1,650, read every
    16; an ACK of ours 1,500 to 2,000 with its way through a veth.  vm is bm36 times 1.4 in these."""
    ns = load_profile("vm").ns
    entry = ns[Stage.ip_route_input_noref] + ns[Stage.ip_local_deliver] + ns[Stage.LOCK] + ns[Stage.tcp_v4_rcv]
    pure = entry + ns[Stage.tcp_rcv_established] + ns[Stage.tcp_ack]
    ack = ns[Stage["__tcp_transmit_skb"]] + ns[Stage.dev_queue_xmit]
    call = ns[Stage.SYSCALL_ENTRY] + ns[Stage.SYSCALL_EXIT] + ns[Stage.tcp_recvmsg] + ns[Stage["__tcp_cleanup_rbuf"]]
    segment = pure + ns[Stage.tcp_data_queue] + ns[Stage.tcp_try_coalesce] + ack / 2 + call / 16
    assert pure == pytest.approx(650, rel=0.05) and segment == pytest.approx(1650, rel=0.05) and 1500 <= ack <= 2000


def test_xeon2g_2015_keeps_the_sums_of_the_published_rates():
    """The four equations at the head of the profile; S is the softirq's work for one datagram, R a receiver's in recvmmsg (3.10)."""
    ns = load_profile("xeon2g_2015").ns
    s, r, i = 1980, ns[Stage.udp_recvmsg] + 2 * ns[Stage.LOCK], 100
    b, c = ns[Stage.BOUNCE], ns[Stage.CONTEND]
    assert s + b + i == 2800 and r + b + c == 1520 and abs(s + r + i - 2330) <= 1
    assert abs(r + b + 2.5 * c - 1e6 / 437) < 0.05 * 1e6 / 437


def test_vm_keeps_what_was_measured():
    """From send() to the return of recvfrom() on another CPU, by how long it slept; docs/calibration.md."""
    vm = load_profile("vm")
    ns = vm.ns
    softirq = sum(ns[s] for s in (Stage.SOFTIRQ, Stage.POLL, Stage.process_backlog, Stage.__netif_receive_skb_core, Stage.ip_rcv_core,
                                  Stage.ip_route_input_noref, Stage.ip_local_deliver, Stage.__udp4_lib_rcv, Stage.__udp4_lib_lookup,
                                  Stage.__udp_enqueue_schedule_skb, Stage.sock_def_readable, Stage.LOCK))
    device = sum(ns[s] for s in (Stage.netif_rx, Stage.enqueue_to_backlog, Stage.eth_type_trans, Stage.LOCK))
    assert softirq == pytest.approx(1170, rel=0.05)
    assert ns[Stage.SENDER] + device + softirq == pytest.approx(3470, rel=0.07)
    recv = ns[Stage.udp_recvmsg] + ns[Stage.SYSCALL_EXIT] + ns[Stage.BOUNCE]
    awake = sum(ns[s] for s in (Stage.WAKE, Stage.IPI_SEND, Stage.IPI_LATENCY, Stage.IPI, Stage.IDLE_EXIT, Stage.SWITCH))
    measured = {20_000: 19_000, 100_000: 32_000, 1_000_000: 40_000, 5_000_000: 80_000, 20_000_000: 150_000}
    assert {slept for slept, _ in vm.halt} == set(measured)
    for slept, more in vm.halt:
        assert ns[Stage.SENDER] + device + softirq + awake + more + recv == pytest.approx(measured[slept], rel=0.06)


def test_vm_xeon_keeps_what_was_measured():
    ns = load_profile("vm_xeon").ns
    assert ns[Stage.SYSCALL_ENTRY] + ns[Stage.SYSCALL_EXIT] == 214
    assert ns[Stage.WAKE] + ns[Stage.SWITCH] == 2970
    assert ns[Stage.WAKE] + ns[Stage.SWITCH] + ns[Stage.IPI_LATENCY] + ns[Stage.IPI] + ns[Stage.IDLE_EXIT] == 31_000


def test_drops_by_iptables_on_bm36_are_within_10_percent_of_the_xdp_papers():
    ns = load_profile("bm36").ns
    driver = sum(ns[s] for s in (Stage.igb_clean_rx_irq, Stage.igb_process_skb_fields, Stage.eth_type_trans, Stage.napi_build_skb,
                                 Stage.napi_gro_receive, Stage.__netif_receive_skb_core))
    raw = driver + ns[Stage.ip_rcv_core] + ns[Stage.kfree_skb]
    inp = raw + ns[Stage.ip_route_input_noref] + ns[Stage.ip_local_deliver]
    assert (raw, inp) == (180, 283)
    assert raw + ns[Stage.nf_rule] == pytest.approx(198, rel=0.1) and inp + ns[Stage.nf_rule] == pytest.approx(301, rel=0.1)


def test_a_packet_pays_for_lines_of_another_cpu_on_both_sides(lab):
    costs = {Stage.BOUNCE: 1000}
    spent = []
    for cpu in (0, 1):
        host = lab(costs=costs)
        host.app(host.udp(5000), cpu=cpu, service=0)
        host.send(*[udp_frame() for _ in range(50)], gap=10_000)
        host.run()
        spent.append([(host.net.cpu[c].softirq_ns, host.net.cpu[c].syscall_ns) for c in range(2)])
    assert spent[0] == [(0, 0), (0, 0)]
    assert 48_000 <= spent[1][0][0] <= 50_000 and 48_000 <= spent[1][1][1] <= 50_000


@pytest.mark.parametrize(("text", "says"), [
    ('name = "x"\n[stations]\nip_rcvcore = { ns = 1, source = "s" }', "did you mean 'ip_rcv_core'"),
    ('name = "x"\n[stations]\nip_rcv_core = { ns = 1 }', "source"),
    ('name = "x"\n[stations]\nip_rcv_core = { ns = -1, source = "s" }', "from 0 to 1e9"),
    ('name = "x"\n[stations]\nip_rcv_core = { ns = 1, source = "" }', "needs its source"),
    ('name = "x"\n[events]\nip_rcv_core = { ns = 1, source = "s" }', r"\[events\] has no 'ip_rcv_core'"),
    ("[stations]", "'name' is missing"), ('name = "x"\nfoo = 1', "unknown key 'foo'"), ("name =", "Invalid"),
    ('name = "x"\nbase = "bm36"\nfactor = -1', "'factor'"), ('name = "x"\nbase = "nothing"', "there are bm36"),
])
def test_a_wrong_profile_is_refused_with_the_place(tmp_path, text, says):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=says):
        load_profile(str(path))


def test_a_profile_is_applied_to_each_cpu_with_its_factor(lab):
    host = lab(costs={})
    load_profile("bm36").apply(host.net, range(2), factors=[1.0, 2.0])
    assert [host.net.cost[c][Stage.udp_recvmsg] for c in range(2)] == [300, 600]
    assert host.net.cost[1][Stage.IPI_LATENCY] == host.net.cost[0][Stage.IPI_LATENCY]


def test_a_file_is_read_once_while_it_stays_as_it_is(tmp_path):
    """A run asks three times, a worker of a cluster for each of many runs."""
    from rxpath.vtime import costs
    file = tmp_path / "mine.toml"
    text = (costs.FOLDER / "bm36.toml").read_text()
    file.write_text(text)
    first = load_profile(str(file))
    assert load_profile(str(file)) is first
    file.write_text(text.replace('name = "bm36"', 'name = "other"') + "\n")
    assert load_profile(str(file)) is not first and load_profile(str(file)).name == "other"
