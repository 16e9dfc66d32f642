"""iptables rules, as a dialogue of frames; then the flat walk against a recursive one, on random rules and packets."""
import random

import pytest

from rxpath import path
from rxpath.abi import netfilter as abi
from rxpath.abi.numbers import Hook, Out
from rxpath.network.ip_tables_setup import load_rules, rule_counters, user2credits
from rxpath.network.nf_log import log_line
from rxpath.network.nf_setup import nf_register_net_hook, nf_unregister_net_hook, registered
from rxpath.outputs import Drain, listen
from rxpath.path import Stage
from rxpath.vtime.costs import BM36
from rxpath.workbench.host.iptables import read as iptables
from rxpath.workbench.host.iptables.flat import FlatRules, flatten, limit_credits
from rxpath.workbench.host.iptables.ruleset import MatchKind, Ruleset, Target

from ..frames import US, arp, eth, icmp, ip, ip4, tcp, udp, udp_frame
from ..lab import Lab

MS = 1_000_000
COSTS = {**BM36, Stage.nf_hook_slow: 30, Stage.ipt_do_table: 40, Stage.nf_rule: 7, Stage.LOCK: 40, Stage.BOUNCE: 100}


def rules(host: Lab, text: str, table: str = "filter") -> FlatRules:
    """Load rules; text without a *table line is the inside of that one."""
    if not text.lstrip().startswith("*"):
        text = f"*{table}\n{text.strip()}\nCOMMIT\n"
    flat = flatten(iptables.parse("\n".join(line.strip() for line in text.splitlines())))
    load_rules(host.boot, flat)
    return flat


def counts(host: Lab, flat: FlatRules) -> list[int]:
    return [n for _, n, _ in rule_counters(host.boot)]


def frag(data: bytes, at: int, more: bool, proto: int = 17) -> bytes:
    return eth(ip(data, proto=proto, ident=7, frag=(0x2000 if more else 0) | at))


@pytest.mark.parametrize("table,chain", [("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT")])
@pytest.mark.parametrize("kernel", ["6.18", "3.10"])
def test_a_drop_at_each_hook(lab, table, chain, kernel):
    """NETFILTER_DROP @ nf_hook_slow, and no counter of SNMP moves but InReceives."""
    host = lab(kernel=kernel)
    host.app(host.udp(5000))
    flat = rules(host, f":{chain} ACCEPT\n-A {chain} -p udp --dport 5000 -j DROP", table)
    host.send(*[udp_frame() for _ in range(10)]).run()
    assert host.ends() == {"NETFILTER_DROP": 10}
    assert host.mib() == {"Ip.InReceives": 10}
    hits = {(r.table, r.chain): c for r, c in zip(flat.rules, rule_counters(host.boot), strict=True) if not r.pseudo}
    assert list(hits) == [(table, chain)] and hits[table, chain][1:] == (10, 10 * 92)


def test_rules_in_place_of_others_begin_at_zero(lab):
    host = lab()
    host.app(host.udp(5000))
    text = ":INPUT ACCEPT\n-A INPUT -p udp -j ACCEPT"
    flat = rules(host, text)
    host.send(udp_frame()).run()
    assert counts(host, flat)[0] == 1
    assert set(counts(host, rules(host, text))) == {0}


def test_a_policy_decides_where_no_rule_does_and_counts(lab):
    host = lab()
    host.app(host.udp(5000))
    flat = rules(host, ":INPUT DROP\n-A INPUT -s 10.0.0.2 -j ACCEPT")
    host.send(udp_frame(), udp_frame(src="10.0.0.9"), udp_frame()).run()
    assert host.ends() == {"RECEIVED": 2, "NETFILTER_DROP": 1} and counts(host, flat) == [2, 1]


def test_without_tables_nothing_is_walked(lab):
    host = lab()
    host.app(host.udp(5000))
    host.send(udp_frame()).run()
    assert host.net.stage_count[0][Stage.nf_hook_slow] == 0


