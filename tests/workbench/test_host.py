"""Host files: what is written comes out, what the kernel works out is worked out, every mistake is one line that says what is allowed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.abi.limits import NSOCK
from rxpath.abi.sysctls import SYSCTLS
from rxpath.workbench.host import check
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host import sysctls as knobs
from rxpath.workbench.host import tables as hosttables
from rxpath.workbench.host import text as hosttext
from rxpath.workbench.host.file import HostError, apply_overrides, build, default, load, loads
from rxpath.workbench.host.given import the_host
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import Service
from rxpath.workbench.host.text import with_work
from rxpath.workbench.words import units

DOCS = Path(__file__).parents[2] / "docs" / "host-file.md"


def error_of(text: str) -> str:
    with pytest.raises(HostError) as caught:
        loads(text, "a.toml")
    line = str(caught.value)
    assert "\n" not in line
    return line


def set_error(*overrides: str, host: Host | None = None) -> str:
    with pytest.raises(HostError) as caught:
        apply_overrides(host or default(), overrides)
    return str(caught.value)


# Units

@pytest.mark.parametrize(("text", "ns"),
                         [("20us", 20_000), ("1.5ms", 1_500_000), ("2s", 2_000_000_000), (7, 7), ("1.1us", 1100), ("20 µs", 20_000)])
def test_durations_are_exact(text: object, ns: int) -> None:
    assert units.duration_ns(text) == ns


@pytest.mark.parametrize("text", ["20", "20 lightyears", "-1us", "", "1e3us", True, 2.5, None, "9" * 30 + "s"])
def test_what_is_not_a_duration_is_refused(text: object) -> None:
    if text == "20":
        assert units.duration_ns(text) == 20
    else:
        with pytest.raises(ValueError, match="a time such as"):
            units.duration_ns(text)


def test_sizes_and_rates() -> None:
    assert units.size_bytes("4MiB") == 4 << 20 and units.size_bytes("64kB") == 64_000 and units.size_bytes(5) == 5
    assert units.rate_pps("1.2Mpps") == 1_200_000 and units.rate_pps("300kpps") == 300_000 and units.rate_pps("5000pps") == 5000
    assert units.rate_bps("10Gbit") == 10**10 and units.rate_bps("2.5Gbps") == 2_500_000_000 and units.rate_bps("100Mbit/s") == 10**8
    for wrong in ("0pps", "fast", "pps", "", "1 pps pps"):
        with pytest.raises(ValueError, match="packet rate"):
            units.rate_pps(wrong)
    with pytest.raises(ValueError, match="bit rate"):
        units.rate_bps("10 apples")


@given(st.sets(st.integers(0, 63)))
def test_cpu_lists_survive_writing_and_reading(cpus: set[int]) -> None:
    expected = tuple(sorted(cpus))
    assert units.cpu_list(units.cpu_list_text(expected)) == expected
    assert units.cpu_list(hex(sum(1 << cpu for cpu in cpus))) == expected


@given(st.text(max_size=20))
def test_any_text_is_a_unit_or_a_value_error(text: str) -> None:
    for read in (units.duration_ns, units.size_bytes, units.rate_pps, units.rate_bps, units.ipv4, units.cidr, units.mac, units.cpu_list):
        try:
            read(text)
        except ValueError as error:
            assert str(error)


# Defaults

def test_the_default_host_is_what_a_plain_igb_machine_has() -> None:
    host = default()
    assert (host.kernel, host.profile, host.ticks, host.cpus, host.device.queue_count) == ("6.18", "bm36", 250, 2, 2)
    assert (host.device.rx_ring, host.device.tx_ring, host.device.rx_usecs, host.device.gro, host.device.mtu) == (256, 256, 3, True, 1500)
    assert [host.device.irq_cpu(queue) for queue in (0, 1)] == [0, 1]
    assert host.device.indirection() == (0,) * 64 + (1,) * 64
    assert host.opens_from_capture and [app.sockets for app in host.apps] == [("*",)]
    values = host.sysctls()
    assert values["net.core.netdev_budget"] == 300 and values["net.core.netdev_budget_usecs"] == 8000
    assert values["net.core.rmem_default"] == 212992 and values["net.core.rmem_max"] == 4194304
    assert values["net.ipv4.icmp_ratemask"] == 6168 and values["net.ipv4.ipfrag_max_dist"] == 64


def test_kernel_3_10_has_its_own_defaults_and_fewer_sysctls() -> None:
    host = loads('kernel = "3.10"')
    assert host.ticks == 1000 and host.sysctls()["net.core.rmem_max"] == 212992
    assert not {"net.core.netdev_budget_usecs", "net.core.gro_normal_batch", "net.ipv4.icmp_msgs_per_sec"} & set(host.sysctls())


@pytest.mark.parametrize(("hz", "usecs"), [(100, 20000), (250, 8000), (300, 6666), (1000, 2000)])
def test_budget_usecs_defaults_to_two_jiffies_and_takes_no_less(hz: int, usecs: int) -> None:
    assert loads(f"hz = {hz}").sysctls()["net.core.netdev_budget_usecs"] == usecs
    assert loads(f"hz = {hz}\nsysctl.net.core.netdev_budget_usecs = {usecs + 1}").sysctls()["net.core.netdev_budget_usecs"] == usecs + 1
    assert f"{usecs} to" in error_of(f"hz = {hz}\nsysctl.net.core.netdev_budget_usecs = {usecs - 1}")


def test_the_commented_file_says_what_the_default_host_says() -> None:
    assert hosttext.effective(loads(hosttext.commented())) == hosttext.effective(default())
    assert "net.core.netdev_budget = 300" in hosttext.commented()
    assert max(map(len, hosttext.commented().splitlines())) < 200


def test_the_commented_file_still_lets_the_kernel_be_changed() -> None:
    host = apply_overrides(loads(hosttext.commented()), ["kernel=3.10"])
    assert host.sysctls()["net.core.rmem_max"] == 212992 and host.ticks == 1000


def test_each_switched_off_line_of_the_commented_file_is_valid_when_switched_on() -> None:
    table, needed, tried = "", {}, 0
    required = {"[[route]]": 'dst = "10.1.0.0/16"', "[[neighbour]]": 'ip = "10.0.0.2"\nmac = "02:00:00:00:00:02"',
                "[[socket]]": 'bind = "*:5"\nreuseport = true',
                "[[load]]": 'cpu = 0', "[[softirq]]": 'type = "RCU"\ncpu = 0\nevery = "1ms"\ncost = "1us"',
                "[[tap]]": 'file = "x"', "[[app]]": 'sockets = "*"\nwait = "epoll"'}
    for line in hosttext.commented().splitlines():
        header = re.fullmatch(r"#?(\[\[?\w+\]\]?)", line)
        if header:
            table, needed = header[1], dict(item.split(" = ", 1) for item in required.get(header[1], "").split("\n") if item)
        setting = re.fullmatch(r'#("?[a-z0-9][\w.-]*"?) = (.+)', line)
        if setting:
            lines = {**needed, setting[1]: setting[2]}
            if "sockets" in setting[1] or setting[2].startswith(('"times', '"sysctl.conf')) or setting[1] == "adaptive-rx":
                continue
            loads("\n".join([table, *(f"{k} = {v}" for k, v in lines.items())]))
            tried += 1
    assert tried > 40


def test_write_commented_makes_a_file_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "h.toml"
    hosttext.write_commented(path)
    assert load(path).cpus == 2
    with pytest.raises(FileExistsError):
        hosttext.write_commented(path)


def test_the_page_in_docs_is_generated_from_the_same_descriptions() -> None:
    assert DOCS.read_text().endswith(hosttext.markdown()), "docs/host-file.md is stale: replace its tables by hosttext.markdown()"


# Mistakes

@pytest.mark.parametrize(("text", "line"), [
    ("nic.queues = 9", "a.toml: nic.queues: 9 is not allowed: 1 to 8"),
    ("nic.queus = 2", "a.toml: nic.queus: unknown key; did you mean nic.queues?"),
    ("queues = 3", "a.toml: queues: unknown key; did you mean nic.queues?"),
    ("kernel = 3.10", 'a.toml: kernel: 3.1 is not allowed: "6.18", "6.12", "6.8", "6.1", "5.15", "5.14", "5.4", "4.18", "3.10", in quotes'),
    ("cpus = true", "a.toml: cpus: true is not allowed: 1 to 64"),
    ("cpus = 65", "a.toml: cpus: 65 is not allowed: 1 to 64"),
    ("hz = 200", "a.toml: hz: 200 is not allowed: 100, 250, 300 or 1000"),
    ("cpus = 2\ncpus == 3", "a.toml:2:7: TOML: Invalid value"),
    ("nic = 3", "a.toml: nic: 3 is not allowed: a table"),
    ("nic.mac = '01:00:00:00:00:01'", 'a.toml: nic.mac: "01:00:00:00:00:01" is not allowed: auto or a unicast MAC address'),
    ("nic.driver = 'e1000'", 'a.toml: nic.driver: "e1000" is not allowed: igb, ixgbe, virtio_net, veth, lo; another card stands in for'),
    ("nic.addresses = ['10.0.0.1/33']", "a prefix of 0 to 32"),
    ("nic.addresses = ['fe80::1/64']", "IPv6 is not modelled yet"),
    ("ethtool.rx = 63", "a.toml: ethtool.rx: 63 is not allowed: 64 to 4096 for igb"),
    ("ethtool.rx-usecs = 5", "a.toml: ethtool.rx-usecs: 5 is not allowed: 0 (off), 1 (dynamic), 3 (conservative), or 10 to 8191 for igb"),
    ("ethtool.rx-usecs = 2", "or 10 to 8191 for igb"),
    ("ethtool.rx_usecs = 3", "a.toml: ethtool.rx_usecs: unknown key; did you mean ethtool.rx-usecs?"),
    ("ethtool.hkey = '00'", "40 bytes in hexadecimal"),
    ("ethtool.indir = 'equal 4'", "a.toml: ethtool.indir: queue 3 does not exist: 0 to 1"),
    ("nic.queues = 2\nethtool.combined = 3", "they are the same knob"),
    ("nic.driver = 'veth'\nethtool.rx = 512", "veth has no ring"),
    ("irq.0 = 2", "a.toml: irq.0: there is no CPU 2: 0 to 1 (cpus = 2)"),
    ("irq.5 = 0", "a.toml: irq.5: there is no queue 5: 0 to 1"),
    ("irq.63 = 0", "a.toml: irq.63: no such queue: 0 to 62"),
    ("rps.0 = '1-3'", "a.toml: rps.0: there is no CPU 2"),
    ("sysctl.net.core.netdev_budgt = 4", "unknown sysctl; did you mean net.core.netdev_budget?"),
    ("sysctl.net.core.netdev_budget = -4", "a.toml: net.core.netdev_budget: -4 is not allowed: 0 to 2147483647"),
    ("kernel = '3.10'\nsysctl.net.core.gro_normal_batch = 4",
     "net.core.gro_normal_batch: kernel 3.10 does not have it: Linux has it since 5.4"),
    ("sysctl.net.ipv4.ip_forward = 1", "0 only: forwarding is not modelled"),
    ("sysctl.net.ipv4.conf.eth9.rp_filter = 1", 'no interface "eth9" here: all, default, eth0'),
    ("sysctl.net.ipv4.ipfrag_high_thresh = 1", "ipfrag_low_thresh (3145728) must not exceed"),
    ("sysctl.net.core.flow_limit_table_len = 3", "a power of two"),
    ("sysctl.net.ipv4.udp_mem = '3 2 1'", "three whole numbers"),
    ("route = [{dst='10.0.0.1/8'}]", "10.0.0.0/8 (the host bits must be 0)"),
    ("socket = [{name='a'}]", "a.toml: socket.0.bind: is missing"),
    ("socket = [{bind='*:5'}, {bind='10.0.0.1:5'}]", "EADDRINUSE"),
    ("socket = [{bind='*:5', reuseport=true}, {bind='*:5', reuseaddr=true}]", "EADDRINUSE"),
    ("socket = [{bind='*:0'}]", "ports 1 to 65535"),
    ("socket = [{bind='[::]:5'}]", "IPv6 is not modelled yet"),
    ("kernel='3.10'\nsocket = [{bind='*:5', udp_gro=true}]", "since 5.0"),
    ("[nic]\nnapi = 'threaded'\nthreaded_cpus = 'any'", "nic.threaded_cpus: \"any\" is not allowed"),
    ("[cpu]\nsiblings = [[0, 0]]", "cpu.siblings"), ("[cpu]\nsiblings = [[0, 2]]", "there is no CPU 2"),
    ("[cpu]\nsiblings = [[0]]", "has no sibling"), ("[cpu]\nnodes = [[0]]", "CPU 1 is in no node"),
    ("[cpu]\nnodes = [[0], [1]]\nsiblings = [[0, 1]]", "lie in two nodes"), ("[cpu]\nidle = 'C7'", "C1, C1E, C3, C6 or poll"),
    ("[nic]\nnode = 1", "there is no node 1"), ("load = [{cpu=0, share='101%'}]", "1% to 100%"),
    ("load = [{cpu=2}]", "there is no CPU 2"), ("softirq = [{type='NET_RX', cpu=0, every='1ms', cost='1us'}]", "HI, TIMER"),
    ("softirq = [{type='RCU', cpu=5, every='1ms', cost='1us'}]", "there is no CPU 5"),
    ("app = [{sockets=['x']}]", 'a.toml: app.0.sockets: no socket "x"; there are: none'),
    ("app = [{service='fast'}]", "a time such as"),
    ("app = [{service={constant=1, exponential=2}}]", "exactly one of"),
    ("app = [{service={work='1us', sleep='1us', by_clock=true}}]", "by_clock is a program that computes"),
    ("app = [{service={work='1us', batch=2}}]", "there are only sleep and by_clock"),
    ("app = [{wait='recv'}]\nsocket=[{bind='*:5-6'}]", "cannot block in recv on several"),
    ("app = [{threads=600},{threads=600}]", "more than 1024 threads"),
    ("profile = 'bm35'", "did you mean bm36?"),
    ("profile = 'no/such.toml'", "there is no file no/such.toml"),
    ("iptables = 5", "the path of the rules"),
])
def test_a_mistake_is_one_line_with_the_place_and_what_is_allowed(text: str, line: str) -> None:
    assert line in error_of(text)


def test_a_missing_or_binary_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HostError, match="is not UTF-8"):
        load(tmp_path / "b.toml")


_toml_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["igb", "*:5",
                                                                                                                             "10.0.0.1/24"]),
                            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                            max_leaves=6)
_paths = [(name,) for name in hostfile.fields_of(Host)] + [
    (name, key) for name,
    field in hostfile.fields_of(Host).items() if (model := hostfile._model_of(field)) for key in hostfile.fields_of(model)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_paths), _toml_values), max_size=4))
def test_whatever_stands_in_the_file_the_answer_is_a_host_or_a_host_error(settings: list[tuple[tuple[str, ...], object]]) -> None:
    data: dict[str, object] = {}
    for path, value in settings:
        if len(path) == 1:
            data[path[0]] = value
        elif path[0] in ("route", "socket", "app", "tap", "neighbour"):
            data[path[0]] = [{path[1]: value}]
        else:
            data[path[0]] = {path[1]: value}
    try:
        host = hostfile.build(data, "x")
    except HostError as error:
        assert "\n" not in str(error)
    else:
        hosttext.describe(host)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"),
               max_size=60) | st.sampled_from(_paths).flatmap(lambda p: st.text(max_size=10).map(lambda v: ".".join(p) + "=" + v)))
def test_whatever_an_override_says_the_answer_is_a_host_or_a_host_error(text: str) -> None:
    try:
        apply_overrides(default(), [text])
    except HostError as error:
        assert "\n" not in str(error)


# Overrides

def test_overrides_reach_every_kind_of_key() -> None:
    host = loads('[[socket]]\nname = "dns"\nbind = "*:53"\n[[app]]\nsockets = "dns"')
    host = apply_overrides(host,
                           ["net.core.netdev_budget=600", "ethtool.rx=4096", "cpus=4", "app.0.cpu=1", "socket.dns.rcvbuf=4MiB",
                            "nic.queues=4",
                                  "irq.0=1", "rps.0=1-3", "ethtool.gro=off", "net.ipv4.conf.eth0.rp_filter=2",
                                  "app.app0.service.exponential=3us",
                                  'nic.addresses=["10.0.0.1/24"]', "sysctl.net.core.busy_read=50", "socket.1.bind=*:54"])
    assert host.sysctls()["net.core.netdev_budget"] == 600 and host.device.rx_ring == 4096
    assert host.device.irq_cpu(0) == 1 and host.device.irq_cpu(3) == 3
    assert host.apps[0].cpu == (1,) and host.sockets[0].rcvbuf == 4 << 20 and host.device.rps_cpus(0) == (1, 2, 3) and not host.device.gro
    assert host.conf("rp_filter") == 2 and host.apps[0].service.exponential == 3000 and host.nic.addresses == ("10.0.0.1/24",)
    assert host.sockets[1].bind == ("*:54",)


def test_overrides_apply_together_in_any_order() -> None:
    for order in (["cpus=8", "irq.0=7"], ["irq.0=7", "cpus=8"]):
        assert apply_overrides(default(), order).device.irq_cpu(0) == 7


def test_the_default_hosts_application_can_be_overridden() -> None:
    assert apply_overrides(default(), ["app.0.service=5us"]).apps[0].service.constant == 5000


def test_kernel_names_are_not_numbers_in_overrides() -> None:
    assert apply_overrides(default(), ["kernel=3.10"]).kernel == "3.10"


@pytest.mark.parametrize(("override", "line"), [
    ("ethtool.rx=5000", "--set ethtool.rx=5000: 5000 is not allowed: 64 to 4096 for igb"),
    ("etool.rx=5", "--set etool.rx=5: unknown key; did you mean ethtool?"),
    ("netdev_budget=3", "did you mean net.core.netdev_budget?"),
    ("service=3us", "did you mean app.0.service?"),
    ("net.core.netdev_bugdet=3", "did you mean net.core.netdev_budget?"),
    ("socket.x.rcvbuf=4", '--set socket.x.rcvbuf=4: there is no socket "x"; there are: none'),
    ("cpus.x=3", "there is nothing below it"),
    ("cpus", "must be KEY=VALUE"),
    ("irq.0=3", "--set irq.0=3: there is no CPU 3"),
])
def test_a_wrong_override_is_blamed_on_the_override(override: str, line: str) -> None:
    assert line in set_error(override)


def test_an_override_leaves_the_first_host_alone() -> None:
    host = default()
    apply_overrides(host, ["net.core.netdev_budget=600", "cpus=4"])
    assert host == default() and host.cpus == 2


def test_revise_merges_tables_and_replaces_lists() -> None:
    host = hostfile.revise(loads("nic.queues = 1\nnic.addresses = ['10.0.0.1/24']"), {"nic": {"addresses": ["10.0.0.9/24"]}})
    assert host.nic.queues == 1 and host.nic.addresses == ("10.0.0.9/24",)


# What the kernel derives

def test_rp_filter_is_the_larger_of_all_and_interface() -> None:
    host = loads("sysctl.net.ipv4.conf.all.rp_filter = 2\nsysctl.net.ipv4.conf.eth0.rp_filter = 1")
    assert host.conf("rp_filter") == 2
    assert loads("sysctl.net.ipv4.conf.default.rp_filter = 1").conf("rp_filter") == 1      # the interface is created after it


def test_source_routes_need_all_and_interface() -> None:
    assert default().conf("accept_source_route") == 0
    assert loads("sysctl.net.ipv4.conf.all.accept_source_route = 1").conf("accept_source_route") == 1


def test_sysctls_may_be_quoted_or_dotted() -> None:
    assert loads('[sysctl]\n"net.core.netdev_budget" = 5') == loads("[sysctl]\nnet.core.netdev_budget = 5")


def test_flow_limit_bitmap_is_hexadecimal_as_in_proc() -> None:
    assert loads('cpus = 8\nsysctl.net.core.flow_limit_cpu_bitmap = "f0"').sysctls()["net.core.flow_limit_cpu_bitmap"] == 0xF0
    assert "there is no CPU 7" in error_of('sysctl.net.core.flow_limit_cpu_bitmap = "f0"')


def test_addresses_bring_their_routes_as_in_linux() -> None:
    new = [str(route) for route in hosttables.routes(loads("nic.addresses = ['10.0.0.1/24']"))]
    assert "local 10.0.0.1/32 dev eth0 table local src 10.0.0.1" in new and "unicast 10.0.0.0/24 dev eth0 table main src 10.0.0.1" in new
    assert "broadcast 10.0.0.255/32 dev eth0 table local src 10.0.0.1" in new
    assert "local 127.0.0.0/8 dev lo table local src 127.0.0.1" in new
    old = [str(route) for route in hosttables.routes(loads("kernel = '3.10'\nnic.addresses = ['10.0.0.1/24']"))]
    assert set(old) - set(new) == {"broadcast 10.0.0.0/32 dev eth0 table local src 10.0.0.1",
                                   "broadcast 127.0.0.0/32 dev lo table local src 127.0.0.1"}


def test_the_first_address_of_a_network_speaks_for_the_others() -> None:
    """A secondary address's local route has the primary as its source: getsockname() after connect() to it.  Seen on 6.18."""
    found = [str(r) for r in hosttables.routes(loads("nic.addresses = ['10.0.0.1/24', '10.0.0.7/24', '10.0.0.9/16']"))]
    assert "local 10.0.0.7/32 dev eth0 table local src 10.0.0.1" in found and "local 10.0.0.9/32 dev eth0 table local src 10.0.0.9" in found


