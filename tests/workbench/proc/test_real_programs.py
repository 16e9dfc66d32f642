"""The tree of --proc, read by the programs that people use: nstat and ss by PROC_ROOT, netstat and mpstat with the tree mounted on /proc,
node_exporter, promtool.  Each is skipped, with the reason, where it is not installed or the machine does not let us."""
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

from rxpath.abi.numbers import Softirq
from rxpath.workbench.run.moment import Moments
from rxpath.workbench.run.replay import replay
from rxpath.workbench.views.proc import tree


@pytest.fixture(scope="module")
def proc(tmp_path_factory):
    """(the folder, the moment that it shows)"""
    told, folder = Moments(), tmp_path_factory.mktemp("proc")
    replay("first", watching=[told])
    tree.write(told.found[0], str(folder))
    return folder, told.found[0]


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


def said(proc, *command):
    return subprocess.run(command, env=dict(os.environ, PROC_ROOT=str(proc), NSTAT_HISTORY=os.devnull), capture_output=True, text=True,
                          timeout=60, check=True).stdout


def mounted(proc, *command):
    """With the tree on /proc, in a mount namespace of its own."""
    mount = f'mount --bind "$0" /proc && exec {" ".join(command)}'
    found = subprocess.run(["unshare", "-Urm" if os.geteuid() else "-m", "bash", "-c", mount, str(proc)], capture_output=True, text=True,
                           timeout=60, env=dict(os.environ, LC_ALL="C"))
    if "unshare" in found.stderr or "mount:" in found.stderr:
        pytest.skip(f"no mount namespace here: {found.stderr.strip()[:100]}")
    return found.stdout


@needs("nstat")
def test_nstat_reads_every_counter(proc):
    folder, m = proc
    values = dict(line.split()[:2] for line in said(folder, "nstat", "-asz").splitlines()[1:])
    for name, n in {**m.books.snmp, **m.books.netstat}.items():
        if n and name != "Tcp.CurrEstab":                   # a level: nstat leaves it out
            assert int(values[name.replace(".", "")]) == n, name


@needs("ss")
def test_ss_reads_the_sockets(proc):
    folder, m = proc
    rows = [line.split() for line in said(folder, "ss", "-uan").splitlines()[1:]]
    assert {int(row[3].rsplit(":")[-1]) for row in rows} == {s.port for s in m.udp}
    rows = [line.split() for line in said(folder, "ss", "-tan").splitlines()[1:]]
    assert len([r for r in rows if r[0] == "TIME-WAIT"]) == 4 and len([r for r in rows if r[0] == "LISTEN"]) == 2


@needs("netstat")
def test_netstat_reads_the_counters_and_devices(proc):
    folder, m = proc
    text = mounted(folder, "netstat", "-su")
    assert f"{m.books.snmp['Udp.RcvbufErrors']} receive buffer errors" in text
    assert f"{m.books.snmp['Udp.InDatagrams']} packets received" in text
    eth0 = next(line for line in mounted(folder, "netstat", "-i").splitlines() if line.startswith("eth0"))
    assert eth0.split()[2] == str(m.books.device["rx_packets"])


@needs("mpstat")
def test_mpstat_reads_cpus_and_softirqs(proc):
    """Rates are since the beginning of the run."""
    folder, m = proc
    seconds = m.t_ns / 1e9
    rows = [line.split() for line in mounted(folder, "mpstat", "-I", "SCPU").splitlines() if re.match(r"\d\d:\d\d:\d\d\s+\d", line)]
    assert [float(row[5]) for row in rows] == pytest.approx([r[Softirq.NET_RX] / seconds for r in m.softirqs], rel=0.01)
    cpus = [line.split() for line in mounted(folder, "mpstat", "-P", "ALL").splitlines() if re.match(r"\d\d:\d\d:\d\d\s+\d", line)]
    assert [float(row[-1]) for row in cpus] == pytest.approx([100 * c.idle / m.t_ns for c in m.books.cpus], abs=0.5)


@needs("prometheus-node-exporter")
def test_node_exporter_reads_the_tree(proc):
    client = pytest.importorskip("prometheus_client.parser", reason="needs prometheus_client")
    folder, m = proc
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    on = ("netstat", "softnet", "netdev", "stat", "sockstat", "udp_queues", "interrupts", "cpu")
    exporter = subprocess.Popen(["prometheus-node-exporter", f"--path.procfs={folder}", "--collector.disable-defaults",
                                 "--collector.netstat.fields=.*", "--no-collector.netdev.netlink", f"--web.listen-address=127.0.0.1:{port}",
                                 *(f"--collector.{c}" for c in on)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
                break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.fail("node_exporter did not answer")
    finally:
        exporter.kill()
        exporter.wait()
    samples = [s for family in client.text_string_to_metric_families(text) for s in family.samples]
    found = {(s.name, *sorted(s.labels.values())): s.value for s in samples}
    failed = [c for c in on if not found["node_scrape_collector_success", c]]
    assert failed in ([], ["cpu"])                          # which wants /proc/cpuinfo too
    assert found["node_netstat_Udp_RcvbufErrors",] == m.books.snmp["Udp.RcvbufErrors"]
    assert found["node_softnet_processed_total", "0"] == m.books.softnet[0]["processed"]
    assert found["node_network_receive_packets_total", "eth0"] == m.books.device["rx_packets"]
    assert found["node_sockstat_UDP_inuse",] == len(m.udp)
    if shutil.which("promtool"):
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        assert "error while linting" not in lint.stderr
