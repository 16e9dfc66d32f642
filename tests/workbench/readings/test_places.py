"""Files of /proc and /sys by their paths, alone or as grep prints several; lspci; the names of interrupts."""
import pytest

from rxpath.workbench.readings import moments, read_text
from rxpath.workbench.readings.records import Interrupts, Irq, Reading
from rxpath.workbench.readings.settings import Affinities, Affinity, Build, Memberships, Napi, SendSteering, Slot, Steering
from rxpath.workbench.readings.vectors import queue_of, vectors

PASTE = """[root@host ~]# grep . /proc/irq/*/*affinity*
/proc/irq/35/smp_affinity_list:0-7
/proc/irq/35/effective_affinity_list:3
/proc/irq/36/smp_affinity:00000000,0000000f
[root@host ~]# grep -r . /sys/class/net/eth0/queues /sys/class/net/eth0/threaded
/sys/class/net/eth0/queues/rx-0/rps_cpus:00,000000ff
/sys/class/net/eth0/queues/rx-0/rps_flow_cnt:2048
/sys/class/net/eth0/queues/tx-0/xps_cpus:3
/sys/class/net/eth0/threaded:1
/sys/class/net/eth0/gro_flush_timeout:20000
/sys/class/net/eth0/device/numa_node:-1
/sys/class/net/eth0/device/device:0x1521
/sys/class/net/eth0/carrier_changes:2
[root@host ~]# cat /proc/cmdline
BOOT_IMAGE=/vmlinuz ro idle=poll
[root@host ~]# lspci -nn
00:1f.0 ISA bridge [0601]: Intel Corporation C610 [8086:8d44] (rev 05)
03:00.0 Ethernet controller [0200]: Intel Corporation I350 Gigabit Network Connection [8086:1521] (rev 01)
[root@host ~]# grep CONFIG_HZ= /boot/config-5.14.0
CONFIG_HZ=1000
[root@host ~]# cat /proc/net/igmp
Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
2\teth0      :     1      V3
\t\t\t\t0100EFEF     1 0:00000000\t\t0
"""


def test_lines_of_several_files_in_one_paste():
    reading = read_text(PASTE)
    assert reading.first(Affinities).irqs == {35: Affinity(tuple(range(8)), (3,)), 36: Affinity((0, 1, 2, 3))}
    assert [*reading.of(Steering)] == [Steering(device="eth0", queue=0, rps_cpus=tuple(range(8))),
                                       Steering(device="eth0", queue=0, rps_flow_cnt=2048)]
    assert reading.first(SendSteering).xps_cpus == (0, 1)
    assert [(n.threaded, n.gro_flush_timeout) for n in reading.of(Napi)] == [(True, None), (None, 20000)]
    assert [(s.name, s.vendor, s.id, s.node) for s in reading.of(Slot)] == [
        ("", None, None, -1), ("", None, 0x1521, None), ("0000:03:00.0", 0x8086, 0x1521, None)]
    assert [b for b in reading.of(Build)] == [Build(command_line=("BOOT_IMAGE=/vmlinuz", "ro", "idle=poll")), Build(hz=1000)]
    assert reading.first(Memberships).groups == (("lo", "224.0.0.1"), ("eth0", "239.239.0.1"))
    assert [(u.line, u.text) for u in reading.unread] == [(13, "/sys/class/net/eth0/carrier_changes:2")]


def test_many_files_of_one_device_are_one_moment():
    assert len(moments(read_text(PASTE))) == 1
    assert len(moments(read_text(PASTE + PASTE))) == 2


@pytest.mark.parametrize("name, text, record", [
    ("proc/irq/35/smp_affinity_list", "0-1\n", Affinities({35: Affinity((0, 1))})),
    ("sos/proc/irq/35/effective_affinity_list", "1\n", Affinities({35: Affinity(effective=(1,))})),
    ("/sys/class/net/eth0/queues/rx-3/rps_cpus", "f\n", Steering(device="eth0", queue=3, rps_cpus=(0, 1, 2, 3))),
    ("/sys/class/net/eth0/napi_defer_hard_irqs", "10\n", Napi(device="eth0", defer_hard_irqs=10)),
    ("/proc/cmdline", "ro quiet\n", Build(command_line=("ro", "quiet"))),
    ("boot/config-5.14.0", "CONFIG_HZ_250=y\nCONFIG_HZ=250\n", Build(hz=250))])
def test_a_file_by_its_path(name, text, record):
    reading = read_text(text, name)
    assert reading.records == (record,) and reading.unread == ()


@pytest.mark.parametrize("text", ["", "x", "0-", "99999999", "0-3,", "-1"])
def test_what_the_kernel_does_not_write_is_said(text):
    reading = read_text(f"/proc/irq/35/smp_affinity_list:{text}\n")
    assert not reading.first(Affinities) or text == "0-3,"
    assert len(reading.unread) == (text != "0-3,")


@pytest.mark.parametrize("action, names, queue", [
    ("eth0-TxRx-3", ("eth0",), 3), ("i40e-eth0-TxRx-12", ("eth0",), 12), ("eth0-Tx-Rx-2", ("eth0",), 2), ("eth0-rx-1", ("eth0",), 1),
    ("eth0-tx-1", ("eth0",), None), ("eth0-fp-5", ("eth0",), 5), ("eth0-q7", ("eth0",), 7), ("eth0-2", ("eth0",), 2),
    ("eth0", ("eth0",), 0),
    ("eth1-TxRx-3", ("eth0",), None), ("eth01-TxRx-3", ("eth0",), None), ("mlx5_comp3@pci:0000:3b:00.0", ("eth0", "0000:3b:00.0"), 3),
    ("mlx5_async@pci:0000:3b:00.0", ("eth0", "0000:3b:00.0"), None), ("mlx4-4@0000:04:00.0", ("eth6", "0000:04:00.0"), 4),
    ("virtio2-input.0", ("eth0", "virtio2"), 0), ("virtio2-output.0", ("eth0", "virtio2"), None),
    ("virtio2-config", ("eth0", "virtio2"), None), ("i40e-0000:01:00.0:misc", ("eth0", "0000:01:00.0"), None)])
def test_the_queue_of_an_interrupt_by_its_name(action, names, queue):
    assert queue_of(action, *names) == queue


def irqs(*actions):
    return Reading((Interrupts(cpus=(0,), rows=tuple(Irq(str(30 + i), (1,), actions=(a,)) for i, a in enumerate(actions))),))


def test_a_name_without_a_number_counts_where_there_is_no_other():
    assert {q: r.name for q, r in vectors(irqs("eth0", "eth0-TxRx-0", "eth0-TxRx-1"), "eth0").items()} == {0: "31", 1: "32"}
    assert {q: r.name for q, r in vectors(irqs("timer", "eth0"), "eth0").items()} == {0: "31"}


def test_a_guests_device_whose_name_on_its_bus_nobody_says():
    assert set(vectors(irqs("virtio3-config", "virtio3-input.0", "virtio3-input.1"), "eth0")) == {0, 1}
    assert not vectors(irqs("virtio3-input.0", "virtio4-input.0"), "eth0")
