"""What a capture shows of its receiver's connections and tunnels, and what becomes of their frames.  (Checksums: test_wire.py.)"""
import io
import pathlib
from typing import Any

import pytest
from rich.console import Console

import rxpath
from rxpath._compile import new
from rxpath.abi.reasons import Kind
from rxpath.abi.survey import NFLOW, survey_t
from rxpath.cable import survey
from rxpath.workbench.run.connections import Amount
from rxpath.workbench.run.headers import headers
from rxpath.workbench.run.where_lost import losses
from rxpath.workbench.views import report

from ..frames import MAC_PEER, MAC_US, PEER, US, eth, icmp, ip, ip4, tcp, udp, udp_frame
from .captures import pcap, shared_capture
from .test_wire import both, damaged, write

SYN, RST, ACK, FIN = 2, 4, 16, 1
TO_US = [udp_frame(b"u" * 40)] * 3               # so that the receiver is clear


def seg(flags: int, payload: bytes = b"", sport: int = 40000, dport: int = 80, src: str = PEER, dst: str = US) -> bytes:
    mac = (MAC_US, MAC_PEER) if dst == US else (MAC_PEER, MAC_US)
    return eth(ip(tcp(payload, sport, dport, flags=flags, src=src, dst=dst), src, dst, 6), *mac)


def back(flags: int, payload: bytes = b"", sport: int = 80, dport: int = 40000) -> bytes:
    return seg(flags, payload, sport, dport, US, PEER)


# ---------------------------------------------------------------- TCP
@pytest.mark.parametrize(("frames", "segments"), [
    ([seg(SYN), back(SYN | ACK), seg(ACK), seg(ACK, b"x" * 500), back(ACK), seg(FIN | ACK)], 4),
    ([seg(ACK, b"x" * 900), back(ACK), seg(ACK, b"y")], 2),                                 # its start is not in the capture
    ([seg(SYN), seg(ACK), seg(ACK, b"x" * 500)], 3),                                        # one direction only
    ([back(SYN, sport=50000, dport=443), seg(SYN | ACK, sport=443, dport=50000), seg(RST, sport=443, dport=50000)], 2),     # it is a client
    ([seg(SYN), back(RST | ACK), seg(SYN), back(RST | ACK)], 0),                            # a closed port
    ([seg(ACK), back(RST)], 0), ([seg(ACK, b"GET /")], 1), ([seg(ACK)], 0), ([seg(SYN)], 0),                           # a scan
    ([seg(SYN), back(SYN | ACK), seg(RST)], 2),
])
@pytest.mark.parametrize("driver", ["igb", "veth"])
def test_segments_of_real_connections_meet_one(tmp_path: pathlib.Path, frames: list[bytes], segments: int, driver: str) -> None:
    run = both(write(tmp_path, *TO_US, *frames), f"nic.driver={driver}")
    assert (run.books.tcp.offered.segments if run.books.tcp is not None else 0) == segments
    assert run.books.snmp["Tcp.InSegs"] == sum(f[:6] == MAC_US for f in frames)
    if segments:
        assert run.books.snmp["Tcp.OutRsts"] == 0


def test_they_cross_everything_below_at_full_cost(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *TO_US, *[f for i in range(20) for f in (seg(ACK, b"x" * 500, 40000 + i), back(ACK, b"", 80, 40000 + i))]))
    for station in ("igb_clean_rx_irq", "napi_gro_receive", "tcp4_gro_receive", "ip_rcv_core", "ip_local_deliver", "tcp_v4_rcv"):
        assert run.books.stations[station] >= 20, station
    assert run.books.tcp.connections == 20 and run.books.tcp.read == Amount(20, 20 * 500)


def test_damaged_segments_stay_damaged(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *TO_US, seg(ACK, b"x" * 500), back(ACK), damaged(seg(ACK, b"y" * 500)), damaged(seg(ACK, b"y" * 20))))
    assert run.books.dropped == {"TCP_CSUM": 2} and run.books.tcp.read == Amount(1, 500)


def test_segments_that_gro_has_merged_count_as_the_wire_had_them(tmp_path: pathlib.Path) -> None:
    parts = [eth(ip(tcp(b"x" * 1000, seq=1 + 1000 * i, ack=7, flags=ACK), ident=i, proto=6)) for i in range(8)]
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([(i * 1500, f, len(f)) for i, f in enumerate([*TO_US, back(ACK), *parts])]))
    run = both(path, "ethtool.rx-usecs=200")
    assert run.books.copies["gro_merged"] > 0 and run.books.dropped == {} and run.books.tcp.read == Amount(8, 8000)


def test_a_loop_from_other_sources_knows_its_connections(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, *TO_US, seg(ACK, b"x" * 500), back(ACK))
    run = rxpath.replay(path, loop=3, fresh=True)
    assert run.books.dropped == {} and run.books.tcp.read == Amount(3, 1500)


