"""Whole hosts, of texts that real ones have printed: the host file of each is golden.

RXPATH_GOLDEN=write pytest tests/workbench/snapshot/test_hosts.py    writes them anew: the diff is reviewed."""
import io
import os
import random
import tarfile
from pathlib import Path

import pytest

from rxpath.workbench.cli import app as cli
from rxpath.workbench.host.file import load, loads
from rxpath.workbench.host.snapshot.compose import snapshot
from rxpath.workbench.readings import read_path, read_text
from rxpath.workbench.words.mistakes import BadInput

from .agree import differences, unsaid

ROOT = Path(__file__).parents[3]
HOSTS = sorted((ROOT / "tests/data/hosts").glob("*.txt"))
SAMPLES = ROOT.parent / "shared/facts/host/samples"


@pytest.mark.parametrize("path", HOSTS, ids=lambda p: p.stem)
def test_a_whole_host_gives_its_golden_host_file(path):
    golden = ROOT / "tests/golden/hosts" / f"{path.stem}.toml"
    made = snapshot(read_text(path.read_text(), path.name))
    if os.environ.get("RXPATH_GOLDEN") == "write":
        golden.write_text(made.text)
    assert made.text == golden.read_text()
    assert load(golden) == made.host
    assert not unsaid(read_text(path.read_text(), path.name), made)


def test_the_hosts_differ_from_theirs_in_something_or_the_test_sees_nothing():
    every = [differences(reading, snapshot(reading)) for reading in (read_text(p.read_text(), p.name) for p in HOSTS)]
    assert len({what for found in every for _, what, _, _ in found}) >= 3 and not all(every)


def test_there_are_a_dozen():
    assert len(HOSTS) >= 12


def test_a_host_boots_with_the_settings_of_its_texts():
    from rxpath.workbench.run.simulation import Simulation
    host = load(ROOT / "tests/golden/hosts/virtio-guest.toml")
    with Simulation(host) as sim:
        device = sim.boot.netdev
        buffers = {s.port: sim.net.socks[s.index].rcvbuf for s in sim.sockets}
        assert (device.name, device.dev.mtu) == ("eth0", 1400)
    assert buffers == {5353: 8388608, 8125: 131072, 9125: 212992}


# ---------------------------------------------------------------- texts as people have them
def mangled(text, rng):
    """What mails, terminals and hands do to a text."""
    lines = text.split("\n")
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(6)
        a, b = sorted(rng.randrange(len(lines) + 1) for _ in range(2))
        if kind == 0:
            lines = lines[:a] + lines[b:]                   # a piece is gone
        elif kind == 1:
            lines = lines[a:] + lines[:a]                   # in another order
        elif kind == 2:
            lines = [line.replace("\t", "        ") for line in lines]
        elif kind == 3:
            lines = [line + "\r" for line in lines]
        elif kind == 4:
            lines = [f"\x1b[1m{line}\x1b[0m" for line in lines]
        elif lines:
            at = rng.randrange(len(lines))
            end = rng.choice(["", "\x00", '"', "999999999999999999999", "-1", "\u2028x"])
            lines[at] = lines[at][:rng.randrange(len(lines[at]) + 1)] + end
        lines = lines or [""]
    return "\n".join(lines)


@pytest.mark.parametrize("path", HOSTS, ids=lambda p: p.stem)
def test_whatever_is_done_to_a_text_the_file_is_taken(path):
    rng = random.Random(path.stem)
    for _ in range(6):
        reading = read_text(mangled(path.read_text(), rng), path.name)
        if reading.records:
            made = snapshot(reading)
            assert loads(made.text) == made.host


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")
def test_every_sample_is_a_host_or_says_that_it_is_none():
    taken = 0
    for path in sorted(p for p in SAMPLES.rglob("*") if p.is_file() and p.name != "INDEX.tsv"):
        try:
            made = snapshot(read_path(path))
        except BadInput:
            continue
        assert loads(made.text) == made.host, path
        taken += 1
    assert taken > 250


# ---------------------------------------------------------------- the command
def run(capsys, *args):
    code = cli.run([*args])
    out, err = capsys.readouterr()
    return code, out, err


def test_files_a_directory_an_archive_and_standard_input(capsys, tmp_path, monkeypatch):
    """The same host, whichever way it comes."""
    folder = tmp_path / "sos/sos_commands/networking"
    folder.mkdir(parents=True)
    (folder / "ethtool_-i_eth0").write_text("driver: igb\nversion: 5.14\nbus-info: 0000:03:00.0\n")
    (folder / "ethtool_-g_eth0").write_text("Ring parameters for eth0:\nCurrent hardware settings:\nRX:\t\t1024\nTX:\t\t512\n")
    (folder / "ip_-d_address").write_text("2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP\n"
                                          "    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n"
                                          "    inet 10.0.0.1/24 scope global eth0\n")
    irq = tmp_path / "sos/proc/irq/35"
    irq.mkdir(parents=True)
    (irq / "effective_affinity_list").write_text("3\n")
    (tmp_path / "sos/proc/interrupts").write_text("      CPU0 CPU1 CPU2 CPU3\n 35: 9 0 0 1 PCI-MSI 1-edge eth0-TxRx-0\n")
    with tarfile.open(tmp_path / "sos.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "sos", "sosreport-x")
    paste = "".join(f"==> {p.relative_to(tmp_path / 'sos')} <==\n{p.read_text()}" for p in sorted((tmp_path / "sos").rglob("*"))
                    if p.is_file())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(paste.encode())))
    hosts = []
    for words in (["--from", str(tmp_path / "sos")], ["--from", str(tmp_path / "sos.tar.xz")], ["--from", "-"]):
        code, out, err = run(capsys, "host", "snapshot", *words)
        assert code == 0, err
        hosts.append(loads(out))
    assert all(h == hosts[0] for h in hosts)
    assert (hosts[0].nic.driver, hosts[0].device.rx_ring, hosts[0].device.irq_cpu(0), hosts[0].nic.addresses) == (
        "igb", 1024, 3, ("10.0.0.1/24",))


def test_several_files_are_one_host(capsys, tmp_path):
    (tmp_path / "a").write_text("Ring parameters for eth0:\nCurrent hardware settings:\nRX:\t\t1024\nTX:\t\t512\n")
    (tmp_path / "b").write_text("net.core.rmem_max = 8388608\n")
    code, out, _ = run(capsys, "host", "snapshot", "--from", str(tmp_path / "a"), "--from", str(tmp_path / "b"), str(tmp_path / "h.toml"))
    host = load(tmp_path / "h.toml")
    assert code == 0 and out == "" and host.device.rx_ring == 1024 and host.sysctls()["net.core.rmem_max"] == 8388608


@pytest.mark.parametrize("words, said", [
    (["--from", "nowhere"], "nowhere"), (["--from", "EMPTY"], "nothing in it says what a host is set to"),
    (["--from", "EMPTY", "/nodir/x"], "there is no such folder"), (["THERE"], "already exists"),
    (["--from", "EMPTY", "--socket-options"], "not with --from"), (["--no-sockets", "--socket-options"], "not with --no-sockets")])
def test_bad_input_is_one_line(words, said, capsys, tmp_path):
    (tmp_path / "EMPTY").write_text("hello\n")
    (tmp_path / "THERE").write_text("mine\n")
    words = [str(tmp_path / w) if w.isupper() else w for w in words]
    code, out, err = run(capsys, "host", "snapshot", *words)
    assert code == 2 and out == "" and said in err and err.count("\n") == 1 and (tmp_path / "THERE").read_text() == "mine\n"
