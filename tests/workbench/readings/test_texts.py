"""Each format in the spellings that people paste: what is read, and what is said instead of being dropped."""
import pathlib
import re

import pytest

from rxpath.workbench.readings import records as r
from rxpath.workbench.readings.lines import decoded
from rxpath.workbench.readings.sniff import moments, read_text

DATA = pathlib.Path(__file__).parents[2] / "data" / "host"
SAMPLES = pathlib.Path(__file__).parents[4] / "shared" / "facts" / "host" / "samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="real samples lie beside the checkout, in ../shared")


def text(name):
    return (DATA / name).read_text()


def only(kind, said, name=None):
    reading = read_text(said, name)
    assert not reading.unread, list(map(str, reading.unread))
    found = list(reading.of(kind, None))
    assert len(found) == len(reading.records) == 1, reading.records
    return found[0]


# ---------------------------------------------------------------- /proc/net
ROW = " ".join(f"{n:08x}" for n in (5, 1, 2, 0, 0, 0, 0, 0, 3, 4, 6, 7, 1, 8, 9))


@pytest.mark.parametrize("columns, seen", [
    (9, (None, None, None, None)), (10, (4, None, None, None)), (11, (4, 6, None, None)), (13, (4, 6, 7, None)), (15, (4, 6, 7, 8))])
def test_softnet_stat_of_every_age(columns, seen):
    row = " ".join(ROW.split()[:columns])
    softnet = only(r.Softnet, row + "\n")
    one = softnet.rows[0]
    assert (one.processed, one.dropped, one.time_squeeze, one.cpu_collision) == (5, 1, 2, 3)
    assert (one.received_rps, one.flow_limit_count, one.backlog_len, one.input_qlen) == seen
    assert softnet.cpu_known == (columns >= 13) and one.cpu == (1 if columns >= 13 else 0)


def test_softnet_stat_wrapped_by_a_mail_is_joined():
    wrapped = "\n".join(" ".join(ROW.split()[a:b]) for a, b in ((0, 8), (8, 13), (0, 8), (8, 12))) + " 00000002\n"
    softnet = only(r.Softnet, wrapped)
    assert [(row.cpu, row.processed, row.received_rps) for row in softnet.rows] == [(1, 5, 4), (2, 5, 4)]


def test_softnet_stat_with_cpus_that_cannot_be_true_counts_rows():
    softnet = only(r.Softnet, "\n".join([" ".join(ROW.split()[:13])] * 2))
    assert not softnet.cpu_known and [row.cpu for row in softnet.rows] == [0, 1]


def test_snmp_by_name_whatever_its_length_and_a_pair_that_is_cut_is_said():
    reading = read_text("Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\nUdp: 7 1 5 0 4 0\n"
                        "Tcp: RtoAlgorithm RtoMin\n")
    assert reading.counter("Udp", "RcvbufErrors") == 4 and reading.counter("Udp", "MemErrors") is None
    assert [(u.line, u.why) for u in reading.unread] == [(3, "its line of values is missing")]


def test_netstat_s_leaves_zeros_out_and_nests_receive_errors():
    after = read_text(text("after/netstat-s"))
    assert not after.unread
    assert after.counter("Udp", "InErrors") == after.counter("Udp", "RcvbufErrors") == 11843
    assert after.counter("Udp", "MemErrors") == 0 and after.counter("IpExt", "InNoECTPkts") == 12064
    assert after.counter("Udp6", "InErrors") is None            # a group that it does not show


def test_netstat_s_of_another_language_promises_nothing():
    reading = read_text("Udp:\n    101 Pakete empfangen\n    7 packets to unknown port received.\n")
    assert reading.counter("Udp", "NoPorts") == 7 and reading.counter("Udp", "RcvbufErrors") is None
    assert "LC_ALL=C" in reading.unread[0].why


def test_nstat_without_zeros_is_an_increase_and_no_counter():
    reading = read_text("#kernel\nIpInReceives                    12                 0.0\n"
                        "UdpRcvbufErrors                 3                  0.0\n")
    assert reading.first(r.Snmp).increase and reading.counter("Udp", "RcvbufErrors") is None
    absolute = read_text("#kernel\nIpInReceives  12 0.0\nUdpLiteInErrors 0 0.0\nTcpExtListenDrops 4 0.0\n")
    assert absolute.counter("TcpExt", "ListenDrops") == 4 and absolute.counter("UdpLite", "InErrors") == 0
    assert read_text('{"kernel":{"IpInReceives":12,"Udp6InErrors":0}}').counter("Ip", "InReceives") == 12


