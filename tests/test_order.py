"""The order of functions: our trail of one packet beside the kernel's own, recorded on igb with function_graph (data/igb_trees.txt).
Names that both have must come in the same order, packet by packet."""
import pathlib
import re

import pytest

from rxpath.network.ip_tables_setup import load_rules
from rxpath.workbench.host.iptables.flat import flatten
from rxpath.workbench.host.iptables.read import parse

from .frames import arp, eth, fragments, ip, tcp, udp, udp_frame

TREES = dict(line.split(": ", 1) for line in (pathlib.Path(__file__).parent / "data" / "igb_trees.txt").read_text().splitlines()
             if line and not line.startswith("#"))
# ours alone, or under another name there
SAME = {"igb_clean_rx_irq", "igb_process_skb_fields", "kfree_skb", "nf_rule", "__skb_checksum_complete"}


def functions(tree: str) -> list[str]:
    """Names in the order of entry; f*3 is f three times."""
    out: list[str] = []
    for name, times in re.findall(r"([A-Za-z_][A-Za-z0-9_.]*)(?: \[\w+\])?(?:\*(\d+))?", tree):
        out += [name] * int(times or 1)
    return [n for n in out if n not in ("ip_tables", "xt_tcpudp")]


def ours(host, frame: int) -> list[str]:
    """Stations of that frame, in the order in which it met them."""
    return [n for n in host.stations(frame) if n not in SAME]


def first_met(names: list[str], known: set[str]) -> list[str]:
    """Each known name once, where it is met first."""
    return list(dict.fromkeys(n for n in names if n in known))


CASES = {
    "open": ([udp_frame(b"x")], {}),
    "closed": ([udp_frame(b"x", dport=7)], {}),
    "arp": ([arp()], {}),
    "syn_closed": ([eth(ip(tcp(dport=81), proto=6))], {}),
    "syn_listen": ([eth(ip(tcp(dport=80), proto=6))], {}),
    "bad_ipcsum": ([eth(ip(udp(b"x"), check=1))], {}),
    "martian_src": ([udp_frame(b"x", src="127.0.0.1")], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_stations_come_in_the_kernels_order(lab, case):
    frames, _ = CASES[case]
    host = lab()
    host.app(host.udp(5000))
    if case == "syn_listen":
        host.boot.tcp_listener(0, 80)
    host.listen().net.trail = 1
    host.send(*frames)
    host.run()
    met = ours(host, 0)
    tree = functions(TREES[case])
    both = set(met) & set(tree)
    assert len(both) >= 5, (met, tree)
    assert first_met(met, both) == first_met(tree, both)


def test_a_full_buffer_is_refused_where_the_kernel_refuses(lab):
    host = lab()
    host.udp(5000, rcvbuf=2304)
    host.listen().net.trail = 1
    host.send(udp_frame(b"x"), udp_frame(b"x"))
    host.run()
    met, tree = ours(host, 1), functions(TREES["rcvbuf_full"])
    both = set(met) & set(tree)
    assert "__udp_enqueue_schedule_skb" in both
    assert first_met(met, both) == first_met(tree, both)


def test_the_last_fragment_goes_the_kernels_way(lab):
    host = lab()
    host.app(host.udp(5000))
    host.listen().net.trail = 1
    host.send(*fragments(udp(bytes(1600)), [800]), gap=100)
    host.run()
    tree = functions(TREES["frag"])
    for frame, last in ((0, "ip_defrag"), (1, "ip_defrag")):
        met = ours(host, frame)
        both = set(met) & set(tree)
        assert last in both
        way = iter(tree)                                         # the tree holds both fragments' ways: each of ours lies in it, in order
        assert all(name in way for name in first_met(met, both)), (met, tree)
    assert "udp_queue_rcv_one_skb" in ours(host, 0)              # the datagram goes on as its first fragment's skb


@pytest.mark.parametrize("hook", ["prerouting", "input"])
def test_a_rule_drops_where_the_kernel_drops(lab, hook):
    text = {"prerouting": "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 5000 -j DROP\nCOMMIT\n",
            "input": "*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"             # the recording had the raw table loaded
                     "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 5000 -j DROP\nCOMMIT\n"}[hook]
    host = lab()
    host.udp(5000)
    load_rules(host.boot, flatten(parse(text, "rules")))
    host.listen().net.trail = 1
    host.send(udp_frame(b"x"))
    host.run()
    met, tree = ours(host, 0), functions(TREES[f"drop_{hook}"])
    both = set(met) & set(tree)
    assert {"nf_hook_slow", "ipt_do_table"} <= both
    assert first_met(met, both) == first_met(tree, both)
    assert host.ends() == {"NETFILTER_DROP": 1}
