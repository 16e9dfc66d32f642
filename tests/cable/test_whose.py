"""Whose traffic is it?  What makes a host the receiver, one piece of evidence after the other, and where MACs do not tell hosts apart."""
import os
import pathlib
import struct
import threading
from typing import Any

import pytest

import rxpath
from rxpath.abi.capture import OwnBy
from rxpath.cable import source as source_module
from rxpath.cable.receiver import Receiver, infer_receiver
from rxpath.cable.source import CaptureError
from rxpath.workbench.views.hosts import more

from ..frames import BROADCAST, MAC_PEER, MAC_US, PEER, US, arp, csum, eth, icmp, ip, ip4, multicast_mac, tcp, udp
from .captures import Read, epb, idb, option, pcap, shared_capture, shb

NOBODY, HOME = bytes(6), "127.0.0.1"
A, B = MAC_US, MAC_PEER
ROUTER = bytes.fromhex("0200000000ff")


def sent(src: str, dst: str, smac: bytes = B, dmac: bytes = A, sport: int = 40000, dport: int = 5000, ttl: int = 64,
         **fields: Any) -> bytes:
    return eth(ip(udp(b"x" * 20, sport, dport, src, dst, **fields), src, dst, ttl=ttl), dmac, smac)


def left(src: str, dst: str, smac: bytes, dmac: bytes, sport: int = 40000, dport: int = 5000) -> bytes:
    """A datagram whose checksum its sender has left to its card."""
    n = 28
    return sent(src, dst, smac, dmac, sport, dport, check=csum(struct.pack(">IIBBH", ip4(src), ip4(dst), 0, 17, n)) ^ 0xFFFF)


def write(tmp_path: pathlib.Path, *frames: bytes | tuple[float, bytes], linktype: int = 1) -> pathlib.Path:
    timed = [f if isinstance(f, tuple) else (i * 1000, f) for i, f in enumerate(frames)]
    (tmp_path / "x.pcap").write_bytes(pcap([(t, f, len(f)) for t, f in timed], linktype))
    return tmp_path / "x.pcap"


def infer(path: pathlib.Path, **options: Any) -> Receiver:
    compiled, plain = infer_receiver(path, **options), infer_receiver(path, plain=True, **options)
    assert compiled == plain
    return compiled


# ---------------------------------------------------------------- evidence
def test_checksums_left_to_the_card_prove_who_captured(tmp_path: pathlib.Path) -> None:
    both = [sent(PEER, US)] * 6 + [left(US, PEER, A, B)] * 2
    assert infer(write(tmp_path, *both)).addresses == [US]
    r = infer(write(tmp_path, *[left(PEER, US, B, A)] * 6, *[sent(US, PEER, A, B)] * 2))
    assert r.addresses == [PEER] and "it sends with checksums left to its card (6 of 6 that were looked at)" in r.evidence
    assert "the runner-up is 10.0.0.1" in r.evidence


def test_of_a_long_conversation_the_looked_at_are_said(tmp_path: pathlib.Path) -> None:
    """31 frames of an end, then one of 32: three more of 100."""
    r = infer(write(tmp_path, *[left(PEER, US, B, A)] * 100, *[sent(US, PEER, A, B)] * 2))
    assert "it sends with checksums left to its card (34 of 34 that were looked at)" in r.hosts[0].why


def test_an_end_of_every_frame_is_where_it_was_captured(tmp_path: pathlib.Path) -> None:
    frames = [sent(US, f"10.0.0.{i}", A, bytes([2, 0, 0, 0, 1, i])) for i in range(20, 30)]
    frames += [sent("10.0.0.20", US, bytes([2, 0, 0, 0, 1, 20]), A)]
    r = infer(write(tmp_path, *frames))
    assert r.addresses == [US] and "it is an end of every frame for one host" in r.evidence