def test_proc_net_dev_takes_a_number_that_touches_the_name():
    dev = only(r.NetDev, "eth0:123456 10 1 2 3 4 0 5 99 8 0 0 0 0 0 0\n")
    assert dev.devices["eth0"]["rx_bytes"] == 123456 and dev.devices["eth0"]["rx_drop"] == 2 and dev.devices["eth0"]["tx_packets"] == 8


def test_ifconfig_old_and_new_say_what_proc_net_dev_says():
    new = read_text("eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n        inet 10.0.0.1  netmask 255.255.255.0\n"
                    "        ether 02:00:00:00:00:01  txqueuelen 1000  (Ethernet)\n        RX packets 7  bytes 900 (900.0 B)\n"
                    "        RX errors 1  dropped 2  overruns 3  frame 4\n        TX packets 5  bytes 10 (10.0 B)\n")
    old = read_text("eth0      Link encap:Ethernet  HWaddr 02:00:00:00:00:01\n          inet addr:10.0.0.1  Mask:255.255.255.0\n"
                    "          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n"
                    "          RX packets:7 errors:1 dropped:2 overruns:3 frame:4\n"
                    "          RX bytes:900 (900.0 B)  TX bytes:10 (10.0 B)\n")
    counts = [{k: v for k, v in x.first(r.NetDev).devices["eth0"].items() if k[:2] == "rx"} for x in (new, old)]
    assert counts[0] == counts[1] and counts[0]["rx_fifo"] == 3 and not new.unread and not old.unread
    for reading in (new, old):
        link, address = reading.first(r.Link), reading.first(r.Address)
        assert (link.mtu, link.address, link.flags) == (1500, "02:00:00:00:00:01", ("UP", "BROADCAST", "RUNNING", "MULTICAST"))
        assert (address.device, address.address, address.prefix) == ("eth0", "10.0.0.1", 24)


# ---------------------------------------------------------------- sockets
def test_a_udp_socket_is_the_same_in_proc_and_in_ss():
    proc = {s.port: s for s in only(r.UdpSockets, text("after/proc_net_udp")).sockets}
    ss = {s.port: s for s in only(r.UdpSockets, text("after/ss-uamnpei")).sockets}
    assert proc[8125].drops == ss[8125].drops == 11843 and proc[8125].recv_q == ss[8125].recv_q == 88192
    assert proc[8125].address == ss[8125].address == "127.0.0.1" and proc[8125].key == ss[8125].key
    assert (ss[8125].skmem.r, ss[8125].skmem.rb) == (97344, 131072) and ss[8125].programs == (r.Program("python3", 22599, 3),)
    assert ss[9125].family == 6 and ss[9125].v6only is False


def test_ss_without_netid_is_udp_or_tcp_by_what_it_shows_or_is_said():
    assert only(r.TcpSockets, "State  Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
                              "LISTEN 129 128 0.0.0.0:80 0.0.0.0:*\n").sockets[0].recv_q == 129
    undecided = "State  Recv-Q Send-Q Local Address:Port Peer Address:Port\nESTAB 0 0 10.0.0.1:5000 10.0.0.2:5001\n"
    assert "UDP or TCP?" in read_text(undecided).unread[0].why
    assert only(r.UdpSockets, "$ ss -umn\n" + undecided).sockets[0].peer_port == 5001


def test_ss_of_old_versions_scoped_addresses_and_port_names():
    old = only(r.UdpSockets, 'Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\n'
                             'udp UNCONN 0 0 :::111 :::* users:(("rpcbind",953,11))\n'
               "udp UNCONN 0 0 0.0.0.0%virbr0:67 0.0.0.0:*\n\t skmem:(r0,rb212992,t0,tb212992,f0,w0,o0)\n")
    first, second = old.sockets
    assert (first.family, first.address, first.port, first.programs[0].pid) == (6, "::", 111, 953)
    assert (second.bound_device, second.skmem.d, second.drops) == ("virbr0", None, None)
    assert "ss -n" in read_text("Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
                                "udp UNCONN 0 0 *:bootpc *:*\n").unread[0].why


