"""A case made of archives and folders answers as they do themselves; what is hostile in them is left out and said."""
import gzip
import json
import lzma
import tarfile
import zipfile

import pytest

from rxpath.workbench.case.whatif import whatif
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host.given import of_case
from rxpath.workbench.host.snapshot.compose import snapshot
from rxpath.workbench.readings import read_path
from rxpath.workbench.readings.case import open_recorded
from rxpath.workbench.readings.case import texts as made_of_texts
from tests.workbench.case.made import HOST
from tests.workbench.case.test_beside import files
from tests.workbench.readings.test_archives import SOS, sos_is_read, tar_of


def case(tmp_path, *paths):
    out = tmp_path / "made.rxcase"
    code = cli.run(["case", *map(str, paths), "-o", str(out)])
    return code, str(out)



def settings(path):
    """A host file without its comments, in which the path stands."""
    return [line for line in snapshot(read_path(path)).text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_an_archive_of_sos(tmp_path, capsys, pack):
    archive = tmp_path / "sosreport-h.tar"
    archive.write_bytes(pack(tar_of(SOS)))
    code, out = case(tmp_path, archive)
    said = capsys.readouterr().err
    assert code == 0 and "1 moment\n" in said and "sosreport-h.tar: 1 more files are of other matters" in said
    sos_is_read(read_path(out))
    assert settings(out) == settings(archive)
    assert not [name for name in zipfile.ZipFile(out).namelist() if "passwd" in name]


def test_doctor_says_the_same_of_both(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sosreport-h.tar").write_bytes(tar_of(SOS))
    assert cli.run(["case", "sosreport-h.tar", "-o", "made.rxcase"]) == 0
    capsys.readouterr()
    answers = [(cli.run(["doctor", path]), capsys.readouterr().out) for path in ("sosreport-h.tar", "made.rxcase")]
    assert answers[0] == answers[1] and "rx_queue_0_drops +5" in answers[0][1]


def test_a_folder_wherever_it_lies_and_one_of_two_moments(tmp_path, capsys):
    for moment, count in (("before", b"4"), ("after", b"9")):
        for name, data in SOS.items():
            at = tmp_path / "web1" / moment / name
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(data.replace(b"7 4", b"7 " + count))
    code, out = case(tmp_path, tmp_path / "web1")
    assert code == 0 and "2 moments" in capsys.readouterr().err
    found = open_recorded(out).moments
    assert [m.counter("Udp", "InErrors") for m in found] == [4, 9]
    assert found[0].counter("Udp", "InErrors", "blue") == 3
    assert str(tmp_path) not in "".join(zipfile.ZipFile(out).namelist())


def test_hostile_archives_are_left_out_and_said(tmp_path, capsys):
    archive = tmp_path / "a.tar"
    files = {"h/proc/net/snmp": SOS["sosreport-h/proc/1234/net/snmp"], "../../etc/passwd": b"root\n", "/abs/x": b"y\n", "h/bin": bytes(99),
             "h/" + "long/" * 300 + "snmp": b"x\n"}
    archive.write_bytes(tar_of(files, [("h/link", "/etc/shadow", tarfile.SYMTYPE)]))
    code, out = case(tmp_path, archive)
    said = capsys.readouterr().err
    assert code == 0 and zipfile.ZipFile(out).namelist() == ["moments/0/h/proc/net/snmp", "manifest.json"]
    for why in ("1 symbolic links in it: not followed", "2 files with a name that leads outside", "h/bin: not a text",
                "1 files with a name of more than 1,000 characters"):
        assert why in said and why in str([u for u in read_path(out).unread])


def test_a_name_twice_is_kept_twice(tmp_path):
    archive = tmp_path / "a.tar"
    one, other = (tar_of({"a/proc/net/snmp": b"Udp: InErrors\nUdp: %d\n" % n}, format=tarfile.GNU_FORMAT) for n in (1, 2))
    archive.write_bytes(one[:1024] + other)
    code, out = case(tmp_path, archive)
    names = zipfile.ZipFile(out).namelist()
    assert code == 0 and len(read_path(out).records) == len(read_path(archive).records) > 1 and len(set(names)) == len(names) == 3


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_bomb_is_one_line_and_leaves_no_file(tmp_path, capsys, monkeypatch, pack):
    from rxpath.workbench.readings import archive as limits

    monkeypatch.setattr(limits, "STREAM_MOST", 1 << 20)
    (tmp_path / "bomb.tar.gz").write_bytes(pack(tar_of({"a/b": bytes(4 << 20)})))
    code, _ = case(tmp_path, tmp_path / "bomb.tar.gz")
    err = capsys.readouterr().err
    assert code == 2 and "unpacks to more than 1 MiB" in err and err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["bomb.tar.gz"]


def test_more_than_a_case_can_have_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(made_of_texts, "MEMBERS_MOST", 12)
    (tmp_path / "a.tar").write_bytes(tar_of({f"a/{n}.txt": b"x\n" for n in range(5)}))
    code, _ = case(tmp_path, tmp_path / "a.tar")
    assert code == 2 and "more than 2 files" in capsys.readouterr().err


def test_two_archives_are_asked_what_if(tmp_path):
    paths = [tmp_path / "sosreport-1.tar", tmp_path / "sosreport-2.tar"]
    for path, lost, at in zip(paths, (0, 30_000), (0, 10), strict=True):
        snmp = files(lost, lost)["/proc/net/snmp"]
        path.write_bytes(tar_of({"sosreport-h/proc/net/snmp": snmp, "sosreport-h/sos_commands/date/date":
                                 b"Sat Nov 29 22:39:%02d UTC 2025\n" % at}))
    (tmp_path / "h.toml").write_text(HOST)
    code, out = case(tmp_path, *paths, "--host", tmp_path / "h.toml")
    answer = whatif(out, of_case(out), 100_000, jobs=1)
    assert code == 0 and answer.counted.rate == 6000 and answer.counted.lost == {"socket": 30_000}


def test_a_text_of_two_moments_is_two_for_doctor(tmp_path, capsys):
    text = "".join(f"$ date +%s\n{1_700_000_000 + at}\n$ cat /proc/net/snmp\nUdp: InDatagrams InErrors RcvbufErrors\nUdp: {n} {n} {n}\n"
                   for at, n in ((0, 0), (10, 500)))
    (tmp_path / "a.txt").write_text(text)
    _, out = case(tmp_path, tmp_path / "a.txt")
    capsys.readouterr()
    assert cli.run(["doctor", out]) == 1 and "RcvbufErrors +500" in capsys.readouterr().out


def test_a_manifest_that_says_odd_things_of_moments_is_read(tmp_path):
    out = tmp_path / "odd.rxcase"
    for odd in ("x", [1], [{"left_out": 3}], [{"of": 1, "left_out": [{}, None]}]):
        with zipfile.ZipFile(out, "w") as made:
            made.writestr("moments/0/proc/net/snmp", SOS["sosreport-h/proc/1234/net/snmp"])
            made.writestr("manifest.json", json.dumps({"format": 1, "moments": odd}))
        assert read_path(out).counter("Udp", "InErrors") == 4


def test_a_case_that_is_made_within_its_folder_leaves_itself_out(tmp_path, monkeypatch):
    (tmp_path / "snmp").write_bytes(b"Udp: InErrors\nUdp: 1\n")
    monkeypatch.chdir(tmp_path)
    assert cli.run(["case", ".", "-o", "made.rxcase"]) == 0
    assert open_recorded("made.rxcase").manifest["moments"] == [{"of": tmp_path.name}]
    assert cli.run(["case", str(tmp_path), "-o", "other.rxcase"]) == 0
    assert open_recorded("other.rxcase").manifest["moments"][0]["left_out"] == ["made.rxcase: not a text"]
