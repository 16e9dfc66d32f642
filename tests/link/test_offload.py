"""offload_base and inet_offloads: what GRO merges is what is registered there."""
import pytest

from rxpath.abi.numbers import ETH_P_IP, ETH_P_IPV6, IPPROTO
from rxpath.link.setup import dev_add_offload

from .test_gro import came_up, gro_host, segments


def test_boot_registers_ipv4_with_tcp_and_udp(lab):
    net = lab().net
    assert net.noffload == 1 and net.offload_base[0].type == ETH_P_IP
    assert [p for p in range(256) if net.inet_offloads[p].gro_receive >= 0] == [IPPROTO.TCP, IPPROTO.UDP]


def test_3_10_has_no_handler_of_udp(lab):
    net = lab(kernel="3.10").net
    assert [p for p in range(256) if net.inet_offloads[p].gro_receive >= 0] == [IPPROTO.TCP]


def test_an_ethertype_without_functions_or_a_fifth_one_is_refused(lab):
    host = lab()
    with pytest.raises(ValueError, match="0x86dd: GRO merges 0x0800"):
        dev_add_offload(host.boot, ETH_P_IPV6)
    for _ in range(3):
        dev_add_offload(host.boot, ETH_P_IP)
    with pytest.raises(ValueError, match="more than 4 packet offloads"):
        dev_add_offload(host.boot, ETH_P_IP)


def test_what_is_not_registered_is_not_merged(lab):
    host = gro_host(lab)
    host.net.inet_offloads[IPPROTO.TCP].gro_receive = -1
    assert came_up(host, segments(3)) == 3
    host = gro_host(lab)
    host.net.offload_base[0].type = ETH_P_IPV6
    assert came_up(host, segments(3)) == 3