# ---------------------------------------------------------------- ethtool
def test_statistics_without_their_first_line_with_colons_and_with_blocks_of_queues():
    stats = only(r.EthtoolStats, "Rx Queue#: 0\n  pkts rx OOB: 5\nRx Queue#: 1\n  pkts rx OOB: 7\n", "ethtool -S ens192")
    assert stats.device == "ens192"
    assert [(v.block, v.name, v.value) for v in stats.values] == [("Rx Queue#: 0", "pkts rx OOB", 5), ("Rx Queue#: 1", "pkts rx OOB", 7)]
    assert only(r.EthtoolStats, "     rxq0: rx_pkts: 5\n     [0]: rx_discards: 6\n     Tx LPI entry count: 1\n").get("rxq0: rx_pkts") == 5


def test_rings_channels_and_coalescing():
    rings = only(r.Rings, text("ethtool-g"))
    assert (rings.device, rings.current["rx"], rings.current["rx_mini"], rings.other["TX Push"]) == ("eth0", 256, None, "off")
    channels = only(r.Channels, "Channel parameters for eth0:\nPre-set maximums:\nRX:\t\tn/a\nCombined:\t8\n"
                                "Current hardware settings:\nRX:\t\t2\nCombined:\t4\n")
    assert channels.rx_queues == 6 and channels.maximum == {"rx": None, "combined": 8}
    coalesce = only(r.Coalesce, text("ethtool-c"))
    assert coalesce.values["rx-usecs"] == 0 and coalesce.words["adaptive-rx"] is False and coalesce.values["rx-frames-low"] is None


def test_the_indirection_table_with_its_key_and_what_is_not_supported():
    assert only(r.Indirection, text("ethtool-x")).table == () and only(r.Indirection, text("ethtool-x")).function == "toeplitz"
    full = only(r.Indirection, "RX flow hash indirection table for eth1 with 2 RX ring(s):\n    0:      0     1     0     1\n"
                               "    4:      1     1\n"
                "RSS hash key:\n" + ":".join(["6d"] * 40) + "\nRSS hash function:\n    toeplitz: on\n    xor: off\n")
    assert (full.table, full.key, full.rings) == ((0, 1, 0, 1, 1, 1), b"m" * 40, 2)
    cut = read_text("RX flow hash indirection table for eth1 with 2 RX ring(s):\n    0:      0     1     0     1\n   12:      1     1\n")
    assert cut.unread[0].line == 3


def test_flow_hash_and_flow_rules():
    said = only(r.FlowHash, "UDP over IPV4 flows use these fields for computing Hash flow key:\nIP SA\nIP DA\n"
                            "L4 bytes 0 & 1 [TCP/UDP src port]\n",
                "ethtool -n eth0 rx-flow-hash udp4")
    assert (said.device, said.flow, said.letters) == ("eth0", "udp4", "sdf")
    rules = only(r.FlowRules, "8 RX rings available\nTotal 1 rules\n\nFilter: 3\n\tRule Type: UDP over IPv4\n"
                              "\tDest port: 53 mask: 0x0\n\tAction: Direct to queue 2\n")
    assert (rules.rings, rules.rules[0].number, rules.rules[0].queue) == (8, 3, 2)


def test_driver_pause_features_and_speed():
    info = only(r.DriverInfo, text("ethtool-i"), "sos_commands/networking/ethtool_-i_eth0")
    assert (info.device, info.driver, info.bus_info) == ("eth0", "virtio_net", "0000:00:03.0")
    assert only(r.Pause, "Pause parameters for eth0:\nAutonegotiate:\ton\nRX:\t\toff\nTX:\t\ton\n").tx is True
    features = only(r.Features, "Features for eth0:\nrx-checksumming: on [fixed]\nlarge-receive-offload: off [requested on]\n").features
    assert features["rx-checksumming"].fixed and features["large-receive-offload"].requested is True
    assert only(r.LinkSettings, "Settings for eth0:\n\tSpeed: 10000Mb/s\n\tLink detected: yes\n").speed == 10000


