"""Whatever records say - numbers beyond all bounds, CPUs and queues that are not there, texts of any characters - a host file is made, and
it is taken."""
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.drivers.counters import COUNTERS
from rxpath.workbench.host.file import loads
from rxpath.workbench.host.snapshot.compose import snapshot
from rxpath.workbench.readings import records as r
from rxpath.workbench.readings import settings as s

NUMBER = st.sampled_from([-1, 0, 1, 2, 3, 63, 64, 65, 128, 1000, 4096, 65535, 65536, 1 << 31, 1 << 63, 10 ** 30])
MAYBE = st.one_of(st.none(), NUMBER)
SMALL = st.integers(-1, 70)
CPUS = st.lists(st.sampled_from([0, 1, 2, 3, 63, 64, 4095]), max_size=4).map(tuple)
TEXT = st.one_of(st.text(max_size=8), st.sampled_from(["", "eth0", "eth1", "lo", '"', "\n[cpu]\n", "a b", "#", "é\u2028"]))
DEVICE = st.sampled_from(["eth0", "eth0", "eth1", "eth0.5", "lo", "", "br-\n0", "x" * 40])
ADDRESS = st.sampled_from(["10.0.0.1", "0.0.0.0", "*", "::", "::ffff:10.0.0.1", "239.1.1.1", "fe80::1%eth0", "300.1.1.1", "x\ny",
                           "127.0.0.1"])
