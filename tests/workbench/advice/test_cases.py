"""Cases from the field: what people had, and what the advice must come to.  They lie in shared/cases (RXPATH_SHARED, or above us)."""
import os
import pathlib

import pytest

import rxpath
from rxpath.workbench.advice.states import states

from .said import wrong


def cases():
    for d in [os.environ.get("RXPATH_SHARED", ""), *(str(p / "shared") for p in pathlib.Path(__file__).resolve().parents)]:
        if d and (pathlib.Path(d) / "cases").is_dir():
            return pathlib.Path(d) / "cases"
    return None


CASES = cases()
MD = "socket udp 239.1.1.1:30001"
pytestmark = pytest.mark.skipif(CASES is None, reason="no shared/cases above this checkout, and RXPATH_SHARED is not set")


def asked(number, traffic="traffic.toml", host="host.toml", **more):
    """What-if of a case; whatever is printed of it is true."""
    folder = next(CASES.glob(f"{number}-*"))
    run = rxpath.whatif(str(folder / traffic), folder / host if host else None, **more)
    assert wrong(run) == []
    return run


def tried(run, knob):
    return next((t for t in run.knobs if t.knobs == (knob,)), None)


def fired(run):
    return {number for number, *_ in run.whatif.fired}


def test_01_a_pass_that_ends_early_is_no_loss():
    run = asked("01", host="host-default.toml", goal="loss", overrides=["net.core.netdev_budget=4"])
    assert run.dropped == {} and "R5" in fired(run) and run.whatif.recommended is None and "no loss" in str(run)


def test_02_one_syslog_socket():
    run = asked("02", overrides=["traffic.0.duration=600ms", "socket.syslog.rcvbuf=16MiB"])
    assert tried(run, "threads").helped == tried(run, "reuseport").helped == "yes"
    assert not any("app.vector.cpu=[0]" in t.set for t in run.knobs)               # where it is already
    four = rxpath.replay(str(next(CASES.glob("02-*")) / "traffic4.toml"), next(CASES.glob("02-*")) / "host4.toml")
    assert four.dropped == {}


def test_03_lasting_overload_without_a_loss_is_said_first():
    run = asked("03", "min.toml", None, overrides=["app.0.service=25us", "app.0.cpu=1", "net.core.rmem_default=268435456"])
    state, = states(run)
    assert run.dropped == {} and state.kind == "overload" and state.figures["demand"] == pytest.approx(1.53, abs=0.01)
    assert state.figures["keeps_up_to"] == pytest.approx(0.654, abs=0.002) and 3e9 < state.figures["full_after_ns"] < 5e9
    lines = str(run).split("\n")
    said = next(i for i, line in enumerate(lines) if "1.53 times" in line)
    assert said < lines.index("From the wire to the application (frames of the wire)")


def test_03_one_flow_cannot_be_spread_by_a_hash():
    run = asked("03", host="host16.toml")
    assert tried(run, "reuseport").helped != "yes"
    assert any("BPF steering" in title for title, _ in run.whatif.not_tried)
    assert tried(run, "flows").helped == "yes" and "traffic.0.flows=64" in tried(run, "flows").set
    assert not any("more CPUs and sockets" in said for said in run.whatif.says)


def test_04_one_queue_of_a_guest():
    run = asked("04", overrides=["traffic.0.duration=100ms"])
    least = [t for t in run.knobs if t.helped == "yes" and t.effort == run.whatif.recommended.effort]
    assert any("nic.queues=8" in t.set and t.lost_after == 0 for t in least)
    assert "R17" not in fired(run)


def replayed(number, traffic="traffic.toml", host="host.toml", **more):
    folder = next(CASES.glob(f"{number}-*"))
    return rxpath.replay(str(folder / traffic), folder / host if host else None, **more)


