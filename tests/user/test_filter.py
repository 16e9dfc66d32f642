"""Programs that choose the member of a SO_REUSEPORT group, and those that say how much of a datagram a socket takes.  What each instruction
does, what stays and what is counted is judged beside Linux (judge/cases/programs.py, filters.py)."""
import errno

import pytest

from rxpath.abi import filter as bpf
from rxpath.path import Stage
from rxpath.transport.sock_reuseport import reuseport_attach_prog, reuseport_detach_prog
from rxpath.user import sock
from rxpath.user import socket as sockets
from rxpath.user.filter import (
    bpf_check_classic,
    sk_attach_filter,
    sk_detach_filter,
    sk_get_filter,
    sk_lock_filter,
)
from rxpath.workbench.host.cbpf import program, written

from ..frames import US, eth, fragments, ip, ip4, udp, udp_frame

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


# ---------------------------------------------------------------- SO_ATTACH_FILTER of datagram sockets
DPORT = ((0x28, 0, 0, 2), (0x15, 0, 1, 5000), (6, 0, 0, 20), (6, 0, 0, 0))         # ldh [2]; jeq #5000; ret #20; ret #0


@pytest.mark.parametrize("kernel", ["6.18", "3.10"])
def test_a_filter_sees_the_udp_header_and_says_how_many_bytes_stay(lab, kernel):
    host = lab(kernel=kernel)
    sk = host.udp(5000)
    app = host.app(sk)
    sk_attach_filter(host.boot, sk, DPORT)
    host.send(udp_frame(b"0123456789abcdef"), gap=50_000).run()
    assert host.data(app, 13) == b"0123456789ab\0" and host.net.thread[app].received == 1
    host.send(udp_frame(b"short")).run()
    assert host.data(app, 12) == b"short56789ab" and host.ends() == {"RECEIVED": 2}


@pytest.mark.parametrize("kernel, drops", [("6.18", 3), ("3.10", 0)])
def test_what_a_filter_refuses_is_an_error_of_udp(lab, kernel, drops):
    host = lab(kernel=kernel)
    sk = host.udp(5000)
    sk_attach_filter(host.boot, sk, [(6, 0, 0, 0)])
    host.send(*[udp_frame()] * 3).run()
    assert host.ends() == {"SOCKET_FILTER": 3} and host.mib()["Udp.InErrors"] == 3 and host.net.socks[sk].drops == drops
    sk_detach_filter(host.boot, sk)
    host.send(udp_frame()).run()
    assert host.net.socks[sk].qlen == 1


def test_a_full_queue_is_asked_before_the_filter_only_by_old_kernels(lab):
    for kernel, why in (("6.18", "SOCKET_FILTER"), ("3.10", "SOCKET_RCVBUFF")):
        host = lab(kernel=kernel)
        sk = host.udp(5000, rcvbuf=2304)
        host.send(*[udp_frame()] * 3).run()
        before = host.ends().get(why, 0)
        sk_attach_filter(host.boot, sk, [(6, 0, 0, 0)])
        host.send(udp_frame()).run()
        assert host.ends()[why] == before + 1


@pytest.mark.parametrize("kernel", ["6.18", "3.10"])
def test_a_damaged_datagram_does_not_wait_for_its_reader_where_there_is_a_filter(lab, kernel):
    host = lab(kernel=kernel)
    sk = host.udp(5000)
    sk_attach_filter(host.boot, sk, [(6, 0, 0, 9)])
    host.send(eth(ip(udp(b"x" * 400, check=0x1234)))).run()
    assert host.ends() == {"UDP_CSUM": 1} and host.mib()["Udp.InCsumErrors"] == 1 and host.net.socks[sk].drops == 1


def test_fragments_that_a_filter_cuts_off_weigh_nothing_any_more(lab):
    weighs = []
    for left in (0xFFFF, 1200, 300):
        host = lab(driver="veth")
        sk = host.udp(5000)
        sk_attach_filter(host.boot, sk, [(6, 0, 0, left)])
        host.send(*fragments(udp(b"x" * 1400), [208, 648])).run()
        weighs.append(host.net.socks[sk].rmem_alloc)
    assert weighs[0] == weighs[1] > 2 * weighs[2]


def test_a_locked_filter_stays(lab):
    host = lab()
    sk = host.udp(5000)
    sk_attach_filter(host.boot, sk, DPORT)
    sk_lock_filter(host.boot, sk, True)
    for call in (lambda: sk_attach_filter(host.boot, sk, FIRST_BYTE), lambda: sk_detach_filter(host.boot, sk),
                 lambda: sk_lock_filter(host.boot, sk, False), lambda: reuseport_attach_prog(host.boot, sk, FIRST_BYTE)):
        with pytest.raises(OSError) as e:
            call()
        assert e.value.errno == errno.EPERM
    assert sk_get_filter(host.boot, sk) == list(DPORT)


def test_the_filter_of_a_socket_ends_with_it(lab):
    host = lab()
    sk = host.udp(5000)
    sk_attach_filter(host.boot, sk, [(6, 0, 0, 0)])
    sk_lock_filter(host.boot, sk, True)
    sockets.close(host.boot, sk)
    again = host.udp(5000)
    assert again == sk and sk_get_filter(host.boot, again) == []
    host.send(udp_frame()).run()
    assert host.net.socks[again].qlen == 1


def test_a_filter_in_a_host_file_is_in_numbers():
    assert written("4,40 0 0 2,21 0 1 5000,6 0 0 20,6 0 0 0") == DPORT
    with pytest.raises(ValueError) as e:
        written("random")
    assert "a program as bpf_asm prints it" in str(e.value) and "modulo" not in str(e.value)
