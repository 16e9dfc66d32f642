"""What people give it: files, directories, one text with everything twice; what cannot be compared is refused with one line."""
import io
import json
import re
import sys
import tarfile
from pathlib import Path

import pytest

from rxpath.workbench.cli import app as cli
from rxpath.workbench.doctor import inputs
from rxpath.workbench.readings.records import Kernel, Reading, Stat
from rxpath.workbench.words.mistakes import BadInput

from .hosts import host

DATA = Path(__file__).parents[2] / "data" / "host"
DOCS = Path(__file__).parents[3] / "docs" / "doctor"
SNMP = "Udp: InDatagrams NoPorts InErrors RcvbufErrors\nUdp: 5 0 {0} {0}\n"


def doctor(capsys, *args):
    code = cli.run(["doctor", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_directory_with_before_and_after_is_two_moments(capsys):
    code, out, _ = doctor(capsys, DATA, "--json")
    said = json.loads(out)
    assert code == said["status"] == 1 and said["readings"] == 2
    [lost] = [f for f in said["findings"] if f["kind"] == "lost"]
    assert (lost["finding"], lost["count"]) == ("socket", 11843)


def test_one_text_with_everything_twice_is_two_moments_and_a_directory_with_two_tools_is_one():
    assert len(inputs.moments([str(DOCS / "ring.txt")])) == 2
    assert len(inputs.moments([str(DATA / "before")])) == 1


def test_several_files_of_each_moment(tmp_path, capsys):
    for name, lost in (("a", 0), ("b", 700)):
        (tmp_path / f"{name}.snmp").write_text(SNMP.format(lost))
        (tmp_path / f"{name}.softnet").write_text("00000001 00000000 00000000 " + "00000000 " * 9 + "00000000\n")
    args = [x for option, name in (("--before", "a"), ("--after", "b")) for kind in ("snmp", "softnet")
            for x in (option, tmp_path / f"{name}.{kind}")]
    code, out, _ = doctor(capsys, *args, "--json", "--seconds", "7")
    said = json.loads(out)
    assert code == 1 and said["seconds"] == 7
    assert [(f["finding"], f["count"], f["per_second"]) for f in said["findings"]] == [("receive_buffer", 700, 100)]


def test_without_a_time_there_are_numbers_and_no_rates(tmp_path, capsys):
    for name, lost in (("a", 0), ("b", 700)):
        (tmp_path / name).write_text(SNMP.format(lost))
    code, out, _ = doctor(capsys, tmp_path / "a", tmp_path / "b")
    assert code == 1 and "LOST  700 datagrams\n" in out and "an unknown time apart" in out
    assert "a second" not in out


def test_standard_input_is_one_of_the_readings(tmp_path, capsys, monkeypatch):
    (tmp_path / "a").write_text(SNMP.format(0))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SNMP.format(9).encode())))
    assert doctor(capsys, tmp_path / "a", "-")[0] == 1


def test_one_reading_gives_counts_since_boot_and_no_cause(tmp_path, capsys):
    (tmp_path / "a").write_text(SNMP.format(700))
    code, out, _ = doctor(capsys, tmp_path / "a")
    assert code == 3 and "since boot" in out and "cause" not in out.replace("causes", "")
    code, out, _ = doctor(capsys, tmp_path / "a", "--json")
    said = json.loads(out)
    assert code == said["status"] == 3 and said["since_boot"]
    assert [f["count"] for f in said["findings"]] == [700] and "causes" not in said["findings"][0]


def test_one_reading_without_counters_claims_nothing(tmp_path, capsys):
    (tmp_path / "a").write_text("net.core.rmem_max = 212992\n")
    code, out, _ = doctor(capsys, tmp_path / "a")
    assert code == 3 and "No counter of losses is in this reading." in out


