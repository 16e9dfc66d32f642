"""Which settings are worth trying on this host for what was seen: the knobs of the rules that fired, and the popular ones that should not
help.  rules.toml says what a knob writes; here its words become `--set` texts of this host.

A Ladder is one knob with its steps, smallest first: the engine climbs it until a step brings nothing more."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rxpath.workbench.advice.facts import Seen
from rxpath.workbench.advice.rules import VERDICT, Knob, Rule, Rules, Setting
from rxpath.workbench.advice.settings import Set
from rxpath.workbench.advice.values import CannotBe, keys, same, value
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.file import HostError
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run.where_lost import losses
from rxpath.workbench.toml_in.tables import ANY
from rxpath.workbench.traffic.settings import split

THE_SENDERS = "a capture has the flows that it has; for a sender with more of them, a traffic spec"
STEPS = 64                                                  # of one ladder


@dataclass(slots=True)
class Ladder:
    """A knob, as settings of this host.  rule: the first rule that named it.  placebo: it should not help.  grows: a step holds whatever a
    smaller one holds."""
    knob: str
    title: str
    rule: str = ""
    placebo: bool = False
    grows: bool = False
    steps: list[Set] = field(default_factory=list)          # the smallest first
    not_tried: str = ""                                     # why there are no steps
    tells: bool = False                                     # worth saying


def ladders(seen: Seen, rules: Rules, facts: Mapping[str, float], goal: str) -> list[Ladder]:
    """In the order in which they should be tried: cures of the rules that fired, then what should not help."""
    wanted: dict[str, Ladder] = {}
    fired = [r for r in rules.fired(facts, goal) if goal != "loss" or worth(r, rules, facts)]
    for rule in fired:
        for name in rule.knobs:
            wanted.setdefault(name, Ladder(name, rules.knob[name].title, rule.id))
    popular = rules.goal[goal]  # type: ignore[index]
    for name in popular.knobs:
        wanted.setdefault(name, Ladder(name, rules.knob[name].title))
    for rule in fired:
        for name in rule.wont_help:
            wanted.setdefault(name, Ladder(name, rules.knob[name].title, rule.id, True))
    for step in dict.fromkeys(loss.step for loss in losses(seen.books.lost_at)
                              if goal == "loss" and not rules.saved_by_no_knob(loss.reason)):
        for name in popular.places.get(step, ()):  # type: ignore[call-overload]
            wanted.setdefault(name, Ladder(name, rules.knob[name].title, "", True))
    for ladder in wanted.values():
        fill(ladder, rules.knob[ladder.knob], seen, facts)
    known: list[list[Set]] = []
    for ladder in wanted.values():                          # two knobs that are one here: the first of them
        if ladder.steps and ladder.steps in known:
            ladder.steps, ladder.not_tried = [], "the same as another one here"
        known.append(ladder.steps)
    return list(wanted.values())


def worth(rule: Rule, rules: Rules, facts: Mapping[str, float]) -> bool:
    """Rules about a handful of frames beside many others are left for later, those about losses that no knob saves altogether."""
    total = sum(n for name, n in facts.items() if name.startswith("lost.") and name[5:] not in VERDICT)
    about_losses = rule.symptom[0].fact.startswith(("lost.", "load_lost", "buffer_lost", "reassembly_failed"))
    return not about_losses or (not rule.only() and rule.explains(facts) >= 0.005 * total)


def fill(ladder: Ladder, knob: Knob, seen: Seen, facts: Mapping[str, float]) -> None:
    """The steps of one knob on this host, or why there are none."""
    if not knob.modelled:
        ladder.not_tried, ladder.tells = knob.reason, True
        return
    ladder.grows = knob.buffer
    missing = next((c for c in knob.needs if not c.holds(facts)), None)
    if missing is not None:
        has = missing.fact not in ("rings", "interrupts", "cpus", "queues")
        ladder.not_tried = "there is nothing that it could change" if has else "this host does not have it"
        return
    for i in range(STEPS if any("x2.." in s.to for s in knob.set) else max(len(s.to) for s in knob.set)):
        try:
            step = tuple(_one_step(knob.set, i, seen))
        except CannotBe as error:
            if not ladder.steps:
                ladder.not_tried, ladder.tells = str(error), True
            break
        if not step:
            continue
        if step in ladder.steps:
            if "x2.." in knob.set[0].to:                    # every key is at its largest
                break
            continue
        of_traffic, of_host = split(step)
        try:
            changed = hostfile.apply_overrides(seen.host, of_host)
        except HostError as error:
            if not ladder.steps:
                ladder.not_tried, ladder.tells = error.text, "since" in error.text
            break
        if of_traffic or not same_machine(changed, seen.host):
            ladder.steps.append(step)
    if not ladder.steps and not ladder.not_tried:
        if seen.spec is None and any(s.key.startswith("traffic.") for s in knob.set):
            ladder.not_tried, ladder.tells = THE_SENDERS, True
            return
        missing_keys = [s.key for s in knob.set if not keys(s.key, seen)]
        ladder.tells = any(key.startswith("socket.") for key in missing_keys)
        ladder.not_tried = "--listen opened the socket: the host file does not list it" if ladder.tells else \
            "there is nothing that it could change" if missing_keys else "it is set like that already"


def _one_step(settings: Iterable[Setting], i: int, seen: Seen) -> Iterable[str]:
    made: dict[str, str] = {}
    for setting in settings:
        word = setting.to[min(i, len(setting.to) - 1)]
        if word == "x2..":
            word = f"x{_factor(i)}"
        names = keys(setting.key, seen)
        if not names:                                       # sockets that the host file does not list: nothing to write to
            return []
        for n, key in enumerate(names):
            text = value(key, word, setting.max, seen, made, n)
            if text is not None and not same(key, text, seen):
                made[key] = text
    return [f"{k}={v}" for k, v in made.items()]


def _factor(i: int) -> int:
    """2, 3, 4, 6, 8, 12, ...: doublings and what lies half-way."""
    return 2 << i // 2 if i % 2 == 0 else 3 << i // 2


def same_machine(a: Host, b: Host) -> bool:
    """Do two host files describe the same machine?  Then there is nothing to try."""
    worked_out = {"nic", "ethtool", "irq", "sysctl", "apps", "rps", "listen"}
    if any(getattr(a, name) != getattr(b, name) for name in Host.model_fields if name not in worked_out):
        return False
    return a.sysctls() == b.sysctls() and _device(a) == _device(b) and _programs(a) == _programs(b)


def _device(host: Host) -> object:
    """The first card, with what its tables leave to the driver."""
    d = host.device
    own = d.nic.model_dump(exclude={"queues"}), d.ethtool.model_dump(exclude={"rx", "tx", "rx_usecs", "adaptive_rx", "rx_flow_hash_udp4",
                                                                              "combined", "indir", "gro"})
    queues = range(d.queue_count)
    return (own, d.queue_count, d.rx_ring, d.tx_ring, d.rx_usecs, d.rss_udp, d.gro, d.indirection(), [d.irq_cpu(q) for q in queues],
            [d.rps_cpus(q) for q in queues])


def _programs(host: Host) -> object:
    return [(app.model_dump(exclude={"cpu", "sockets"}), set(app.sockets), app.cpu == ANY,
             [host.app_cpu(app, i) for i in range(app.threads)]) for app in host.apps]


def join(*parts: Set) -> Set:
    """Settings together; of one key the last counts."""
    last: dict[str, str] = {}
    for part in parts:
        for text in part:
            key, _, value = text.partition("=")
            last[key] = value
    return tuple(f"{k}={v}" for k, v in last.items())


def possible(host: Host, settings: Set) -> bool:
    try:
        hostfile.apply_overrides(host, split(settings)[1])
    except HostError:
        return False
    return True
