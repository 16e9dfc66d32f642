"""TCP from a capture: connections adopt what the captured receiver did, and every segment and byte ends in the ledger."""
import io
import pathlib
import re
from typing import Any

import pytest

import rxpath
from rxpath.cable.capture import Capture
from rxpath.cable.receiver import infer_receiver
from rxpath.workbench.host.given import the_host
from rxpath.workbench.run.connections import Amount, TcpLedger, ledger
from rxpath.workbench.run.fates import Fates
from rxpath.workbench.run.simulation import START_NS, Simulation
from rxpath.workbench.views.pcapng import Writer
from rxpath.workbench.views.report import socket_name

from ..cable.captures import needs_shared, pcap, shared_folder
from ..cable.test_split import merge, segments
from ..cable.test_tcp_sent import ACK, FIN, MSS, PSH, RST, SACKOK, STAMPS, SYN, TO_US, WSCALE5, came, sent
from ..cable.test_wire import both, write

ONE_QUEUE = ("ethtool.combined=1", "ethtool.rx-usecs=1000")


def tcp_of(run: Any) -> TcpLedger:
    c: TcpLedger = run.books.tcp
    parts = [c.read, c.consumed, c.duplicates, c.held_back, c.before_syn, c.behind_gaps, *c.lost.values(), *c.other.values(), c.queued]
    assert c.offered == sum(parts, Amount()) and min(c.queued.segments, c.queued.bytes) >= 0
    return c


def shake(isn: int = 100, ours: int = 5000) -> list[bytes]:
    return [came(SYN, isn, options=MSS), sent(SYN | ACK, ours, isn + 1, options=MSS), came(ACK, isn + 1, ours + 1)]


# ---------------------------------------------------------------- what is adopted
def test_a_connection_from_its_syn_to_its_end(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *TO_US, *shake(), came(PSH | ACK, 101, 5001, b"GET"), sent(PSH | ACK, 5001, 104, b"answer"),
                     came(ACK, 104, 5007), came(PSH | ACK, 104, 5007, b"more"),
                     sent(FIN | ACK, 5007, 108), came(ACK, 108, 5008), came(FIN | ACK, 108, 5008)))
    c = tcp_of(run)
    assert (c.read, c.offered) == (Amount(3, 7), Amount(7, 7)) and c.other == {} and run.books.dropped == {}
    assert run.books.snmp["Tcp.PassiveOpens"] == 1 and run.books.snmp["Tcp.OutRsts"] == 0 and run.books.snmp["Tcp.CurrEstab"] == 0
    assert run.books.netstat["TcpExt.TCPChallengeACK"] == 0


def test_without_what_the_receiver_sent_its_acknowledgements_say_it(tmp_path: pathlib.Path) -> None:
    """One direction only: the peer acknowledges an initial sequence number, data and a FIN that the capture does not show."""
    run = both(write(tmp_path, *TO_US, came(SYN, 100, options=MSS), came(ACK, 101, 77), came(ACK, 101, 77, b"abc"),
                     came(ACK, 104, 1077, b"defg"), came(FIN | ACK, 108, 1078)))
    assert tcp_of(run).read.bytes == 7 and run.books.dropped == {} and run.books.netstat["TcpExt.TCPChallengeACK"] == 0


def test_a_connection_that_began_before_the_capture(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *TO_US, came(ACK, 900, 70, b"x" * 10), sent(ACK, 70, 910, b"yy"), came(ACK, 910, 72, b"z")))
    assert tcp_of(run).read == Amount(2, 11) and run.books.dropped == {}


@pytest.mark.parametrize(("sizes", "scale"), [([], 7), ([70], 7), ([1400, 700], 8), ([60_000, 60_000], 14)])
def test_the_scale_of_a_window_that_what_was_sent_into_it_shows(tmp_path: pathlib.Path, sizes: list[int], scale: int) -> None:
    """The peer's window says 10; the SYN, which would say what that means, is not in the capture."""
    path, seq, frames = tmp_path / "x.pcap", 70, [came(ACK, 900, 70, b"x" * 10, window=10)]
    for n in sizes:
        frames.append(sent(ACK, seq, 910, bytes(n)))
        seq += n
    path = write(tmp_path, *TO_US, *frames, came(ACK, 910, seq, b"z", window=10), sent(ACK, seq, 911))
    for plain in (False, True):
        receiver = infer_receiver(path, plain=plain)
        with Simulation(the_host(None, [], None), receiver=receiver, plain=plain) as sim, \
                Capture(path, receiver=receiver, start_ns=START_NS, plain=plain) as capture:
            sim.replay(capture)
            assert [sim.net.tcp[i].snd_wscale for i in range(sim.net.nsock) if sim.net.socks[i].dport == 40000] == [scale]


