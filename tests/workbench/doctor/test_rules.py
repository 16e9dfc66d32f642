"""Each rule has readings that make it hold and readings that look like them and do not; what is not read is never guessed."""
import pytest

from rxpath.workbench.doctor import card_facts, socket_facts  # noqa: F401 - they register their facts
from rxpath.workbench.doctor import rules as doctor_rules
from rxpath.workbench.doctor.evidence import Evidence
from rxpath.workbench.doctor.facts import FACTS
from rxpath.workbench.doctor.rules import FILE, RuleError, load, loads
from rxpath.workbench.doctor.verdict import examine

from .hosts import host, sampled

IDLE, BUSY = {0: {"idle": 0.8, "soft": 0.1}, 1: {"idle": 1.0}}, {0: {"idle": 0.0, "soft": 0.97, "hard": 0.02}, 1: {"idle": 1.0}}
BETWEEN = {0: {"idle": 0.1, "soft": 0.5}, 1: {"idle": 1.0}}
RING = {"stats": {"rx_queue_0_drops": 500, "rx_queue_0_packets": 100_000}, "link": {"rx_packets": 100_000}}
FULL = {"drops": 400, "r": 1000}
RCVBUF = {"Udp.RcvbufErrors": 400, "Udp.InErrors": 400}
TASK, SLOW = [(700, 700, "reader", 1, 0.2, 0.0)], [(700, 700, "reader", 1, 0.99, 0.0)]
TWO = {"queues": 2, "link": {"rx_packets": 200_000}, "irq": {0: {0: 900}, 1: {1: 900}}}
UNEVEN = {0: {"processed": 190_000}, 1: {"processed": 10_000}}
SYSCTL = {"net.core.rmem_default": 212992, "net.core.rmem_max": 4194304}
FRAGS = {"FRAG": {"inuse": 3, "memory": 4_100_000}}
UDP_MEM = {"net.ipv4.udp_mem": "50 70 100"}
RPS = {0: {"dropped": 9, "received_rps": 500}}
HIGH = {"net.ipv4.ipfrag_high_thresh": 4_194_304}


def card(**what):
    return {"card": RING | what}


def stat(driver, **stats):
    return {"card": {"driver": driver, "stats": {k.replace("__", "."): v for k, v in stats.items()}, "link": {"rx_packets": 1000}}}