def test_json_has_the_connections(tmp_path: pathlib.Path) -> None:
    from rxpath.workbench.views import as_json
    made = as_json.build(rxpath.replay(write(tmp_path, *TO_US, seg(ACK, b"x" * 500), back(ACK))))
    assert made["tcp"]["connections"] == 1 and made["tcp"]["offered"] == made["tcp"]["read"] == {"segments": 1, "bytes": 500}
    assert "tcp" not in as_json.build(rxpath.replay(write(tmp_path, *TO_US)))


def flows(v: Any, n: int, real: bool = True) -> None:
    """n connections of PEER's to US port 443, each with two segments (or only a SYN)."""
    for i in range(n):
        f = survey.flow_of(v, ip4(US), ip4("20.0.0.0") + i // 50000, 443 << 16 | 1024 + i % 50000)
        f.syn[1], f.others[1] = 1, 2 if real else 0


def test_a_million_connections_are_summed_up() -> None:
    """More than there are places: the others' servers' ports stand for them."""
    v = new(survey_t)
    flows(v, NFLOW + 3000)
    found = survey.connections(v, [US])
    assert found.number == NFLOW + 3000 and found.ports == (443,) and len(found.rows) < NFLOW * survey.ROW


def test_a_flood_of_syns_is_no_connection() -> None:
    v = new(survey_t)
    flows(v, 3000, real=False)
    assert survey.connections(v, [US]) == survey.Connections()


# ---------------------------------------------------------------- tunnels and what nobody handles
VXLAN = b"\x08\0\0\0\0\0\x2a\0" + udp_frame(b"inner")
GENEVE = b"\0\0\x65\x58\0\0\x2a\0" + udp_frame(b"inner")


@pytest.mark.parametrize("driver", ["igb", "veth", "virtio_net"])
def test_tunnels_are_named_for_what_they_are(tmp_path: pathlib.Path, driver: str) -> None:
    inner = ip(udp(b"inner"))
    frames = [eth(b"\x11\0\0\7\0\x2a\0\x21" + inner, proto=0x8864), eth(b"\0\1\x01\x40" + inner, proto=0x8847),
              eth(ip(b"\0\0\x08\0" + inner, proto=47)), eth(ip(inner, proto=4)), eth(ip(b"\x60" + bytes(60), proto=41)),
              eth(ip(udp(VXLAN, dport=4789))), eth(ip(udp(VXLAN, dport=8472))), eth(ip(udp(GENEVE, dport=6081))),
              eth(b"\x60" + bytes(60), proto=0x86DD)]
    run = both(write(tmp_path, *TO_US, *frames), f"nic.driver={driver}")
    assert run.books.received == 3 and run.books.dropped == {"NOT_MODELLED": 9} and run.books.snmp["Icmp.OutMsgs"] == 0
    assert [n for n in run.notes if n.startswith("not modelled")] == [f"not modelled: {what}, 1 frame" for what in (
        "GENEVE (UDP port 6081)", "GRE (IP protocol 47)", "IP in IP (IP protocol 4)", "IPv6 (EtherType 0x86dd)",
        "IPv6 in IP (IP protocol 41)", "MPLS (EtherType 0x8847)", "PPPoE session (EtherType 0x8864)", "VXLAN (UDP port 4789)",
        "VXLAN (UDP port 8472)")]
    assert run.books.lost_at["NOT_MODELLED"] == {"__netif_receive_skb_core": 3, "ip_protocol_deliver_rcu": 3, "udp_queue_rcv_one_skb": 3}
    assert run.books.device["rx_dropped"] == 0 and sum(u.frames for u in run.books.unhandled) == 9


def test_a_tunnels_port_with_other_datagrams_is_a_programs(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *[eth(ip(udp(b"no tunnel's header", dport=4789)))] * 3, eth(ip(udp(VXLAN, dport=4789)))))
    assert run.books.received == 4 and run.books.dropped == {}


def test_a_protocol_that_the_capture_says_was_refused_is_refused(tmp_path: pathlib.Path) -> None:
    gre = ip(b"\0\0\x08\0" + bytes(20), proto=47)
    no = eth(ip(icmp(3, 2, bytes(4), gre), US, PEER, 1), MAC_PEER, MAC_US)
    run = both(write(tmp_path, *TO_US, eth(gre), no))
    assert run.books.dropped == {"IP_NOPROTO": 1} and run.books.snmp["Icmp.OutDestUnreachs"] == 1
    assert [(u.reason, u.what) for u in run.books.unhandled] == [("IP_NOPROTO", "GRE (IP protocol 47)")]


def test_fragments_of_a_tunnels_packet_count_as_the_wire_had_them(tmp_path: pathlib.Path) -> None:
    whole = b"\0\0\x08\0" + bytes(3000)
    parts = [eth(ip(whole[at:at + 1480], proto=47, frag=(0x2000 if at + 1480 < len(whole) else 0) | at >> 3))
             for at in range(0, len(whole), 1480)]
    run = both(write(tmp_path, *TO_US, *parts))
    assert run.books.dropped == {"NOT_MODELLED": 3} and [u.frames for u in run.books.unhandled] == [3]


