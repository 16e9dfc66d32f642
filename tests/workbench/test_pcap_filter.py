"""--trail 'udp port 53': expressions of pcap-filter; libpcap's own verdicts are the judge of our interpreter and of the subset."""
import json
import random

import pytest

from rxpath.workbench.run import pcap_filter
from rxpath.workbench.run.pcap_filter import NoFilter, Subset, compiled, is_expression

from ..frames import udp_frame
from .test_command import run

cypcap = pytest.importorskip("cypcap", reason="needs cypcap: libpcap")
EXPRESSIONS = [
    "udp dst port 5201 and not host 10.0.0.1", "tcp[13] & 2 != 0 or icmp", "portrange 5000-6000", "ip[6:2] & 0x1fff != 0", "less 64",
    "vlan 10 and ip6", "ip6 and udp port 53", "len % 2 = 0 and ip[2:2] - ((ip[0] & 0xf) << 2) > 8", "net 10.0.0.0/8", "not arp"]
SUBSET = ["udp port 5201", "src host 10.0.0.1 or dst port 53", "net 10.0.0.0/8 and not tcp", "portrange 5000-6000", "less 60",
          "greater 43 && udp", "(tcp or udp) and (dst net 10.0.0.2/32)", "!icmp", "arp"]


def frames(n):
    """Mutated ones."""
    dice = random.Random(5)
    for _ in range(n):
        frame = bytearray(udp_frame(b"x" * dice.randrange(40), dport=dice.choice((53, 5201, 9))))
        for _ in range(dice.randrange(4)):
            frame[dice.randrange(len(frame))] = dice.choice((0, 1, 6, 8, 17, 0x81, 0x86, 0xDD, dice.randrange(256)))
        yield bytes(frame[:dice.randrange(1, len(frame) + 1)]) if dice.random() < 0.2 else bytes(frame)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_verdicts_are_libpcaps(text):
    with cypcap.open_dead(cypcap.DatalinkType.EN10MB, 262_144) as handle:
        program = handle.compile(text, True, 0xFFFFFFFF)
    ours = pcap_filter._cypcap(text)
    for fits in (compiled(text), lambda f, n: pcap_filter.run(ours, f, n)):
        for frame in frames(400):
            header = cypcap.Pkthdr(0, len(frame), len(frame))
            assert fits(frame, len(frame)) == bool(program.offline_filter(header, frame)), frame.hex()


@pytest.mark.parametrize("text", SUBSET)
def test_the_subset_agrees_on_whole_frames(text):
    whole = [udp_frame(b"x" * n, dport=port) for n in (0, 1, 20, 700) for port in (53, 5201, 5999, 9)]
    ours, theirs = Subset(text).fits, compiled(text)
    assert [ours(f, len(f)) for f in whole] == [theirs(f, len(f)) for f in whole]


def test_without_libpcap_the_subset_says_what_it_lacks(monkeypatch, capsys):
    monkeypatch.setattr(pcap_filter, "_libpcap", lambda _: None)
    monkeypatch.setattr(pcap_filter, "_cypcap", lambda _: None)
    code, out, _ = run(capsys, "replay", "first", "--trail", "udp port 53 and greater 100", "--trail-lines", "-")
    assert code == 0 and out.count("\n") == 5
    code, _, err = run(capsys, "replay", "first", "--trail", "vlan 10 and ip6")
    assert code == 2 and "pip install 'rxpath[filters]'" in err and err.count("\n") == 1


@pytest.mark.parametrize("text", ["host example.com", "src www or icmp", "udp port", "inbound", "tcp[", "host 1.2.3.4.5",
                                  "port domain and ()"])
def test_what_cannot_be_used_is_one_line(text, capsys):
    with pytest.raises(NoFilter):
        compiled(text)
    code, _, err = run(capsys, "replay", "first", "--trail", text)
    assert code == 2 and err.count("\n") == 1 and text in err


def test_words_of_trail_are_no_expressions():
    assert not any(map(is_expression, ("17", "17-20", "all", "drops", "drops:RX_MISSED", "10.0.0.2:53", ":53", "nonsense")))
    assert all(map(is_expression, ("udp", "port 53", "(tcp)", "len>100", "!icmp")))


def test_a_packets_way_says_what_it_found(capsys):
    code, out, err = run(capsys, "replay", "first", "--trail", "udp port 8125", "--trail-limit", "4000", "--trail-lines", "-")
    assert code == 0, err
    found = [json.loads(line) for line in out.splitlines()]
    of = {}
    for p in found:
        for m in p["marks"]:
            of.setdefault(m["station"], []).extend([m["facts"]] if "facts" in m else [])
    rings = of["napi_gro_receive"]
    assert all(0 <= r["slot"] < r["of"] == 256 and 1 <= r["waiting"] <= 256 and r["poll"] >= 0 for r in rings)
    assert max(r["waiting"] for r in rings) > 1 and len({r["slot"] for r in rings}) == 256
    depths = [d for d in of["__udp_enqueue_schedule_skb"] if d["socket"] == "udp:8125"]
    assert all(d["limit"] == 212_992 and d["name"] == "telemetry" for d in depths)
    assert min(d["queued"] for d in depths) == 0 and max(d["bytes"] for d in depths) > 200_000
    lost = [p for p in found if p["end"] == "SOCKET_RCVBUFF"]
    full = [m["facts"]["bytes"] for p in lost for m in p["marks"] if m["station"] == "__udp_enqueue_schedule_skb"]
    assert lost and min(full) + 2304 > 212_992
    assert {r["table"] for r in of["ip_local_deliver"]} == {"local"}
    code, out, _ = run(capsys, "replay", "first", "--trail", "tcp and greater 1000", "--trail-limit", "100", "--trail-lines", "-")
    found = [json.loads(line) for line in out.splitlines()]
    merged = {m["facts"]["merged_into"] for p in found for m in p["marks"] if m["station"] == "skb_gro_receive" and "facts" in m}
    assert merged and merged < {p["frame"] for p in found}


def test_the_tree_is_whole(capsys):
    code, out, _ = run(capsys, "replay", "first", "--trail", "udp port 8125", "--trail-limit", "1")
    assert code == 0 and "…" not in out and max(len(line.rstrip()) for line in out.splitlines()) <= 100
    assert "queue 0, slot " in out and "      ip_rcv_core" in out and "telemetry" in out


def test_trail_lines_needs_a_trail(capsys):
    code, _, err = run(capsys, "replay", "first", "--trail-lines", "x.jsonl")
    assert code == 2 and "--trail FILTER" in err