# rule -> (it holds, it does not); a list is of whole readings
CASES = {
    "D1": (card() | {"cpu": IDLE}, card() | {"cpu": BUSY}),
    "D2": (card() | {"cpu": BUSY}, card() | {"cpu": IDLE}),
    "D3": (card() | {"cpu": BETWEEN}, card() | {"cpu": IDLE}),
    "D4": (card(usecs=250, stats={"rx_queue_0_drops": 500, "rx_queue_0_packets": 20_000_000}) | {"cpu": IDLE},
           card(usecs=50, stats={"rx_queue_0_drops": 500, "rx_queue_0_packets": 20_000_000}) | {"cpu": IDLE}),
    "D5": (card() | {"cpu": {0: {"idle": 0.5, "steal": 0.1}}}, card() | {"cpu": {0: {"idle": 0.5, "steal": 0.005}}}),
    "D18": (card(irq={0: {0: 90}, 1: {0: 90}}, queues=2) | {"cpu": IDLE, "softnet": {0: {"time_squeeze": 50}}},
            card(irq={0: {0: 90}}) | {"cpu": IDLE, "softnet": {0: {"time_squeeze": 50}}}),
    "D6": (stat("mlx5_core", rx_discards_phy=900) | {"cpu": IDLE},
           stat("mlx5_core", rx_discards_phy=900, rx_out_of_buffer=5) | {"cpu": IDLE}),
    "D7": (stat("mlx5_core", rx_discards_phy=900, rx_out_of_buffer=5) | {"cpu": BUSY},
           stat("mlx5_core", rx_discards_phy=900, rx_out_of_buffer=5) | {"cpu": IDLE}),
    "D8": (stat("mlx5_core", tx_pause_ctrl_phy=900), stat("mlx5_core", tx_pause_ctrl_phy=900, rx_out_of_buffer=5)),
    "D9": (stat("igb", rx_crc_errors=3), stat("igb", rx_crc_errors=0)),
    "D10": (stat("igb", rx_long_length_errors=3), stat("igb", rx_long_length_errors=0)),
    "D11": (stat("igb", rx_queue_0_alloc_failed=3), stat("igb", rx_queue_0_alloc_failed=0)),
    "D12": (stat("ena", pps_allowance_exceeded=3), stat("ena", pps_allowance_exceeded=0)),
    "D41": (stat("mlx5_core", rx_xdp_drop=3), stat("mlx5_core", rx_xdp_drop=0)),
    "D13": ({"softnet": RPS, "cpu": BUSY}, {"softnet": RPS, "cpu": IDLE}),
    "D14": ({"softnet": RPS, "cpu": IDLE}, {"softnet": RPS, "cpu": BUSY}),
    "D15": ({"softnet": {0: {"dropped": 9}}}, {"softnet": RPS}),
    "D16": ({"softnet": {0: {"dropped": 9, "flow_limit_count": 9}}}, {"softnet": {0: {"dropped": 9, "flow_limit_count": 2}}}),
    "D23": ({"sockets": [FULL], "snmp": RCVBUF, "tasks": SLOW}, {"sockets": [FULL], "snmp": RCVBUF, "tasks": TASK}),
    "D23b": ({"sockets": [FULL | {"drops": 0}], "snmp": RCVBUF}, {"snmp": RCVBUF}),
    "D24": ({"sockets": [FULL], "snmp": RCVBUF, "tasks": TASK}, {"sockets": [FULL], "snmp": RCVBUF, "tasks": SLOW}),
    "D24b": ({"sockets": [FULL | {"r": 212000}], "snmp": RCVBUF, "tasks": TASK}, {"sockets": [FULL], "snmp": RCVBUF, "tasks": TASK}),
    "D23c": ({"sockets": [FULL], "snmp": RCVBUF, "tasks": [(700, 700, "reader", 1, 0.8, 0.0)]},
             {"sockets": [FULL], "snmp": RCVBUF, "tasks": SLOW}),
    "D25": ({"sockets": [FULL], "snmp": RCVBUF, "tasks": [(700, 700, "r", 0, 0.2, 0.6)], "cpu": BUSY},
            {"sockets": [FULL], "snmp": RCVBUF, "tasks": [(700, 700, "r", 0, 0.2, 0.6)], "cpu": IDLE}),
    "D25b": ({"sockets": [FULL], "snmp": RCVBUF, "tasks": [(700, 700, "r", 0, 0.2, 0.6)], "cpu": IDLE},
             {"sockets": [FULL], "snmp": RCVBUF, "tasks": [(700, 700, "r", 0, 0.2, 0.1)], "cpu": IDLE}),
    "D26": ({"sockets": [FULL], "snmp": RCVBUF, "sysctl": SYSCTL}, {"sockets": [FULL | {"rb": 425984}], "snmp": RCVBUF, "sysctl": SYSCTL}),
    "D27": ({"sockets": [FULL | {"rb": 8388608}], "snmp": RCVBUF, "sysctl": SYSCTL}, {"sockets": [FULL], "snmp": RCVBUF, "sysctl": SYSCTL}),
    "D28": (sampled({"sockets": [FULL | {"r": 212000}], "snmp": RCVBUF}, drops=[i * 9 for i in range(12)], memory=[212000] * 12),
            sampled({"sockets": [FULL | {"r": 212000}], "snmp": RCVBUF}, drops=[i * 9 for i in range(12)], memory=[212000, 9000] * 6)),
    "D29": ({"snmp": {"Udp.MemErrors": 7, "Udp.InErrors": 7}, "sockstat": {"UDP": {"mem": 99}}, "sysctl": UDP_MEM},
            {"snmp": {"Udp.MemErrors": 7, "Udp.InErrors": 7}, "sockstat": {"UDP": {"mem": 9}}, "sysctl": UDP_MEM}),
    "D29b": ({"old": True, "snmp": {"Udp.InErrors": 7}, "sockstat": {"UDP": {"mem": 99}}, "sysctl": UDP_MEM},
             {"snmp": {"Udp.InErrors": 7}, "sockstat": {"UDP": {"mem": 99}}, "sysctl": UDP_MEM}),
    "D30": ({"snmp": {"Udp.InErrors": 7, "Udp.InCsumErrors": 2}}, {"snmp": {"Udp.InErrors": 2, "Udp.InCsumErrors": 2}}),
    "D31": ({"snmp": {"Udp.InErrors": 2, "Udp.InCsumErrors": 2}}, {"snmp": {"Udp.InErrors": 2}}),
    "D32": ({"snmp": {"Udp.NoPorts": 2}}, {"snmp": {"Udp.InDatagrams": 2}}),
    "D33": ({"snmp": {"TcpExt.IPReversePathFilter": 2}}, {}),
    "D34": ({"snmp": {"IpExt.InNoRoutes": 2}}, {}),
    "D34b": ({"snmp": {"Ip.InDiscards": 2}}, {}),
    "D35": ({"snmp": {"Ip.ReasmFails": 20, "Ip.ReasmTimeout": 18}}, {"snmp": {"Ip.ReasmFails": 20, "Ip.ReasmTimeout": 2}}),
    "D35b": ({"snmp": {"Ip.ReasmFails": 20}, "sockstat": FRAGS, "sysctl": HIGH},
             {"snmp": {"Ip.ReasmFails": 20}, "sockstat": {"FRAG": {"inuse": 3, "memory": 100}}, "sysctl": HIGH}),
    "D35c": ({"snmp": {"Ip.ReasmFails": 20}, "sockstat": {"FRAG": {"inuse": 3, "memory": 100}}, "sysctl": HIGH},
             {"snmp": {"Ip.ReasmFails": 20}, "sockstat": FRAGS, "sysctl": HIGH}),
    "D36": ({"conntrack": {"drop": 5, "entries": 99, "most": 100}}, {"conntrack": {"drop": 5, "entries": 9, "most": 100}}),
    "D36b": ({"conntrack": {"drop": 5, "entries": 9, "most": 100}}, {"conntrack": {"drop": 5, "entries": 99, "most": 100}}),
    "D37": ({"rules": [("DROP", "-A INPUT -p udp -j DROP", 5)]}, {"rules": [("ACCEPT", "-A INPUT -p udp -j ACCEPT", 5)]}),
    "D38": ({"card": {"stats": {}, "link": {"rx_dropped": 9, "rx_packets": 99}}},
            {"card": {"stats": {}, "link": {"rx_dropped": 9, "rx_packets": 99}}, "softnet": {0: {"dropped": 9}}}),
    "D39": ({"card": {"stats": {}, "link": {"rx_nohandler": 9}}}, {"card": {"stats": {}}}),
    "D40": (stat("mlx5_core", rx_steer_missed_packets=3), stat("mlx5_core", rx_steer_missed_packets=0)),
    "D40b": (stat("igb", rx_queue_0_csum_err=3), stat("igb", rx_queue_0_csum_err=0)),
    "D17": ({"softnet": {0: {"time_squeeze": 50}}, "card": {"stats": {}}},
            {"softnet": {0: {"time_squeeze": 50}}, "card": RING}),
    "D19": ({"softnet": UNEVEN, "cpu": BUSY, "card": TWO | {"irq": {0: {0: 900}, 1: {0: 900}}}},
            {"softnet": UNEVEN, "cpu": BUSY, "card": TWO}),
    "D20": ({"softnet": UNEVEN, "cpu": BUSY, "card": TWO | {"stats": {"rx_queue_0_packets": 190_000, "rx_queue_1_packets": 10_000}}},
            {"softnet": UNEVEN, "cpu": BUSY, "card": TWO | {"stats": {"rx_queue_0_packets": 100_000, "rx_queue_1_packets": 100_000}}}),
    "D21": ({"softnet": UNEVEN, "cpu": BUSY, "card": {"queues": 1, "link": {"rx_packets": 200_000}}},
            {"softnet": UNEVEN, "cpu": BUSY, "card": TWO}),
    "D22": ({"card": {"irq": {0: {0: 300_000}}, "link": {"rx_packets": 400_000}}, "cpu": {0: {"hard": 0.2, "idle": 0.8}}},
            {"card": {"irq": {0: {0: 300_000}}, "link": {"rx_packets": 4_000_000}}, "cpu": {0: {"hard": 0.2, "idle": 0.8}}}),
    "D44": ({"tasks": [(12, 12, "ksoftirqd/0", 0, 0.5, 0.0)]}, {"tasks": [(12, 12, "ksoftirqd/0", 0, 0.1, 0.0)]}),
    "D45": ({"softnet": {0: {"processed": 30_000}}, "card": {"link": {"rx_packets": 10_000}}},
            {"softnet": {0: {"processed": 10_000}}, "card": {"link": {"rx_packets": 10_000}}}),
    "D45b": ({"snmp": {"Ip.InReceives": 900_000, "IpExt.InNoECTPkts": 900_000}},
             {"snmp": {"Ip.InReceives": 900_000, "IpExt.InNoECTPkts": 9_000_000}}),
    "D46": ({"softnet": {0: {"processed": -5000}}}, {}),
    "D42": ({"snmp": {"TcpExt.ListenDrops": 4, "TcpExt.ListenOverflows": 4}, "listeners": [(129, 128)]}, {"listeners": [(0, 128)]}),
    "D43": ({"snmp": {"TcpExt.TCPBacklogDrop": 4}}, {}),
    "D48": ({"card": {"usecs": 50}, "cpu": IDLE}, {"card": {"usecs": 0}, "cpu": IDLE}),
}