def test_a_hook_without_tables_is_not_entered(lab):
    host = lab()
    host.app(host.udp(5000))
    rules(host, ":PREROUTING ACCEPT", "raw")
    host.send(udp_frame()).run()
    assert host.net.stage_count[0][Stage.nf_hook_slow] == 1 and host.net.stage_count[0][Stage.ipt_do_table] == 1


def test_the_number_of_rules_costs_time(lab):
    took = []
    for n in (0, 1000, 5000):
        host = lab(costs=COSTS)
        host.app(host.udp(5000))
        rules(host, ":INPUT ACCEPT\n" + "-A INPUT -p tcp --dport 1 -j DROP\n" * n)
        host.send(udp_frame()).run()
        assert host.ends() == {"RECEIVED": 1} and host.net.stage_count[0][Stage.nf_rule] == n + 1
        took.append(host.net.cpu[0].softirq_ns)
    assert took[1] - took[0] == 7 * 1000 and took[2] - took[0] == 7 * 5000


def test_user_chains_return_goto_and_count(lab):
    host = lab()
    host.app(host.udp(5000))
    flat = rules(host, """
        :INPUT DROP
        :a -
        :b -
        -A INPUT -p udp -j a
        -A INPUT -j ACCEPT
        -A a -s 10.0.0.9 -j RETURN
        -A a -g b
        -A a -j DROP
        -A b -p udp --dport 5000
        -A b -d 10.0.0.9 -j DROP""")
    host.send(udp_frame(), udp_frame(src="10.0.0.9")).run()
    assert host.ends() == {"RECEIVED": 2}
    by_chain = {}
    for rule, n in zip(flat.rules, counts(host, flat), strict=True):
        by_chain.setdefault(rule.chain, []).append(n)
    assert by_chain == {"INPUT": [2, 2, 0], "a": [1, 1, 0, 0], "b": [1, 0, 1]}


def test_return_from_the_base_chain_is_its_policy(lab):
    host = lab()
    host.udp(5000)
    rules(host, ":INPUT DROP\n:c -\n-A INPUT -s 10.0.0.2 -g c\n-A INPUT -j ACCEPT\n-A c -j RETURN")
    host.send(udp_frame()).run()
    assert host.ends() == {"NETFILTER_DROP": 1}


@pytest.mark.parametrize("match,frame,holds", [
    ("-s 10.0.0.0/24", udp_frame(), 1), ("! -s 10.0.0.0/24", udp_frame(), 0), ("-d 10.0.0.1", udp_frame(), 1),
    ("! -d 10.0.0.1", udp_frame(), 0), ("-i eth0", udp_frame(), 1), ("-i eth1", udp_frame(), 0), ("-i eth+", udp_frame(), 1),
    ("-p tcp", udp_frame(), 0), ("! -p tcp", udp_frame(), 1), ("-p 17", udp_frame(), 1),
    ("-p udp --sport 40000", udp_frame(), 1), ("-p udp --sport :1023", udp_frame(), 0), ("-p udp ! --dport 5000:6000", udp_frame(), 0),
    ("-p udp -m multiport --dports 53,4000:5000", udp_frame(), 1), ("-p udp -m multiport ! --dports 53,4000:5000", udp_frame(), 0),
    ("-p udp -m multiport --ports 40000", udp_frame(), 1), ("-p udp -m multiport --sports 5000", udp_frame(), 0),
    ("-m length --length 92", udp_frame(), 1), ("-m length --length 93:", udp_frame(), 0), ("-m length ! --length 0:91", udp_frame(), 1),
    ("-m mac --mac-source 02:00:00:00:00:02", udp_frame(), 1), ("-m mac ! --mac-source 02:00:00:00:00:02", udp_frame(), 0),
    ("-p tcp --syn", eth(ip(tcp(), proto=6)), 1), ("-p tcp ! --syn", eth(ip(tcp(flags=0x10), proto=6)), 1),
    ("-p tcp --tcp-flags SYN,ACK SYN", eth(ip(tcp(flags=0x12), proto=6)), 0), ("-p tcp --dport 80", eth(ip(tcp(), proto=6)), 1),
    ("-p icmp --icmp-type echo-request", eth(ip(icmp(), proto=1)), 1), ("-p icmp --icmp-type 3", eth(ip(icmp(), proto=1)), 0),
    ("-p icmp --icmp-type 3/1", eth(ip(icmp(3, 1), proto=1)), 1), ("-p icmp ! --icmp-type 3/1", eth(ip(icmp(3, 2), proto=1)), 1),
    ("-p icmp --icmp-type any", eth(ip(icmp(13), proto=1)), 1),
])
def test_each_match(lab, match, frame, holds):
    host = lab()
    flat = rules(host, f":PREROUTING DROP\n-A PREROUTING {match} -j DROP", "raw")
    host.send(frame).run()
    assert host.ends() == {"NETFILTER_DROP": 1} and counts(host, flat)[:2] == [holds, 1 - holds]