def test_who_answers_at_once_is_near(tmp_path: pathlib.Path) -> None:
    """A round trip of 20 ms lies on one side of the place of capture only."""
    frames, t = [], 0
    for flow in range(5):
        for _ in range(3):
            frames.append((t, sent(PEER, US, B, A, 40000 + flow, 53)))
            frames.append((t + 50_000, sent(US, PEER, A, B, 53, 40000 + flow)))
            t += 20_000_000
    assert infer(write(tmp_path, *frames)).addresses == [US]
    turned = [(t, sent(PEER, US, B, A, 40000 + flow, 53) if i % 2 == 0 else sent(US, PEER, A, B, 53, 40000 + flow))
              for flow in range(5) for i in range(6) for t in [flow * 10**9 + i // 2 * 20_050_000 + (i % 2) * 20_000_000]]
    r = infer(write(tmp_path, *turned))
    assert r.addresses == [PEER] and "answers much sooner than the other side (5 conversations)" in r.evidence


def test_worn_ttls_are_behind_a_router(tmp_path: pathlib.Path) -> None:
    frames = [sent("192.0.2.9", US, ttl=57)] * 3 + [sent(US, "192.0.2.9", A, B)] * 3
    r = infer(write(tmp_path, *frames))
    assert r.addresses == [US] and "its packets still have an initial TTL" in r.evidence
    assert infer(write(tmp_path, *[sent("192.0.2.9", US)] * 3, *[sent(US, "192.0.2.9", A, B, ttl=57)] * 3)).addresses == ["192.0.2.9"]


def test_directions_and_interface_addresses_of_pcapng_decide(tmp_path: pathlib.Path) -> None:
    out, into = (option(2, struct.pack("<I", way)) for way in (2, 1))
    (tmp_path / "x").write_bytes(shb() + idb() + epb(0, sent(PEER, US), options=out) * 3 + epb(9, sent(US, PEER, A, B), options=into))
    r = infer(tmp_path / "x")
    assert r.addresses == [PEER] and "the capture says which packets came in and which went out (4 frames)" in r.evidence
    face = idb(options=option(2, b"eth7") + option(4, bytes([10, 0, 0, 2, 255, 0, 0, 0])))
    (tmp_path / "x").write_bytes(shb() + face + epb(0, sent(PEER, US)) * 3)
    r = infer(tmp_path / "x", local=None)
    assert "10.0.0.2" in [a for h in r.hosts[:1] for a in h.addresses] and "its interface eth7 has this address" in r.hosts[0].why[0]


def test_a_router_is_not_taken_for_the_hosts_behind_it(tmp_path: pathlib.Path) -> None:
    up = [sent(US, f"192.0.2.{i}", A, ROUTER) for i in range(1, 21)]
    down = [sent(f"192.0.2.{i}", US, ROUTER, A, ttl=50) for i in range(1, 11)]
    r = infer(write(tmp_path, *up, *down))
    assert r.addresses == [US] and (r.received, r.sent) == (10, 20)
    other = infer(write(tmp_path, *up, *down), local=["192.0.2.3"])
    assert other.own_by == OwnBy.ADDRESS and other.addresses == ["192.0.2.3"] and other.received == 1


@pytest.mark.parametrize("mac", ["00000c07ac05", "00000c9ff001", "00005e000102", "0007b4000102"])
def test_a_mac_that_routers_share_is_no_end_of_the_line(tmp_path: pathlib.Path, mac: str) -> None:
    """HSRP, HSRP version 2, VRRP, GLBP.  More is sent there, which would decide otherwise."""
    far, shared = "198.51.100.7", bytes.fromhex(mac)
    def points(there: bytes) -> float:
        r = infer(write(tmp_path, *[sent(US, far, A, there)] * 10, *[sent(far, US, B, A)] * 9))
        return next(h.points for h in r.hosts if h.addresses == (far,) and h.frames_in)
    assert points(shared) == points(ROUTER) - 12                # 4 for one address behind a MAC, 8 for a way to others


def test_dhcp_and_arp_tell_the_network(tmp_path: pathlib.Path) -> None:
    options = b"\x63\x82\x53\x63" + b"\x35\x01\x05" + b"\x01\x04\xff\xff\xfc\x00" + b"\x03\x04" + bytes([10, 0, 3, 254]) + b"\xff"
    body = struct.pack(">BBBBIHHIIII", 2, 1, 6, 0, 1, 0, 0, 0, ip4(US), 0, 0) + A + bytes(10 + 192) + options
    ack = eth(ip(udp(body, 67, 68, PEER, US), PEER, US), A, B)
    r = infer(write(tmp_path, ack, sent(PEER, US), arp(2, ROUTER, "10.0.3.254", A, US, A)))
    assert r.with_prefixes() == ["10.0.0.1/22"] and "from DHCP" in r.evidence and r.gateway == "10.0.3.254"
    assert ("10.0.3.254", int.from_bytes(ROUTER, "big")) in r.neighbours and "DHCP gave it its address" in r.hosts[0].why
    asks = arp(1, A, US, tpa="10.0.9.7")
    assert infer(write(tmp_path, asks, sent(PEER, US), sent(PEER, US))).with_prefixes() == ["10.0.0.1/20"]


# ---------------------------------------------------------------- where MACs do not tell (F1 to F4)
def test_anonymised_captures_are_told_by_address(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, *[sent(PEER, US, NOBODY, NOBODY)] * 5, *[sent(US, PEER, NOBODY, NOBODY, 5000, 40000)] * 2)
    r = infer(path)
    assert (r.addresses, r.own_by, r.received, r.sent) == ([US], OwnBy.ADDRESS, 5, 2)
    run = rxpath.replay(path)
    assert (run.books.received, run.not_offered) == (5, {"own": 2})
    assert "MACs do not tell hosts apart here" in run.receiver.evidence


@pytest.mark.parametrize("there, back", [((A, A), (A, A)), ((B, A), (B, A))], ids=["one MAC", "always from one to the other"])
def test_both_ends_of_a_flow_behind_one_mac(tmp_path: pathlib.Path, there: tuple[bytes, bytes], back: tuple[bytes, bytes]) -> None:
    third = sent("10.0.0.9", "10.0.0.8", *there)
    path = write(tmp_path, *[sent(PEER, US, *there)] * 5, *[sent(US, PEER, *back, 5000, 40000)] * 3, third)
    run = rxpath.replay(path)
    assert run.receiver.addresses == [US] and run.not_offered == {"own": 3}
    assert run.books.received == 5 and run.dropped == {"NIC_FILTER": 1}, "what goes to another address is another host's"
    other = rxpath.replay(path, local=PEER)
    assert other.books.received == 3 and other.not_offered == {"own": 5}


def test_loopback_traffic_chooses_lo_by_itself(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, *[sent("127.0.0.1", "127.0.0.2", NOBODY, NOBODY)] * 4, sent("127.0.0.2", "127.0.0.1", NOBODY, NOBODY))
    run = rxpath.replay(path)
    assert run.host.nic.driver == "lo" and run.books.received == 5 and run.receiver.loopback
    null = write(tmp_path, *[struct.pack("<I", 2) + sent("127.0.0.1", "127.0.0.1")[14:]] * 4, linktype=0)
    assert rxpath.replay(null).books.received == 4
    assert rxpath.replay(path, overrides=["nic.driver=igb"]).host.nic.driver == "igb", "the user's word stands"
    assert rxpath.replay(path, overrides=["ethtool.rx=512"]).host.nic.driver == "igb", "what lo does not take needs a card"


def test_of_lo_what_the_kernel_itself_answered_is_not_offered(tmp_path: pathlib.Path) -> None:
    """Echo replies and their fragments, ICMP errors, the reset of a SYN: the path answers anew.  What programs send is offered, a reset
    within a connection and a ping's request too."""
    def lo(payload: bytes, proto: int, **fields: Any) -> bytes:
        return eth(ip(payload, HOME, HOME, proto, **fields), NOBODY, NOBODY)

    asked = udp(b"x" * 20, 40000, 9, HOME, HOME)
    own = [lo(icmp(0), 1), lo(icmp(14), 1), lo(icmp(3, 3, bytes(4), ip(asked, HOME, HOME)[:28]), 1),
           lo(tcp(b"", 9, 40001, 0, 8, 0x14, HOME, HOME), 6),
           lo(icmp(0, payload=bytes(40)), 1, ident=77, frag=0x2000), lo(bytes(40), 1, ident=77, frag=6)]
    offered = [lo(icmp(8), 1), lo(asked, 17), lo(tcp(b"", 40001, 9, 7, 0, 2, HOME, HOME), 6),
               lo(tcp(b"", 9, 40002, 5, 8, 0x14, HOME, HOME), 6), lo(bytes(40), 1, ident=78, frag=6)]
    path = write(tmp_path, *own, *offered)
    run, (seen,) = rxpath.replay(path), infer(path).hosts
    assert run.not_offered == {"own": len(own)} and run.offered == seen.offered == len(offered)
    assert run.books.snmp["Icmp.InEchoReps"] == 1 and run.books.snmp["Icmp.InDestUnreachs"] == 1



def test_local_takes_the_interface_where_the_address_receives(tmp_path: pathlib.Path) -> None:
    """It sends by one MAC and receives at another: what it sends is its own all the same."""
    out_mac, beyond = bytes.fromhex("020000000033"), bytes.fromhex("020000000044")
    frames = [sent(US, PEER, out_mac, beyond)] * 7 + [sent(PEER, US, beyond, A)] * 4 + [sent("10.0.0.5", "10.0.0.6", beyond, A)] * 2
    path = write(tmp_path, *frames)
    r = infer(path, local=[US])
    assert r.mac == int.from_bytes(A, "big") and r.received
    run = rxpath.replay(path, local=US)
    assert run.books.received == 4 and run.not_offered == {"own": 7}


def test_local_takes_a_mac_or_a_name_of_the_list(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, *[sent(PEER, US)] * 5, *[sent(US, PEER, A, B)] * 2)
    assert infer(path, local=["02:00:00:00:00:02"]).addresses == [PEER]
    names = {h.name: h.addresses[0] for h in infer(path).hosts}
    assert names == {"h1": US, "h2": PEER} and infer(path, local=["h2"]).addresses == [PEER]
    assert "as --local says; no frame" in infer(path, local=["192.0.2.1"]).evidence
    said = rxpath.replay(path, {"nic": {"addresses": ["192.0.2.1/24"]}}).receiver.evidence
    assert "as the host file says; no frame" in said
    for wrong, says in (("h9", "neither an address"), ("02:00:00:00:00:77", "no frame of this capture"), ("300.1.1.1", "neither")):
        with pytest.raises(CaptureError, match=says):
            infer_receiver(path, local=[wrong])


# ---------------------------------------------------------------- ports, prefix, VLANs, groups, nobody (F6, F10)
def test_a_port_is_open_however_late_it_is_seen(tmp_path: pathlib.Path) -> None:
    late = [sent(PEER, US, dport=53)] * 210_000 + [sent(PEER, US, dport=5000)] * 50
    path = write(tmp_path, *late)
    r = infer_receiver(path)
    assert r.udp_ports == {53: 210_000, 5000: 50} and r.records == 210_050
    assert "receives 210,050 of 210,050 frames" in r.evidence


def test_the_prefix_comes_from_broadcasts(tmp_path: pathlib.Path) -> None:
    def cast(dst: str) -> bytes:
        return eth(ip(udp(b"x", 138, 138, PEER, dst), PEER, dst), BROADCAST, B)
    for address, broadcast, prefix in (("10.0.4.24", "10.0.5.255", 23), ("10.0.5.20", "10.0.5.255", 24), ("10.0.5.20", "10.0.5.63", 26),
                                       ("10.0.5.20", "10.255.255.255", 24), ("10.7.5.20", "10.7.255.255", 16),
                                       ("10.7.5.20", "10.7.127.255", 17), ("10.0.5.20", "10.0.9.255", 24)):
        r = infer(write(tmp_path, sent(PEER, address), cast(broadcast), cast(broadcast)))
        assert r.with_prefixes() == [f"{address}/{prefix}"], (address, broadcast)
    run = rxpath.replay(write(tmp_path, sent(PEER, "10.0.4.24"), *[cast("10.0.5.255")] * 5))
    assert run.books.received == 6, "a broadcast to the receiver's own network is for it"


def test_vlans_come_from_outer_tags_and_from_group_traffic(tmp_path: pathlib.Path) -> None:
    tagged = eth(sent(PEER, US)[14:], vlan=7)
    twice = MAC_US + MAC_PEER + struct.pack(">HHHH", 0x8100, 10, 0x8100, 20) + sent(PEER, US)[12:]
    r = infer(write(tmp_path, tagged, twice, twice))
    assert r.vlans == [7, 10] and r.inner_vlans == [(10, 20)]
    assert rxpath.replay(write(tmp_path, tagged, twice, twice)).books.received == 3
    group = eth(ip(udp(b"g", 1985, 1985, PEER, "224.0.0.2"), PEER, "224.0.0.2"), multicast_mac("224.0.0.2"), B, vlan=9)
    r = infer(write(tmp_path, group, group))
    assert r.vlans == [9] and r.made_up
    run = rxpath.replay(write(tmp_path, group, group))
    assert run.books.received == 2, "the group is joined on the VLAN device, too"
    priority = MAC_US + MAC_PEER + struct.pack(">HH", 0x8100, 0) + sent(PEER, US)[12:]
    assert infer(write(tmp_path, priority)).vlans == []


def test_a_group_that_no_socket_joins_is_said(tmp_path: pathlib.Path) -> None:
    pgm = eth(ip(b"pgm" * 10, PEER, "235.0.1.47", 113), multicast_mac("235.0.1.47"), B)
    run = rxpath.replay(write(tmp_path, pgm, pgm))
    assert "no socket joins 235.0.1.47" in run.receiver.evidence and any("no socket joined 235.0.1.47" in n for n in run.notes)
    udp_too = eth(ip(udp(b"g", 5, 5, PEER, "235.0.1.47"), PEER, "235.0.1.47"), multicast_mac("235.0.1.47"), B)
    run = rxpath.replay(write(tmp_path, udp_too))
    assert "member of 235.0.1.47" in run.receiver.evidence and run.books.received == 1


def test_a_made_up_receiver_fits(tmp_path: pathlib.Path) -> None:
    first_mac = bytes.fromhex("020000000001")                   # ours by default, and here a sender's
    six = eth(bytes([0x60, 0, 0, 0, 0, 9, 17, 64]) + bytes.fromhex("fe80" + "0" * 27 + "1" + "ff12" + "0" * 24 + "8384") + udp(b"x"),
              bytes.fromhex("333300008384"), first_mac, proto=0x86DD)
    four = eth(ip(udp(b"x", 21027, 21027, "192.168.2.100", "192.168.2.255"), "192.168.2.100", "192.168.2.255"), BROADCAST, first_mac)
    r = infer(write(tmp_path, six, six, six, four))
    assert r.made_up and r.addresses == ["192.168.2.254"] and r.mac_text() == "02:00:00:00:00:02"
    assert rxpath.replay(write(tmp_path, six, four)).books.received == 1
    high = infer(write(tmp_path, eth(ip(udp(b"x", 1, 2, "243.1.1.1", "255.255.255.255"), "243.1.1.1", "255.255.255.255"), BROADCAST, B)))
    assert high.addresses == ["192.0.2.254"]


def test_an_address_of_240_0_0_0_is_a_host_as_on_linux(tmp_path: pathlib.Path) -> None:
    """6.18 takes 243.1.1.1/24 as an interface's address and receives there."""
    run = rxpath.replay(write(tmp_path, *[sent("243.1.1.2", "243.1.1.1")] * 3))
    assert run.receiver.addresses == ["243.1.1.1"] and run.books.received == 3


def test_frames_that_are_not_ip_do_not_make_a_receiver(tmp_path: pathlib.Path) -> None:
    pppoe = eth(b"\x11\x00\x00\x01\x00\x02\xc0\x21", bytes.fromhex("020000000055"), ROUTER, 0x8864)
    assert infer(write(tmp_path, pppoe, pppoe, pppoe, sent(PEER, US))).addresses == [US]


def test_a_closed_port_is_known_by_its_refusals(tmp_path: pathlib.Path) -> None:
    asked = sent(PEER, US)
    refusal = eth(ip(icmp(3, 3, bytes(4), asked[14:42]), US, PEER, 1), B, A)
    r = infer(write(tmp_path, asked, refusal, asked, refusal, sent(PEER, US, dport=6000)))
    assert r.closed_udp == {5000: 2} and list(r.udp_ports) == [6000]


# ---------------------------------------------------------------- many hosts, long pipes
def test_of_very_many_hosts_the_busy_ones_stay(tmp_path: pathlib.Path) -> None:
    scan = [sent(f"11.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}", f"12.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}", ROUTER, B)
            for i in range(40_000)]
    busy = [sent(PEER, US)] * 9000
    path = write(tmp_path, *[f for i, pair in enumerate(scan) for f in ([pair, busy[i]] if i < len(busy) else [pair])])
    r = infer_receiver(path)
    assert r.addresses == [US] and r.received == 9000 and len(r.hosts) == 10
    assert r.addresses_left_out and more(r).startswith(f"more than {r.addresses_seen:,} addresses send or receive")
    assert "of the seldom seen ones only some were kept" in more(r) and r.addresses_seen > 10_000


def test_a_pipe_is_kept_and_beyond_its_limit_the_first_part_decides(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, *[(i * 50_000, sent(PEER, US, dport=5000 if i < 30_000 else 6000)) for i in range(30_010)])
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def through_a_pipe() -> Any:
        writer = threading.Thread(target=lambda: fifo.write_bytes(path.read_bytes()))
        writer.start()
        try:
            return rxpath.replay(fifo)
        finally:
            writer.join()
    run = through_a_pipe()
    assert run.books.received == 30_010 and "of the pipe" not in run.receiver.evidence
    monkeypatch.setattr(source_module, "SPOOL", 1 << 20)
    run = through_a_pipe()
    assert run.offered == 30_010 and run.dropped == {"NO_SOCKET": 10} and "decided by the first" in run.receiver.evidence


# ---------------------------------------------------------------- the captures that the faults were seen in
@pytest.mark.parametrize("name, receiver, least", [
    ("gquic_only_from_server.pcap", "10.189.122.71", 1.0), ("pfcp.pcapng", "127.0.0.2", 1.0),
    ("openvpn_nohmac.pcapng", "85.134.13.165", 1.0),
    ("EAQ.pcap", "10.8.0.1", 0.8), ("netbios.pcap", "10.0.4.24", 0.99), ("gaijin_warthunder.pcap", "192.168.88.231", 1.0),
    ("dtls2.pcap", "61.68.110.153", 0.0), ("dhcp-unique-xid-join-data-growth.pcapng", "192.0.2.254", 1.0),
    ("dns.pcap", "192.168.170.8", 0.5),
    ("gtp6_gtp_0x32.pcap", "243.149.173.198", 0.5), ("afs.pcap", "131.151.32.21", 0.9), ("Oscar.pcap", "10.30.29.3", 0.0),
    ("hsrp0.pcap", "10.28.168.254", 1.0), ("mpegts.pcap", "10.1.16.254", 1.0), ("WebattackRCE.pcap", "127.0.0.1", 0.0),
])
def test_captures_that_had_the_wrong_receiver(name: str, receiver: str, least: float) -> None:
    run = rxpath.replay(shared_capture(name))
    assert run.receiver.addresses[0] == receiver and run.offered and run.books.received >= least * run.offered


def test_local_of_captures_where_an_address_only_sent() -> None:
    assert rxpath.replay(shared_capture("EAQ.pcap"), local="10.8.0.1").offered == 53
    run = rxpath.replay(shared_capture("dtls2.pcap"), local="212.32.214.39")
    assert run.offered == 14 and "IP_LOCAL_SOURCE" not in run.dropped


def test_a_read_by_address_leaves_times_and_numbers_alone(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, sent(PEER, US, NOBODY, NOBODY), sent(US, PEER, NOBODY, NOBODY), sent(PEER, "10.0.0.7", NOBODY, NOBODY))
    for plain in (False, True):
        got = Read(path, receiver=infer_receiver(path, local=[US]), plain=plain)
        assert [(frame, data[:6]) for _, data, _, frame, _ in got.frames] == [(1, bytes.fromhex("020000000001")),
                                                                            (3, bytes.fromhex("02000000fffe"))]
        assert got.counts["own"] == 1


def test_tcp_flags_open_and_refuse(tmp_path: pathlib.Path) -> None:
    syn = [eth(ip(tcp(dport=p), proto=6)) for p in (80, 81)]
    synack = eth(ip(tcp(b"", 80, 40000, flags=0x12, src=US, dst=PEER), US, PEER, 6), B, A)
    rst = eth(ip(tcp(b"", 81, 40000, flags=0x14, src=US, dst=PEER), US, PEER, 6), B, A)
    r = infer(write(tmp_path, *syn, synack, rst))
    assert (r.tcp_ports, r.closed_tcp) == ({80: 1}, {81: 1})