def test_a_connection_that_the_receiver_opened(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *TO_US, sent(SYN, 300, sport=50000, dport=443, options=MSS + SACKOK),
                     came(SYN | ACK, 7, 301, sport=443, dport=50000, options=MSS + SACKOK), sent(ACK, 301, 8, b"hi", 50000, 443),
                     came(ACK, 8, 303, b"hello", 443, 50000), came(FIN | ACK, 13, 303, sport=443, dport=50000)))
    assert tcp_of(run).read == Amount(2, 5) and run.books.dropped == {}
    assert run.books.snmp["Tcp.PassiveOpens"] == 0 and run.books.snmp["Tcp.InSegs"] == 3
    [clients] = [s for s in run.books.sockets if s.proto == "tcp"]
    assert (clients.name, clients.connections, clients.received, clients.queued, clients.queue_max) == ("tcp-clients", 1, 1, 0, 1)
    assert 0 < clients.rmem_max < clients.rcvbuf and socket_name(clients) == "tcp, opened by this host (1 connection)"


def test_a_listener_shows_what_its_connections_were_open_or_closed(tmp_path: pathlib.Path) -> None:
    """The first ends by a reset with two segments unread behind a hole; the second stays open."""
    run = both(write(tmp_path, *TO_US, *(frame for port in (40000, 40001) for frame in (
        came(SYN, 100, sport=port, options=MSS), came(ACK, 101, 77, sport=port), came(ACK, 101, 77, b"abc", sport=port))),
        came(ACK, 105, 77, b"x", sport=40000), came(RST, 104, sport=40000)))
    [listener] = [s for s in run.books.sockets if s.proto == "tcp" and s.connections]
    assert (listener.connections, listener.received, listener.queued) == (2, 2, 0) and listener.rmem_max > 0
    assert socket_name(listener) == f"tcp 0.0.0.0:{listener.port} (2 connections)"


@pytest.mark.parametrize(("agreed", "stamps", "sack", "scale"),
                         [(MSS, 0, 0, 0), (MSS + SACKOK + STAMPS, 1, 1, 0), (MSS + WSCALE5, 0, 0, 1)])
def test_only_what_the_receiver_agreed_to(tmp_path: pathlib.Path, agreed: bytes, stamps: int, sack: int, scale: int) -> None:
    """The SYN offers everything, the captured SYN-ACK says what there was."""
    path = write(tmp_path, *TO_US, came(SYN, 100, options=MSS + SACKOK + STAMPS + WSCALE5), sent(SYN | ACK, 5000, 101, options=agreed),
                 came(ACK, 101, 5001), came(ACK, 101, 5001, b"x"))
    receiver = infer_receiver(path)
    with Simulation(the_host(None, [], None), receiver=receiver) as sim, \
            Capture(path, receiver=receiver, start_ns=START_NS) as capture:
        sim.replay(capture)
        made = [sim.net.tcp[i] for i in range(sim.net.nsock) if sim.net.socks[i].dport == 40000]
        assert [(tp.tstamp_ok, tp.sack_ok, tp.wscale_ok, tp.snd_nxt) for tp in made] == [(stamps, sack, scale, 5001)]


def test_the_same_ends_once_more(tmp_path: pathlib.Path) -> None:
    first = [*shake(), came(ACK, 101, 5001, b"one"), came(FIN | ACK, 104, 5001), sent(FIN | ACK, 5001, 105), came(ACK, 105, 5002)]
    run = both(write(tmp_path, *TO_US, *first, *shake(900_000, 77), came(ACK, 900_001, 78, b"three")))
    assert tcp_of(run).read.bytes == 8 and run.books.snmp["Tcp.PassiveOpens"] == 2


def test_a_reset_ends_it(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *TO_US, *shake(), came(ACK, 101, 5001, b"one"), came(RST, 104)))
    assert tcp_of(run).read == Amount(1, 3) and run.books.snmp["Tcp.EstabResets"] == 1


def test_what_comes_twice_in_the_capture_is_a_duplicate(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *TO_US, *shake(), *[came(ACK, 101, 5001, b"same")] * 3, came(ACK, 105, 5001, b"new")))
    c = tcp_of(run)
    assert c.read == Amount(2, 7) and c.duplicates == Amount(2, 8)
    assert "2 duplicates (8 bytes)" in ledger(c)