def test_what_nobody_handles_has_a_name_and_is_no_ipv6(tmp_path: pathlib.Path) -> None:
    frames = [eth(b"\2\7" + bytes(44), proto=0x88CC), eth(bytes(46), proto=0x88E1), eth(bytes(46), proto=0x88E1),
              eth(b"\x42\x42\x03" + bytes(43), proto=38), eth(b"\xaa\xaa\x03\0\0\x0c\x20\0" + bytes(38), proto=46),
              eth(b"\xff\xff" + bytes(44), proto=46), eth(bytes(46), proto=0x1234), eth(ip(bytes(20), proto=89))]
    run = both(write(tmp_path, *TO_US, *frames))
    assert run.books.dropped == {"UNHANDLED_PROTO": 7, "IP_NOPROTO": 1} and run.books.device["rx_dropped"] == 7
    assert run.books.device["rx_nohandler"] == 0
    assert {u.what: (u.reason, u.frames) for u in run.books.unhandled} == {
        "HomePlug AV (EtherType 0x88e1)": ("UNHANDLED_PROTO", 2), "LLDP (EtherType 0x88cc)": ("UNHANDLED_PROTO", 1),
        "spanning tree (LLC, SAP 0x42)": ("UNHANDLED_PROTO", 1), "SNAP (LLC, SAP 0xaa)": ("UNHANDLED_PROTO", 1),
        "raw 802.3 (IPX)": ("UNHANDLED_PROTO", 1), "EtherType 0x1234": ("UNHANDLED_PROTO", 1), "OSPF (IP protocol 89)": ("IP_NOPROTO", 1)}
    assert not any("IPv6" in n for n in run.notes)
    (loss,) = [loss for loss in losses(run.books.lost_at) if loss.reason == "UNHANDLED_PROTO"]
    assert (loss.step, loss.kind) == ("link", Kind.NOT_FOR_US)
    shown = io.StringIO()
    Console(file=shown, width=200).print(report.render(run))
    text = " ".join(shown.getvalue().split())
    assert "HomePlug AV (EtherType 0x88e1): 2; EtherType 0x1234: 1; " in text and "; 1 more in --json" in text


def test_only_ports_that_the_host_opens_are_said_to_be_open(tmp_path: pathlib.Path) -> None:
    (tmp_path / "host.toml").write_text('[[socket]]\nbind = "*:5000"\n')
    run = rxpath.replay(write(tmp_path, *TO_US, eth(ip(udp(b"name", dport=137))), seg(SYN), back(SYN | ACK)), tmp_path / "host.toml")
    assert "listens on UDP 5000" in run.receiver.evidence and "137" not in run.receiver.evidence and "80" not in run.receiver.evidence


@pytest.mark.parametrize(("frame", "what"), [
    (eth(bytes(46), proto=0x88CC), "LLDP (EtherType 0x88cc)"),
    (eth(b"\x42\x42\x03" + bytes(43), proto=38), "spanning tree (LLC, SAP 0x42)"),
    (eth(ip(bytes(20), proto=47)), "10.0.0.2 > 10.0.0.1 GRE (IP protocol 47)"),
    (eth(ip(bytes(20), proto=200)), "10.0.0.2 > 10.0.0.1 IP protocol 200")])
def test_trails_have_names_too(frame: bytes, what: str) -> None:
    assert str(headers(frame)) == what


# ---------------------------------------------------------------- cases from the field
CASES = next((d for p in pathlib.Path(__file__).resolve().parents if (d := p / "shared" / "cases").is_dir()), pathlib.Path())
needs_cases = pytest.mark.skipif(not CASES.name, reason="no shared/cases above this checkout")


@needs_cases
def test_a_light_load_of_frames_that_nobody_handles() -> None:
    case = CASES / "08-rx-dropped-unknown-ethertype"
    run = rxpath.replay(case / "light.pcap", case / "host.toml")
    assert run.books.lost_at["UNHANDLED_PROTO"] == {"__netif_receive_skb_core": 27} and run.books.device["rx_nohandler"] == 0
    assert [(u.what, u.frames) for u in run.books.unhandled] == [
        ("HomePlug AV (EtherType 0x88e1)", 20), ("Realtek loop detection (EtherType 0x8899)", 7)]
    assert "UDP 53" in run.receiver.evidence and "137" not in run.receiver.evidence


@needs_cases
def test_a_bridge_of_containers_whose_checksums_are_not_made_yet() -> None:
    case = CASES / "15-vanetza-docker-partial-csum"
    run = rxpath.replay(case / "docker0.pcap")
    assert run.books.received == run.books.offered == 100
    assert "checksums of 172.17.0.2 were left to its card: 100 frames taken as good" in run.notes


def test_a_connection_of_a_host_with_itself_is_one() -> None:
    """Each of its ends has a row, for both are sockets here."""
    run = rxpath.replay(shared_capture("WebattackRCE.pcap"))
    assert run.books.tcp is not None and run.books.tcp.connections == 797 and run.receiver.tcp.sockets == 2 * 797