def verdict_of(what, latency=False):
    return examine(Evidence(what if isinstance(what, list) else host(**what), latency=latency))


def holding(verdict):
    return {c.rule.id for f in verdict.found for c in f.causes}


@pytest.mark.parametrize("rule", [r.id for r in load(FACTS).rule])
def test_a_rule_holds_for_its_readings_and_not_for_those_that_look_alike(rule):
    fires, not_quite = CASES[rule]
    verdict = verdict_of(fires, rule == "D48")
    assert rule in holding(verdict)
    assert rule not in holding(verdict_of(not_quite, rule == "D48"))
    cause = next(c for f in verdict.found for c in f.causes if c.rule.id == rule)
    assert "{" not in cause.decided + cause.cause


def test_every_case_is_of_a_rule():
    assert set(CASES) == {r.id for r in load(FACTS).rule}


@pytest.mark.parametrize("rule", ["D1", "D2", "D3"])
def test_without_the_reading_that_decides_nobody_can_tell_and_it_is_named(rule):
    verdict = verdict_of(card() | {"without": ("stat",)})
    [ring] = [f for f in verdict.found if f.name == "ring"]
    assert not ring.causes
    assert any(rule in {r.id for r in o.rules} and "/proc/stat" in o.reading for o in ring.open)


def test_a_single_condition_that_fails_decides_although_another_is_missing():
    """D24 wants an idle reader and a buffer that is not full now: a busy reader alone excludes it."""
    full = FULL | {"mem": False}
    verdict = verdict_of({"sockets": [full], "snmp": RCVBUF, "tasks": SLOW})
    [socket] = [f for f in verdict.found if f.name == "socket"]
    assert "D24" not in {r.id for o in socket.open for r in o.rules} | {c.rule.id for c in socket.causes}