# ---------------------------------------------------------------- losses and windows
def capture(tmp_path: pathlib.Path, n: int, size: int, gap_ns: int = 1000) -> pathlib.Path:
    """A connection and n segments, so far apart."""
    frames = [*TO_US, *shake(), *[came(ACK, 101 + i * size, 5001, b"x" * size) for i in range(n)]]
    path = tmp_path / "c.pcap"
    path.write_bytes(pcap([((i - 6) * gap_ns + 50_000_000 if i >= 6 else i * 1_000_000, f, len(f)) for i, f in enumerate(frames)]))
    return path


def test_what_the_ring_loses_is_repaired_and_read_to_the_byte(tmp_path: pathlib.Path) -> None:
    run = both(capture(tmp_path, 200, 100), *ONE_QUEUE, "ethtool.rx=80", "ethtool.gro=off")
    c = tcp_of(run)
    assert c.lost["RX_MISSED"].segments == c.repairs.segments > 100 and c.not_repaired == 0
    assert c.read.bytes == 20_000 and c.queued == Amount()
    assert any("a real sender would have slowed down" in n for n in run.notes)


def test_a_syn_that_the_ring_loses_does_not_lose_the_connection(tmp_path: pathlib.Path) -> None:
    filler = [came(ACK, 1 + i, 1, b"y", sport=9) for i in range(100)]
    run = both(write_at_once(tmp_path, [*TO_US, sent(ACK, 1, 1, sport=80, dport=9), *filler, *shake()], came(ACK, 101, 5001, b"data")),
               *ONE_QUEUE, "ethtool.rx=80", "ethtool.gro=off")
    assert run.books.dropped["RX_MISSED"] > 0 and run.books.snmp["Tcp.PassiveOpens"] >= 1
    assert tcp_of(run).read.bytes == 100 + 4


def write_at_once(tmp_path: pathlib.Path, frames: list[bytes], later: bytes) -> pathlib.Path:
    path = tmp_path / "once.pcap"
    path.write_bytes(pcap([*((i * 1000, f, len(f)) for i, f in enumerate(frames)), (500_000_000, later, len(later))]))
    return path


def test_what_a_slow_reader_leaves_no_window_for_is_held_back(tmp_path: pathlib.Path) -> None:
    """140,000 bytes at once for a buffer of 16,384 that is read two seconds later."""
    path = tmp_path / "h.toml"
    path.write_text('[[socket]]\nname = "s"\nproto = "tcp"\nbind = "*:80"\nrcvbuf = 8192\n[[app]]\nsockets = ["s"]\nstart = "2s"\n')
    run = rxpath.replay(capture(tmp_path, 100, 1400), host=path)
    c = tcp_of(run)
    assert c.held_back.segments > 50 and c.lost == {} and c.repairs == Amount()
    assert 0 < c.read.bytes < 40_000 and any("would have waited" in n for n in run.notes)


def test_what_lies_behind_more_than_can_be_filled_in_is_said_to_be_so(tmp_path: pathlib.Path) -> None:
    """The receiver acknowledges 40 million bytes that the capture lacks; without that acknowledgement nobody can tell."""
    far = 40_000_201
    gap = [*shake(), came(ACK, 101, 5001, b"x" * 100), sent(ACK, 5001, far), came(ACK, far, 5001, b"y" * 50),
           came(ACK, far + 50, 5001, b"z" * 7)]
    run = both(write(tmp_path, *TO_US, *gap))
    c = tcp_of(run)
    assert (c.read.bytes, c.behind_gaps, c.held_back) == (100, Amount(2, 57), Amount())
    assert any("missing in the capture" in n for n in run.notes) and not any("flow control" in n for n in run.notes)
    c = tcp_of(both(write(tmp_path, *TO_US, *gap[:4], *gap[5:])))
    assert (c.behind_gaps, c.held_back) == (Amount(), Amount(2, 57))


def test_speed_says_what_it_does_not_mean(tmp_path: pathlib.Path) -> None:
    fast, slow = (rxpath.replay(capture(tmp_path, 3, 10), speed=speed) for speed in (10, 1))
    assert [any("at 10 times the speed" in n for n in run.notes) for run in (fast, slow)] == [True, False]


# ---------------------------------------------------------------- merged before the capture
LOT = 19 * 1460 + 100


def bulk(tmp_path: pathlib.Path, merged: bool, n: int = 6, gap_ns: int = 5_000_000) -> pathlib.Path:
    """A connection and n lots of 20 segments; merged, or as a line of 1 Gbit/s carries them."""
    records = [(i * 1_000_000, f, len(f)) for i, f in enumerate([*TO_US, *shake()])]
    for i in range(n):
        lot, t = segments([1460] * 19 + [100], 101 + i * LOT, i * 20), 50_000_000 + i * gap_ns
        records += [(t, f, len(f)) for f in [merge(lot)]] if merged else [
            (t + k * 12_304 - (8 * 1360 if k == 19 else 0), f, len(f)) for k, f in enumerate(lot)]
    path = tmp_path / f"bulk{merged:d}.pcap"
    path.write_bytes(pcap(records))
    return path