@pytest.mark.parametrize("match,frame,end,holds", [
    ("-f", frag(bytes(80), 10, True), "policy", 1), ("-f", frag(bytes(80), 0, True), "policy", 0), ("-f", udp_frame(), "policy", 0),
    ("! -f", frag(bytes(80), 10, True), "policy", 0), ("! -f", frag(bytes(80), 0, True), "policy", 1), ("! -f", udp_frame(), "policy", 1),
    ("-p udp --dport 0", frag(bytes(80), 10, True), "policy", 0), ("-p udp ! --dport 9", frag(bytes(80), 10, True), "policy", 0),
    ("-p udp --dport 0", frag(bytes(80), 0, True), "policy", 1), ("-p udp -m multiport --dports 0", frag(bytes(80), 10, True), "policy", 0),
    ("-p udp -m multiport ! --dports 9", frag(bytes(80), 10, True), "policy", 0),
    ("-p icmp --icmp-type any", frag(bytes(80), 10, True, 1), "policy", 0),
    ("-p tcp --dport 0", frag(bytes(80), 1, True, 6), "hotdrop", 0), ("-p tcp --dport 0", frag(bytes(80), 2, True, 6), "policy", 0),
    ("-p udp --dport 9", eth(ip(b"1234567")), "hotdrop", 0), ("-p tcp --dport 9", eth(ip(bytes(19), proto=6)), "hotdrop", 0),
    ("-p icmp --icmp-type 8", eth(ip(bytes(7), proto=1)), "hotdrop", 0), ("-p udp -m multiport --dports 9", eth(ip(b"123")), "hotdrop", 0),
])
def test_ports_are_only_in_first_fragments(lab, match, frame, end, holds):
    """Others do not match, even inverted; a header cut short, or TCP from offset 1, is dropped at once."""
    host = lab()
    flat = rules(host, f":PREROUTING DROP\n-A PREROUTING {match} -j DROP", "raw")
    host.send(frame).run()
    assert host.ends() == {"NETFILTER_DROP": 1}
    assert counts(host, flat)[:2] == [holds, 0 if end == "hotdrop" else 1 - holds]


def test_reassembled_datagrams_have_ports_at_input(lab):
    host = lab()
    app = host.app(host.udp(5000))
    flat = rules(host, ":INPUT DROP\n-A INPUT -p udp --dport 5000 -m length --length 2028 -j ACCEPT")
    whole = udp(bytes(2000))
    host.send(frag(whole[:1480], 0, True), frag(whole[1480:], 185, False)).run()
    assert host.ends() == {"RECEIVED": 2} and rule_counters(host.boot)[0] == (0, 1, 2028) and host.data(app, 3) == bytes(3)
    assert counts(host, flat) == [1, 0]


# ---------------------------------------------------------------- limit
@pytest.mark.parametrize("hz", [100, 250, 1000])
def test_credits_are_those_of_xt_limit(hz):
    for avg in (1, 7, 100, 10000, 12_000_000, 864_000_000):
        for burst in (1, 5, 100, 10000):
            cost, cap, per_jiffy = limit_credits(avg, burst, hz)
            assert user2credits(avg, hz) == (cost, per_jiffy) and user2credits(avg * burst, hz)[0] == cap