# ---------------------------------------------------------------- ip
def test_the_fifth_column_of_ip_link_is_read_by_its_name():
    head = "2: eth0: <BROADCAST,UP> mtu 1500 qdisc mq state UP\n    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n"
    old = only(r.Link, head + "    RX: bytes  packets  errors  dropped overrun mcast\n    9 8 7 6 5 4\n"
                              "    RX errors: length  crc     frame   fifo    missed\n    1 2 3 4 11\n")
    new = only(r.Link, head + "    RX:  bytes packets errors dropped  missed   mcast\n    9 8 7 6 11 4\n"
                              "    RX errors:  length    crc   frame    fifo overrun nohandler\n    1 2 3 4 5 6\n")
    assert old.stats["rx_over_errors"] == new.stats["rx_over_errors"] == 5
    assert old.stats["rx_missed_errors"] == new.stats["rx_missed_errors"] == 11 and new.stats["rx_nohandler"] == 6


def test_json_of_ip_says_what_its_text_says():
    plain, json = only(r.Link, text("after/ip-s-s-link")), only(r.Link, text("after/ip-s-s-link.json"))
    assert plain.device == json.device == "lo" and plain.mtu == json.mtu == 65536
    assert {k: json.stats[k] for k in plain.stats} == dict(plain.stats) and plain.stats["rx_packets"] == 12064


def test_a_route_with_several_next_hops_is_a_route_for_each():
    text = ("default proto bird metric 32\n\tnexthop via 192.0.2.1 dev eth0 weight 1\n\tnexthop via inet6 fe80::1 dev eth1 weight 1\n"
            "192.0.2.0/24 dev eth0 proto kernel scope link\n10.0.0.0/8 proto static\n")
    reading = read_text(text, "ip route")
    found = [(x.destination, x.gateway, x.device, x.metric) for x in reading.of(r.Route)]
    assert found == [("default", "192.0.2.1", "eth0", 32), ("default", "fe80::1", "eth1", 32), ("192.0.2.0/24", "", "eth0", 0)]
    assert [(u.line, u.why) for u in reading.unread] == [(5, "neither a device nor a gateway")]
    said = ('[{"dst":"default","metric":32,"flags":[],'
            '"nexthops":[{"gateway":"192.0.2.1","dev":"eth0"},{"gateway":"192.0.2.9","dev":"eth1"}]}]')
    assert [(x.gateway, x.device, x.metric) for x in read_text(said).of(r.Route)] == [("192.0.2.1", "eth0", 32), ("192.0.2.9", "eth1", 32)]


@pytest.mark.parametrize("name, netns, device", [
    ("ip_netns_exec_blue_ethtool_-S_eth0", "blue", "eth0"), ("ip_netns_exec_my_ns_ethtool_-S_eth0", "my_ns", "eth0"),
    ("ip_netns_exec_my_ns_2_ethtool_-S_my_if", "my_ns_2", "my_if"), ("ethtool_-S_my_dev", "", "my_dev")])
def test_a_namespace_whose_name_has_an_underline_keeps_it_in_a_name_of_sos(name, netns, device):
    [stats] = read_text("NIC statistics:\n     rx_packets: 1\n", f"sosreport-h/sos_commands/networking/{name}").of(r.EthtoolStats, None)
    assert (stats.netns, stats.device) == (netns, device)


def test_addresses_routes_and_neighbours():
    reading = read_text("2: eth0.5@eth0: <UP> mtu 1500 qdisc noqueue state UP\n    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n"
                        "    vlan protocol 802.1Q id 5 <REORDER_HDR>\n    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0.5\n"
                        "       valid_lft forever preferred_lft forever\n"
                        "$ ip route\ndefault via 192.0.2.1 dev eth0.5 metric 100\n$ ip neigh\n"
                        "192.0.2.1 dev eth0.5 lladdr 02:00:00:00:00:09 REACHABLE\n")
    assert not reading.unread
    link, address, route, neighbour = (reading.first(k) for k in (r.Link, r.Address, r.Route, r.Neighbour))
    assert (link.parent, link.kind, link.details["id"]) == ("eth0", "vlan", "5")
    assert (address.address, address.prefix, address.device) == ("192.0.2.2", 24, "eth0.5")
    assert (route.destination, route.gateway, route.metric) == ("default", "192.0.2.1", 100)
    assert (neighbour.mac, neighbour.state) == ("02:00:00:00:00:09", "REACHABLE")


