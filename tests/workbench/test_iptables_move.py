"""Rules that are moved: what may pass what, and that no packet's verdict changes by it."""
import random

import pytest

from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.file import HostError
from rxpath.workbench.host.iptables.move import disjoint, may_go_first, may_go_to_raw, moved
from rxpath.workbench.host.iptables.read import parse
from rxpath.workbench.host.iptables.ruleset import Target
from rxpath.workbench.host.model.network import rule_place
from rxpath.workbench.host.rules import rules as rules_of


def table(*lines, name="filter", policy=":INPUT ACCEPT [0:0]"):
    return f"*{name}\n{policy}\n" + "".join(f"{line}\n" for line in lines) + "COMMIT\n"


BLOCK = [f"-A INPUT -s 192.0.2.{n}/32 -j DROP" for n in range(1, 6)]


@pytest.mark.parametrize("before, rule, why", [
    (BLOCK, "-A INPUT -s 10.0.0.0/8 -j ACCEPT", ""),                                    # addresses that no packet has both of
    (BLOCK, "-A INPUT -p udp -m udp --dport 53 -j ACCEPT", "line 3 comes before it"),   # a blocked sender would get through
    (BLOCK, "-A INPUT -p udp -m udp --dport 53 -j DROP", ""),                           # the same verdict
    (["-A INPUT -p tcp -j DROP"], "-A INPUT -p udp -j ACCEPT", ""),
    (["-A INPUT ! -p tcp -j DROP"], "-A INPUT -p udp -j ACCEPT", "line 3"),
    (["-A INPUT ! -s 10.0.0.0/8 -j DROP"], "-A INPUT -s 10.1.0.0/16 -j ACCEPT", ""),
    (["-A INPUT ! -s 10.1.0.0/16 -j DROP"], "-A INPUT -s 10.0.0.0/8 -j ACCEPT", "line 3"),
    (["-A INPUT -p udp -m udp --dport 1:99 -j DROP"], "-A INPUT -p udp -m udp --dport 100:200 -j ACCEPT", ""),
    (["-A INPUT -p udp -m udp --dport 1:100 -j DROP"], "-A INPUT -p udp -m udp --dport 100:200 -j ACCEPT", "line 3"),
    (["-A INPUT -p udp -m multiport --dports 7,9 -j DROP"], "-A INPUT -p udp -m udp --dport 8 -j ACCEPT", ""),
    (["-A INPUT -i lo -j DROP"], "-A INPUT -i eth0 -j ACCEPT", ""), (["-A INPUT -i eth+ -j DROP"], "-A INPUT -i eth0 -j ACCEPT", "line 3"),
    (["-A INPUT -s 10.0.0.1/32"], "-A INPUT -j ACCEPT", ""),                            # it only counts
    (["-A INPUT -j LOG"], "-A INPUT -j ACCEPT", "line 3"),                              # fewer lines in the log
    (["-A INPUT -m limit --limit 1/second -j DROP"], "-A INPUT -j DROP", "line 3"),     # fewer packets for its credit
    ([], "-A INPUT -m limit --limit 1/second -j DROP", "its limit"), ([], "-A INPUT -j LOG", "it does not end a packet's way"),
    (["-A INPUT -j REJECT"], "-A INPUT -j DROP", "line 3"),
])
def test_a_rule_passes_those_that_no_packet_shares_with_it(before, rule, why):
    rules = parse(table(*before, rule))
    said = may_go_first(rules, f"filter INPUT {len(before) + 1}")
    assert said.startswith(why) and bool(said) == bool(why)


def test_only_a_drop_goes_to_raw_and_past_all_that_is_before_it():
    rules = parse(table("-A PREROUTING -s 10.0.0.9/32 -j ACCEPT", name="mangle", policy=":PREROUTING ACCEPT [0:0]")
                  + table("-A INPUT -p tcp -j ACCEPT", "-A INPUT -p udp -j DROP", "-A INPUT -p udp -s 10.9.0.0/16 -j DROP",
                          "-A INPUT -j ACCEPT"))
    assert may_go_to_raw(rules, "filter INPUT 3") == "" and "line 3" in may_go_to_raw(rules, "filter INPUT 2")
    assert may_go_to_raw(rules, "filter INPUT 4") == "only a DROP of filter INPUT"
    made = moved(rules, [], ["filter INPUT 3"])
    assert list(made.tables) == ["raw", "mangle", "filter"] and len(made.tables["filter"]["INPUT"].rules) == 3
    assert made.tables["raw"]["PREROUTING"].rules[0].source.address == 10 << 24 | 9 << 16