def test_07_a_kernel_before_3_16_counts_a_full_queue_as_an_error_alone():
    run = replayed("07")
    lost = run.dropped["SOCKET_RCVBUFF"]
    assert lost > 10_000 and run.books.snmp["Udp.InErrors"] == lost and run.books.snmp["Udp.RcvbufErrors"] < 0.01 * lost
    said = " ".join(str(run).split())
    assert "in udp_queue_rcv_skb; counters: Udp.InErrors, socket.drops (from 3.16 on Udp.RcvbufErrors, too; a vendor's" in said
    assert "__udp_enqueue_schedule_skb" not in said
    now = " ".join(str(replayed("07", overrides=["kernel=6.18"])).split())
    assert "in __udp_enqueue_schedule_skb; counters: Udp.RcvbufErrors, Udp.InErrors, socket.drops" in now and "3.16" not in now


def test_08_unknown_protocols_are_no_loss():
    run = asked("08", "light.pcap")
    assert run.books.lost_at["UNHANDLED_PROTO"] == {"__netif_receive_skb_core": 27}
    assert {u.what for u in run.books.unhandled} == {"HomePlug AV (EtherType 0x88e1)", "Realtek loop detection (EtherType 0x8899)"}
    assert run.books.device["rx_dropped"] == 27 and run.books.device.get("rx_nohandler", 0) == 0
    assert "R38" in fired(run) and run.whatif.recommended is None and "137" not in run.receiver.evidence


@pytest.mark.parametrize("traffic", ["traffic.toml", "traffic2.toml"])
def test_09_the_smallest_change_that_saves_all_goes_first(traffic):
    run = asked("09", traffic)
    if "RX_MISSED" in run.dropped:
        assert run.whatif.recommended.set[0].startswith("ethtool.rx=") and run.whatif.recommended.helped == "yes"
    good = [t for t in run.knobs if t.helped == "yes" and t.lasting]
    assert good and [t.effort for t in good] == sorted(t.effort for t in good)


def test_10_to_localhost():
    run = asked("10")
    assert set(run.dropped) == {"SOCKET_RCVBUFF"} and tried(run, "rcvbuf").helped == "yes"


def test_11_interrupts_go_where_nothing_runs():
    run = asked("11", overrides=["traffic.0.duration=300ms"])
    best = run.whatif.recommended
    assert best.lost_after == 0 and {s.split("=")[1] for s in best.set} == {str(c) for c in range(8, 16)}
    assert all(s.startswith("irq.") for s in best.set)
    ring = tried(run, "ring")
    assert ring.set == ("ethtool.rx=4096",) and ring.lost_after < 0.5 * ring.lost_before and ring.ended == "largest"


def test_12_fragments_that_never_become_whole():
    run = asked("12")
    assert run.books.high_water["fragments"]["max"] > 0.9 * run.books.high_water["fragments"]["of"]
    memory = tried(run, "frag_memory")
    assert memory.lost_after < 8000 < 0.05 * memory.lost_before                    # those that can never be whole
    assert tried(run, "frag_time_less") is not None


def test_16_multicast_and_rp_filter():
    run = asked("16", host="host-noroute.toml")
    assert run.dropped == {"IP_RPFILTER": 5000}
    assert tried(run, "rp_off").saved == tried(run, "route_back").saved == 5000 and tried(run, "rp_loose").saved == 0
    assert tried(run, "rp_loose").why == "still refused: 5,000 IP_RPFILTER"
    assert " 5,000 refused " in str(run) and "5,000 lost" not in str(run)
    run = asked("16", host="host-otherif.toml")
    assert tried(run, "rp_off").saved == tried(run, "rp_loose").saved == tried(run, "route_back").saved == 5000


def test_17_a_socket_that_nobody_reads():
    run = asked("17")
    assert "R36" in fired(run) and not {"R14", "R15", "R16"} & fired(run) and run.whatif.recommended is None
    assert tried(run, "rcvbuf").helped == "no" and "a larger buffer fills up too" in tried(run, "rcvbuf").why
    assert any("no program reads udp 0.0.0.0:1900" in s.text for s in states(run))


