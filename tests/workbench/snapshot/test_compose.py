"""From records to a host file: what stands in it, and what is said of the rest."""
import pytest

from rxpath.workbench.host.file import loads
from rxpath.workbench.host.snapshot.compose import snapshot
from rxpath.workbench.readings.records import (
    Address,
    Channels,
    Coalesce,
    CpuTimes,
    DriverInfo,
    Feature,
    Features,
    FlowHash,
    FlowRule,
    FlowRules,
    Indirection,
    Interrupts,
    Irq,
    Kernel,
    Link,
    LinkSettings,
    Lscpu,
    Neighbour,
    Packet,
    PacketSocket,
    Pause,
    Reading,
    Rings,
    Route,
    Rules,
    Skmem,
    Stat,
    Sysctls,
    TcpSocket,
    TcpSockets,
    UdpSocket,
    UdpSockets,
    Unread,
)
from rxpath.workbench.readings.settings import (
    Affinities,
    Affinity,
    Build,
    Call,
    Idle,
    IdleState,
    Memberships,
    Napi,
    OtherFirewall,
    PolicyRules,
    Process,
    Processes,
    Slot,
    SocketOptions,
    Steering,
    Surroundings,
    Thread,
    Topology,
)
from rxpath.workbench.words.mistakes import BadInput

UP = ("UP", "BROADCAST", "MULTICAST", "LOWER_UP")


def of(*records, unread=()):
    """The snapshot of these; its text is the same host."""
    made = snapshot(Reading(records, tuple(unread)))
    assert loads(made.text) == made.host
    return made


def card(driver="igb", name="eth0", queues=None, **more):
    """Records of one card."""
    made = [Link(device=name, index=2, flags=UP, mtu=more.get("mtu", 1500), address="02:00:00:00:00:01", kind=more.get("kind", "")),
            DriverInfo(device=name, driver=driver, bus_info=more.get("bus", ""))]
    return [*made, *([Channels(device=name, current={"combined": queues})] if queues else [])]


def cpus(n):
    return Topology(online=tuple(range(n)))


def said(made, text):
    """Whether the file says this, however its lines are broken."""
    return text in " ".join(made.text.replace("\n#", " ").split())


def off(made, setting):
    """Whether a setting stands there as a comment."""
    return f"\n#{setting}" in made.text


# ---------------------------------------------------------------- the machine
@pytest.mark.parametrize("release, profile", [("6.18.44", "6.18"), ("6.1.0-25-amd64", "6.1"), ("3.10.0-1160.el7.x86_64", "3.10"),
                                              ("2.6.32-754.el6", "3.10"), ("5.14.0-70.el9", "5.14"), ("7.2.1", "6.18")])
def test_the_nearest_kernel_profile(release, profile):
    made = of(Kernel(release=release))
    assert made.host.kernel == profile and release in made.text


def test_a_kernel_between_two_profiles_says_in_what_it_differs():
    made = of(Kernel(release="4.15.0-101-generic"))
    assert said(made, "may differ in") and "wake_here" in made.text
    assert said(of(Kernel(release="4.18.0-553.el8.x86_64")), "RHEL 8's, or of its kin")
    assert not said(of(Kernel(release="6.18.1")), "may differ in")


def test_cpus_their_siblings_and_nodes():
    made = of(Topology(online=tuple(range(8)), siblings=tuple((i, i + 4) for i in range(4)), nodes=((0, 1, 4, 5), (2, 3, 6, 7))))
    assert made.host.cpus == 8 and made.host.cpu.siblings[0] == (0, 4) and made.host.cpu.nodes == ((0, 1, 4, 5), (2, 3, 6, 7))


def test_more_cpus_than_can_be_simulated_are_said():
    groups = tuple((i, i + 64) for i in range(64))
    made = of(Topology(online=tuple(range(128)), siblings=groups, nodes=(tuple(range(64)), tuple(range(64, 128)))))
    assert made.host.cpus == 64 and not made.host.cpu.siblings and said(made, "the host has 128, of which the first 64 are simulated")