def test_limit_lets_a_burst_through_and_then_its_rate(lab):
    """10/second, burst 5; frames 10 ms apart for a second: 5 + about 10."""
    host = lab()
    host.app(host.udp(5000))
    flat = rules(host, ":INPUT DROP\n-A INPUT -m limit --limit 10/second --limit-burst 5 -j ACCEPT")
    host.send(*[udp_frame() for _ in range(100)], gap=10 * MS).run()
    passed = counts(host, flat)[0]
    assert passed == 14 and host.ends() == {"RECEIVED": passed, "NETFILTER_DROP": 100 - passed}


def test_a_limit_spends_only_when_the_matches_before_it_held(lab):
    host = lab()
    host.app(host.udp(5000))
    flat = rules(host, ":INPUT DROP\n-A INPUT -p udp --dport 5000 -m limit --limit 1/hour --limit-burst 3 -j ACCEPT")
    host.send(*[udp_frame(dport=6000) for _ in range(10)], *[udp_frame() for _ in range(5)]).run()
    assert counts(host, flat) == [3, 12]


@pytest.mark.parametrize("kernel", ["6.18", "3.10"])
@pytest.mark.parametrize("table,chain", [("raw", "PREROUTING"), ("filter", "INPUT")])
def test_running_ahead_equals_one_step_with_a_shared_limit(lab, table, chain, kernel):
    """Four CPUs spend from one bucket; a walk waits in the middle, inside a user chain, and its rules are charged once."""
    from .test_ip_fragment import send_on
    seen = []
    for one_step in (False, True):
        host = lab(cpus=4, queues=4, one_step=one_step, costs=COSTS, kernel=kernel)
        sk = host.udp(5000)
        apps = [host.app(sk, cpu=c) for c in (1, 2)]
        flat = rules(host, f"""
            :{chain} DROP
            :u -
            -A {chain} -p tcp -j DROP
            -A {chain} -m length --length 1: -j u
            -A {chain} -m limit --limit 5000/second --limit-burst 20 -m limit --limit 4000/second --limit-burst 9 -j ACCEPT
            -A u -m length --length 1:40 -j DROP
            -A u -m limit --limit 9000/second --limit-burst 30 -j ACCEPT
            -A u -p icmp -j DROP""", table)
        for i in range(400):
            send_on(host, i * 5 % 4, udp_frame(), 1000 + i * 1300 + i % 7 * 90)
        host.run()
        seen.append((host.ends(), rule_counters(host.boot), [host.net.thread[a].latency_hash for a in apps],
                     [host.net.cpu[c].softirq_ns for c in range(4)], [host.net.stage_count[c][Stage.nf_rule] for c in range(4)]))
        assert set(host.ends()) == {"RECEIVED", "NETFILTER_DROP"} and 30 < counts(host, flat)[0] + host.ends()["RECEIVED"]
    assert seen[0] == seen[1]


# ---------------------------------------------------------------- LOG, REJECT
def test_log_leaves_a_line_and_goes_on(lab):
    host = lab()
    host.app(host.udp(5000))
    flat = rules(host, ':INPUT ACCEPT\n-A INPUT -p udp -j LOG --log-prefix "seen: "\n-A INPUT -p udp --dport 6000 -j DROP')
    listen(host.boot)
    host.send(udp_frame(), udp_frame(dport=6000)).run()
    assert host.ends() == {"RECEIVED": 1, "NETFILTER_DROP": 1}
    lines = [log_line(flat, r.arg, bytes(r.data)) for r in Drain(host.boot).outputs(last=True) if r.kind == Out.LOG]
    assert len(lines) == 2
    assert lines[0] == ("seen: IN=eth0 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00 SRC=10.0.0.2 DST=10.0.0.1 LEN=92 TOS=0x00 "
                        "PREC=0x00 TTL=64 ID=1 DF PROTO=UDP SPT=40000 DPT=5000 LEN=72")


