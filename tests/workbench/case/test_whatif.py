"""Traffic from counters: laws that explain what was lost, each setting as a range over them; and cases made of what somebody has."""
import gzip
import json
from types import SimpleNamespace

import pytest

from rxpath.workbench.case.counted import counted
from rxpath.workbench.case.laws import families
from rxpath.workbench.case.whatif import whatif
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host.given import of_case
from rxpath.workbench.readings.case import open_recorded
from rxpath.workbench.views import laws as laws_view
from rxpath.workbench.words.mistakes import BadInput

from ...cable.captures import pcap
from ...frames import udp_frame
from .made import HOST, samples, write
from .test_beside import files, programs, standing_still

NET_DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
  eth0: {} {} 0 0 0 0 0 0 0 0 0 0 0 0 0 0
"""


def case(tmp_path, pps=6000, lost=0.5, service_us=100.0, seconds=2.0, every=1, **more):
    """lost in every so-many-th tenth of a second; read is the rest."""
    each, gone, read = [], 0.0, 0.0
    for i in range(int(seconds * 10) + 1):
        t = i / 10
        if i:
            step = pps / 10
            gone += step * lost * every if i % every == 0 else 0
            read += step * (1 - lost)
        found = files(int(read), int(gone), 0, ran=int(read * service_us * 1000))
        found["/proc/net/dev"] = NET_DEV.format(int((read + gone) * 162), int(read + gone)).encode()
        each.append((t, found))
    return write(tmp_path / "a.rxcase", **({"counters": samples(each), "texts": {"programs.json": programs()}} | more))


def test_bursts_are_told_from_what_was_lost_where_the_mean_would_have_been_read(tmp_path):
    """10,000 a second could be read, 6,000 came and half was lost: bursts, and of what length.  Even traffic is ruled out."""
    path = case(tmp_path)
    a = whatif(path, of_case(path), 300_000, jobs=1)
    assert a.counted.offered == 12_000 and a.counted.size == 120 and a.counted.port == 5000
    by = {law.kind: law for law in a.laws}
    assert not by["constant"].fits and not by["poisson"].fits and "socket: 50.0 % were lost" in by["constant"].why
    assert by["onoff"].fits and 350 < by["onoff"].value < 700 and abs(by["onoff"].lost["socket"] - 0.5) < 0.05
    assert a.knobs and a.knobs[0].least < 0.05


def test_a_law_that_loses_nothing_does_not_fit_a_host_that_loses_little(tmp_path):
    """A thousandth is within what may be off, and yet something."""
    path = case(tmp_path, lost=0.001)
    c = counted(open_recorded(path), of_case(path))
    law = next(iter(families(c, of_case(path), 0, True)))
    assert law.kind == "constant" and not law.fits and law.why == "socket: 0.092 % were lost, under this law none"


def test_a_program_too_slow_for_the_mean_needs_no_bursts(tmp_path):
    path = case(tmp_path, pps=20_000, lost=0.5)
    laws = {law.kind: law for law in families(counted(open_recorded(path), of_case(path)), of_case(path), 0, False)}
    assert laws["constant"].fits and laws["constant"].what == "work" and 80_000 < laws["constant"].value < 120_000


def test_losses_in_few_tenths_of_a_second_rule_out_lasting_ones(tmp_path):
    path = case(tmp_path, pps=20_000, lost=0.5, every=5, texts={"programs.json": b"[]"})
    a = counted(open_recorded(path), of_case(path))
    assert a.spread == pytest.approx(0.2)
    law = next(iter(families(a, of_case(path), 0, False)))
    assert not law.fits and "losses in 20 % of the tenths of a second, under this law in 100 %" in law.why


def test_a_program_that_stood_still_needs_no_bursts_either(tmp_path):
    counters, lost = standing_still()
    path = write(tmp_path / "a.rxcase", counters=counters, texts={"programs.json": programs()})
    a = whatif(path, of_case(path), 100_000, jobs=1)
    law = next(law for law in a.laws if law.kind == "constant")
    assert law.fits and abs(law.lost["socket"] - lost / a.counted.offered) < 0.05 and "stood still 1 times" in a.measured[1]


def test_without_losses_it_says_how_long_bursts_may_be(tmp_path, capsys):
    path = case(tmp_path, lost=0.0)
    code = cli.run(["whatif", path, "--no-progress", "--budget", "100k"])
    out, err = capsys.readouterr()
    assert code == 0 and "Nothing was lost: the bursts above are the longest" in out, err
    a = whatif(path, of_case(path), 100_000, jobs=1)
    burst = next(law for law in a.laws if law.kind == "onoff")
    assert 150 < burst.value < 400 and not any(burst.lost.values())


def test_json_and_what_would_decide(tmp_path, capsys):
    path = case(tmp_path, pps=20_000, lost=0.5)
    code = cli.run(["whatif", path, "--no-progress", "--json", "--budget", "300k"])
    found = json.loads(capsys.readouterr().out)
    assert code == 0 and found["lost"]["socket"] == 20_000 and len(found["laws"]) == 4
    assert sum(law["fits"] for law in found["laws"]) >= 2 and isinstance(found["same_best"], bool)
    assert found["same_best"] or "rxpath record --seconds 5" in found["decide"]


@pytest.mark.parametrize("args,says", [
    (("whatif", "first"), "not a case; rxpath replay says"), (("case", "/nosuch", "-o", "x.rxcase"), "No such file"),
    (("case", "/etc/hostname"), "-o FILE is missing: the case to write")])
def test_what_is_no_case_is_one_line(tmp_path, capsys, args, says, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(list(args)) == 2
    assert says in capsys.readouterr().err


def test_too_few_datagrams_say_nothing(tmp_path):
    path = case(tmp_path, pps=20)
    with pytest.raises(BadInput, match="too few to say anything"):
        whatif(path, of_case(path), 1000)


# ---------------------------------------------------------------- cases made of files
def look(read, lost, at):
    snmp = files(read, lost)["/proc/net/snmp"].decode()
    return f"$ date +%s\n{1_700_000_000 + at}\n$ cat /proc/net/snmp\n{snmp}"


def test_pasted_texts_become_a_case(tmp_path, capsys):
    (tmp_path / "one.txt").write_text(look(0, 0, 0))
    (tmp_path / "two.txt").write_text(look(30_000, 30_000, 10))
    (tmp_path / "h.toml").write_text(HOST)
    out = str(tmp_path / "a.rxcase")
    args = ["case", str(tmp_path / "one.txt"), str(tmp_path / "two.txt"), "--host", str(tmp_path / "h.toml"), "-o", out]
    assert cli.run(args) == 0 and "2 moments, a host file" in capsys.readouterr().err
    assert cli.run(args) == 2 and "already exists" in capsys.readouterr().err
    a = whatif(out, of_case(out), 200_000, jobs=1)
    assert a.counted.rate == 6000 and a.counted.lost == {"socket": 30_000} and [law.kind for law in a.laws if law.fits]
    assert cli.run(["doctor", out]) == 1 and "RcvbufErrors +30,000" in capsys.readouterr().out


@pytest.mark.parametrize("packed", [False, True])
def test_a_capture_goes_into_it_and_is_replayed(tmp_path, capsys, packed):
    data = pcap([(i * 1_000_000, udp_frame(), len(udp_frame())) for i in range(50)])
    (tmp_path / "a.pcap").write_bytes(gzip.compress(data) if packed else data)
    out = str(tmp_path / "a.rxcase")
    (tmp_path / "h.toml").write_text(HOST)
    assert cli.run(["case", str(tmp_path / "a.pcap"), "--host", str(tmp_path / "h.toml"), "-o", out]) == 0
    capsys.readouterr()
    assert cli.run(["replay", out, "--no-whatif", "--no-progress"]) == 0
    assert "50 frames offered" in capsys.readouterr().out


def test_a_case_is_packed_anew_and_keeps_what_it_had(tmp_path):
    path = case(tmp_path, manifest={"of_tomorrow": {"a": 1}})
    out = str(tmp_path / "b.rxcase")
    assert cli.run(["case", path, "-o", out]) == 0
    one, other = open_recorded(path), open_recorded(out)
    assert other.manifest["of_tomorrow"] == {"a": 1} and one.manifest == other.manifest
    assert [s.files for s in one.samples] == [s.files for s in other.samples]


def test_what_cannot_be_joined_is_one_line(tmp_path, capsys):
    path = case(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.bin").write_bytes(bytes(100))
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.pcap").write_bytes(pcap([(0, udp_frame(), len(udp_frame()))]))
    for files_, says in (((path, tmp_path / "a.txt"), "is a case already"), ((tmp_path / "a.bin",), "a case takes texts"),
                         ((tmp_path / "empty",), "a case takes texts"), ((tmp_path / "a.pcap", tmp_path / "a.pcap"), "a second capture")):
        assert cli.run(["case", *map(str, files_), "-o", str(tmp_path / "o.rxcase")]) == 2
        err = capsys.readouterr().err
        assert says in err and err.count("\n") == 1 and not (tmp_path / "o.rxcase").exists()


@pytest.mark.parametrize("fit, best, said", [
    (1, [("evenly", "SO_RCVBUF")], "One law fits: there is no range."),
    (3, [("evenly", "SO_RCVBUF")], "3 laws fit, and a setting is recommended under one (evenly: SO_RCVBUF) of them: that is not a range."),
    (2, [], "2 laws fit, and a setting is recommended under none of them: that is not a range."),
])
def test_one_law_fits_is_only_said_where_one_does(fit, best, said):
    lost = SimpleNamespace(lost={"RCVBUF": 5})
    answer = SimpleNamespace(counted=lost, surviving=[None] * fit, knobs=[None], same=None, best=best, decide="")
    assert laws_view.conclusion(answer) == [said]
