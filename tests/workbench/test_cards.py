"""Cards of a host file: [nic] and [[card]], other drivers' names, VLAN devices, lo."""
import json

import pytest

import rxpath
from rxpath.drivers.rows import DRIVERS
from rxpath.vtime.costs import MEMORY_BOUND, load_profile
from rxpath.workbench.advice import shell
from rxpath.workbench.advice.facts import Seen
from rxpath.workbench.advice.values import _word
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host import text as hosttext
from rxpath.workbench.host.file import HostError, apply_overrides, build, default, loads
from rxpath.workbench.run.simulation import START_NS, Simulation
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.views import report

from ..frames import udp_frame

TWO = """
cpus = 4
[nic]
addresses = ["10.0.0.1/24"]
[[card]]
addresses = ["10.1.0.1/24"]
queues = 2
[card.ethtool]
rx = 64
rx-usecs = 0
[card.irq]
0 = 3
[card.rps]
1 = "2-3"
"""
BOTH = """
[[traffic]]
rate = "50kpps"
duration = "20ms"
dst = "10.0.0.1"
[[traffic]]
rate = "30kpps"
duration = "20ms"
dst = "10.1.0.1"
src = "10.1.0.9"
"""


def spec(text):
    return trafficfile.build(trafficfile.hostfile.tables(text, "t"), "t")


def header(outcome):
    return "\n".join(report.header(outcome))


def test_a_further_card_has_the_same_tables():
    host = loads(TWO)
    first, second = host.devices
    assert (first.name, first.queue_count, first.rx_ring, first.rx_usecs) == ("eth0", 4, 256, 3)
    assert (second.name, second.queue_count, second.rx_ring, second.rx_usecs) == ("eth1", 2, 64, 0)
    assert [second.irq_cpu(q) for q in (0, 1)] == [3, 1] and second.rps_cpus(1) == (2, 3)
    assert host.pools() == [range(0, 4), range(8, 10)]
    assert [r.dev for r in hosttext.routes(host) if r.prefix == 24] == ["eth0", "eth1"]


def test_set_reaches_it_by_number_and_by_name():
    host = apply_overrides(loads(TWO), ["card.0.ethtool.rx=512", "card.eth1.irq.1=2", "net.ipv4.conf.eth1.rp_filter=1"])
    assert host.devices[1].rx_ring == 512 and host.devices[1].irq_cpu(1) == 2
    assert host.conf("rp_filter", "eth1") == 1 and host.conf("rp_filter") == 0
    assert len(apply_overrides(default(), ["card.0.name=ens4"]).devices) == 2


@pytest.mark.parametrize("key, said", [
    ("nic.driver=e100", "igb, ixgbe, virtio_net, veth, lo; another card stands in for e1000e"),
    ("ethtool.rx=63", "63 is not allowed: 64 to 4096 for igb"), ("ethtool.tx=5000", "5000 is not allowed: 64 to 4096 for igb"),
    ("card.0.ethtool.rx=63", "63 is not allowed: 64 to 4096 for igb"), ("card.0.queues=9", "9 is not allowed"),
    ("card.0.model=i210", "card.0.queues: 8 is not allowed"), ("nic.model=X540", "82576, i350 or i210 for igb"),
    ("ethtool.rx-usecs=5", "0 (off), 1 (dynamic), 3 (conservative), or 10 to 8191 for igb"),
    ("card.0.name=eth0", '"eth0" is taken'), ("card.0.irq.63=1", "no such queue"), ("card.0.ethtool.ring=1", "unknown key"),
    ("card.0.driver=lo", "lo is there anyway"), ("card.0.node=1", "no node 1"),
])
def test_what_a_card_does_not_have_is_refused_with_what_it_has(key, said):
    host = build({"cpus": 8, "card": [{"queues": 8}]}, "h") if "model" in key else default()
    with pytest.raises(HostError) as error:
        apply_overrides(host, [key])
    assert said in str(error.value) and "\n" not in str(error.value)


def test_rings_of_a_veth_and_of_cards_beyond_the_pool():
    with pytest.raises(HostError, match="veth has no ring and no interrupts"):
        build({"nic": {"driver": "veth"}, "ethtool": {"rx": 512}}, "h")
    with pytest.raises(HostError, match="at most"):
        build({"card": [{}] * 8}, "h")


@pytest.mark.parametrize("name", DRIVERS)
def test_host_init_writes_the_file_of_a_driver(name):
    text = hosttext.commented(name)
    assert hosttext.effective(loads(text)) == hosttext.effective(build({"nic": {"driver": name}}, ""))
    assert f'driver = "{name}"' in text