def test_several_keep_their_order_at_the_front():
    rules = parse(table(*BLOCK))
    made = moved(rules, ["filter INPUT 5", "filter INPUT 2"], [])
    assert [r.source.address & 255 for r in made.tables["filter"]["INPUT"].rules] == [5, 2, 1, 3, 4]


PACKETS = [(10 << 24 | host, proto, port) for host in range(6) for proto in (6, 17) for port in range(1, 6)]


def walk(rules, packet):
    """INPUT of one table, as obvious as can be."""
    source, proto, port = packet
    for rule in rules.tables["filter"]["INPUT"].rules:
        if ((source & rule.source.mask) == rule.source.address) == rule.source.invert:
            continue
        if rule.protocol and (proto == rule.protocol) == rule.protocol_invert:
            continue
        if any((m.dport.low <= port <= m.dport.high) == m.dport.invert for m in rule.matches):
            continue
        if rule.target in (Target.ACCEPT, Target.DROP):
            return rule.target
    return rules.tables["filter"]["INPUT"].policy


ADDRESSES, PORTS = ["10.0.0.0/30", "10.0.0.2/32", "10.0.0.0/24"], ["1:3", "2", "3:4"]


def test_no_packets_verdict_changes_by_a_move_that_is_allowed():
    """Random rules, every packet of a small world, by the walk over chains that is written down apart from the path's."""
    rng, allowed = random.Random(7), 0
    for _ in range(400):
        lines = []
        for _ in range(rng.randrange(2, 5)):
            line = "-A INPUT" + (f" {rng.choice(['', '! '])}-s {rng.choice(ADDRESSES)}" if rng.random() < 0.7 else "")
            if rng.random() < 0.6:
                line += f" -p udp -m udp {rng.choice(['', '! '])}--dport {rng.choice(PORTS)}"
            elif rng.random() < 0.3:
                line += f" {rng.choice(['', '! '])}-p tcp"
            lines.append(line + rng.choice([" -j ACCEPT", " -j DROP", " -j DROP", ""]))
        rules = parse(table(*lines))
        where = f"filter INPUT {len(lines)}"
        if may_go_first(rules, where) == "":
            allowed += 1
            made = moved(rules, [where], [])
            for packet in PACKETS:
                assert walk(rules, packet) == walk(made, packet), (lines, packet)
    assert 50 < allowed < 350


@pytest.mark.parametrize("text", ["filter INPUT", "filter INPUT 0", "nat INPUT 1", "filter INPUT one", ""])
def test_a_place_is_table_chain_and_number(text):
    with pytest.raises(ValueError, match="table, chain and number"):
        rule_place(text)


@pytest.mark.parametrize("settings, line", [
    ({"text": table(*BLOCK), "first": "filter INPUT 6"}, "host: iptables.first: there is no rule 6 in filter INPUT: it has 5"),
    ({"text": table(*BLOCK), "raw": ["filter OTHER 1"]}, "host: iptables.raw: there is no chain OTHER in table filter"),
    ({"text": table(*BLOCK), "first": "INPUT 1"},
     'host: iptables.first: table, chain and number of a rule, from 1, such as "filter INPUT 301"'),
    ({"first": "filter INPUT 1"}, "host: iptables.first: there are no rules to move: file or text"),
])
def test_a_rule_that_is_not_there_is_one_line(settings, line):
    with pytest.raises(HostError) as error:
        rules_of(hostfile.build({"iptables": settings}, "host"))
    assert str(error.value) == line


def test_ports_show_nothing_of_rules_without_them():
    a, b = parse(table("-A INPUT -p udp -m udp --dport 5 -j DROP", "-A INPUT -p udp -j DROP")).tables["filter"]["INPUT"].rules
    assert not disjoint(a, b)
