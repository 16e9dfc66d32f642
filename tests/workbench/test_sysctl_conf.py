"""Sysctls as hosts have them: a whole sysctl.conf is taken; what the path does not read is listed once, what is not real is refused."""
import os
import pathlib

import pytest

from rxpath.abi.sysctls import SYSCTLS
from rxpath.workbench.host.file import HostError, apply_overrides, load, loads, revise
from rxpath.workbench.host.sysctl_conf import is_real

from .test_command import rxpath

CONF = """# netdata #1076, a tuned profile, and what was there before
; the other kind of comment
net.core.netdev_budget=50000
net.core.rmem_max = 16777216
-net.core.rmem_default = 0x800000
net.ipv4.udp_mem = 8388608\t12582912\t16777216
net/ipv4/conf/all/rp_filter = 2
net.ipv4.conf.eth7.rp_filter = 1
net.ipv4.conf.*.accept_local = 1
net.ipv4.tcp_wmem = 4096 87380 16777216
net.core.optmem_max = 40960
vm.swappiness = 10
kernel.sched_min_granularity_ns = 10000000
net.ipv4.ip_forward = 1
net.core.rmem_max = 33554432
"""


@pytest.fixture
def host_with(tmp_path):
    def make(conf, head="", table=""):
        (tmp_path / "sysctl.conf").write_text(conf)
        (tmp_path / "host.toml").write_text(f'{head}\n[sysctl]\nfile = "sysctl.conf"\n{table}')
        return load(tmp_path / "host.toml")
    return make


def test_a_sysctl_conf_is_taken_whole(host_with):
    host = host_with(CONF)
    values = host.sysctls()
    assert (values["net.core.netdev_budget"], values["net.core.rmem_max"], values["net.core.rmem_default"]) == (50000, 33554432, 8388608)
    assert values["net.ipv4.udp_mem"] == (8388608, 12582912, 16777216) and host.conf("rp_filter") == 2
    assert values["net.ipv4.conf.eth0.accept_local"] == 1                     # * is every device that there is
    assert host._without_effect == {
        "net.ipv4.conf.eth7.rp_filter": "there is no eth7 here", "net.ipv4.tcp_wmem": "not modelled", "net.core.optmem_max": "not modelled",
        "vm.swappiness": "not modelled", "kernel.sched_min_granularity_ns": "not modelled",
        "net.ipv4.ip_forward": "1: forwarding is not modelled, the host is the last hop"}


def test_keys_of_the_table_and_of_set_come_after_the_file(host_with):
    host = host_with(CONF, table="net.core.rmem_max = 300000\n")
    assert host.sysctls()["net.core.rmem_max"] == 300000
    assert apply_overrides(host, ["net.core.netdev_budget=600"]).sysctls()["net.core.netdev_budget"] == 600
    assert revise(host, {"nic": {"mtu": 9000}}).sysctls()["net.core.netdev_budget"] == 50000


def test_a_file_by_set(tmp_path):
    (tmp_path / "a.conf").write_text("net.core.netdev_budget = 77\n")
    host = apply_overrides(loads("sysctl.net.core.dev_weight = 32"), [f"sysctl.file={tmp_path / 'a.conf'}"])
    assert (host.sysctls()["net.core.netdev_budget"], host.sysctls()["net.core.dev_weight"]) == (77, 32)


def test_what_a_kernel_does_not_have_is_listed(host_with):
    host = host_with("net.core.gro_normal_batch = 8\n", head='kernel = "3.10"')
    assert host._without_effect == {"net.core.gro_normal_batch": "not in kernel 3.10"}