# ---------------------------------------------------------------- CPUs
@pytest.mark.parametrize("row, chip, actions", [
    (" 24:  1  0  IO-APIC   5-edge      ACPI:Ged", "IO-APIC 5-edge", ("ACPI:Ged",)),
    (" 38:  0  8002 PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0", "PCI-MSIX-0000:00:03.0 1-edge", ("virtio2-input.0",)),
    (" 10: 3287008667 3310445093     GICv3  27 Level     arch_timer", "GICv3 27 Level", ("arch_timer",)),
    (" 16:  1 2  IR-IO-APIC-fasteoi   ehci_hcd:usb1, mmc0", "IR-IO-APIC-fasteoi", ("ehci_hcd:usb1", "mmc0")),
    (" 77: 5 6 PCI-MSI 524289-edge eth0-TxRx-1", "PCI-MSI 524289-edge", ("eth0-TxRx-1",)),
    ("  7: 5 6 IR-IO-APIC-edge", "IR-IO-APIC-edge", ())])
def test_interrupts_of_every_machine(row, chip, actions):
    interrupts = only(r.Interrupts, f"           CPU0       CPU3\n{row}\nERR:          0\n")
    assert interrupts.cpus == (0, 3) and (interrupts.rows[0].chip, interrupts.rows[0].actions) == (chip, actions)
    assert len(interrupts.rows[0].counts) == 2 and interrupts.rows[1].counts == (0,)


def test_interrupts_of_s390_have_names_with_a_slash():
    rows = only(r.Interrupts, "           CPU0       CPU1\nEXT:       2817       3315\nI/O:       3024       3004\n"
                              "AIO:          0          0\n").rows
    assert [(row.name, row.counts) for row in rows[:2]] == [("EXT", (2817, 3315)), ("I/O", (3024, 3004))]


def test_softirqs_stat_and_schedstat():
    assert only(r.Softirqs, text("softirqs")).counts["NET_RX"] == (180862, 246123)
    stat = only(r.Stat, "cpu  10 1 2 3 4 5 6 7 0 0\ncpu1 10 1 2 3 4 5 6 7 0 0\nintr 99 1 2\nbtime 1700000000\n")
    assert stat.cpus[1].softirq == 6 and stat.total.total == 38 and stat.btime == 1700000000
    assert only(r.Schedstat, "version 15\ntimestamp 9\ncpu0 1 0 3 4 5 6 700 800 9\ndomain0 0003 1 2\n").cpus[0] == r.SchedRow(700, 800, 9)


def test_mpstat_takes_the_averages_and_says_what_is_since_boot():
    assert only(r.Mpstat, text("mpstat-P-ALL")).percent[0]["soft"] == 1.01
    once = only(r.Mpstat, "Linux 3.10.0 (localhost) \t03/11/2022 \t_x86_64_\t(1 CPU)\n\n03:14:20 PM  CPU    %usr   %idle\n"
                          "03:14:20 PM  all    0,23   99,39\n")
    assert once.since_boot and once.percent[-1]["usr"] == 0.23


def test_mpstat_whose_averages_alone_are_left():
    said = only(r.Mpstat, "Average:     CPU    %usr   %soft   %idle\nAverage:     all   81.31    0.51    0.00\n")
    assert said.average and said.percent[-1]["soft"] == 0.51


def test_lscpu_with_its_nodes():
    lscpu = only(r.Lscpu, "Architecture:          x86_64\nCPU(s):                4\nNUMA node0 CPU(s):     0,2\n"
                          "NUMA node1 CPU(s):     1,3\n")
    assert lscpu.number("CPU(s)") == 4 and lscpu.layout[3] == (1, None, None)
    assert only(r.Lscpu, "# The following is the parsable format\n# CPU,Core,Socket,Node,,L1d\n0,0,0,0,,0\n"
                         "5,1,1,1,,1\n").layout[5] == (1, 1, 1)