@pytest.mark.parametrize("kind,code", [("icmp-port-unreachable", 3), ("icmp-host-prohibited", 10)])
def test_reject_tells_the_sender_and_ends_with_netfilter_drop(lab, kind, code):
    host = lab().listen()
    flat = rules(host, f":INPUT ACCEPT\n-A INPUT -p udp -j REJECT --reject-with {kind}")
    host.send(arp(), *[udp_frame() for _ in range(3)]).run()                        # the ARP request makes its sender known
    assert host.ends() == {"CONSUMED": 1, "NETFILTER_DROP": 3} and counts(host, flat) == [3, 0]
    assert host.mib()["Icmp.OutDestUnreachs"] == 3
    sent = [o.data for o in host.left(Out.TX)]
    assert [d[34:36] for d in sent if d[12:14] == b"\x08\x00"] == [bytes([3, code])] * 3


def test_reject_says_nothing_about_a_damaged_packet(lab):
    host = lab()
    rules(host, ":INPUT ACCEPT\n-A INPUT -j REJECT")
    host.send(eth(ip(udp(b"x" * 64, check=1))), eth(ip(icmp(3), proto=1))).run()
    assert host.ends() == {"NETFILTER_DROP": 2} and "Icmp.OutDestUnreachs" not in host.mib()


def test_reject_with_tcp_reset(lab):
    """A RST for the SYN; none for a RST, none for a damaged segment.  TCP's own counters do not move."""
    host = lab().listen()
    rules(host, ":INPUT ACCEPT\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset")
    host.send(arp(), eth(ip(tcp(seq=99), proto=6)), eth(ip(tcp(flags=4), proto=6)), eth(ip(tcp(check=1), proto=6))).run()
    assert host.ends() == {"CONSUMED": 1, "NETFILTER_DROP": 3}
    sent = [o.data for o in host.left(Out.TX) if o.data[12:14] == b"\x08\x00"]
    assert len(sent) == 1 and sent[0][47] == 0x14 and sent[0][42:46] == (100).to_bytes(4, "big")
    assert host.net.stage_count[0][Stage.tcp_v4_send_reset] == 1 and "Tcp.OutRsts" not in host.mib()


# ---------------------------------------------------------------- limits, numbers
def test_the_numbers_of_the_path_are_those_of_the_reader():
    assert {t.name: t.value for t in abi.Target} == {t.name: t.value for t in Target}
    assert {t.name: t.value for t in abi.Xt} == {t.name: t.value for t in MatchKind}


def test_functions_of_a_hook_stand_in_the_order_of_their_priority(lab):
    """iptables is one of them: two tables at LOCAL_IN, asked in this order; without any the packet passes at once."""
    host = lab()
    host.app(host.udp(5000))
    rules(host, "*filter\n:INPUT ACCEPT\n-A INPUT -p udp -j DROP\nCOMMIT\n*mangle\n:INPUT ACCEPT\n:PREROUTING ACCEPT\nCOMMIT\n")
    at = host.net.nf_hooks[Hook.LOCAL_IN]
    assert [p for p, _, _ in registered(at)] == [-150, 0] and [p for p, _, _ in registered(host.net.nf_hooks[Hook.PRE_ROUTING])] == [-150]
    assert {path.nf_hookfn.name_of(f) for _, f, _ in registered(at)} == {"ipt_do_table"}
    host.send(udp_frame()).run()
    assert host.ends() == {"NETFILTER_DROP": 1} and host.net.stage_count[0][Stage.ipt_do_table] == 3
    for hook in (Hook.LOCAL_IN, Hook.PRE_ROUTING):
        nf_unregister_net_hook(host.net, hook, "ipt_do_table")
    assert host.net.nf_active == 0
    host.send(udp_frame()).run()
    assert host.ends() == {"NETFILTER_DROP": 1, "RECEIVED": 1} and host.net.stage_count[0][Stage.ipt_do_table] == 3


