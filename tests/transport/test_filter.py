"""Programs that choose the member of a SO_REUSEPORT group.  What each instruction does is judged beside Linux (judge/cases/programs.py)."""
import errno

import pytest

from rxpath.abi import filter as bpf
from rxpath.path import Stage
from rxpath.transport.filter import bpf_check_classic
from rxpath.transport.sock_reuseport import reuseport_attach_prog, reuseport_detach_prog
from rxpath.user import sock
from rxpath.user import socket as sockets
from rxpath.workbench.host.cbpf import program

from ..frames import US, ip4, udp_frame

FIRST_BYTE = ((0x30, 0, 0, 0), (0x94, 0, 0, 4), (0x16, 0, 0, 0))         # ldb [0]; mod #4; ret a


def members(host, n=4, port=5000, addr=0):
    found = []
    for _ in range(n):
        i = sockets.create(host.boot)
        sock.setsockopt(host.boot, i, "SO_REUSEPORT", 1)
        sockets.bind(host.boot, i, addr, port)
        found.append(i)
    return found


def got(host, socks):
    return [host.net.socks[s].in_packets for s in socks]


def test_the_program_sees_the_payload_and_names_the_member(lab):
    host = lab()
    group = members(host)
    reuseport_attach_prog(host.boot, group[3], FIRST_BYTE)
    host.send(*[udp_frame(bytes([n]) * 20) for n in (1, 1, 2, 7, 7, 7)]).run()
    assert got(host, group) == [0, 2, 1, 3]


def test_without_a_program_or_at_a_place_that_nobody_has_the_hash_decides(lab):
    host = lab()
    group = members(host)
    host.send(*[udp_frame(sport=40000 + n) for n in range(40)]).run()
    by_hash = got(host, group)
    reuseport_attach_prog(host.boot, group[0], ((0x06, 0, 0, 4),))
    host.send(*[udp_frame(sport=40000 + n) for n in range(40)]).run()
    assert got(host, group) == [2 * n for n in by_hash]
    reuseport_attach_prog(host.boot, group[0], ((0x06, 0, 0, 2),))
    reuseport_detach_prog(host.boot, group[1])
    host.send(*[udp_frame(sport=40000 + n) for n in range(40)]).run()
    assert got(host, group) == [3 * n for n in by_hash]


def test_by_cpu_each_member_has_what_its_cpu_took(lab):
    host = lab(cpus=4, queues=4)
    group = members(host)
    reuseport_attach_prog(host.boot, group[0], program("cpu", 4))
    host.send(*[udp_frame(src=f"10.0.0.{2 + n}") for n in range(60)]).run()
    assert got(host, group) == [host.net.stage_count[c][Stage.run_bpf_filter] for c in range(4)] and min(got(host, group)) > 0


def test_random_numbers_spread_one_flow_over_all(lab):
    host = lab()
    group = members(host)
    reuseport_attach_prog(host.boot, group[0], program("random", 4))
    host.send(*[udp_frame() for _ in range(200)]).run()
    assert sum(got(host, group)) == 200 and min(got(host, group)) > 25


def test_the_groups_program_ends_with_the_group(lab):
    host = lab()
    group = members(host, 2)
    reuseport_attach_prog(host.boot, group[0], ((0x06, 0, 0, 1),))
    for i in group:
        sockets.close(host.boot, i)
    group = members(host, 2)
    host.send(*[udp_frame(sport=40000 + n) for n in range(40)]).run()
    assert min(got(host, group)) > 0


def test_equal_programs_stand_in_one_place(lab):
    host = lab()
    for k in range(50):
        for i in members(host, 2, 6000 + k):
            reuseport_attach_prog(host.boot, i, FIRST_BYTE)
    assert host.net.nbpf == 3


def test_a_program_needs_a_group(lab):
    host = lab()
    alone = sockets.create(host.boot)
    with pytest.raises(OSError) as e:
        reuseport_attach_prog(host.boot, alone, FIRST_BYTE)
    assert e.value.errno == errno.EINVAL
    sockets.bind(host.boot, alone, ip4(US), 7000)
    sock.setsockopt(host.boot, alone, "SO_REUSEPORT", 1)                   # after bind()
    for call, number in ((lambda: reuseport_attach_prog(host.boot, alone, FIRST_BYTE), errno.EINVAL),
                         (lambda: reuseport_detach_prog(host.boot, alone), errno.ENOENT)):
        with pytest.raises(OSError) as e:
            call()
        assert e.value.errno == number


def test_the_table_of_programs_has_an_end(lab):
    host = lab()
    group = members(host)
    with pytest.raises(OSError) as e:
        for k in range(1 + bpf.NBPF // bpf.BPF_MAXINSNS):
            reuseport_attach_prog(host.boot, group[0], [(0x06, 0, 0, k)] * bpf.BPF_MAXINSNS)
    assert e.value.errno == errno.ENOMEM


def test_what_is_not_modelled_is_said():
    said = bpf_check_classic(((0x20, 0, 0, bpf.SKF_AD_OFF + 24 & 0xFFFFFFFF), (0x16, 0, 0, 0)))
    assert said == "instruction 0 (0x20 0 0 4294963224): what is at SKF_AD_OFF + 24 is not modelled"


@pytest.mark.parametrize("text, said", [
    ("cpus", "cpu, random or rxhash"), ("", "cpu, random or rxhash"), ("2,6 0 0 0", "bpf_asm"), ("1,6 0 0", "bpf_asm"),
    ("1,6 0 x 0", "bpf_asm"),
    ("1,48 0 0 0", "does not return: the kernel refuses it (EINVAL)"), ("1,6 0 0 4294967296", "not an instruction of classic BPF"),
])
def test_a_text_that_is_no_program_says_what_is_allowed(text, said):
    with pytest.raises(ValueError) as e:
        program(text, 4)
    assert said in str(e.value)


def test_the_text_of_bpf_asm_is_a_program():
    assert program("3,48 0 0 0,148 0 0 4,22 0 0 0", 9) == program("3\n48 0 0 0\n148 0 0 4\n22 0 0 0\n", 9) == FIRST_BYTE