def test_cpus_of_lscpu():
    layout = {0: (0, 0, 0), 1: (1, 1, 1), 2: (0, 0, 0), 3: (1, 1, 1)}
    made = of(Lscpu(values={"CPU(s)": "4", "Model name": "Xeon"}, layout=layout))
    assert made.host.cpu.siblings == ((0, 2), (1, 3)) and made.host.cpu.nodes == ((0, 2), (1, 3)) and made.host.profile == "bm36"
    guest = of(Lscpu(values={"CPU(s)": "2", "Hypervisor vendor": "KVM", "NUMA node0 CPU(s)": "0", "NUMA node1 CPU(s)": "1"}))
    assert guest.host.profile == "vm" and guest.host.cpu.nodes == ((0,), (1,))


@pytest.mark.parametrize("states, wish, words, idle", [
    (["POLL", "C1", "C1E", "C6"], None, (), "C6"), (["POLL", "C1", "C3_ACPI"], None, (), "C3"), (["POLL", "C1"], 0, (), "poll"),
    (["POLL", "C1", "C10"], None, ("idle=poll",), "poll"), (["POLL", "C1_ACPI", "C2_ACPI"], None, (), "C3")])
def test_the_deepest_idle_state_that_is_allowed(states, wish, words, idle):
    made = of(Idle(driver="intel_idle", states=tuple(IdleState(s, i * 10) for i, s in enumerate(states)), latency_us=wish),
              Build(command_line=words))
    assert made.host.cpu.idle == idle


def test_a_guests_idle_states_are_the_hypervisors():
    made = of(Surroundings(guest=True), Idle(driver="haltpoll", states=(IdleState("POLL", 0), IdleState("haltpoll idle", 1))))
    assert made.host.cpu.idle == "C1" and said(made, "the hypervisor's affair")


def test_time_that_the_hypervisor_took_is_said():
    assert said(of(Stat({}, CpuTimes(50, 0, 30, 18, steal=2))), "took 2.0% of the CPUs' time")
    assert "steal" not in of(Stat({}, CpuTimes(50, 0, 30, 20))).text


def test_a_disabled_idle_state_is_none():
    made = of(Idle(driver="x", states=(IdleState("POLL", 0), IdleState("C1", 2), IdleState("C6", 133, True))))
    assert made.host.cpu.idle == "C1"


# ---------------------------------------------------------------- cards
def test_a_card_that_is_simulated():
    made = of(*card("ixgbe", queues=4), cpus(4), Slot(device="eth0", vendor=0x8086, id=0x1528, node=0),
              Rings(device="eth0", current={"rx": 4096, "tx": 1024}), Coalesce(device="eth0", values={"rx-usecs": 20}),
              FlowHash(device="eth0", flow="udp4", letters="sdfn"), LinkSettings(device="eth0", speed=10000),
              Features(device="eth0", features={"generic-receive-offload": Feature(False), "rx-checksumming": Feature(True)}))
    dev = made.host.device
    assert (dev.model, dev.queue_count, dev.rx_ring, dev.tx_ring, dev.rx_usecs, dev.rss_udp, dev.gro, dev.speed) == (
        "X540", 4, 4096, 1024, 20, "sdfn", False, "10Gbit")


def test_a_card_that_is_not_simulated_says_what_stands_in_for_it():
    made = of(*card("mlx5_core", queues=8), cpus(8), Coalesce(device="eth0", values={"rx-usecs": 8}, words={"adaptive-rx": True}))
    assert made.host.device.stands_in and made.host.device.adaptive_rx
    assert said(made, "not simulated: ixgbe stands in for it") and said(made, "adaptive on the host, which has rx-usecs 8")


def test_a_driver_that_nobody_knows_gets_a_card_of_its_speed():
    fast = of(*card("hinic9"), LinkSettings(device="eth0", speed=25000))
    slow = of(*card("usbthing"), LinkSettings(device="eth0", speed=100))
    assert fast.host.device.driver.name == "ixgbe" and slow.host.device.driver.name == "igb"
    assert said(fast, "hinic9 is not known here: ixgbe stands in for it")


def test_what_the_simulated_card_does_not_take_becomes_the_nearest_with_the_hosts_value():
    made = of(*card("gve", queues=2, mtu=1460), cpus(2), Rings(device="eth0", current={"rx": 3000, "tx": 100000}),
              Coalesce(device="eth0", values={"rx-usecs": 20, "rx-frames": 8}))
    assert made.host.device.rx_ring == 1024 and made.host.device.tx_ring == 1024
    assert said(made, "the host has 3000") and off(made, "rx-usecs = 20") and off(made, "rx-frames = 8")