def test_a_listed_route_stands_beside_the_derived_ones() -> None:
    host = loads("nic.addresses = ['10.0.0.1/31']\nroute = [{dst = 'default', via = '10.0.0.0'},"
                 "{dst = '10.9.0.0/16', type = 'blackhole'}]")
    found = {(route.dst, route.prefix): route for route in hosttables.routes(host)}
    assert found[(0, 0)].via == 0x0A000000 and found[(0x0A090000, 16)].type == "blackhole"
    assert not [r for r in found.values() if r.type == "broadcast" and r.dev == "eth0"]    # a /31 has none


def test_interrupts_spread_or_stay_on_cpu_0() -> None:
    assert [loads("cpus = 3\nnic.queues = 4").device.irq_cpu(q) for q in range(4)] == [0, 1, 2, 0]
    assert [loads("cpus = 3\nnic.queues = 4\nirq.irqbalance = false\nirq.2 = 2").device.irq_cpu(q) for q in range(4)] == [0, 0, 2, 0]


def test_equal_spreads_the_indirection_table_as_ethtool_does() -> None:
    assert loads("cpus = 4\nethtool.indir = 'equal 3'").device.indirection()[:7] == (0, 1, 2, 0, 1, 2, 0)


def test_port_ranges_and_own_sockets_open_one_by_one() -> None:
    host = loads("cpus = 4\nsocket = [{name = 'a', bind = '*:50-52', reuseport = true},"
                 "{name = 'b', bind = ['10.0.0.1:9', '10.0.0.2:9']}]\n"
                 "app = [{sockets = ['a'], threads = 2, own_sockets = true, cpu = [3, 1]}, {sockets = ['b']}]")
    opened = hosttables.open_sockets(host)
    assert [(sock.name, sock.thread) for sock in opened[:6]] == [("a:50#0", 0), ("a:51#0", 0), ("a:52#0", 0), ("a:50#1", 1), ("a:51#1", 1),
                                                                 ("a:52#1", 1)]
    ran = hosttables.threads(host)
    assert [(thread.cpu, thread.sockets, thread.wait) for thread in ran] == [(3, (0, 1, 2), "epoll"), (1, (3, 4, 5), "epoll"),
                                                                             (0, (6, 7), "epoll")]