def test_two_moments_in_one_file_whose_tools_show_the_same_sockets_are_two_readings(tmp_path, capsys):
    """/proc/net/udp and ss show each socket: four texts of sockets are no four moments."""
    ss = ("State  Recv-Q Send-Q Local Address:Port Peer Address:Port\nUNCONN 0      0      127.0.0.1:8125      0.0.0.0:*\n"
          "\t skmem:(r0,rb212992,t0,tb212992,f0,w0,o0,bl0,d{0})\n")
    udp = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n" \
          "   10: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 14 2 0000000000000000 {0}\n"
    once = "$ ss -uamn\n" + ss + "$ cat /proc/net/udp\n" + udp + "$ cat /proc/net/snmp\n" + SNMP + \
           "$ cat /proc/net/softnet_stat\n" + " ".join(["00000000"] * 10) + "\n"
    (tmp_path / "both").write_text(once.replace("{0}", "0") + once.replace("{0}", "9"))
    readings = inputs.moments([str(tmp_path / "both")])
    assert [sorted(type(r).__name__ for r in one.records) for one in readings] == [["Snmp", "Softnet", "UdpSockets", "UdpSockets"]] * 2
    code, out, _ = doctor(capsys, tmp_path / "both")
    assert code == 1 and "drops of 127.0.0.1:8125 +9" in out and "RcvbufErrors +9 in all" in out and "looks at its queues" not in out


def test_files_of_a_folder_are_named_from_the_folder_on(tmp_path, capsys):
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "snmp").write_text(SNMP.format(0) + "??\n")
    _, out, _ = doctor(capsys, tmp_path / "host", "--show-readings")
    assert re.search(r"^  Snmp +snmp, lines 1-3$", out, re.M) and "not read: snmp:3: " in out


def test_what_did_not_move_is_said_of_the_counters_that_were_read_alone(tmp_path, capsys):
    (tmp_path / "a").write_text(SNMP.format(0))
    _, out, _ = doctor(capsys, tmp_path / "a")
    assert "Of the counters of losses that were read, none has moved since boot." in out and "/proc/net/netstat" in out
    (tmp_path / "b").write_text(SNMP.format(0))
    _, out, _ = doctor(capsys, tmp_path / "a", tmp_path / "b")
    assert "Nothing is lost where these readings look" in out and "here." not in out


def test_one_reading_is_compared_with_nothing(tmp_path, capsys):
    """It lacks no second one: nothing is "in the second reading only"."""
    (tmp_path / "a").write_text("Pause parameters for eth0:\nAutonegotiate:\ton\nRX:\t\toff\nTX:\t\toff\n" + SNMP.format(0))
    _, out, _ = doctor(capsys, tmp_path / "a")
    assert "second reading only" not in out


def test_a_card_without_a_name_has_no_hole_in_its_sentence(tmp_path, capsys):
    (tmp_path / "a").write_text(SNMP.format(0))
    (tmp_path / "-").write_text("NIC statistics:\n     rx_fancy_drops: 3\n     rx_good: 1\n")
    (tmp_path / "links").write_text("NIC statistics:\n     rx_fancy_drops: 3\n     rx_good: 1\n"
                                    "Inter-|\n face |\n" + "".join(f"  eth{n}:" + " 5" * 16 + "\n" for n in (0, 1)))
    _, out, _ = doctor(capsys, tmp_path / "links", tmp_path / "a")
    assert not re.search(r"\s,", out)
    _, out, _ = doctor(capsys, tmp_path / "-")
    assert not re.search(r"\s,", out) and "at the card: counters of the driver itself" in " ".join(out.split())


def test_a_text_of_which_nothing_is_known_is_named_with_what_was_met(tmp_path, capsys):
    for name, data, why in (("empty", b"", "nothing in it"), ("binary", bytes(range(256)) * 8, "not a text"),
                            ("words", b"no stats available\n", "line 1: ")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput, match=f"/{name}: nothing in it that is known \\({why}"):
            inputs.checked(inputs.moments([str(tmp_path / name)]))


def test_what_a_drop_tool_saw_is_listed_with_its_meaning(tmp_path, capsys):
    perf = (DATA / "perf-kfree_skb").read_text()
    for name, lost in (("a", 0), ("b", 700)):
        (tmp_path / name).write_text(SNMP.format(lost) + ("$ perf script\n" + perf if lost else ""))
    code, out, _ = doctor(capsys, tmp_path / "a", tmp_path / "b")
    assert code == 1 and "6 IP_INADDRERRORS in ip_error (not for this host: " in " ".join(out.split())
    _, out, _ = doctor(capsys, tmp_path / "a", tmp_path / "b", "--json")
    assert {r["reason"] for r in json.loads(out)["drop_reasons"]} >= {"UNHANDLED_PROTO"}


