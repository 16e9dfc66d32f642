"""Who is the receiver?"""
import pathlib

from rxpath.cable.receiver import infer_receiver
from rxpath.cable.source import CaptureError
from rxpath.examples import path

from ..frames import MAC_PEER, MAC_US, PEER, US, eth, icmp, ip, tcp, udp, udp_frame
from .captures import needs_shared, pcap, shared_captures

F = udp_frame(b"hello")
REPLY = eth(ip(udp(b"r", 5000, 40000, US, PEER), US, PEER), MAC_PEER, MAC_US)


def infer(tmp_path: pathlib.Path, *frames: bytes, linktype: int = 1, **options: object) -> object:
    (tmp_path / "x").write_bytes(pcap([(i, f, len(f)) for i, f in enumerate(frames)], linktype))
    a, b = infer_receiver(tmp_path / "x", **options), infer_receiver(tmp_path / "x", plain=True, **options)    # type: ignore[arg-type]
    assert a == b
    return a


def test_bundled_capture() -> None:
    r = infer_receiver(path())
    assert r.addresses == ["10.23.0.2"] and r.with_prefixes() == ["10.23.0.2/24"] and r.mac_text() == "02:00:0a:17:00:02"
    assert sorted(r.udp_ports) == [53, 5201, 8125] and r.udp_ports[8125] == 5880 and sorted(r.tcp_ports) == [53, 5201]
    assert r.closed_udp == {9999: 12} and r.sent == 121
    assert r.evidence == ("10.23.0.2 (02:00:0a:17:00:02) receives 8,762 of 8,884 frames: more than any other host, its packets still "
                          "have an initial TTL, it answers requests (20 conversations); the runner-up is 10.23.0.1 (34 points to 51); "
                          "listens on UDP 53, 5201, 8125, TCP 53, 5201; UDP 9999 is closed: it answered with port unreachable")


def test_the_host_that_most_frames_go_to(tmp_path: pathlib.Path) -> None:
    r = infer(tmp_path, F, F, REPLY)
    assert (r.addresses, r.received, r.sent, r.udp_ports) == ([US], 2, 1, {5000: 2})            # type: ignore[attr-defined]


def test_an_end_host_rather_than_the_router(tmp_path: pathlib.Path) -> None:
    up = [eth(ip(udp(b"u", 5000, 53, US, f"9.9.9.{i}"), US, f"9.9.9.{i}"), MAC_PEER, MAC_US) for i in range(20)]
    r = infer(tmp_path, *up, *[F] * 12)
    assert r.addresses == [US] and "initial TTL" in r.evidence                                       # type: ignore[attr-defined]


def test_closed_ports_and_listeners(tmp_path: pathlib.Path) -> None:
    unreachable = eth(ip(icmp(3, 3, b"\0" * 4, F[14:42]), US, PEER, 1), MAC_PEER, MAC_US)
    syn, rst = eth(ip(tcp(dport=81), proto=6)), eth(ip(tcp(b"", 81, 40000, flags=0x14, src=US, dst=PEER), US, PEER, 6), MAC_PEER, MAC_US)
    syn2 = eth(ip(tcp(dport=80), proto=6))
    synack = eth(ip(tcp(b"", 80, 40000, flags=0x12, src=US, dst=PEER), US, PEER, 6), MAC_PEER, MAC_US)
    r = infer(tmp_path, F, F, F, F, unreachable, syn, rst, syn2, synack)
    assert (r.closed_udp, r.udp_ports, r.closed_tcp, r.tcp_ports) == ({5000: 4}, {}, {81: 1}, {80: 1})     # type: ignore[attr-defined]


def test_a_port_that_was_closed_later_was_open(tmp_path: pathlib.Path) -> None:
    unreachable = eth(ip(icmp(3, 3, b"\0" * 4, F[14:42]), US, PEER, 1), MAC_PEER, MAC_US)
    r = infer(tmp_path, F, REPLY, F, F, unreachable)
    assert (r.closed_udp, r.udp_ports) == ({}, {5000: 3})                                       # type: ignore[attr-defined]


def test_the_user_says_who_and_what(tmp_path: pathlib.Path) -> None:
    r = infer(tmp_path, F, F, F, REPLY, local=[PEER + "/16"], listen=[40000, 7])
    assert r.addresses == [PEER] and r.mac == int.from_bytes(MAC_PEER, "big") and r.udp_ports == {40000: 1, 7: 0}  # type: ignore[attr-defined]


def test_raw_ip_and_cooked_captures(tmp_path: pathlib.Path) -> None:
    assert infer(tmp_path, F[14:], F[14:], REPLY[14:], linktype=101).addresses == [US]          # type: ignore[attr-defined]
    cooked = [b"\0\4" + b"\0\1\0\6" + MAC_US + b"\0\0\x08\0" + REPLY[14:]] * 3 + [b"\0\0" + b"\0\1\0\6" + MAC_PEER + b"\0\0\x08\0" + F[14:]]
    r = infer(tmp_path, *cooked, linktype=113)
    assert r.addresses == [US] and r.received == 1 and r.sent == 3                              # type: ignore[attr-defined]


def test_multicast_only_makes_a_receiver_up_that_joins(tmp_path: pathlib.Path) -> None:
    m = eth(ip(udp(b"m", 5353, 5353, PEER, "224.0.0.251"), PEER, "224.0.0.251"), bytes.fromhex("01005e0000fb"))
    r = infer(tmp_path, m, m)
    assert r.made_up and r.groups == ["224.0.0.251"] and r.udp_ports == {5353: 2} and r.addresses == ["10.0.0.254"]   # type: ignore[attr-defined]


def test_ipv6_only(tmp_path: pathlib.Path) -> None:
    a, b = bytes.fromhex("20010db8" + "0" * 23 + "1"), bytes.fromhex("20010db8" + "0" * 23 + "2")
    v6 = eth(bytes([0x60, 0, 0, 0, 0, 9, 17, 64]) + a + b + udp(b"x"), proto=0x86DD)
    r = infer(tmp_path, v6)
    assert r.addresses == ["2001:db8::2"] and r.udp_ports == {5000: 1}                          # type: ignore[attr-defined]


def test_frames_of_a_vlan(tmp_path: pathlib.Path) -> None:
    r = infer(tmp_path, eth(F[14:], vlan=7), eth(F[14:], vlan=7))
    assert r.addresses == [US] and r.vlans == [7]                                               # type: ignore[attr-defined]


@needs_shared
def test_real_programs_captures_have_one_host() -> None:
    names = {p.name: p for p in shared_captures() if p.parent.name == "real"}
    for name in names:
        try:
            r = infer_receiver(names[name])
        except CaptureError:
            continue
        assert r.received, (name, r.evidence)
