"""Files, directories, archives of sos and supportconfig; hostile ones end in one line, and nothing outside is read."""
import bz2
import gzip
import io
import lzma
import os
import random
import tarfile

import pytest

from rxpath.workbench.readings import archive, read_path
from rxpath.workbench.readings import records as r
from rxpath.workbench.words.mistakes import BadInput

SNMP = b"Udp: InDatagrams InErrors\nUdp: 7 4\n"
SOFTNET = b"00000005 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000\n"
STATS = b"NIC statistics:\n     rx_queue_0_drops: 5\n"
SOS = {
    "sosreport-h/proc/1234/net/snmp": SNMP, "sosreport-h/proc/1234/net/softnet_stat": SOFTNET,
    "sosreport-h/sos_commands/networking/ethtool_-S_eth0": STATS, "sosreport-h/sos_commands/networking/ethtool_-i_eth0": b"driver: igb\n",
    "sosreport-h/sos_commands/networking/namespaces/blue/ip_netns_exec_blue_netstat_-s": b"Udp:\n    3 packet receive errors\n",
    "sosreport-h/sos_commands/kernel/sysctl_-a": b"net.core.rmem_max = 212992\n", "sosreport-h/etc/passwd": b"root:x:0:0\n",
    "sosreport-h/sos_commands/date/date": b"Sat Nov 29 22:39:35 UTC 2025\n"}