def test_paths_are_relative_to_the_host_file(tmp_path: Path) -> None:
    (tmp_path / "times.txt").write_text("1us\n\n5us  # slow\n")
    (tmp_path / "h.toml").write_text('iptables = "r.v4"\n[[app]]\nservice = { file = "times.txt" }\n')
    host = load(tmp_path / "h.toml")
    assert hostfile.service_ns(host.apps[0].service) == (1000, 5000)
    assert host.iptables.file == str(tmp_path / "r.v4")
    (tmp_path / "times.txt").write_text("1us\nsoon\n")
    with pytest.raises(HostError, match=r"times.txt:2: \"soon\" is not allowed: a time"):
        load(tmp_path / "h.toml")


def test_every_sysctl_default_is_a_value_that_it_takes() -> None:
    for kernel in knobs.KERNELS:
        for row in SYSCTLS:
            if row.in_kernel(kernel):
                value = row.default_for(kernel, 250)
                assert knobs.check(row, f"{value:x}" if row.kind == "cpumask" and isinstance(value, int) else value, kernel, 250) == value


def test_host_show_marks_what_was_changed() -> None:
    text = hosttext.describe(apply_overrides(default(), ["net.core.netdev_budget=600"]))
    assert [line for line in text.splitlines() if line.startswith("*")] == ["* net.core.netdev_budget = 600   (default 300)"]


