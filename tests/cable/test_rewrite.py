"""Loops from other source addresses: checksums stay right, the receiver stays the receiver."""
import io
import pathlib

import pytest
from scapy.all import IP, TCP, UDP, PcapReader  # type: ignore[attr-defined]

import rxpath
from rxpath.cable.write import write_pcap
from rxpath.workbench.cli import app as cli

from ..frames import PEER, US, csum, eth, fragments, icmp, ip, tcp, udp, udp_frame


def capture(path: pathlib.Path) -> pathlib.Path:
    frames = [udp_frame(b"x" * n, sport=4000 + n) for n in (0, 5, 700)]
    frames += [eth(ip(udp(b"none", check=0))), eth(ip(udp(b"t"), PEER, US), vlan=7), eth(ip(tcp(), proto=6)), eth(ip(icmp(), proto=1))]
    frames += fragments(udp(b"y" * 3000), [1480, 1480])
    reply = eth(ip(udp(b"r", 5000, 40000, US, PEER), US, PEER), dst=bytes.fromhex("020000000002"), src=bytes.fromhex("020000000001"))
    write_pcap(path, [(1000 * i, f) for i, f in enumerate([*frames, reply])])
    return path


def test_a_loop_from_fresh_addresses_is_right_to_another_program(tmp_path: pathlib.Path) -> None:
    assert cli.run(["generate", "--merge", str(capture(tmp_path / "a")), "--loop", "3", "--fresh", "-o", str(tmp_path / "b")]) == 0
    packets = list(PcapReader(io.BytesIO((tmp_path / "b").read_bytes())))
    assert len(packets) == 3 * 11
    sources = []
    for i, p in enumerate(packets):
        raw = bytes(p[IP])[:p[IP].len]
        assert csum(raw[:20]) == 0
        ours = p[IP].src == US
        sources.append(p[IP].dst if ours else p[IP].src)
        assert (p[IP].src if ours else p[IP].dst) == US, "the receiver keeps its address"
        if UDP in p and not p[IP].frag and not p[IP].flags.MF and p[UDP].chksum:
            assert csum(raw[12:20] + b"\0\x11" + (len(raw) - 20).to_bytes(2, "big") + raw[20:]) == 0, i
        if TCP in p:
            assert csum(raw[12:20] + b"\0\x06" + (len(raw) - 20).to_bytes(2, "big") + raw[20:]) == 0, i
    assert sources == [PEER] * 11 + ["10.0.1.2"] * 11 + ["10.0.2.2"] * 11


def test_replay_of_fresh_loops_delivers_what_the_first_did(tmp_path: pathlib.Path) -> None:
    file = capture(tmp_path / "a")
    one, three = rxpath.replay(file), rxpath.replay(file, loop=3, fresh=True)
    assert three.delivered == 3 * one.delivered and {k: 3 * n for k, n in one.dropped.items()} == three.dropped
    plain = rxpath.replay(file, loop=3, fresh=True, plain=True)
    assert three.to_json() == plain.to_json()
    same = rxpath.replay(file, loop=3)
    assert same.offered == three.offered and same.books.received == three.books.received and same.to_json() != three.to_json()
    assert same.delivered < three.delivered, "the same connection again meets what is left of the first: TIME_WAIT, a request"


def test_captures_merge_by_time(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pcap(tmp_path / "a", [(5_000_000_000 + 1000 * i, udp_frame(b"a" * i)) for i in range(5)])
    write_pcap(tmp_path / "b", [(1500 * i, udp_frame(b"b" * i)) for i in range(5)])
    a, b, c = (str(tmp_path / name) for name in "abc")
    assert cli.run(["generate", "--merge", a, "--merge", b, "--speed", "0.5", "-o", c]) == 0
    times = [round(float(p.time % 1000) * 1e9) for p in PcapReader(io.BytesIO((tmp_path / "c").read_bytes()))]
    assert times == [0, 0, 2000, 3000, 4000, 6000, 6000, 8000, 9000, 12000]
    capsys.readouterr()
    for argv, text in ((["--merge", "-"], "cannot be read twice"), (["--merge", str(tmp_path / "none")], "No such file"),
                       (["--merge", "x", "--rate", "5"], "merged as they are"), (["--merge", "x", "--loop", "0"], "1 to 65535")):
        assert cli.run(["generate", *argv, "-o", str(tmp_path / "d")]) == 2
        said = capsys.readouterr().err
        assert text in said and said.count("\n") == 1, said
        assert not (tmp_path / "d").exists()