def test_merged_frames_are_the_run_that_their_segments_are(tmp_path: pathlib.Path) -> None:
    merged, apart = both(bulk(tmp_path, True)), both(bulk(tmp_path, False))
    assert merged.books == apart.books and tcp_of(merged).read == Amount(120, 6 * LOT)
    assert "6 merged frames split into 120 segments" in merged.notes[1] and merged.traffic.describe()["merged"] == {
        "frames": 6, "segments": 120}


def test_segments_of_merged_frames_that_are_lost_are_repaired(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the pieces in which the capture is read."""
    path, ring = bulk(tmp_path, True, 20, 400_000), (*ONE_QUEUE, "ethtool.rx=80", "ethtool.gro=off", "ethtool.rx-usecs=3000")
    run = both(path, *ring)
    c = tcp_of(run)
    assert c.lost["RX_MISSED"].segments == c.repairs.segments > 10 and c.not_repaired == 0
    assert c.lost["RX_MISSED"].bytes == c.repairs.bytes and c.read.bytes + c.held_back.bytes + c.queued.bytes == 20 * LOT
    monkeypatch.setattr("rxpath.cable.capture.PIECE", 33)
    assert rxpath.replay(path, overrides=list(ring)).books == run.books


def test_a_segment_has_its_record_s_number_in_trails(tmp_path: pathlib.Path) -> None:
    run = rxpath.replay(bulk(tmp_path, True), trail="7")
    assert run.trail is not None
    found = run.trail.describe()
    assert [(p["frame"], p.get("segment")) for p in found] == [(7, None), *((7, k) for k in range(2, 11))] and run.trail.more == 10
    assert all(p["end"] == "RECEIVED" and p["length"] == 1514 for p in found)
    assert {m["facts"].get("merged_into") for p in found for m in p["marks"] if m["station"] == "skb_gro_receive" and "facts" in m} == {7}


def test_each_segment_has_its_fate(tmp_path: pathlib.Path) -> None:
    """In the order of the wire, numbered by its record."""
    path, file = bulk(tmp_path, True), io.BytesIO()
    file.name = "x"                                                         # type: ignore[attr-defined]
    run = rxpath.replay(path, watching=[Fates(Writer(file, "x"))])
    said = [m[1].decode() for m in re.finditer(rb"(fate=[ -~]+)", file.getvalue()) if b"fate=sent" not in m[1]]
    assert len(said) == run.offered == 3 + 2 + 120
    found = [tuple(int(m[1]) if (m := re.search(f" {word}=(\\d+)", s)) else 0 for word in ("frame", "segment", "wire_ns")) for s in said]
    assert [f[:2] for f in found[5:26]] == [(7, 0), *((7, k) for k in range(2, 21)), (8, 0)]
    assert [f[2] for f in found] == sorted(f[2] for f in found) and all("fate=delivered" in s for s in said)


# ---------------------------------------------------------------- real ones
WHOLE = {"tcp/smtp.pcap": 16_527, "tcp/ftp.pcap": 111_534, "tcp/443-curl.pcap": 65_886, "tcp/443-git.pcap": 31_704, "tcp/fix.pcap": 34_736,
         "tcp/dns_doh.pcap": 8_866, "tcp/smb_deletefile.pcap": 11_034, "tcp/pop3_stls.pcap": 7_462,
         "tcp/tls_certificate_too_long.pcap": 55_758, "real/teams.pcap": 268_130,
         "real/gnutella.pcap": 128_150, "real/whatsapp_login_call.pcap": 22_435, "real/coap_mqtt.pcap": 2_462}


@needs_shared
@pytest.mark.parametrize("name", WHOLE)
def test_whole_captures_are_delivered_to_the_byte(name: str) -> None:
    folder = shared_folder()
    assert folder is not None
    c = tcp_of(rxpath.replay(folder / name))
    assert c.read.bytes == c.offered.bytes == WHOLE[name] and c.lost == {} and c.held_back == Amount()


@needs_shared
def test_the_ledger_balances_for_every_capture_of_connections() -> None:
    folder = shared_folder()
    assert folder is not None
    seen = 0
    for path in sorted((folder / "tcp").iterdir()):
        run = rxpath.replay(path)
        if run.books.tcp is not None:
            seen += tcp_of(run).read.bytes > 0
    assert seen >= 40
