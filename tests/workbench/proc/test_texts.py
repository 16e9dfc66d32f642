"""What `rxpath show` and --proc write: golden texts, our own readers, moments, mistakes."""
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from rxpath.abi.numbers import Softirq
from rxpath.workbench.host.file import apply_overrides, default
from rxpath.workbench.host.iptables.read import parse
from rxpath.workbench.readings import read_path, read_text
from rxpath.workbench.readings import records as r
from rxpath.workbench.run.moment import Moments
from rxpath.workbench.run.replay import replay
from rxpath.workbench.views.proc import machine, names, net, tools, tree
from rxpath.workbench.views.proc.iptables import iptables_list
from rxpath.workbench.words.mistakes import BadInput

from ..test_cards import spec
from ..test_command import run

GOLDEN = Path(__file__).parents[2] / "golden" / "proc"
HERE_618 = platform.release().startswith("6.18.")
AT = 5_000_000_000
RULES = """*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:user - [0:0]
-A INPUT -p tcp -m tcp --sport 1000:2000 --dport 80 -j ACCEPT
-A INPUT -p tcp -m tcp ! --dport 80 --tcp-flags SYN,RST SYN -j DROP
-A INPUT -p tcp -m tcp --syn -j DROP
-A INPUT -p tcp -m tcp ! --sport 5:6 -j DROP
-A INPUT -p udp -m udp --dport 53 -j REJECT
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -p udp -m multiport --dports 1,2,5:9 -j user
-A INPUT -p udp -m multiport ! --ports 1,2 -g user
-A INPUT -p udp -m multiport --sports 7 -j RETURN
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type 3/4 -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type any -j ACCEPT
-A INPUT -p icmp -m icmp ! --icmp-type 8 -j ACCEPT
-A INPUT -m length --length 100:200 -j ACCEPT
-A INPUT -m length ! --length 100 -j ACCEPT
-A INPUT -m limit --limit 10/min --limit-burst 7 -j ACCEPT
-A INPUT -m limit --limit 7/sec -j ACCEPT
-A INPUT -m limit --limit 3/hour -j LOG --log-prefix "a b " --log-level 7 --log-tcp-options
-A INPUT -m mac --mac-source 02:00:0a:17:00:02 -j ACCEPT
-A INPUT -m mac ! --mac-source 02:00:0a:17:00:02 -j ACCEPT
-A INPUT -m comment --comment "hello there" -j ACCEPT
-A INPUT -s 10.0.0.0/255.255.255.0 -d 1.2.3.4/32 -i eth0 -j ACCEPT
-A INPUT ! -s 10.0.0.0/8 ! -i eth0 -f
-A INPUT ! -f -p 47
-A INPUT -s 10.0.0.0/255.0.255.0 ! -p 17 -j ACCEPT
-A INPUT -p sctp
COMMIT
"""


@pytest.fixture(scope="module")
def first():
    """The bundled capture at five seconds, and at its end."""
    told = Moments([AT])
    told.outcome = replay("first", watching=[told])
    return told