@pytest.mark.parametrize("rule, beaten", [("D4", "D1"), ("D18", "D1"), ("D28", "D26"), ("D25", "D24"), ("D29b", "D30"), ("D16", "D15")])
def test_the_closer_cause_stands_alone(rule, beaten):
    causes = holding(verdict_of(CASES[rule][0]))
    assert rule in causes and beaten not in causes


def test_what_is_no_loss_leaves_the_status_0_and_what_is_makes_it_1():
    for quiet in ({}, CASES["D17"][0], CASES["D38"][0], CASES["D32"][0], CASES["D37"][0], CASES["D8"][0]):
        assert verdict_of(quiet).status == 0, quiet
    for loud in ("D1", "D9", "D12", "D15", "D23", "D29", "D36", "D42"):
        assert verdict_of(CASES[loud][0]).status == 1, loud


def test_readings_without_any_counter_of_losses_cannot_tell():
    assert verdict_of({"without": ("softnet", "snmp")}).status == 3


# ---------------------------------------------------------------- the file
TEXT = FILE.read_text()


@pytest.mark.parametrize("old, new, said", [
    ('id = "D3"', 'id = "D2"', "rule D2: id: appears twice"),
    ('fact = "window_fill"', 'fact = "window_fil"', "rule D4: when: unknown fact 'window_fil'; did you mean window_fill?"),
    ('findings = ["cable"]', 'findings = ["cabel"]', "rule D9: findings: unknown finding 'cabel'"),
    ('beats = ["D1"]', 'beats = ["D99"]', "rule D4: beats: unknown rule 'D99'"),
    ("{phy_per_million:,.1f}", "{phy_per_milion:,.1f}", "rule D9: decided: unknown fact 'phy_per_milion'"),
    ('count = "csum_errors"', 'count = "ring_lost"', "finding.udp_checksum: count: ring_lost is a fact of a device, not of a host"),
    ('mark = "C"', 'mark = "X"', "mark: \"X\" is not allowed"),
    ("version = 1", "version = ", "TOML"),
])
def test_a_mistake_in_the_rules_is_one_line(old, new, said):
    assert old in TEXT
    with pytest.raises(RuleError) as error:
        loads(TEXT.replace(old, new, 1), "rules.toml", FACTS)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_every_finding_of_a_loss_has_a_rule():
    rules = load(FACTS)
    for name, finding in rules.finding.items():
        assert rules.of(name) or finding.kind == "note" or name == "unclassified", name         # names that nobody knows have no cause


def test_every_fact_is_asked_for():
    used = {name for name in FACTS if f'"{name}"' in TEXT or "{" + name in TEXT}
    elsewhere = {"seconds"}
    assert set(FACTS) - used <= elsewhere, set(FACTS) - used - elsewhere
    assert doctor_rules.LOSSES == ("lost", "damaged")