def test_host_files_import_nothing_heavy() -> None:
    code = "import sys, rxpath.workbench.host.file\n" \
           "print([m for m in ('numpy', 'numba', 'rich', 'typer', 'difflib', 'asyncio') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("overrides, blamed, said", [
    (["ethtool.rx-frames=16"], "ethtool.rx-frames", "igb EOPNOTSUPP, ixgbe EOPNOTSUPP, virtio_net EINVAL"),
    (["ethtool.ntuple=flow-type udp4 dst-port 53 action 1"], "ethtool.ntuple", "flow-type ether only"),
    (["ethtool.ntuple=flow-type ether proto 0x0806 action 1"], "ethtool.ntuple", "from i350 on"),
    (["nic.model=i350", "ethtool.ntuple=flow-type ether proto 0x0806 action 2"], "ethtool.ntuple", "a queue, 0 to 1"),
    (["nic.model=i210", "cpus=8", "nic.queues=8"], "nic.queues", "1 to 4 for i210"),
    (["nic.rx_fifo=1000"], "nic.rx_fifo", "16KiB to 128KiB"),
    (["ethtool.pause-tx=on"], "ethtool.pause-tx", "set nic.rx_fifo"),
    (["ethtool.pause-rx=on"], "ethtool.pause-rx", "set nic.rx_fifo, such as 64KiB"),
    (["nic.tap_queue=100"], "nic.tap_queue", "igb is no guest's device: virtio_net takes it"),
    (["nic.driver=ixgbe", "ethtool.rx=8192", "kernel=3.10"], "ethtool.rx", "64 to 4096 for ixgbe"),
    (["nic.driver=ixgbe", "nic.model=X550", "nic.rx_fifo=512KiB"], "nic.rx_fifo", "16KiB to 384KiB"),
    (["kernel=3.10", "nic.gro_flush_timeout=20us"], "nic.gro_flush_timeout", "since 3.19"),
    (["kernel=3.10", "nic.napi_defer_hard_irqs=2"], "nic.napi_defer_hard_irqs", "since 5.8"),
    (["nic.driver=veth", "nic.gro_flush_timeout=20us"], "nic.gro_flush_timeout", "no NAPI of its own"),
    (["rps_flow_cnt.63=256"], "rps_flow_cnt.63", "0 to 62"),
    (["rps_flow_cnt.3=256"], "rps_flow_cnt.3", "0 to 1"),
    (["rps_flow_cnt.0=99999"], "rps_flow_cnt", "0 to 32768"),
    (["net.core.rps_sock_flow_entries=-1"], "net.core.rps_sock_flow_entries", "0 to 131072"),
    (["ethtool.indir=weight 1 1 1"], "ethtool.indir", "queue 2 does not exist"),
    (["ethtool.indir=weight 0"], "ethtool.indir", "the sum is 0"),
])
def test_knobs_that_the_card_or_the_kernel_refuses(overrides, blamed, said):
    with pytest.raises(hostfile.HostError) as e:
        hostfile.apply_overrides(hostfile.default(), overrides)
    assert blamed in str(e.value) and said in str(e.value), str(e.value)