def test_19_others_take_the_readers_cpu():
    run = asked("19")
    assert "R37" in fired(run) and not {"R14", "R16"} & fired(run)
    assert tried(run, "no_load") is not None and tried(run, "app_away") is not None
    assert not run.whatif.recommended or not any("rmem" in s or "rcvbuf" in s for s in run.whatif.recommended.set[:1])


def test_30_a_batch_does_not_make_one_thread_finish_sooner():
    more = ["app.0.service=100us", "app.0.waitforone=true", "traffic.0.duration=100ms"]
    one, batch = (rxpath.replay(str(next(CASES.glob("30-*")) / "traffic.toml"), overrides=[*more, f"app.0.batch={n}"]) for n in (1, 32))
    assert batch.latency_ns["p90"] < 0.6 * one.latency_ns["p90"], "they are read sooner"
    assert all(batch.done_ns[q] == pytest.approx(one.done_ns[q], rel=0.01) for q in ("p50", "p90", "p99", "max")), "and done with no sooner"
    assert one.done_ns["max"] == pytest.approx(3_200_000, rel=0.02)
    run = asked("30", host=None, goal="latency", overrides=[*more, "app.0.batch=1"])
    assert tried(run, "batch") is None or tried(run, "batch").helped in ("no", "worse")
    assert run.whatif.recommended is None or not any("batch" in s for s in run.whatif.recommended.set)


def test_24_a_vlan_device_that_nobody_listed_is_said():
    run = replayed("24", "vlan.pcap", None)
    assert run.dropped == {} and "VLAN devices for the tags of the traffic: eth0.100" in " ".join(str(run).split())
    assert set(replayed("24", "vlan.pcap", None, overrides=["nic.vlans=[]"]).dropped) == {"OTHERHOST"}


def test_31_a_slow_consumer():
    run = asked("31")
    assert tried(run, "threads").lost_after == 0 and run.whatif.recommended.knobs == ("threads",)
    many = asked("31", "traffic64.toml")
    assert tried(many, "reuseport").lost_after == 0 and any(s.startswith("socket.udp5004.") for s in tried(many, "reuseport").set)


def test_32_multicast_bursts():
    run = asked("32")
    best = tried(run, "rcvbuf")
    value = next(int(s.split("=")[1]) for s in best.set if s.startswith("socket.md.rcvbuf"))
    assert best.helped == "yes" and best.lost_after == 0 and 4 << 20 < value <= 14 << 20


def test_32_head_room_of_bursts():
    """They come back to back: slower they are stretched, as a capture's are."""
    folder = next(CASES.glob("32-*"))
    room = rxpath.headroom(str(folder / "traffic.toml"), host=folder / "host.toml", overrides=["traffic.0.duration=1s"], steps=1, seeds=1)
    first = room.limits[0]
    assert room.now.lasts and 0 < first.factor < 1 and (first.limit.place, first.limit.reason) == (MD, "SOCKET_RCVBUFF")


def test_33_head_room_over_a_veth():
    """No limit of the simulation is taken for the host's."""
    folder = next(CASES.glob("33-*"))
    room = rxpath.headroom(str(folder / "traffic.toml"), host=folder / "host.toml", overrides=["traffic.0.duration=30ms"], steps=1, seeds=1)
    limit = room.limits[0].limit
    assert limit.place != "the simulation" and "RX_ALLOC_FAILED" not in str(room) and "of the simulation" not in str(room)
    asked("33", budget="1M")


def test_34_the_socket_sets_its_own_size():
    run = asked("34", overrides=["traffic.0.duration=2500ms"], budget="2M")     # the first time that it stalls
    row = tried(run, "rmem_default")
    assert row.helped == "no" and "set their own size" in row.why


@pytest.mark.parametrize("name", ["07", "24"])
def test_what_is_said_of_the_other_cases_is_true(name):
    folder = next(CASES.glob(f"{name}-*"))
    host = "host.toml" if (folder / "host.toml").exists() else None
    asked(name, host=host, budget="1M")