@pytest.mark.parametrize("name", [n for n in tree.TEXTS if n != "iptables-vnL"])
def test_the_texts_of_the_bundled_capture_are_golden(first, name):
    """RXPATH_GOLDEN=write pytest tests/workbench/proc    writes them anew: the diff is reviewed."""
    text, file = tree.TEXTS[name].write(first.found[0]), GOLDEN / f"{name}.txt"
    if os.environ.get("RXPATH_GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()


def test_a_moment_changes_nothing_in_the_run(first):
    assert first.outcome.books == replay("first").books
    assert [m.t_ns for m in first.found] == [AT, first.outcome.books.elapsed_ns]
    assert first.found[-1].books == first.outcome.books
    assert 0 < first.found[0].books.offered < first.outcome.offered


def test_plain_gives_the_same_texts():
    texts = []
    for plain in (False, True):
        told = Moments([3_000_000])
        replay("first", plain=plain, last=300, watching=[told])
        texts.append([[t.write(m) for n, t in tree.TEXTS.items() if n != "iptables-vnL"] for m in told.found])
    assert texts[0] == texts[1]


# ---------------------------------------------------------------- our own readers
def test_our_readers_find_what_the_books_say(first, tmp_path):
    m, b = first.found[-1], first.outcome.books
    tree.write(m, str(tmp_path))
    reading = read_path(str(tmp_path))
    for name, n in b.snmp.items():
        assert reading.counter(*name.split(".")) == n, name
    for name, n in b.netstat.items():
        assert reading.counter(*name.split(".")) == n or not n, name
    assert [(s.processed, s.dropped, s.time_squeeze) for s in reading.first(r.Softnet).rows] \
        == [(q["processed"], q["dropped"], q["time_squeeze"]) for q in b.softnet]
    udp = {s.port: s for s in reading.first(r.UdpSockets).sockets}
    assert {s.port: s.drops for s in b.sockets if s.proto == "udp"} == {port: s.drops for port, s in udp.items()}
    assert {s.port for s in reading.first(r.TcpSockets).sockets if s.state == "LISTEN"} == {s.port for s in b.sockets if s.proto == "tcp"}
    assert reading.first(r.NetDev).devices["eth0"]["rx_packets"] == b.device["rx_packets"]
    assert not [str(line) for line in reading.unread if "/sys/net/" not in str(line) and "symbolic link" not in str(line)]
    interrupts = {i.actions[0]: sum(i.counts) for i in reading.first(r.Interrupts).rows if i.actions}
    assert {n: interrupts[n] for n in ("eth0-TxRx-0", "eth0-TxRx-1")} == {f"eth0-TxRx-{q.queue}": q.interrupts for q in b.queues}


@pytest.mark.parametrize("name", ["ethtool-S", "ip-s-link", "ss"])
def test_our_readers_take_what_tools_print(first, name):
    text = tree.TEXTS[name].write(first.found[0])
    reading = read_text(text)
    assert reading.records and not reading.unread, [str(line) for line in reading.unread]


def test_vlan_devices_are_listed():
    tagged = """[[traffic]]
rate = "50kpps"
count = 100
vlan = 100
"""
    moments = Moments()
    replay(spec(tagged), apply_overrides(default(), ["nic.vlans=[100]"]), watching=[moments])
    m = moments.found[0]
    lines = net.dev(m).splitlines()
    card, vlan = (next(line for line in lines if line.strip().startswith(name)).split() for name in ("eth0:", "eth0.100:"))
    assert (vlan[2], int(card[1]) - int(vlan[1]) >= 0, card[2]) == ("100", True, "100")
    assert [v.below for v in m.vlans] == ["eth0"]
    text = tools.ip_s_link(m)
    assert "3: eth0.100@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group" in text
    assert text.count("link/ether") == 2


def test_the_uptime_of_the_files_is_the_doctors(first, tmp_path, capsys):
    tree.write(first.found[-1], str(tmp_path / "proc"))
    assert f"one reading, {first.found[-1].t_ns / 1e9:.2f} s of uptime" in run(capsys, "doctor", str(tmp_path / "proc"))[1]


def test_a_full_buffer_shows_at_a_moment():
    """The slow reader's socket, while it is full."""
    recorded = replay("first", record=True).recording
    memory = recorded.get("socket_memory", "telemetry")
    bucket = max(range(recorded.buckets), key=lambda i: memory.min[i])
    told = Moments([bucket * recorded.bucket_ns + recorded.bucket_ns // 2])
    replay("first", watching=[told])
    moment, fullest = told.found[0], next(s for s in told.found[0].udp if s.port == 8125)
    assert memory.min[bucket] <= fullest.rmem <= memory.max[bucket]
    assert 0 < fullest.rx_queue <= fullest.rmem and memory.min[bucket] > 100_000
    assert f"skmem:(r{fullest.rmem},rb212992," in tools.ss(moment)
    assert f":{fullest.rx_queue:08X} 00:00000000" in net.udp(moment)


def test_softirqs_count_runs_and_not_raises(first):
    """An interrupt that comes while NET_RX is pending raises what will run once."""
    assert sum(row[Softirq.NET_RX] for row in first.found[-1].softirqs) <= sum(q.interrupts for q in first.outcome.books.queues) + 10
    lines = machine.softirqs(first.found[-1]).splitlines()
    assert lines[4].split() == ["NET_RX:", *(str(row[Softirq.NET_RX]) for row in first.found[-1].softirqs)]


# ---------------------------------------------------------------- kernels
@pytest.mark.skipif(not HERE_618, reason="the judge is Linux 6.18")
@pytest.mark.parametrize("file", ["snmp", "netstat", "softnet_stat", "dev", "sockstat", "udp", "tcp", "softirqs"])
def test_names_and_columns_are_this_kernels(first, file):
    """Line by line, as far as there are as many: the words that are no numbers."""
    text = tree.TEXTS[file].write(first.found[-1])
    real = Path("/proc" if file == "softirqs" else "/proc/net", file).read_text()
    if file in ("snmp", "netstat"):
        groups = {line.split()[0] for line in text.splitlines()} - {"IcmpMsg:"}
        assert [line for line in text.splitlines() if line.split()[0] in groups][::2] \
            == [line for line in real.splitlines() if line.split()[0] in groups][::2]
    elif file in ("udp", "tcp", "dev"):
        assert text.splitlines()[0] == real.splitlines()[0]
        assert {len(line) for line in text.splitlines()} == {len(text.splitlines()[0])} or file == "dev"
    elif file == "softnet_stat":
        assert {len(line.split()) for line in text.splitlines()} == {len(line.split()) for line in real.splitlines()}
    else:
        assert [line.split()[0] for line in text.splitlines()][1:] == [line.split()[0] for line in real.splitlines()][1:]


@pytest.mark.parametrize(("kernel", "columns", "has", "lacks"), [
    ("6.18", 15, "BeyondWindow", "TCPPrequeued"), ("6.1", 13, "TCPMigrateReqFailure", "TCPPLBRehash"),
    ("4.18", 11, "TCPDelivered", "TCPRcvQDrop"), ("3.10", 10, "TCPPrequeued", "InNoECTPkts")])
def test_an_older_kernel_prints_what_it_had(kernel, columns, has, lacks):
    told = Moments()
    replay("first", overrides={"kernel": kernel}, last=200, watching=[told])
    words = net.netstat(told.found[0]).split()
    assert len(net.softnet_stat(told.found[0]).splitlines()[0].split()) == columns
    assert has in words and lacks not in words


def test_every_counter_of_the_path_has_a_place():
    from rxpath.abi.mib import Mib
    known = {f"{g}.{n}" for g, listed in (("Ip", names.IP), ("Tcp", names.TCP), ("Udp", names.UDP), ("UdpLite", names.UDP),
                                          ("TcpExt", names.TCP_EXT), ("IpExt", names.IP_EXT)) for n in listed}
    assert {m.text() for m in Mib if not m.name.startswith(("Rxpath", "Icmp"))} <= known


# ---------------------------------------------------------------- the firewall
def test_rules_are_listed_with_what_they_counted(tmp_path, capsys):
    (tmp_path / "rules").write_text("*filter\n:INPUT ACCEPT [0:0]\n:web - [0:0]\n-A INPUT -p udp --dport 8125 -j DROP\n"
                                    "-A INPUT -p tcp -j web\n-A web -j RETURN\nCOMMIT\n")
    code, out, err = run(capsys, "show", "iptables-vnL", "first", "--set", f"iptables={tmp_path}/rules")
    assert code == 0, err
    found = {(c.chain, c.target): c for c in read_text("$ iptables -vnL\n" + out).first(r.Rules).rules}
    assert found["INPUT", "DROP"].packets > 4000 and found["web", "RETURN"].packets == found["INPUT", "web"].packets > 0
    assert "Chain web (1 references)" in out and out.startswith("Chain INPUT (policy ACCEPT ")


@pytest.mark.skipif(os.geteuid() != 0 or not (shutil.which("iptables") and shutil.which("unshare")), reason="needs iptables and root")
def test_rules_look_as_iptables_prints_them(first, tmp_path):
    """The version decides how a protocol is written: by its number in 1.8.9."""
    (tmp_path / "rules").write_text(RULES)
    script = f"iptables-restore {tmp_path}/rules && iptables -vnL && iptables -V"
    found = subprocess.run(["unshare", "-n", "bash", "-c", script], capture_output=True, text=True, timeout=60)
    if found.returncode or " v1.8.9 " not in found.stdout:
        pytest.skip(f"no namespace, or not iptables 1.8.9: {found.stderr[:100]}")
    real = found.stdout[:found.stdout.index("iptables v1.8.9")]
    nothing = first.outcome.books
    assert iptables_list(parse(RULES, "rules"), nothing) == real


# ---------------------------------------------------------------- shapes of tools
@pytest.mark.skipif(shutil.which("ip") is None or not Path("/sys/class/net/lo").exists(), reason="needs iproute2")
def test_columns_are_those_of_ip():
    real = subprocess.run(["ip", "-s", "-s", "link", "show", "lo"], capture_output=True, text=True, timeout=20).stdout
    if "missed" not in real:
        pytest.skip("an older iproute2")
    said = subprocess.run(["ip", "-s", "-j", "link", "show", "lo"], capture_output=True, text=True, timeout=20).stdout
    stats = json.loads(said)[0]["stats64"]
    ours = tools._table({f"{way}_{k}": n for way in ("rx", "tx") for k, n in stats[way].items()})
    widths = [[len(word) for word in line.split()] for line in real.splitlines()[2:]]
    same_numbers = [line.split() for line in ours.splitlines()] == [line.split() for line in real.splitlines()[2:]]
    assert not same_numbers or ours == "".join(f"{line}\n" for line in real.splitlines()[2:]), widths


# ---------------------------------------------------------------- mistakes
@pytest.mark.parametrize(("args", "said"), [
    (("show", "softnet", "first"), "did you mean softnet_stat?"), (("show", "snmp", "first", "--at", "50s"), "the run ends at 9.809"),
    (("show", "snmp", "first", "--at", "-1s"), "--at -1s"), (("show", "snmp", "first", "--at", "soon"), "--at soon"),
    (("show", "iptables-vnL", "first"), "the host has no rules"), (("replay", "first", "--at", "1s"), "--proc DIR"),
    (("replay", "first", "--proc", "/nowhere/proc"), "no such folder")])
def test_mistakes_are_one_line(args, said, capsys):
    code, out, err = run(capsys, *args)
    assert code == 2 and said in err and err.count("\n") == 1 and not out


def test_proc_is_not_written_into_a_folder_that_holds_something_else(tmp_path, capsys):
    (tmp_path / "mine").write_text("")
    code, _, err = run(capsys, "replay", "first", "--no-whatif", "--proc", str(tmp_path))
    assert code == 2 and "holds other files (mine)" in err
    with pytest.raises(BadInput):
        tree.check(str(tmp_path / "mine"))