def test_a_run_with_two_cards_lists_both():
    outcome = rxpath.replay(spec(BOTH), loads(TWO))
    b = outcome.books
    assert [c.frames for c in b.cards] == [1000, 600] and b.offered == 1600
    assert [q.card for q in b.queues] == ["eth0"] * 4 + ["eth1"] * 2
    text = str(outcome)
    assert "igb eth0, 4 queues of 256 descriptors, rx-usecs 3; igb eth1, 2 queues of 64 descriptors, rx-usecs 0" in header(outcome)
    assert "Cards" in text and "eth1 (igb)" in text and "ring of eth1 queue 0" in text
    built = outcome.to_dict()
    assert [c["name"] for c in built["cards"]] == ["eth0", "eth1"] and built["queues"][4]["card"] == "eth1"
    assert built["host"]["cards"][0]["ethtool"]["rx"] == 64
    json.dumps(built)


def test_a_recording_names_the_card_of_a_queue():
    recording = rxpath.replay(spec(BOTH), loads(TWO), record=True).recording
    assert {s.of for s in recording.of("ring_fill")} <= {f"eth0 queue {q}" for q in range(4)} | {f"eth1 queue {q}" for q in range(2)}
    assert recording.get("ring_fill", "eth1 queue 0").max


def test_a_tap_of_one_card_sees_only_its_packets(tmp_path):
    host = loads(TWO + "".join(f'[[tap]]\nfile = "{tmp_path}/{name}.pcap"\n{dev}\n'
                               for name, dev in (("all", ""), ("second", 'dev = "eth1"'))))
    rxpath.replay(spec(BOTH), host)
    sizes = {name: ((tmp_path / f"{name}.pcap").stat().st_size - 24) // (16 + 60) for name in ("all", "second")}
    assert sizes == {"all": 1600, "second": 600}
    with pytest.raises(HostError, match="no interface \"eth7\" here: eth0 or eth1"):
        apply_overrides(host, ["tap.0.dev=eth7"])


@pytest.mark.parametrize("driver", ["veth", "igb"])
def test_cards_of_different_drivers_beside_each_other(driver):
    second = {"driver": driver, "addresses": ["10.1.0.1/24"]} | ({"sender_cpu": 1} if driver == "veth" else {})     # no reader's
    outcome = rxpath.replay(spec(BOTH), build({"nic": {"addresses": ["10.0.0.1/24"]}, "card": [second]}, "h"))
    assert outcome.books.dropped == {} and [c.frames for c in outcome.books.cards] == [1000, 600]
    assert ("rx_queue_0_packets" in outcome.books.cards[1].ethtool) == (driver == "igb")


def test_what_else_a_host_with_two_cards_can_be_asked():
    """What would help, how much more it bears, the same at many settings; each works on the first card's knobs."""
    busy = spec(BOTH.replace("20ms", "5ms").replace("kpps", "0kpps"))
    outcome = rxpath.whatif(busy, apply_overrides(loads(TWO), ["ethtool.rx=64", "nic.queues=1"]), budget=2, jobs=1)
    assert outcome.books.offered == 4000 and outcome.whatif is not None


def test_with_one_card_nothing_of_that_is_said():
    outcome = rxpath.replay(spec(BOTH), build({"nic": {"addresses": ["10.0.0.1/24", "10.1.0.1/24"]}}, "h"))
    built = outcome.to_dict()
    assert "cards" not in built and "cards" not in built["host"] and all("card" not in q for q in built["queues"])
    assert "Cards" not in str(outcome) and "stands in" not in header(outcome) and "VLAN" not in header(outcome)


def test_a_host_that_names_another_card_is_told_which_one_stands_in():
    host = build({"nic": {"driver": "mlx5_core", "addresses": ["10.0.0.1/24"]}}, "h")
    line = [text for text in report.header(rxpath.replay(spec(BOTH), host)) if "stands in" in text]
    assert line == [f"eth0: mlx5_core is not simulated, {host.device.driver.name} ({host.device.model}) stands in for it"]


def test_a_guests_device_is_simulated_as_itself():
    host = loads(hosttext.commented("virtio_net"))
    assert (host.device.rx_ring, host.device.rss_udp, host.device.rx_usecs, host.device.stands_in) == (256, "sdfn", 0, False)
    outcome = rxpath.replay(spec(BOTH), build({"nic": {"driver": "virtio_net", "addresses": ["10.0.0.1/24"]}}, "h"))
    assert "virtio_net eth0, 2 queues of 256 descriptors, rx-usecs 0" in header(outcome) and "stands in" not in header(outcome)
    assert outcome.books.delivered > 0


@pytest.mark.parametrize("key, said", [
    ("ethtool.rx=300", "300 is not allowed: 64 to 1024, a power of two for virtio_net"), ("ethtool.tx=2048", "64 to 1024, a power of two"),
    ("ethtool.rx-usecs=50", "50 is not allowed: 0 (off) only for virtio_net (EOPNOTSUPP)"),
    ("ethtool.adaptive-rx=on", "virtio_net has no moderation (EOPNOTSUPP)"),
    ("ethtool.pause-tx=on", "virtio_net does not take it (EOPNOTSUPP)"),
    ("ethtool.pause-rx=on", "virtio_net does not take it (EOPNOTSUPP)"), ("ethtool.rx-checksumming=off", "does not take it (fixed on)"),
    ("ethtool.ntuple=flow-type udp4 dst-port 53 action 0", "virtio_net does not take it (EOPNOTSUPP)"),
    ("nic.rx_fifo=64KiB", "0, virtio_net has no packet buffer"), ("nic.napi=none", "softirq or threaded only"),
    ("nic.model=i210", "virtio for virtio_net"), ("nic.queues=64", "1 to 63"),
])
def test_what_a_guests_device_refuses(key, said):
    with pytest.raises(HostError) as error:
        apply_overrides(default(), ["nic.driver=virtio_net", key])
    assert said in str(error.value) and "\n" not in str(error.value)


# ---------------------------------------------------------------- VLAN devices
TAGGED = '[[traffic]]\nrate = "2kpps"\nduration = "50ms"\nvlan = 100\ndport = 5000\n'


def test_a_vlan_device_that_the_traffic_brings_is_said():
    outcome = rxpath.replay(spec(TAGGED), default())
    assert outcome.books.delivered == 100 and "VLAN devices for the tags of the traffic: eth0.100" in header(outcome)


def test_without_the_device_a_tagged_packet_is_nobodys():
    for vlans, ends in (([], {"OTHERHOST": 100}), ([7], {"OTHERHOST": 100}), ([100], {})):
        outcome = rxpath.replay(spec(TAGGED), apply_overrides(default(), [f"nic.vlans={vlans}"]))
        assert outcome.books.dropped == ends and "VLAN" not in header(outcome)


def test_each_card_has_vlan_devices_of_its_own():
    host = apply_overrides(loads(TWO), ["nic.vlans=[]", "card.0.vlans=[100]"])
    outcome = rxpath.replay(spec(BOTH.replace("duration", "vlan = 100\nduration")), host)
    assert outcome.books.dropped == {"OTHERHOST": 1000} and outcome.books.delivered == 600


# ---------------------------------------------------------------- lo
LOCAL = '[[traffic]]\nkind = "onoff"\nburst = 1000\npeak = "400kpps"\ngap = "20ms"\nduration = "200ms"\nsize = 1024\n' \
        'src = "{0}"\ndst = "{0}"\ndport = 5000\n'
BUFFER = '[sysctl]\nnet.core.rmem_default = 126976\nnet.core.rmem_max = {1}\n[[socket]]\nname = "in"\nbind = "{0}:5000"\n' \
         '[[app]]\nname = "receiver"\nsockets = ["in"]\ncpu = 1\nservice = "5us"\n'


@pytest.mark.parametrize("address, nic", [("127.0.0.1", 'driver = "loopback"\naddresses = ["127.0.0.1/8"]'),
                                          ("127.0.0.1", 'driver = "lo"'), ("10.0.0.1", 'driver = "lo"\naddresses = ["10.0.0.1/24"]')])
def test_datagrams_to_localhost_are_lost_in_the_receive_buffer_and_a_larger_one_cures_it(address, nic):
    """Stack Overflow 7968566."""
    host = loads(f"cpus = 4\n[nic]\nsender_cpu = 2\n{nic}\n" + BUFFER.format(address, 131071))
    outcome = rxpath.replay(spec(LOCAL.format(address)), host)
    assert set(outcome.books.dropped) == {"SOCKET_RCVBUFF"} and outcome.books.dropped["SOCKET_RCVBUFF"] > 1000
    assert "lo lo, 1 queue" in header(outcome) or "loopback lo, 1 queue" in header(outcome)
    cured = rxpath.replay(spec(LOCAL.format(address)), apply_overrides(host, ["socket.in.rcvbuf=4MiB", "net.core.rmem_max=8388608"]))
    assert cured.books.dropped == {} and cured.books.delivered == outcome.books.offered


@pytest.mark.parametrize("driver, said", [
    ("igb", "echo 1 > /proc/irq/$(awk -F: '/eth0-TxRx-2$/ {print $1+0}' /proc/interrupts)/smp_affinity_list"),
    ("ixgbe", "echo 1 > /proc/irq/$(awk -F: '/eth0-TxRx-2$/ {print $1+0}' /proc/interrupts)/smp_affinity_list"),
    ("virtio_net", "echo 1 > /proc/irq/$(awk -F: '/'$(basename $(readlink /sys/class/net/eth0/device))'-input.2$/ {print $1+0}' "
                   "/proc/interrupts)/smp_affinity_list"),
    ("mlx5_core", "echo 1 > /proc/irq/IRQ/smp_affinity_list")])
def test_the_command_that_moves_an_interrupt_has_the_drivers_own_name_of_it(driver, said):
    lines = shell.commands(apply_overrides(default(), [f"nic.driver={driver}"]), ["irq.2=1"])
    assert said in lines and "systemctl stop irqbalance" in lines
    assert driver != "mlx5_core" or "# IRQ: the vector of queue 2 of eth0 in /proc/interrupts, as mlx5_core names it" in lines


def test_boot_shows_the_drivers_own_vectors(capsys):
    assert cli.run(["boot", "--set", "nic.driver=virtio_net"]) == 0
    assert capsys.readouterr().out.count("virtio0-input.1") == 1


def test_a_tap_queue_is_of_the_host(tmp_path):
    assert shell.commands(default(), ["nic.tap_queue=4000"]) == ["# on the host of this guest: ip link set TAP txqueuelen 4000"]
    host = build({"nic": {"driver": "virtio_net", "addresses": ["10.0.0.1/24"], "tap_queue": 0}, "ethtool": {"rx": 64},
                  "app": [{"sockets": "*", "service": "1ms"}]}, "h")
    outcome = rxpath.replay(spec(BOTH), host)
    assert outcome.books.device["tap_tx_dropped"] == outcome.books.dropped.get("RX_MISSED", 0)


# ---------------------------------------------------------------- cards of several NUMA nodes
NUMA = """
cpus = 4
[cpu]
nodes = [[0, 1], [2, 3]]
[nic]
addresses = ["10.0.0.1/24"]
mac = "02:00:00:00:00:01"
queues = 1
node = {}
[irq]
0 = {}
[[card]]
addresses = ["10.1.0.1/24"]
mac = "02:00:00:00:00:02"
queues = 1
node = {}
[card.irq]
0 = {}
[[app]]
name = "a"
cpu = 1
[[socket]]
name = "s"
bind = "*:5000"
"""


def of_both(host, one_step=False):
    """A simulation, and a function that puts a frame on a card's cable."""
    macs = [bytes.fromhex(dev.nic.mac.replace(":", "")) for dev in host.devices]
    sim = Simulation(host, one_step=one_step)

    def send(card, at):
        sim.time.send(udp_frame(src=f"10.{card}.0.2", dst=f"10.{card}.0.1", mac=macs[card]), at, card)
    return sim, send


@pytest.mark.parametrize("siblings", [False, True])
def test_each_packet_costs_a_cpu_what_the_memory_of_its_card_costs(siblings):
    """CPU 0 polls both cards, the program on CPU 1 reads what came by either; both are on the first card's node."""
    host = loads(numa(siblings, 0, 0, 1, 0))
    sim, send = of_both(host)
    with sim:
        table = sim.net.cost_alone if siblings else sim.net.cost                # what it costs beside an idle hyper-thread
        near = [[table[cpu][stage] for stage in MEMORY_BOUND] for cpu in (0, 1)]
        far = [[round(ns * load_profile(host.profile).factors["REMOTE_MEMORY"]) for ns in row] for row in near]
        for n, card in enumerate((1, 0, 1, 1, 0, 0), 1):
            send(card, START_NS + n * 1_000_000)
            sim.drain()
            assert sim.net.thread[sim.threads[0].index].received == n
            assert [[table[cpu][stage] for stage in MEMORY_BOUND] for cpu in (0, 1)] == (near, far)[card]


def numa(siblings, *settings):
    return NUMA.replace("nodes =", "siblings = [[0, 1], [2, 3]]\nnodes =" if siblings else "nodes =").format(*settings)


def test_a_node_of_a_card_must_exist():
    with pytest.raises(HostError, match=r"card\.0\.node: there is no node 2: cpu.nodes has 2"):
        loads(NUMA.format(0, 0, 2, 2))


@pytest.mark.parametrize("siblings", [False, True])
def test_cards_of_several_nodes_run_ahead_as_in_one_step(siblings):
    results = []
    for one_step in (False, True):
        sim, send = of_both(loads(numa(siblings, 0, 0, 1, 0)), one_step)
        with sim:
            for i in range(600):
                send(int(i % 3 == 0), START_NS + 700 * (i + 1))
            sim.drain()
            results.append(sim.books())
    assert results[0] == results[1] and results[0].received > 0


def test_a_program_moves_to_the_node_of_the_card_whose_frames_it_reads():
    """All comes by the second card, of node 1; the program on CPU 0 is told to go there, not to the first card's node."""
    seen = Seen(rxpath.replay(spec(BOTH.replace('"10.0.0.1"', '"10.1.0.1"')), loads(numa(False, 0, 0, 1, 2).replace("cpu = 1", "cpu = 0"))))
    assert seen.off_node and seen.busiest_node == 1
    assert _word("@nic_node", "app.a.cpu", seen, {}, 0) in ("[2]", "[3]")