def test_a_function_of_the_same_priority_goes_in_front_and_a_hook_takes_so_many():
    host = Lab(plain=True)
    for priv, priority in ((1, 0), (2, 0), (3, -5), (4, 5)):
        nf_register_net_hook(host.net, Hook.LOCAL_IN, "ipt_do_table", priv, priority)
    assert [priv for _, _, priv in registered(host.net.nf_hooks[Hook.LOCAL_IN])] == [3, 2, 1, 4]
    for priv in range(abi.NHOOKFN - 4):
        nf_register_net_hook(host.net, Hook.LOCAL_IN, "ipt_do_table", priv, 9)
    with pytest.raises(ValueError, match="ipt_do_table: a hook takes 8 functions at most"):
        nf_register_net_hook(host.net, Hook.LOCAL_IN, "ipt_do_table", 1, 9)
    with pytest.raises(ValueError, match="no nf_hookfn is called nft_do_chain: ipt_do_table"):
        nf_register_net_hook(host.net, Hook.LOCAL_IN, "nft_do_chain", 1, 9)


def test_every_kind_of_match_and_target_has_its_function():
    assert {path.xt_match.name_of(kind) for kind in abi.Xt} == \
        {"udp_mt", "tcp_mt", "icmp_match", "multiport_mt", "length_mt", "limit_mt", "mac_mt"}
    assert path.xt_target.name_of(abi.Target.LOG) == "log_tg" and path.xt_target.name_of(abi.Target.REJECT) == "reject_tg"


def test_more_rules_than_the_table_holds_are_refused():
    host = Lab()

    class Flat:
        rules, matches, ports = range(abi.NRULE_ENTRIES + 1), (), ()
    with pytest.raises(ValueError, match="32769 rules and ends of chains, at most 32768"):
        load_rules(host.boot, Flat)