# ---------------------------------------------------------------- settings, rules, drops
def test_sysctl_conf_as_people_have_it():
    said = only(r.Sysctls, "# tuned\n; old\nnet.core.rmem_max=16777216\n-net.ipv4.udp_mem = 1\t2\t3\nnet/ipv4/conf/eth0.100/rp_filter = 0\n"
                "sysctl: permission denied on key 'net.core.bpf_jit_kallsyms'\n/proc/sys/net/core/netdev_budget:300\n"
                "net.core.rmem_max = 5\n")
    assert said.values == {"net.core.rmem_max": "5", "net.ipv4.udp_mem": "1 2 3", "net.ipv4.conf.eth0/100.rp_filter": "0",
                           "net.core.netdev_budget": "300"}
    assert said.denied == ("net.core.bpf_jit_kallsyms",)
    assert only(r.Sysctls, "212992\n", "proc/sys/net/core/rmem_max").values == {"net.core.rmem_max": "212992"}


def test_rules_with_their_counters():
    saved = only(r.Rules, "*filter\n:INPUT DROP [5:300]\n[7:420] -A INPUT -p udp --dport 53 -j DROP\nCOMMIT\n")
    assert [(x.chain, x.number, x.target, x.packets) for x in saved.rules] == [("INPUT", 0, "DROP", 5), ("INPUT", 1, "DROP", 7)]
    listed = only(r.Rules, "Chain INPUT (policy ACCEPT 0 packets, 0 bytes)\n"
                           " pkts bytes target     prot opt in     out     source               destination\n"
                  " 4175 1130K ACCEPT     all  --  *      *       0.0.0.0/0            0.0.0.0/0\n"
                  "    5   9K            udp  --  *      *       0.0.0.0/0  0.0.0.0/0\n")
    assert [(x.number, x.target, x.packets, x.bytes) for x in listed.rules] == [
        (0, "ACCEPT", 0, 0), (1, "ACCEPT", 4175, 1_130_000), (2, "", 5, 9000)]
    nft = only(r.Rules, "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n"
               "\t\tudp dport 53 counter packets 3 bytes 180 drop\n\t}\n}\n")
    assert [(x.chain, x.target, x.packets) for x in nft.rules] == [("input", "drop", None), ("input", "drop", 3)]


def test_drop_tools_by_name_and_never_by_number():
    drops = only(r.Drops, text("perf-kfree_skb")).drops
    assert any((d.function, d.reason, d.protocol) == ("ip_error", "IP_INADDRERRORS", 2048) and d.count > 1 for d in drops)
    numbers = read_text("     0.000 :0/0 skb:kfree_skb(skbaddr: 0xffff888, location: 0xffffffff81, protocol: 2048, reason: 3)\n")
    assert not numbers.records and "perf script" in numbers.unread[0].why
    script = read_text("nc 1 [000] 1.5: skb:kfree_skb: skbaddr=0xf protocol=2048 location=udp_rcv+0x4 reason: 3\n")
    assert not script.records and "number" in script.unread[0].why
    assert only(r.Drops, "3 drops at udp_queue_rcv_one_skb+437 (0xffffffff81) [software]\n"
                         "2 drops at udp_queue_rcv_one_skb+437 (0xffffffff81)\n").drops[0].count == 5
    assert only(r.Drops, "drop at: __udp4_lib_rcv+0x95 (0xffff)\norigin: software\nprotocol: 0x800\ndrop reason: NO_SOCKET\n").drops == (
        r.Drop("__udp4_lib_rcv", "NO_SOCKET", 1, 2048),)
    retis = only(r.Drops, "7127248135000 [ping] 43421 [tp] skb:kfree_skb #1 (skb ffff) drop (reason NO_SOCKET)\n")
    assert retis.drops[0].reason == "NO_SOCKET"
    pwru = only(r.Drops, "SKB CPU PROCESS NETNS MARK/x IFACE PROTO MTU LEN TUPLE FUNC\n"
                "0xffff9e1a2b3c4d00 1 nc:1 4026531840 0 eth0:2 0x0800 1500 60 a:1->b:2(udp) __udp4_lib_rcv\n"
                "0xffff9e1a2b3c4d00 1 nc:1 4026531840 0 eth0:2 0x0800 1500 60 a:1->b:2(udp) kfree_skb_reason(SKB_DROP_REASON_NO_SOCKET)\n")
    assert pwru.drops == (r.Drop("__udp4_lib_rcv", "NO_SOCKET", 1, 2048),)


