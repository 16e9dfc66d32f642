"""Shell lines of a script: no command runs; sysctls are read from them."""
import pytest

from rxpath.workbench.packetdrill import host, shell
from rxpath.workbench.packetdrill.missing import Missing


def settings(text, folder, notes=None):
    return shell.settings(text, folder, [] if notes is None else notes)


def test_sysctls_of_lines_and_of_scripts_beside_the_file(tmp_path):
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "defaults.sh").write_text(
        "#!/bin/bash\n# comment\nip tcp_metrics flush all > /dev/null 2>&1\n\n"
        "sysctl -q net.ipv4.tcp_rmem=\"4096 540000 $((15*1024*1024))\"\n"
        "sysctl -q net.ipv4.a=1 net.ipv4.b=0x403 > /dev/null 2>&1\ntc qdisc add dev tun0 root pfifo\n")
    notes = []
    got = settings("./common/defaults.sh\n./set_sysctls.py /proc/sys/net/ipv4/c=2 \\\n  /proc/sys/net/ipv4/d=3; sysctl -e -q net/ipv4/e=4 "
                   "&& true\n/tmp/sysctl_restore_${PPID}.sh", tmp_path, notes)
    assert got == {"net.ipv4.tcp_rmem": "4096 540000 15728640", "net.ipv4.a": "1", "net.ipv4.b": "0x403", "net.ipv4.c": "2",
                   "net.ipv4.d": "3", "net.ipv4.e": "4"}
    assert notes == ["left out: tc qdisc add dev tun0 root pfifo (how packets queue on their way out is not modelled)"]


@pytest.mark.parametrize("line, said", [
    ("rm -rf x", "shell command rm"), ("grep x /proc/net/tcp | wc", "shell command grep"), ("sysctl -a", "shell command sysctl -a"),
    ("sysctl x", "shell command sysctl x"), ("./none.sh", "shell script none.sh (no such file or directory)"),
    ("echo 'x", "shell line echo 'x"), ("sysctl a=$((1/0))", None), ("sysctl a=$((2-(-1)))", None),
    ("/bin/evil.sh", "shell command evil.sh")])
def test_other_commands_are_missing_by_name(line, said, tmp_path):
    if said is None:
        got = settings(line, tmp_path)
        assert got == ({"a": "3"} if "2-" in line else {"a": "$((1/0))"})
        return
    with pytest.raises(Missing) as caught:
        settings(line, tmp_path)
    assert str(caught.value) == f"missing: {said}"


def test_scripts_that_call_each_other_end(tmp_path):
    (tmp_path / "a.sh").write_text("./a.sh")
    with pytest.raises(Missing, match="more than 8 deep"):
        settings("./a.sh", tmp_path)


def test_the_host_takes_the_sysctls_that_the_path_reads():
    made, notes = host.with_sysctls(host.make(), {"net.core.netdev_budget": "77", "net.ipv4.tcp_frto": "2", "net.ipv4.none": "1",
                                                  "net.core.netdev_max_backlog": "x"})
    assert made.sysctl == {"net.core.netdev_budget": 77}
    assert len(notes) == 3 and "net.ipv4.tcp_frto (not modelled)" in notes[0] and "unknown sysctl" in " ".join(notes)