def tar_of(files, links=(), format=tarfile.PAX_FORMAT):
    """Bytes of an archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as made:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5
            made.addfile(info, io.BytesIO(data))
        for name, target, kind in links:
            info = tarfile.TarInfo(name)
            info.linkname, info.type = target, kind
            made.addfile(info)
    return out.getvalue()


@pytest.fixture
def at(tmp_path):
    def write(name, data):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
        return tmp_path / name
    return write


def whys(reading):
    return [u.why for u in reading.unread]


def sos_is_read(reading):
    assert reading.counter("Udp", "InErrors") == 4 and reading.counter("Udp", "InErrors", "blue") == 3
    assert reading.first(r.Softnet).rows[0].dropped == 1 and reading.sysctl("net.core.rmem_max") == "212992"
    assert reading.device(r.EthtoolStats, "eth0").get("rx_queue_0_drops") == 5
    assert reading.device(r.DriverInfo, "eth0").driver == "igb" and reading.time == 1764455975
    assert whys(reading) == ["1 more files are of other matters"]
    assert reading.first(r.Snmp).source.file.endswith("proc/1234/net/snmp")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress], ids=["tar", "gz", "bz2", "xz"])
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_an_archive_of_sos_however_it_is_packed(at, pack, format):
    sos_is_read(read_path(at("sosreport.tar", pack(tar_of(SOS, format=format)))))


def test_the_same_unpacked(at, tmp_path):
    for name, data in SOS.items():
        at(name, data)
    sos_is_read(read_path(tmp_path))


def test_long_names_are_read_whole(at):
    folder = "a-long-name-" * 12
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        reading = read_path(at("x.tar", tar_of({f"{folder}/{folder}/ethtool_-S_eth7": STATS}, format=format)))
        assert reading.device(r.EthtoolStats, "eth7").device == "eth7"


def test_several_packed_streams_one_after_the_other(at):
    data = tar_of(SOS)
    half = len(data) // 2
    sos_is_read(read_path(at("x.tar.gz", gzip.compress(data[:half]) + gzip.compress(data[half:]))))
    sos_is_read(read_path(at("x.tar.bz2", bz2.compress(data[:half]) + bz2.compress(data[half:]))))


def test_supportconfig_is_divided_by_its_headings(at):
    network = (b"#==[ Command ]======================================#\n# /usr/sbin/ethtool -S eth0\n" + STATS + b"\n"
               b"#==[ Command ]======================================#\n# /usr/sbin/ethtool -g eth1\n"
               b"Ring parameters for eth1:\nPre-set maximums:\nRX:\t512\n"
               b"Current hardware settings:\nRX:\t256\n\n#==[ Command ]====#\n# /bin/rpm -qa\nfoo-1.0\nbar-2\n\n"
               b"#==[ Log File ]====#\n# /var/log/boot.msg\nsomething\n")
    reading = read_path(at("scc_host.txz", lzma.compress(tar_of({
        "scc_host/basic-environment.txt": b"# /bin/date\nSat Nov 29 22:39:35 UTC 2025\n", "scc_host/network.txt": network,
        "scc_host/messages.txt": b"x\n" * 1000,
        "scc_host/network-blue.txt": b"#==[ Command ]=#\n# /usr/bin/nstat -az\n#kernel\nUdpInErrors 5 0.0\n"}))))
    assert reading.device(r.EthtoolStats, "eth0").get("rx_queue_0_drops") == 5 and reading.device(r.Rings, "eth1").current["rx"] == 256
    assert reading.counter("Udp", "InErrors", "blue") == 5
    assert whys(reading) == ["3 lines of a support archive are of other matters", "1 more files are of other matters"]


def test_a_directory_of_two_moments_whatever_its_names(at, tmp_path):
    for name, time, value in (("before", 1000000000, 5), ("after", 1000000060, 9)):
        at(f"{name}/proc_net_snmp", b"Udp: InErrors\nUdp: %d\n" % value)
        at(f"{name}/time", b"%d\n" % time)
    from rxpath.workbench.readings import moments
    first, second = moments(read_path(tmp_path))
    assert (first.counter("Udp", "InErrors"), second.counter("Udp", "InErrors")) == (5, 9)


def test_a_packed_text_and_one_of_utf_16(at):
    assert read_path(at("snmp.gz", gzip.compress(SNMP))).counter("Udp", "InErrors") == 4
    assert read_path(at("paste.txt", SNMP.decode().encode("utf-16"))).counter("Udp", "InErrors") == 4


# ---------------------------------------------------------------- hostile ones
def test_links_and_names_that_lead_outside_are_said_and_not_followed(at, tmp_path):
    secret = at("secret", SNMP)
    reading = read_path(at("evil.tar", tar_of(
        {"/etc/snmp": SNMP, "a/../../snmp": SNMP, "ok/softnet_stat": SOFTNET},
        [("proc/net/snmp", str(secret), tarfile.SYMTYPE), ("proc/net/netstat", str(secret), tarfile.LNKTYPE)])))
    assert reading.first(r.Snmp) is None and reading.first(r.Softnet)
    assert sorted(whys(reading)) == ["1 hard links in it: not followed", "1 symbolic links in it: not followed",
                                     "2 files with a name that leads outside (/ or ..): not read"]


def test_a_folder_with_links_and_pipes_does_not_wait(at, tmp_path):
    at("d/softnet_stat", SOFTNET)
    os.symlink("/proc/net/snmp", tmp_path / "d" / "snmp")
    os.symlink(tmp_path / "d", tmp_path / "d" / "loop")
    os.mkfifo(tmp_path / "d" / "dev")
    reading = read_path(tmp_path / "d")
    assert len(reading.records) == 1
    assert sorted(whys(reading)) == ["1 devices or pipes in it: not followed", "2 symbolic links in it: not followed"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_a_bomb_is_refused_with_one_line(at, pack, monkeypatch):
    monkeypatch.setattr(archive, "STREAM_MOST", 1 << 20)
    with pytest.raises(BadInput, match="unpacks to more than 1 MiB"):
        read_path(at("bomb", pack(tar_of({"snmp": b"\0" * (1 << 22)}))))


def test_thousands_of_files_are_refused(at, monkeypatch, tmp_path):
    monkeypatch.setattr(archive, "FILES_MOST", 50)
    with pytest.raises(BadInput, match="more than 50 files"):
        read_path(at("many.tar", tar_of({f"f{i}": b"" for i in range(60)})))
    for i in range(60):
        at(f"many/f{i}", b"")
    with pytest.raises(BadInput, match="more than 50 files"):
        read_path(tmp_path / "many")


def test_what_is_too_long_is_said(at, monkeypatch):
    monkeypatch.setattr(archive, "FILE_MOST", 1 << 20)
    assert whys(read_path(at("x.tar", tar_of({"snmp": SNMP * 40000})))) == ["longer than 1 MiB: not read"]
    with pytest.raises(BadInput, match="more than 1 MiB"):
        read_path(at("long.txt", SNMP * 40000))
    monkeypatch.setattr(archive, "TEXT_MOST", len(SNMP) + 5)
    reading = read_path(at("y.tar", tar_of({"a/snmp": SNMP, "b/snmp": SNMP})))
    assert len(reading.records) == 1 and "were read before it" in reading.unread[0].why


def test_archives_that_are_cut_or_damaged_give_what_came_before(at):
    whole = tar_of(SOS)
    for cut in range(200, len(whole) - 2048, 700):
        reading = read_path(at("cut.tar.gz", gzip.compress(whole)[:-4 * (cut % 5)] if cut % 2 else gzip.compress(whole[:cut])))
        assert reading is not None
    damaged = bytearray(whole)
    damaged[whole.index(b"sosreport-h/sos_commands/kernel")] ^= 0xFF
    reading = read_path(at("damaged.tar", bytes(damaged)))
    assert reading.counter("Udp", "InErrors") == 4 and any("damaged" in why for why in whys(reading))


def test_bytes_that_are_changed_or_cut_end_in_a_reading_or_in_one_line(at):
    dice = random.Random(4)
    whole = [tar_of(SOS, format=format) for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)]
    for pack in (bytes, gzip.compress, bz2.compress, lzma.compress):
        for _ in range(40):
            data = bytearray(pack(dice.choice(whole)))
            for _ in range(dice.randrange(4)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            try:
                reading = read_path(at("x", bytes(data[:dice.randrange(len(data))] if dice.random() < 0.3 else data)))
                assert reading.records or reading.unread
            except BadInput as error:
                assert "\n" not in str(error)


def test_a_packed_text_that_is_cut_gives_what_came_before(at):
    dice = random.Random(5)
    packed = gzip.compress(SNMP + b"".join(b"# %d\n" % dice.getrandbits(60) for _ in range(20_000)))
    reading = read_path(at("snmp.gz", packed[:len(packed) // 2] + b"\xff" * 50))
    assert reading.counter("Udp", "InErrors") == 4 and any("what came before is read" in why for why in whys(reading))


def test_a_header_that_claims_a_gigabyte_is_not_believed(at):
    huge = tarfile.TarInfo("x" * 150)
    huge.type = tarfile.XHDTYPE
    huge.size = 1 << 33
    info = huge.tobuf(tarfile.GNU_FORMAT)[-512:]
    reading = read_path(at("x.tar", tar_of({"snmp": SNMP})[:2048] + info))
    assert reading.counter("Udp", "InErrors") == 4 and "longer than 1 MiB" in reading.unread[0].why


def test_other_packings_archives_inside_and_what_is_not_there(at, tmp_path):
    for magic, tool in ((b"PK\x03\x04", "unzip"), (b"\x28\xb5\x2f\xfd", "zstd -d"), (b"\x85\x02\x0c", "gpg -d")):
        with pytest.raises(BadInput, match=tool):
            read_path(at("x", magic + b"\0" * 600))
    assert "1 archives inside" in whys(read_path(at("y.tar", tar_of({"sosreport-b.tar.xz": b"x", "snmp": SNMP}))))[0]
    with pytest.raises(BadInput, match="No such file"):
        read_path(tmp_path / "none")
    assert whys(read_path(at("binary", bytes(range(256)) * 16 + b"\0" * 2000))) == ["not a text"]