def test_knobs_of_steering_and_interrupts_are_taken():
    host = hostfile.apply_overrides(hostfile.default(), [
        "nic.model=i350", 'ethtool.ntuple=["flow-type ether proto 0x0806 action 1", "flow-type ether vlan 0 m 0x1fff action 0"]',
        "nic.gro_flush_timeout=20us", "nic.napi_defer_hard_irqs=10", "rps_flow_cnt.all=256", "net.core.rps_sock_flow_entries=1000",
        "ethtool.indir=start 1 equal 1"])
    assert [r.loc for r in host.device.filters()] == [15, 14] and host.nic.gro_flush_timeout == 20_000
    assert set(host.device.indirection()) == {1} and host.rps_flow_cnt[1] == 256
    one = hostfile.apply_overrides(host, ["nic.queues=1", "ethtool.ntuple=[]", "ethtool.indir=default", "nic.rx_fifo=64KiB",
                                          "ethtool.pause-tx=on", "ethtool.pause-rx=on"])
    assert one.nic.rx_fifo == 65536 and one.ethtool.pause_tx


@pytest.mark.parametrize(("service", "text"), [
    ("2us", "4000"), ("0us", None), ({"list": ["1us"]}, None), ({"exponential": "3us"}, "{ exponential = 6000 }"),
    ({"work": "5us", "by_clock": True}, "{ constant = 10000, by_clock = true }"),
    ({"work": "5us", "sleep": {"exponential": "1ms"}}, "{ constant = 10000, sleep = { exponential = 1000000 } }")])
