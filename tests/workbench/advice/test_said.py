"""Every sentence of the advice is true of the run that it is printed for: scenarios, cases from the field, random hosts and traffic.

    RXPATH_SAID=300 pytest tests/workbench/advice/test_said.py       so many random hosts"""
import os
import random

import pytest

import rxpath
from rxpath.workbench.advice import rules
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.scenarios import scenario
from rxpath.workbench.traffic import spec as trafficfile

from .said import RULES, SENTENCES, wrong
from .test_scenarios import GOAL

RANDOM = int(os.environ.get("RXPATH_SAID", "24"))


@pytest.mark.parametrize("name", scenario.names())
def test_what_is_said_of_a_scenario_is_true(name):
    s = scenario.load(name)
    run = rxpath.whatif(s.the_spec(), s.the_host(), goal=GOAL.get(s.measure), jobs=1, budget="300k")
    assert wrong(run) == []
    assert str(run)


def host_and_traffic(n):
    """A small host and what comes to it, of seed n: whatever may go wrong, does somewhere."""
    r = random.Random(n)
    cpus = r.choice([1, 2, 2, 4])
    ports = r.choice([[5000], [5000, 5001], [53, 8125, 9000]])
    host = {"cpus": cpus, "profile": r.choice(["bm36", "xeon2g_2015", "vm"]), "kernel": r.choice(["6.18", "6.18", "3.10"]),
            "nic": {"driver": r.choice(["igb", "igb", "ixgbe", "veth"]), "addresses": ["10.0.0.1/24"]}, "sysctl": {}}
    if host["nic"]["driver"] != "veth":
        host["nic"]["queues"] = r.randint(1, cpus)
        host["ethtool"] = {"rx": r.choice([64, 128, 256, 512]), "rx-usecs": r.choice([0, 3, 50, 200])}
        host["irq"] = {"irqbalance": r.random() < 0.5}
    if r.random() < 0.5:
        host["sysctl"]["net.core.rmem_default"] = r.choice([4096, 20000, 212992, 4194304])
    if r.random() < 0.3:
        host["sysctl"]["net.core.netdev_budget"] = r.choice([2, 30, 3000])
    if r.random() < 0.2:
        host["sysctl"]["net.core.rmem_max"] = 16777216
    if r.random() < 0.2:
        host["sysctl"]["net.ipv4.conf.all.rp_filter"] = r.choice([1, 2])
    if r.random() < 0.2:
        host["rps"] = {"all": f"0-{cpus - 1}"} if cpus > 1 else {}
    if r.random() < 0.2:
        host["load"] = [{"cpu": r.randrange(cpus), "share": r.choice([30, 100])} for _ in range(r.randint(1, 4))]
    if r.random() < 0.6:
        host["socket"] = [{"name": f"s{p}", "bind": f"*:{p}", **({"rcvbuf": r.choice([5000, 100000])} if r.random() < 0.4 else {})}
                          for p in ports]
    read = [f"s{p}" for p in ports if r.random() < 0.7] if "socket" in host else []
    threads = r.choice([1, 1, 2, 4])
    host["app"] = [{"name": "server", "sockets": read or ["*"], "threads": threads, "service": f"{r.choice([0, 0, 1, 5, 30, 200])}us",
                    "cpu": r.randrange(cpus), "batch": r.choice([1, 1, 32]), "own_sockets": "socket" in host and r.random() < 0.2}]
    if host["app"][0]["own_sockets"]:
        host["socket"] = [{**sock, "reuseport": True} for sock in host["socket"]]
    traffic = [{"kind": r.choice(["constant", "poisson", "onoff", "pareto"]), "rate": f"{r.choice([5, 40, 150, 500, 900])}kpps",
                "count": r.randint(300, 2500), "size": r.choice([18, 300, 1400, 5000]), "flows": r.choice([1, 7, 200]), "dport": p,
                "start": f"{r.choice([0, 0, 3])}ms", "src": r.choice(["10.0.0.2-10.0.0.90", "192.168.5.0/24"]),
                "incomplete": r.choice([0, 0, 0.1]), "checksum": r.choice(["good", "good", "good", "bad", "bad-ip"])}
               for p in [*ports, *([4444] if r.random() < 0.2 else [])]]
    if "4444" in str(traffic[-1]["dport"]):
        traffic[-1]["closed"] = True
    return hostfile.build(host, "host"), trafficfile.build({"seed": n, "traffic": traffic})


@pytest.mark.parametrize("n", range(RANDOM))
def test_what_is_said_of_a_random_host_is_true(n):
    host, spec = host_and_traffic(n)
    run = rxpath.whatif(spec, host, goal=[None, None, None, "latency", "cpu"][n % 5], jobs=1, budget="200k")
    assert wrong(run, lambda k: rxpath.replay(spec, host, overrides=[f"seed={host.seed + k}", f"traffic.seed={spec.seed + k}"])) == []
    assert str(run)


def test_every_sentence_has_a_check_and_every_check_a_sentence():
    found = rules.load()
    texts = {s.text for knob in found.knob.values() for s in knob.useless} | {k.applies for k in found.knob.values() if k.applies}
    assert texts == set(SENTENCES)
    assert {r.id for r in found.rule if r.modelled} == set(RULES)


def test_a_false_sentence_is_found(monkeypatch):
    """The checks can fail: without their conditions the sentences are printed, and are wrong."""
    monkeypatch.setattr(rules.Sentence, "holds", lambda self, facts: True)
    spec = trafficfile.build({"traffic": [{"rate": "100kpps", "count": 3000}]})
    run = rxpath.whatif(spec, hostfile.build({"app": [{"name": "slow", "service": "30us"}]}, "host"), jobs=1)
    assert any("no receive buffer overflowed" in line for line in wrong(run))