def test_a_scrape_of_node_exporter_becomes_the_kernels_own_records():
    reading = read_text('# HELP node_softnet_dropped_total x\n# TYPE node_softnet_dropped_total counter\n'
                        'node_softnet_dropped_total{cpu="1"} 41\n'
                        'node_softnet_processed_total{cpu="1"} 5.577791e+06\nnode_netstat_Udp_RcvbufErrors 9\n'
                        'node_network_receive_drop_total{device="eth0"} 3\nnode_ethtool_received_queue_0_drops{device="eth0"} 2\n'
                        'node_load1 0.21\n')
    assert reading.first(r.Softnet).rows == (r.SoftnetRow(1, 5577791, 41, 0),)
    assert reading.counter("Udp", "RcvbufErrors") == 9 and reading.first(r.NetDev).devices["eth0"] == {"rx_drop": 3}
    assert reading.device(r.EthtoolStats, "eth0").get("rx_queue_0_drops") == 2
    assert [s.name for s in reading.first(r.Exporter).samples] == ["node_load1"]


# ---------------------------------------------------------------- several in one, prompts and other dirt
def test_a_whole_session_with_prompts_is_divided_and_devices_follow_their_commands():
    session = "\n".join([
        "\x1b[01;32mroot@host\x1b[00m:~# ethtool -S eth0", "NIC statistics:", "     rx_queue_0_drops: 5",
        "root@host:~# ethtool -S eth1", "NIC statistics:", "     rx_queue_0_drops: 9", "     rx_missed_errors: n/a",
        "[root@host ~]# ip netns exec blue cat /proc/net/softnet_stat", ROW, "$ cat /proc/net/snmp", "Udp: InErrors", "Udp: 4",
        "and this is what I see", ""])
    reading = read_text(session.replace("\n", "\r\n").replace("\t", "    "))
    assert [(s.device, s.values[0].value) for s in reading.of(r.EthtoolStats)] == [("eth0", 5), ("eth1", 9)]
    assert reading.first(r.Softnet, "blue") and reading.counter("Udp", "InErrors", "blue") == 4
    assert [u.text for u in reading.unread] == ["and this is what I see"]


def test_an_answered_mail_and_titles_of_head_are_no_data():
    reading = read_text("> ==> /proc/net/sockstat <==\n> sockets: used 3\n> UDP: inuse 2 mem 4\n> ==> /proc/net/dev <==\n"
                        ">   eth0: " + "1 " * 16)
    assert not reading.unread and reading.first(r.Sockstat).protocols["UDP"] == {"inuse": 2, "mem": 4} and reading.first(r.NetDev)


def test_what_is_left_over_by_one_reader_is_another_ones():
    reading = read_text("Coalesce parameters for eth0:\nrx-usecs: 3\n     rx_queue_0_drops: 5\n     rx_queue_1_drops: 6\n")
    assert reading.first(r.Coalesce).values == {"rx-usecs": 3} and len(reading.first(r.EthtoolStats).values) == 2


def test_two_moments_in_one_text_are_divided():
    before, after = (text(f"{w}/proc_net_snmp") + text(f"{w}/time") for w in ("before", "after"))
    first, second = moments(read_text(before + "\n" + after))
    assert first.counter("Udp", "RcvbufErrors") == 0 and second.counter("Udp", "RcvbufErrors") == 11843
    assert first.time < second.time


def test_errors_of_tools_are_named_so():
    reading = read_text("Cannot get device ring settings: Operation not supported\nbash: nstat: command not found\n")
    assert {u.why for u in reading.unread} == {"an error message of the tool"}


# ---------------------------------------------------------------- one host, many tools
@pytest.mark.parametrize("name", ["netstat-s", "netstat-su", "nstat-az", "nstat-az.json"])
def test_every_tool_says_the_same_of_one_host(name):
    path = DATA / "after" / name if (DATA / "after" / name).exists() else SAMPLES / "pair-here-6.18/after" / name
    if not path.exists():
        pytest.skip("real samples lie beside the checkout, in ../shared")
    proc, said, compared = read_text(text("after/proc_net_snmp")), read_text(path.read_text()), 0
    for values in said.of(r.Snmp):
        for counter, value in values.groups.get("Udp", {}).items():
            assert proc.counter("Udp", counter) == value
            compared += 1
    assert compared >= 6