def sos(path, at, lost):
    """An archive as sos writes it, of one host."""
    files = {"proc/2471/net/snmp": SNMP.format(lost), "proc/stat": f"cpu0 {100 + at * 900} 0 0 100 0 0 0 0 0 0\nbtime 1764000000\n",
             "sos_commands/networking/ethtool_-i_eth0": "driver: igb\nbus-info: 0000:02:00.0\n",
             "sos_commands/networking/ethtool_-S_eth0": f"NIC statistics:\n     rx_queue_0_drops: {lost}\n     rx_missed_errors: 0\n"}
    with tarfile.open(path, "w:xz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"sosreport-web1-2026/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))


def test_two_archives_of_one_host_are_two_readings_and_one_is_one(tmp_path, capsys):
    for at, name in enumerate(("monday.tar.xz", "tuesday.tar.xz")):
        sos(tmp_path / name, at, 500 * at)
    code, out, _ = doctor(capsys, tmp_path / "monday.tar.xz", tmp_path / "tuesday.tar.xz", "--json")
    said = json.loads(out)
    assert code == 1 and said["seconds"] == 9
    assert {(f["finding"], f["subject"], f["count"]) for f in said["findings"]} == {("ring", "eth0", 500), ("receive_buffer", None, 500)}
    assert doctor(capsys, tmp_path / "tuesday.tar.xz")[0] == 3


# ---------------------------------------------------------------- refused
def lines(capsys, *args):
    code, out, err = doctor(capsys, *args)
    assert code == 2 and out == "" and err.count("\n") == 1
    return err


def test_what_cannot_be_read_or_compared_is_one_line(tmp_path, capsys):
    (tmp_path / "prose").write_text("It loses packets, sometimes.\n")
    assert "nothing in it that is known" in lines(capsys, tmp_path / "prose")
    assert "No such file" in lines(capsys, tmp_path / "none")
    assert "belong together" in lines(capsys, "--before", DATA / "before")
    assert "--watch is for this host" in lines(capsys, DATA, "--watch")
    assert "0.2 or more" in lines(capsys, "--seconds", "0.01")
    assert "standard input can be read once" in lines(capsys, "-", "-")
    assert "the older one comes first" in lines(capsys, DATA / "after", DATA / "before")


def test_readings_of_two_hosts_or_two_boots_are_refused():
    with pytest.raises(BadInput, match="of web1 and web2"):
        inputs.checked([Reading((Kernel("6.1", host="web1"),)), Reading((Kernel("6.1", host="web2"),))])
    with pytest.raises(BadInput, match="two boots"):
        inputs.checked([Reading((Stat({}, btime=1000),)), Reading((Stat({}, btime=9000),))])
    assert inputs.checked([Reading((Stat({}, btime=1000),)), Reading((Stat({}, btime=1001),))])


# ---------------------------------------------------------------- what was recognised
def test_show_readings_lists_what_was_met_and_what_was_not(tmp_path, capsys):
    (tmp_path / "a").write_text(SNMP.format(700) + "It loses packets, sometimes.\n")
    code, out, _ = doctor(capsys, tmp_path / "a", "--show-readings")
    assert code == 0
    assert "Snmp" in out and "lines 1-" in " ".join(out.split())
    assert "not read: 1 line" in " ".join(out.split()) or "1 line not read" in " ".join(out.split()), out
    assert "It loses packets, sometimes." in " ".join(out.split())


def test_lines_that_were_not_read_stand_at_the_end_of_the_report(tmp_path, capsys):
    for name, lost in (("a", 0), ("b", 700)):
        (tmp_path / name).write_text(SNMP.format(lost) + "It loses packets, sometimes.\n")
    _, out, _ = doctor(capsys, tmp_path / "a", tmp_path / "b")
    assert "Could not be read:" in out and "It loses packets, sometimes." in out
    _, out, _ = doctor(capsys, tmp_path / "a", tmp_path / "b", "--json")
    assert len(json.loads(out)["unread"]) == 2


def test_what_was_counted_since_boot_is_a_difference_to_nothing():
    _, after = host(snmp={"Udp.NoPorts": 5}, sockets=[{"drops": 3}], card={"stats": {"rx_queue_0_drops": 4}})
    e = inputs.checked([inputs.zero(after), after])
    assert e.snmp("Udp", "NoPorts") == 1_000_005 and e.on(0).processed == 1_001_000