def test_twice_the_work_leaves_the_rest_of_a_service_as_it_is(service, text):
    """What-if and the line about assumptions change the work alone: a program that sleeps goes on sleeping."""
    before = Service.model_validate(service)
    assert with_work(before, 2, 1) == text
    if text is not None:
        host = hostfile.build({"app": [{"name": "a", "service": service}]}, "h")
        after = apply_overrides(host, [f"app.a.service={text}"]).apps[0].service
        assert (after.sleep, after.by_clock) == (before.sleep, before.by_clock)
        assert hostfile.service_ns(after)[0] == 2 * hostfile.service_ns(before)[0]


def test_there_are_as_many_sockets_as_the_table_has(monkeypatch):
    assert check.SOCKETS_MAX == NSOCK
    monkeypatch.setattr(check, "SOCKETS_MAX", 10)
    build({"socket": [{"name": "a", "bind": "*:1-5"}, {"name": "b", "bind": "*:6-10"}]}, "h")
    with pytest.raises(HostError, match=r"socket\.1\.bind: more than 10 sockets"):
        build({"socket": [{"name": "a", "bind": "*:1-5"}, {"name": "b", "bind": "*:6-11"}]}, "h")


def test_a_host_file_that_is_to_be_changed_is_known_by_what_it_says(tmp_path: Path) -> None:
    path, times = tmp_path / "host.toml", tmp_path / "times.txt"
    times.write_text("2us\n")
    path.write_text('[[app]]\nservice = { file = "times.txt" }\n')
    assert the_host(path, ["seed=2"]) == the_host(str(path), seed=2) == the_host(load(path), seed=2)
    again = the_host(path, seed=2)
    assert the_host(again, seed=2) is again and the_host(again, seed=3).seed == 3
    path.write_text('cpus = 3\n[[app]]\nservice = { file = "times.txt" }\n')
    assert the_host(path, seed=2).cpus == 3
    times.unlink()
    with pytest.raises(HostError, match=r"times\.txt.*cannot be read"):
        the_host(path, seed=2)