def test_json_of_ethtool_says_what_its_text_says():
    rings = only(r.Rings, '[ {"ifname":"eth0","rx-max":4096,"rx-mini-max":0,"tx-max":4096,"rx":512,"tx":256,"tx-push":false} ]')
    assert (rings.device, rings.maximum["rx"], rings.current, rings.other) == ("eth0", 4096, {"rx": 512, "tx": 256}, {"tx-push": "False"})
    assert only(r.Channels, '[ {"ifname":"eth0","combined-max":8,"combined":4,"rx":2} ]').rx_queues == 6
    coalesce = only(r.Coalesce, '[ {"ifname":"eth0","rx":false,"rx-usecs":3,"rx-frame-low":1,"adaptive-rx":true} ]')
    assert coalesce.values == {"rx-usecs": 3, "rx-frames-low": 1} and coalesce.words == {"adaptive-rx": True}
    table = only(r.Indirection, '[ {"ifname":"eth0","rss-indirection-table":[0,1,0],"rss-hash-key":[109,90],'
                                '"rss-hash-function":"toeplitz"} ]')
    assert (table.table, table.key, table.function) == ((0, 1, 0), b"mZ", "toeplitz")


def test_json_that_is_indented_ends_where_it_ends():
    reading = read_text('          {"kernel":\n      {"IpInReceives": 12, "IpInDiscards": 0}\n   }\nUdp: InErrors\nUdp: 4\n')
    assert (reading.counter("Ip", "InReceives"), reading.counter("Udp", "InErrors"), reading.unread) == (12, 4, ())


def test_an_empty_table_of_sockets_says_that_there_is_none():
    header = "State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n"
    assert only(r.UdpSockets, header, "ss -uamn").sockets == () and only(r.TcpSockets, "$ ss -tamn\n" + header).sockets == ()
    tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    assert only(r.TcpSockets, tcp).sockets == ()
    assert read_text(header).unread                             # of which kind?


# ---------------------------------------------------------------- real samples
NOTHING_INSIDE = {"INDEX.tsv", "sos/list-sos-4.0-debian12.txt", "here-6.18/ethtool-T", "here-6.18/ethtool-a", "here-6.18/ethtool-version",
                  "here-6.18/snapshot.json", "here-6.18/iptables-save-c", "ethtool/insights-ethtool_info_bad_1.txt",
                  "ethtool/insights-ethtool_info_bad_3.txt", "ethtool-c/insights-test_ethtool_c_short.txt",
                  "ethtool-S/node_exporter-bond0.txt",
                  "ip_route/insights-ip_route_cannot_detect_these_errors_yet.txt", "netdata/alarm-names-and-thresholds.txt",
                  "interrupts/insights-int_invalid_1.txt", "here-6.18/mpstat-I-ALL",
                  "proc_net_sockstat/insights-sock_stats_no_2.txt",
                  "proc_net_udp/procfs-broken.txt",
                  "softnet_stat/procfs-broken.txt", "ethtool-S/insights-failed_ethtool_s_three.txt"}


@needs_samples
def test_every_real_sample_is_recognised_without_its_name():
    tried = 0
    for path in sorted(p for p in SAMPLES.rglob("*") if p.is_file()):
        name = path.relative_to(SAMPLES).as_posix()
        said = decoded(path.read_bytes())
        reading = read_text(said)
        tried += 1
        if name in NOTHING_INSIDE or re.search("lscpu_layout|bad_args|fail|cannot_get|missing_colon", name):
            continue
        if not reading.records:
            assert name in ("ethtool-g/insights-test_ethtool_g_1.txt", "ethtool-g/insights-test_ethtool_g_2.txt"), name
        else:
            assert len(reading.unread) <= 8, (name, list(map(str, reading.unread[:5])))
    assert tried > 300


def test_a_table_of_udp_without_rows_says_that_there_are_no_sockets():
    head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops     \n"
    found = read_text(f"$ cat /proc/net/udp\n{head}")
    assert not found.unread
    assert [u.sockets for u in found.of(r.UdpSockets)] == [()]