def test_real_names_in_a_table_change_nothing_and_unreal_ones_are_refused():
    host = loads('[sysctl]\nnet.ipv4.tcp_wmem = "4096 87380 16777216"\nvm.swappiness = 10\nnet.core.netdev_budget = 5')
    assert set(host._without_effect) == {"net.ipv4.tcp_wmem", "vm.swappiness"} and host.sysctls()["net.core.netdev_budget"] == 5
    for text, said in (("net.ipv4.tcp_wmemm = 5", "did you mean net.ipv4.tcp_wmem?"), ("vm.swapines = 5", "did you mean vm.swappiness?"),
                       ("net.core.netdev_budgt = 5", "did you mean net.core.netdev_budget?"),
                       ("net.ipv4.conf.eth9.rp_filter = 1", 'no interface "eth9" here')):
        with pytest.raises(HostError, match=r"^host: ") as error:
            loads(f"[sysctl]\n{text}")
        assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("conf, said", [
    ("net.core.rmem_maxx = 5\n", "net.core.rmem_maxx: unknown sysctl; did you mean net.core.rmem_max?"),
    ("net.core.rmem_max 5\n", "sysctl.conf:1: not recognised"), ("net.core.netdev_budget = many\n", '"many" is not allowed'),
    ("net.core.netdev_budget_usecs = 2000\n", "8000 to 2147483647 (from two jiffies at hz = 250)"),
    ("net.core.rmem_max =\n", '"" is not allowed: 2304 to 2147483647')])
def test_one_line_says_what_is_wrong_in_a_file(host_with, conf, said):
    with pytest.raises(HostError) as error:
        host_with(conf)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_and_one_that_is_no_path():
    with pytest.raises(HostError, match=r"sysctl.file: .*cannot be read: No such file"):
        loads('[sysctl]\nfile = "/nowhere/sysctl.conf"')
    with pytest.raises(HostError, match=r"sysctl.file: 5 is not allowed"):
        loads("[sysctl]\nfile = 5")


def test_a_single_setting_that_would_change_nothing_is_refused():
    with pytest.raises(HostError, match="the path does not read it: it would change nothing here"):
        apply_overrides(loads(""), ["net.ipv4.tcp_wmem=5"])


def test_every_name_that_the_path_reads_is_real():
    assert all(is_real(row.name) for row in SYSCTLS)
    assert is_real("net.ipv4.conf.eth0/100.arp_announce") and is_real("net.ipv6.neigh.br-lan.gc_stale_time")
    assert not is_real("net.core.nothing") and not is_real("net.ipv4.conf.eth0.nothing")


def test_sysctl_a_of_this_machine_is_accepted(tmp_path):
    """Every name that this kernel shows is real; values that the path has in one way only are listed."""
    lines = []
    for folder in ("core", "ipv4"):
        for path in sorted(pathlib.Path("/proc/sys/net", folder).glob("*")):
            if path.is_file() and os.access(path, os.R_OK):
                try:
                    lines.append(f"net.{folder}.{path.name} = {path.read_text().strip()}")
                except OSError:
                    continue
    lines = [line for line in lines if "\n" not in line and not line.endswith("= ")]
    if not lines:
        pytest.skip("no /proc/sys/net here")
    (tmp_path / "a.conf").write_text("\n".join(lines) + "\n")
    host = loads(f'[sysctl]\nfile = "{tmp_path / "a.conf"}"')
    assert len(host.sysctl) + len(host._without_effect) == len(lines)


def test_the_report_and_check_say_it_once(tmp_path):
    (tmp_path / "sysctl.conf").write_text(CONF)
    (tmp_path / "host.toml").write_text('[sysctl]\nfile = "sysctl.conf"\n')
    shown = rxpath("replay", "first", "--no-whatif", "--host", str(tmp_path / "host.toml"))
    assert shown.returncode == 0 and shown.stdout.count("net.ipv4.tcp_wmem") == 1
    checked = rxpath("host", "check", str(tmp_path / "host.toml"))
    assert checked.returncode == 0 and not checked.stdout
    assert "sysctls without effect here: net.ipv4.tcp_wmem, net.core.optmem_max, vm.swappiness" in checked.stderr