# ---------------------------------------------------------------- the flat walk against a recursive one
class Oracle:
    """Verdict and counters of a Ruleset by recursion over its chains, for packets as dicts; no limit, no fragments."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.tables, self.hits = ruleset.tables, {}

    def hold(self, rule, p) -> bool:
        if (p["src"] & rule.source.mask == rule.source.address) == rule.source.invert:
            return False
        if (p["dst"] & rule.destination.mask == rule.destination.address) == rule.destination.invert:
            return False
        if rule.protocol and (p["proto"] == rule.protocol) == rule.protocol_invert:
            return False
        return all(self.match(m, p) for m in rule.matches)

    def match(self, m, p) -> bool:
        def inside(r, v):
            return (r.low <= v <= r.high) != r.invert
        if m.kind in (MatchKind.TCP, MatchKind.UDP):
            mask, value, invert = m.flags
            return inside(m.sport, p["sport"]) and inside(m.dport, p["dport"]) and (
                m.kind == MatchKind.UDP or (p["flags"] & mask == value) != invert)
        if m.kind == MatchKind.MULTIPORT:
            ports = {"source": [p["sport"]], "destination": [p["dport"]], "either": [p["sport"], p["dport"]]}[m.side]
            return any(low <= x <= high for low, high in m.ports for x in ports) != m.invert
        return inside(m.range, p["len"])

    def chain(self, table, name, p):
        """ACCEPT or DROP, None: returned to the caller."""
        chain = self.tables[table][name]
        for k, rule in enumerate(chain.rules):
            if not self.hold(rule, p):
                continue
            self.hits[table, name, k] = self.hits.get((table, name, k), 0) + 1
            if rule.target in (Target.ACCEPT, Target.DROP):
                return rule.target
            if rule.target == Target.RETURN:
                return self.end(table, name) if chain.policy is not None else None
            if rule.target == Target.JUMP:
                verdict = self.chain(table, rule.chain, p)
                if verdict is not None:
                    return verdict
            if rule.target == Target.GOTO:
                verdict = self.chain(table, rule.chain, p)
                return self.end(table, name) if verdict is None and chain.policy is not None else verdict
        self.hits[table, name, len(chain.rules)] = self.hits.get((table, name, len(chain.rules)), 0) + 1
        return chain.policy

    def end(self, table, name):
        chain = self.tables[table][name]
        self.hits[table, name, len(chain.rules)] = self.hits.get((table, name, len(chain.rules)), 0) + 1
        return chain.policy

    def accepts(self, p) -> bool:
        return all(self.chain(t, c, p) == Target.ACCEPT for t, c in
                   (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT")) if t in self.tables)


def random_rule(r: random.Random, chains: list[str], base: bool) -> str:
    words = []
    if r.random() < .3:
        words.append(r.choice(["", "! "]) + f"-s 10.0.0.{r.choice((2, 3, 4))}/{r.choice((24, 31, 32))}")
    if r.random() < .2:
        words.append(r.choice(["", "! "]) + f"-d 10.0.0.1/{r.choice((8, 32))}")
    kind = r.random()
    if kind < .35:
        words.append(f"-p udp{r.choice(['', ' !'])} --dport {r.choice((5000, 5001))}")
    elif kind < .5:
        words.append(f"-p udp --sport {r.choice(('40000', ':40001', '40001:'))}")
    elif kind < .6:
        words.append(f"-p tcp --tcp-flags SYN,ACK,RST {r.choice(('SYN', 'ACK', 'NONE'))}")
    elif kind < .75:
        words.append(f"-p {r.choice(('udp', 'tcp'))} -m multiport{r.choice(['', ' !'])} {r.choice(('--sports', '--dports', '--ports'))} "
                     f"{r.choice(('5000,40001', '5001:5002', '40000'))}")
    if r.random() < .2:
        words.append(f"-m length --length {r.choice(('0:91', '92', '93:'))}")
    targets = ["", "-j RETURN", "-j ACCEPT", "-j DROP"] + [f"{r.choice(('-j', '-g'))} {c}" for c in chains for _ in range(2)]
    words.append(r.choice(targets))
    return " ".join(words)


def random_rules(r: random.Random) -> str:
    text = []
    for table, bases in (("raw", ["PREROUTING"]), ("mangle", ["PREROUTING", "INPUT"]), ("filter", ["INPUT"])):
        if r.random() < .3 and table != "filter":
            continue
        users = [f"u{k}" for k in range(r.randint(0, 4))]
        text += [f"*{table}", *[f":{c} {r.choice(('ACCEPT', 'ACCEPT', 'DROP'))}" for c in bases], *[f":{c} -" for c in users]]
        for c in bases:
            text += [f"-A {c} {random_rule(r, users, True)}" for _ in range(r.randint(0, 6))]
        for k, c in enumerate(users):
            text += [f"-A {c} {random_rule(r, users[k + 1:], False)}" for _ in range(r.randint(0, 4))]
        text.append("COMMIT")
    return "\n".join(text) + "\n"


@pytest.mark.parametrize("seed", range(25))
def test_the_flat_walk_does_what_a_recursive_one_does(lab, seed):
    r = random.Random(seed)
    text = random_rules(r)
    ruleset = iptables.parse(text)
    oracle, flat = Oracle(ruleset), flatten(ruleset)
    host = lab()
    for port in (5000, 5001, 5002):
        host.udp(port)
    load_rules(host.boot, flat)
    dropped = 0
    for _ in range(40):
        src, n = f"10.0.0.{r.choice((2, 3, 4, 9))}", r.choice((63, 64, 65))
        p = {"src": ip4(src), "dst": ip4(US), "sport": r.choice((40000, 40001, 40002)), "dport": r.choice((5000, 5001, 5002)), "flags": 0}
        if r.random() < .3:
            p |= {"proto": 6, "flags": r.choice((2, 16, 18, 4)), "len": 40 + n}
            frame = eth(ip(tcp(bytes(n), p["sport"], p["dport"], flags=p["flags"], src=src), src, proto=6))
        else:
            p |= {"proto": 17, "len": 28 + n}
            frame = udp_frame(bytes(n), p["sport"], p["dport"], src)
        dropped += not oracle.accepts(p)
        host.send(frame)
    host.run()
    assert host.ends().get("NETFILTER_DROP", 0) == dropped, text
    places: dict[tuple[str, str], int] = {}
    for rule, n in zip(flat.rules, counts(host, flat), strict=True):
        k = places[rule.table, rule.chain] = places.get((rule.table, rule.chain), -1) + 1
        assert n == oracle.hits.get((rule.table, rule.chain, k), 0), (rule, text)