MAC = st.sampled_from(["02:00:00:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "", "zz"])
FLAGS = st.lists(st.sampled_from(["UP", "LOOPBACK", "PROMISC", "ALLMULTI", "BROADCAST"]), max_size=3).map(tuple)


def named(*names):
    return st.dictionaries(st.sampled_from(names), MAYBE, max_size=len(names))


SOCKETS = st.lists(st.builds(
    r.UdpSocket, family=st.sampled_from([4, 6]), address=ADDRESS, port=NUMBER, peer=ADDRESS, peer_port=st.sampled_from([0, 0, 53, 70000]),
    state=st.sampled_from(["UNCONN", "LISTEN"]), skmem=st.one_of(st.none(), st.builds(r.Skmem, NUMBER, NUMBER)), uid=MAYBE,
    inode=st.sampled_from([None, 0, 1, 2]), bound_device=DEVICE, v6only=st.sampled_from([None, True, False]),
    programs=st.lists(st.builds(r.Program, TEXT, MAYBE, MAYBE), max_size=2).map(tuple)), max_size=4).map(tuple)
CALLS = st.one_of(st.none(), st.builds(s.Call, st.sampled_from(["recvfrom", "recvmmsg", "epoll_wait", "poll", "read", "io_uring_enter"]),
                                       fd=st.sampled_from([None, 3, 4]), batch=MAYBE, size=MAYBE,
                                       flags=st.sampled_from([0, 0x40, 0xFFFFFFFF]), watched=st.just(((3, 1 << 31),))))
THREADS = st.lists(st.builds(s.Thread, NUMBER, TEXT, st.one_of(st.none(), CPUS), MAYBE, SMALL, TEXT, SMALL, CALLS), max_size=3).map(tuple)
RECORDS = st.one_of(
    st.builds(r.Link, device=DEVICE, index=NUMBER, flags=FLAGS, mtu=MAYBE, master=DEVICE, parent=DEVICE, address=MAC,
              kind=st.sampled_from(["", "veth", "vlan", "bond", "bridge", "\n"]), details=st.just({"id": "70000"}), stats=st.just({})),
    st.builds(r.DriverInfo, device=DEVICE, driver=st.one_of(TEXT, st.sampled_from(sorted(COUNTERS))), bus_info=TEXT),
    st.builds(r.Rings, device=DEVICE, current=named("rx", "tx", "rx_jumbo")),
    st.builds(r.Channels, device=DEVICE, current=named("rx", "combined")),
    st.builds(r.Coalesce, device=DEVICE, values=named("rx-usecs", "rx-frames"), words=st.just({"adaptive-rx": True})),
    st.builds(r.Pause, device=DEVICE, autoneg=st.booleans(), rx=st.booleans(), tx=st.booleans()),
    st.builds(r.Features, device=DEVICE, features=st.dictionaries(
        st.sampled_from(["generic-receive-offload", "rx-checksumming", "rx-vlan-offload", "large-receive-offload"]),
        st.builds(r.Feature, st.booleans()))),
    st.builds(r.Indirection, device=DEVICE, table=st.lists(NUMBER, max_size=6).map(tuple), rings=MAYBE,
              key=st.one_of(st.none(), st.binary(max_size=60)), function=TEXT),
    st.builds(r.FlowHash, device=DEVICE, flow=st.sampled_from(["udp4", "tcp4"]), letters=TEXT),
    st.builds(r.FlowRules, device=DEVICE, rules=st.lists(st.builds(r.FlowRule, NUMBER, st.dictionaries(TEXT, TEXT, max_size=2), MAYBE),
                                                          max_size=2).map(tuple)),
    st.builds(r.LinkSettings, device=DEVICE, speed=MAYBE), st.builds(r.Kernel, TEXT), st.builds(r.Sysctls, st.dictionaries(
        st.sampled_from(["net.core.rmem_max", "net.core.rmem_default", "net.ipv4.udp_mem", "net.core.flow_limit_cpu_bitmap",
                         "net.core.netdev_budget", "net.ipv4.conf.eth0.rp_filter", "kernel.osrelease"]), TEXT | NUMBER.map(str))),
    st.builds(r.Address, device=DEVICE, address=ADDRESS, prefix=SMALL),
    st.builds(r.Route, device=DEVICE, destination=st.one_of(ADDRESS, st.just("default"), st.just("10.0.0.0/99")), gateway=ADDRESS,
              kind=st.sampled_from(["unicast", "blackhole", "local", "x"]), metric=NUMBER),
    st.builds(r.Neighbour, device=DEVICE, address=ADDRESS, mac=MAC),
    st.builds(r.Rules, tool=TEXT, rules=st.just(()), text=st.one_of(TEXT, st.just("*filter\n-A INPUT -j DROP\n-A X -j Y\nCOMMIT\n"))),
    st.builds(r.Interrupts, CPUS, st.lists(st.builds(r.Irq, st.sampled_from(["30", "31", "NMI"]), st.lists(NUMBER, max_size=5).map(tuple),
                                                     actions=st.sampled_from([("eth0-TxRx-0",), ("eth0-TxRx-9999999",), ()])),
                                           max_size=3).map(tuple)),
    st.builds(r.Lscpu, st.just({"CPU(s)": "4", "NUMA node0 CPU(s)": "0-9999", "NUMA node1 CPU(s)": "x"}),
              st.dictionaries(SMALL, st.tuples(MAYBE, MAYBE, MAYBE), max_size=4)),
    st.builds(r.UdpSockets, SOCKETS),
    st.builds(r.Packet, st.lists(st.builds(r.PacketSocket, NUMBER, st.just(3), NUMBER, NUMBER)).map(tuple)),
    st.builds(s.Slot, device=DEVICE, name=TEXT, vendor=MAYBE, id=st.sampled_from([None, 0x1521, 7]), node=MAYBE),
    st.builds(s.Steering, device=DEVICE, queue=NUMBER, rps_cpus=CPUS, rps_flow_cnt=MAYBE),
    st.builds(s.Napi, device=DEVICE, id=MAYBE, queue=MAYBE, irq=MAYBE, threaded=st.booleans(), thread_cpus=CPUS, defer_hard_irqs=MAYBE,
              gro_flush_timeout=MAYBE),
    st.builds(s.Affinities, st.dictionaries(st.sampled_from([30, 31]), st.builds(s.Affinity, CPUS, CPUS))),
    st.builds(s.Topology, CPUS, CPUS, st.lists(CPUS, max_size=2).map(tuple), st.lists(CPUS, max_size=3).map(tuple)),
    st.builds(s.Idle, TEXT, st.lists(st.builds(s.IdleState, TEXT | st.just("C6"), NUMBER, st.booleans()), max_size=3).map(tuple), MAYBE),
    st.builds(s.Build, MAYBE, MAYBE, st.lists(TEXT, max_size=3).map(tuple)), st.builds(s.Surroundings, st.booleans(), st.booleans()),
    st.builds(s.Memberships, st.lists(st.tuples(DEVICE, ADDRESS), max_size=2).map(tuple)), st.builds(s.OtherFirewall, st.just(("inet x",))),
    st.builds(s.SocketOptions, st.sampled_from([0, 1, 2]), named("reuseport", "timeout", "busy_poll").map(
        lambda d: {k: v for k, v in d.items() if v is not None}), st.lists(ADDRESS, max_size=2).map(tuple)),
    st.builds(s.Processes, st.lists(st.builds(s.Process, TEXT, NUMBER, st.just(((3, 1), (4, 2))), THREADS), max_size=2).map(tuple)))


CARD = st.tuples(st.builds(r.Link, device=st.just("eth0"), flags=st.just(("UP",)), mtu=MAYBE),
                 st.builds(r.DriverInfo, device=st.just("eth0"), driver=st.sampled_from(sorted(COUNTERS))),
                 st.builds(r.Channels, device=st.just("eth0"), current=named("combined")),
                 st.builds(s.Topology, st.sampled_from([(0,), (0, 1, 2, 3), tuple(range(80))])))


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.just(()), CARD), st.lists(RECORDS, min_size=1, max_size=10), TEXT)
def test_any_records_make_a_host_file_that_is_taken(card, records, name):
    made = snapshot(r.Reading((*card, *records), (r.Unread(name, 0, name, name),), name=name))
    assert loads(made.text) == made.host
    assert all(c.isprintable() or c in "\n\t" for c in made.text)