def test_a_time_that_is_a_word_of_the_simulated_driver_stays_a_time():
    """tg3's rx-usecs 3 are microseconds; igb's are "conservative", as e1000e's."""
    assert of(*card("tg3"), Coalesce(device="eth0", values={"rx-usecs": 3})).host.device.rx_usecs == 10
    assert of(*card("e1000e"), Coalesce(device="eth0", values={"rx-usecs": 3})).host.device.rx_usecs == 3


def test_more_queues_than_the_card_has():
    made = of(*card("igb", queues=32), cpus(32))
    assert made.host.device.queue_count == 8 and off(made, "queues = 32")


def test_pause_frames_bring_the_cards_packet_buffer():
    made = of(*card("igb", queues=2), cpus(2), Slot(device="eth0", vendor=0x8086, id=0x1521), Pause(device="eth0", rx=True, tx=True))
    assert made.host.ethtool.pause_tx and made.host.nic.rx_fifo == 36 << 10
    refused = Pause(device="eth0", autoneg=True, rx=True, tx=True, rx_negotiated=False, tx_negotiated=False)
    made = of(*card("igb", queues=2), cpus(2), refused)
    assert not made.host.ethtool.pause_tx and not made.host.nic.rx_fifo


@pytest.mark.parametrize("table, queues, size, kept, exact", [
    (tuple(i % 4 for i in range(512)), 4, 128, tuple(i % 4 for i in range(128)), True),
    (tuple(i % 2 for i in range(64)), 2, 128, tuple(i % 2 for i in range(128)), True),
    (tuple(i * 4 // 256 for i in range(256)), 4, 128, tuple(i * 4 // 256 for i in range(128)), False)])
def test_an_rss_table_of_another_size(table, queues, size, kept, exact):
    from rxpath.workbench.host.snapshot.card import fold
    assert fold(table, size) == (kept, exact)
    made = of(*card("mlx5_core", queues=queues), cpus(8), Indirection(device="eth0", table=table, key=bytes(range(52))))
    assert made.host.device.indirection() == kept and made.host.device.rss_key == bytes(range(40))
    assert said(made, "is not the same in 128 entries") != exact


def test_an_rss_table_that_names_queues_that_are_not_simulated_is_a_comment():
    made = of(*card("igb", queues=2), cpus(2), Indirection(device="eth0", table=(5,) * 128))
    assert max(made.host.device.indirection()) == 1 and off(made, "indir = ")


def test_filters_in_the_words_of_ethtool():
    rules = FlowRules(device="eth0", rules=(
        FlowRule(8189, {"Rule Type": "UDP over IPv4", "Src IP addr": "0.0.0.0 mask: 255.255.255.255", "Dest port": "5000 mask: 0x0",
                        "Src port": "0 mask: 0xffff"}, 1),
        FlowRule(7, {"Rule Type": "UDP over IPv4", "Dest port": "5001 mask: 0x0"}, -1), FlowRule(3, {"Rule Type": "TCP over IPv6"}, 0)))
    made = of(*card("ixgbe", queues=2), cpus(2), rules)
    assert made.host.ethtool.ntuple == ("flow-type udp4 dst-port 5000 action 1", "flow-type udp4 dst-port 5001 action -1 loc 7")
    assert said(made, "filter 3 is not modelled")


def test_napi_settings():
    napis = [Napi(device="eth0", id=8 + q, queue=q, threaded=True, thread_cpus=(q,), defer_hard_irqs=10, gro_flush_timeout=20000)
             for q in range(2)]
    made = of(*card("igb", queues=2), cpus(2), *napis)
    nic = made.host.nic
    assert (nic.napi, nic.threaded_cpus, nic.napi_defer_hard_irqs, nic.gro_flush_timeout) == ("threaded", (0, 1), 10, 20000)


def test_interrupts_by_what_is_effective_then_by_what_was_asked_then_by_where_they_were():
    rows = tuple(Irq(str(40 + q), (1, 2, 97, 0), actions=(f"eth0-TxRx-{q}",)) for q in range(4))
    made = of(*card("igb", queues=4), cpus(4), Interrupts(cpus=(0, 1, 2, 3), rows=(*rows, Irq("44", (9, 9, 9, 9), actions=("eth0",)))),
              Affinities(irqs={40: Affinity((0, 1, 2, 3), (3,)), 41: Affinity((1,)), 42: Affinity((0, 1, 2, 3))}))
    assert [made.host.device.irq_cpu(q) for q in range(4)] == [3, 1, 2, 2]
    moved = of(*card("igb", queues=1), cpus(4), Interrupts(cpus=(0, 1, 2, 3), rows=(Irq("40", (1, 5, 4, 2), actions=("eth0-TxRx-0",)),)))
    assert moved.host.device.irq_cpu(0) == 0 and said(moved, "of queue 0, which were on several since boot: the one of its number")
    assert said(made, "irq 42: 97%") and said(made, "most of its interrupts since boot")


def test_interrupts_nobody_knows_are_said():
    assert said(of(*card("igb", queues=2), cpus(2)), "which CPU takes the interrupts of queue 0-1: the one of its number")


def test_rps_and_rfs():
    made = of(*card("igb", queues=2), cpus(4), Steering(device="eth0", queue=0, rps_cpus=(1, 3), rps_flow_cnt=2048),
              Steering(device="eth0", queue=1, rps_cpus=(), rps_flow_cnt=0), Sysctls(values={"net.core.rps_sock_flow_entries": "32768"}))
    assert made.host.rps == {0: (1, 3)} and made.host.rps_flow_cnt == {0: 2048}


def test_the_card_of_the_default_route_comes_first_and_those_that_are_down_not_at_all():
    links = [Link(device=f"eth{i}", index=i, flags=UP if i != 2 else (), mtu=1500) for i in range(3)]
    made = of(*links, *(DriverInfo(device=f"eth{i}", driver="igb") for i in range(3)),
              Address(device="eth0", address="10.0.0.1", prefix=24), Address(device="eth1", address="10.1.0.1", prefix=24),
              Route(device="eth1", destination="default", gateway="10.1.0.254"))
    assert made.host.interfaces == ("eth1", "eth0") and said(made, "eth2 (igb) is down")
    assert made.host.routes[0].dst == "default" and made.host.routes[0].via == "10.1.0.254" and made.host.routes[0].dev is None


def test_a_bond_with_vlans_gives_its_addresses_to_a_card():
    made = of(Link(device="bond0", index=4, flags=UP, kind="bond"), Link(device="eth0", index=2, flags=UP, master="bond0", mtu=1500),
              Link(device="eth1", index=3, flags=UP, master="bond0", mtu=1500),
              Link(device="bond0.7", index=5, flags=UP, kind="vlan", parent="bond0", details={"id": "7"}),
              DriverInfo(device="eth0", driver="igb"), DriverInfo(device="eth1", driver="igb"),
              DriverInfo(device="bond0", driver="bonding"),
              Address(device="bond0", address="10.0.0.1", prefix=24), Address(device="bond0.7", address="10.7.0.1", prefix=24))
    assert made.host.nic.addresses == ("10.0.0.1/24", "10.7.0.1/24") and made.host.nic.vlans == (7,)
    assert said(made, "bond0 (bond of eth0, eth1) is not modelled")


def test_addresses_of_other_devices_are_the_hosts_all_the_same():
    made = of(*card(), Link(device="docker0", index=9, flags=UP, kind="bridge"),
              Link(device="vethab", index=10, kind="veth", master="docker0"),
              Address(device="eth0", address="10.0.0.1", prefix=24), Address(device="docker0", address="172.17.0.1", prefix=16),
              Route(device="docker0", destination="172.17.0.0/16"))
    assert [(r.dst, r.type) for r in made.host.routes] == [("172.17.0.1/32", "local")]
    assert said(made, "172.17.0.0/16 dev docker0, which is no card here") and made.host.interfaces == ("eth0",)


def test_a_container_says_that_it_is_one():
    made = of(*card("veth", kind="veth"), Surroundings(container=True))
    assert made.host.nic.driver == "veth" and said(made, "nsenter")


# ---------------------------------------------------------------- network
def test_routes_beyond_what_addresses_bring():
    made = of(*card(), Address(device="eth0", address="10.0.0.1", prefix=24), PolicyRules(extra=2),
              Route(device="eth0", destination="10.0.0.0/24"), Route(device="eth0", destination="10.0.0.1/32", kind="local", table="local"),
              Route(destination="192.168.0.0/16", kind="blackhole"), Route(device="eth0", destination="10.5.0.0/16", gateway="10.0.0.2"),
              Route(device="eth0", destination="10.5.0.0/16", gateway="10.0.0.3", metric=100), Route(device="eth0", destination="fe80::/64",
                                                                                                      family=6))
    assert [(r.dst, r.type, r.via) for r in made.host.routes] == [("192.168.0.0/16", "blackhole", None),
                                                                  ("10.5.0.0/16", "unicast", "10.0.0.2")]
    assert said(made, "2 policy rules") and said(made, "a further next hop, or a larger metric")


def test_neighbours():
    made = of(*card(), Neighbour(device="eth0", address="10.0.0.9", mac="02:00:00:00:00:09", state="permanent"),
              Neighbour(device="docker0", address="10.0.0.8", mac="02:00:00:00:00:08"), Neighbour(device="eth0", address="fe80::1",
                                                                                                  mac="02:00:00:00:00:07"))
    assert [n.ip for n in made.host.neighbours] == ["10.0.0.9"]


RULES = """# Generated by iptables-save
*nat
:PREROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT DROP [1:2]
[3:4] -A INPUT -p udp -m udp --dport 53 -j ACCEPT
[5:6] -A INPUT -m state --state ESTABLISHED -j ACCEPT
COMMIT
"""


def test_firewall_rules_with_those_that_are_not_modelled_named():
    from rxpath.workbench.host.rules import rules
    made = of(*card(), Rules(tool="iptables-save", rules=(), text=RULES), OtherFirewall(tables=("inet firewalld",)))
    read = rules(made.host)
    assert len(read.tables["filter"]["INPUT"].rules) == 1 and len(read.skipped) == 2
    assert said(made, '-m state --state ESTABLISHED -j ACCEPT: match "state" is not supported') and said(made, "inet firewalld")


def test_rules_that_cannot_be_read_are_comments():
    made = of(*card(), Rules(tool="iptables-save", rules=(), text="*filter\n-A NOWHERE -j ACCEPT\nCOMMIT\n"))
    assert made.host.iptables.text is None and said(made, "there is no chain NOWHERE")
    assert said(of(*card(), unread=[Unread("iptables-save", 0, "", "you must be root")]), "iptables-save: you must be root")


def test_sysctls_as_they_were_read():
    made = of(*card(), Sysctls(values={"net.core.rmem_max": "8388608", "net.ipv4.udp_mem": "100\t200 300", "net.core.netdev_budget": "many",
                                       "net.ipv4.ip_forward": "1", "net.ipv4.conf.eth0.rp_filter": "2", "net.ipv4.conf.eth7.rp_filter": "1",
                                       "net.core.flow_limit_cpu_bitmap": "00000000,00000003", "kernel.pid_max": "4194304"}), cpus(2))
    now = made.host.sysctls()
    assert (now["net.core.rmem_max"], now["net.ipv4.udp_mem"], made.host.conf("rp_filter")) == (8388608, (100, 200, 300), 2)
    assert now["net.core.flow_limit_cpu_bitmap"] == 3 and now["net.core.netdev_budget"] == 300 and now["net.ipv4.ip_forward"] == 0
    assert off(made, "net.ipv4.ip_forward = 1") and off(made, 'net.core.netdev_budget = "many"') and "pid_max" not in made.text


# ---------------------------------------------------------------- sockets and programs
def udp(port, address="0.0.0.0", family=4, rb=212992, **more):
    return UdpSocket(family=family, address=address, port=port, skmem=Skmem(0, rb) if rb else None, **more)


LIMITS = Sysctls(values={"net.core.rmem_default": "212992", "net.core.rmem_max": "1048576"})


def test_buffers_by_what_the_kernel_made_of_them():
    made = of(LIMITS, UdpSockets(sockets=(udp(1), udp(2, rb=425984), udp(3, rb=2097152), udp(4, rb=16777216), udp(5, rb=0))))
    by_port = {s.bind[0].rpartition(":")[2]: s for s in made.host.sockets}
    assert by_port["1"].rcvbuf is None and by_port["2"].rcvbuf == 212992 and by_port["3"].rcvbuf == 1048576
    assert by_port["4"].rcvbufforce == 8388608 and by_port["5"].rcvbuf is None
    assert said(made, "rmem_max: perhaps more was asked for") and said(made, "rcvbuf: not known (ss -uamn 'sport = :5')")


def test_a_socket_of_ipv6_takes_ipv4_unless_it_says_no():
    made = of(LIMITS, UdpSockets(sockets=(
        udp(1, "::", 6), udp(2, "::", 6, v6only=True), udp(3, "::", 6, v6only=False), udp(4, "::ffff:10.0.0.1", 6), udp(5, "fe80::1", 6),
        udp(6), udp(6, "::", 6))))
    assert sorted(s.bind[0] for s in made.host.sockets) == ["0.0.0.0:1", "0.0.0.0:3", "0.0.0.0:6", "10.0.0.1:4"]
    assert said(made, "3 sockets left out: of IPv6 only") and said(made, "whether it is IPV6_V6ONLY is not known")


def test_sockets_that_share_a_port_must_have_said_so():
    made = of(LIMITS, UdpSockets(sockets=(udp(1, uid=0), udp(1, uid=0), udp(2, uid=0), udp(2, uid=9), udp(3, "10.0.0.1"), udp(3),
                                          udp(4, "239.1.1.1"), udp(4, "239.1.1.1"))),
              TcpSockets(sockets=(TcpSocket(4, "0.0.0.0", 80, state="LISTEN"), TcpSocket(4, "0.0.0.0", 80, state="LISTEN"),
                                  TcpSocket(4, "0.0.0.0", 81, state="ESTAB"))))
    by_port = {}
    for s in made.host.sockets:
        by_port.setdefault((s.proto, s.bind[0].rpartition(":")[2]), []).append((s.reuseport, s.reuseaddr))
    assert by_port == {("udp", "1"): [(True, False)] * 2, ("udp", "2"): [(False, True)] * 2, ("udp", "3"): [(False, True)] * 2,
                       ("udp", "4"): [(False, True)] * 2, ("tcp", "80"): [(True, False)] * 2}


def test_options_that_a_socket_said_itself():
    sockets = UdpSockets(sockets=(udp(1, inode=1, uid=0), udp(1, inode=2, uid=0), udp(2, inode=3)))
    made = of(LIMITS, sockets, *(SocketOptions(inode=i, values={"reuseaddr": 1, "reuseport": 0, "timeout": 0}) for i in (1, 2)),
              SocketOptions(inode=3, values={"busy_poll": 50, "multicast_all": 0, "timeout": 10**9}, groups=("239.1.1.1",)))
    first, second, third = made.host.sockets
    assert first.reuseaddr and second.reuseaddr and not first.reuseport
    assert (third.busy_poll, third.multicast_all, third.timeout, third.join) == (50_000, False, 10**9, ("239.1.1.1",))


def test_a_socket_bound_to_a_device_that_is_no_card_is_left_out():
    made = of(*card(), LIMITS, UdpSockets(sockets=(udp(67, bound_device="docker0"), udp(68, bound_device="eth0"))))
    assert [s.bindtodevice for s in made.host.sockets] == ["eth0"] and said(made, "1 socket left out: of devices that are no card here")


def thread(number, call=None, cpus=(0, 1), **more):
    return Thread(number, cpus=cpus, call=call, **more)


def test_programs_by_what_their_threads_wait_in():
    sockets = UdpSockets(sockets=tuple(udp(p, inode=p) for p in (1, 2, 3, 4)))
    made = of(cpus(2), LIMITS, sockets, Processes(processes=(
        Process("dns", 10, ((3, 1), (4, 2)), (thread(10, Call("recvmmsg", 3, batch=64, flags=0x10000), (1,), nice=-5),
                                               thread(11, Call("epoll_wait", 9, watched=((4, 1 << 31 | 1),))),
                                               thread(12, Call("epoll_wait", 9, watched=((4, 1 << 31 | 1),))), thread(13))),
        Process("idle", 20, ((5, 3),), (thread(20), thread(21))))))
    apps = {a.sockets: a for a in made.host.apps}
    first, second, third, fourth = (apps[(name,)] for name in ("dns-1", "dns-2", "idle-3", "udp-4"))
    assert (first.wait, first.batch, first.waitforone, first.cpu, first.nice, first.threads) == ("recv", 64, True, (1,), -5, 1)
    assert (second.wait, second.epoll, second.threads, second.shared_epoll) == ("epoll", ("edge",), 2, True)
    assert third.threads == 1 and said(made, "it has 2, and which of them read was not seen")
    assert fourth.name == "unknown" and said(made, "which program reads them is not known") and said(made, "service, how long")


def test_workers_that_share_a_socket_are_one_program():
    made = of(cpus(2), LIMITS, UdpSockets(sockets=(udp(1, inode=1),)), Processes(processes=tuple(
        Process("worker", 10 + i, ((3, 1),), (thread(10 + i, Call("recvfrom", 3, size=2048), (i,)),)) for i in range(2))))
    (app,) = made.host.apps
    assert (app.threads, app.cpu, app.buffer) == (2, (0, 1), 2048)


def test_who_opens_sockets_for_others_does_not_read_them():
    """systemd holds what it has opened; the service reads it, whether it was seen to wait or not."""
    for call in (Call("recvfrom", 3), None):
        made = of(cpus(2), LIMITS, UdpSockets(sockets=(udp(69, inode=1),)), Processes(processes=(
            Process("systemd", 1, ((30, 1),), (thread(1, Call("epoll_wait", 4)),)), Process("tftpd", 10, ((3, 1),), (thread(10, call),)))))
        assert [(a.name, a.sockets, a.threads) for a in made.host.apps] == [("tftpd", ("tftpd-69",), 1)]
    alone = of(cpus(2), LIMITS, UdpSockets(sockets=(udp(69, inode=1),)), Processes(processes=(
        Process("systemd", 1, ((30, 1),), (thread(1, Call("epoll_wait", 4, watched=((30, 1),))),)),)))
    assert [a.name for a in alone.host.apps] == ["systemd"]


def test_real_time_and_half_the_cpus_are_said():
    made = of(cpus(4), LIMITS, UdpSockets(sockets=(udp(1, inode=1),)), Processes(processes=(
        Process("rt", 10, ((3, 1),), (thread(10, Call("recvfrom", 3), (1, 2), policy="SCHED_FIFO", priority=50),)),)))
    assert made.host.apps[0].cpu == (-1,) and said(made, "the host lets it run on 1-2") and said(made, "SCHED_FIFO 50")


def test_who_captures_is_a_tap_that_is_switched_off():
    made = of(*card(), Packet(sockets=(PacketSocket(3, 3, 0, 0), PacketSocket(3, 0x0806, 0, 0))))
    assert not made.host.taps and made.text.count("#[[tap]]") == 1


def test_groups_are_admitted_and_joined_where_a_socket_is_bound_to_one():
    made = of(*card(), LIMITS, Memberships(groups=(("eth0", "239.1.1.1"), ("eth0", "224.0.0.1"), ("lo", "224.0.0.251"))),
              UdpSockets(sockets=(udp(5, "239.1.1.1"),)))
    assert made.host.nic.multicast == ("239.1.1.1",) and made.host.sockets[0].join == ("239.1.1.1",)


# ---------------------------------------------------------------- what is not known
def test_nothing_at_all_is_bad_input():
    with pytest.raises(BadInput, match="nothing in it says"):
        snapshot(Reading(unread=(Unread("x", 1, "hello", "not recognised"),), name="x"))


def test_a_host_of_which_little_is_known_is_one_all_the_same():
    made = of(Rings(device="", current={"rx": 1024}))
    assert made.host.device.rx_ring == 1024
    for what in ("kernel: not known", "hz: not known", "cpus: not known", "queues: 2 (ethtool -l eth0)", "offloads (ethtool -k eth0)",
                 "rx-usecs: 3 (ethtool -c eth0)", "sysctl -a", "sockets and programs: not known", "routes: not known", "rules: not known",
                 "addresses: those of a capture"):
        assert said(made, what), what


def test_a_host_with_more_devices_than_anybody_looks_at():
    """Hosts of containers have thousands; the one with the address is taken."""
    made = of(*(Link(device=f"eth{i}", index=i, flags=UP, mtu=1500) for i in range(400)),
              Address(device="eth399", address="10.0.0.1", prefix=24))
    assert made.host.nic.name == "eth399" and len(made.host.devices) == 8
    assert said(made, "there is room for 8 cards, not for 256") and said(made, "144 of 400 devices that were not looked at")


def test_many_sockets_of_one_port_do_not_take_for_ever():
    many = tuple(udp(443, "10.0.0.1", peer=f"10.1.{i >> 8}.{i & 255}", peer_port=1000) for i in range(2000))
    made = of(UdpSockets(sockets=many))
    assert len(made.host.sockets) == 2000 and all(s.reuseport for s in made.host.sockets)
