"""Which settings are worth trying on this host for what was seen: the knobs of the rules that fired, and the popular ones that should not
help.  rules.toml says what a knob writes; here its words become `--set` texts of this host.

A Ladder is one knob with its steps, smallest first: the engine climbs it until a step brings nothing more."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rxpath.cable.generate import flow_count
from rxpath.workbench.advice.facts import Seen
from rxpath.workbench.advice.rules import VERDICT, Knob, Rule, Rules, Setting
from rxpath.workbench.advice.settings import Set
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.file import HostError
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import App
from rxpath.workbench.run.where_lost import losses
from rxpath.workbench.toml_in.tables import ANY
from rxpath.workbench.traffic.settings import split

SOCKETS = 32                                                # that overflowed are set one by one; rmem_default sets all
BUSY_POLL_US = "50"                                         # what Documentation/admin-guide/sysctl/net.rst recommends
ASLEEP = {"@busy_read": {"recv", "poll"}, "@busy_poll": {"poll", "epoll"}}               # calls that the sysctl lets poll before they sleep
MEMBER = re.compile(r"\{(full|reader|reader_socket|queues|queue|nic|route|stream)\}")
LARGEST_INT = (1 << 31) - 1                                 # of a sysctl; SO_RCVBUF takes half of it, and doubles it
FEW = 8                                                     # flows of a stream that a hash may put into too few sockets
THE_SENDERS = "a capture has the flows that it has; for a sender with more of them, a traffic spec"
STEPS = 64                                                  # of one ladder
FRAGMENT = 2304                                             # bytes of memory that a fragment of an MTU takes, at most


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
        ladder.not_tried = knob.reason
        return
    ladder.grows = knob.buffer
    missing = next((c for c in knob.needs if not c.holds(facts)), None)
    if missing is not None:
        has = missing.fact not in ("rings", "interrupts", "cpus", "queues")
        ladder.not_tried = "there is nothing that it could change" if has else "this host does not have it"
        return
    for i in range(STEPS if any("x2.." in s.to for s in knob.set) else max(len(s.to) for s in knob.set)):
        step = tuple(_one_step(knob.set, i, seen))
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
                ladder.not_tried = error.text
            break
        if of_traffic or not same_machine(changed, seen.host):
            ladder.steps.append(step)
    if not ladder.steps and not ladder.not_tried:
        if seen.spec is None and any(s.key.startswith("traffic.") for s in knob.set):
            ladder.not_tried = THE_SENDERS
            return
        unlisted = any(not _keys(s.key, seen) for s in knob.set)
        ladder.not_tried = "--listen opened the socket: the host file does not list it" if unlisted else "it is set like that already"


def _one_step(settings: Iterable[Setting], i: int, seen: Seen) -> Iterable[str]:
    made: dict[str, str] = {}
    for setting in settings:
        word = setting.to[min(i, len(setting.to) - 1)]
        if word == "x2..":
            word = f"x{_factor(i)}"
        keys = _keys(setting.key, seen)
        if not keys:                                        # sockets that the host file does not list: nothing to write to
            return []
        for n, key in enumerate(keys):
            value = _value(key, word, setting.max, seen, made, n)
            if value is not None and not _same(key, value, seen):
                made[key] = value
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


# ---------------------------------------------------------------- keys
def _keys(key: str, seen: Seen) -> list[str]:
    """{full}, {reader}, {queue}, {queues} become what they stand for."""
    if key == "nic.queues" and seen.host.ethtool.combined:
        key = "ethtool.combined"
    found = MEMBER.search(key)
    if found is None:
        return [key]
    members: dict[str, list[str]] = {
        "full": list(dict.fromkeys(name for s in seen.read_sockets if (name := seen.tunable(s)) is not None))[:SOCKETS],
        "reader": [a.name for a in seen.readers],
        "reader_socket": list(dict.fromkeys(name for s in seen.books.sockets if s.proto == "udp" and (name := seen.tunable(s)) is not None
                                            and any(seen.reads(a, s) for a in seen.readers))),
        "stream": [str(i) for i, s in enumerate(seen.spec.traffic) if flow_count(s.stream()) < FEW] if seen.spec is not None else [],
        "nic": [seen.host.nic.name], "route": [str(_default_route(seen.host))],
        "queue": [str(q) for q in seen.lossy_queues], "queues": [str(q) for q in range(seen.host.device.queue_count)],
    }
    return [key.replace(found[0], m) for m in members[found[1]]]


def _default_route(host: Host) -> int:
    """Its place in the host file's list, or the next one."""
    return next((i for i, route in enumerate(host.routes) if route.dst == "default"), len(host.routes))


def present(key: str, seen: Seen) -> object:
    """What a key is on this host, worked out where the file leaves it to the kernel."""
    host = seen.host
    room, _, rest = key.partition(".")
    if room == "net":
        return host.sysctls().get(key)
    if key in ("nic.queues", "ethtool.combined"):
        return host.device.queue_count
    if key in ("ethtool.rx", "ethtool.tx"):
        return host.device.rx_ring if key == "ethtool.rx" else host.device.tx_ring
    if key == "ethtool.rx-usecs":
        return host.device.rx_usecs
    if key == "ethtool.rx-flow-hash-udp4":
        return host.device.rss_udp
    if key == "ethtool.gro":
        return host.device.gro
    if room == "irq":
        return host.device.irq_cpu(int(rest))
    if room == "rps":
        return host.device.rps_cpus(int(rest)) if rest else host.rps
    if room == "route":
        n, _, attribute = rest.partition(".")
        return getattr(host.routes[int(n)], attribute) if int(n) < len(host.routes) else None
    if room in ("app", "socket"):
        name, _, attribute = rest.rpartition(".")
        if room == "socket":
            if attribute == "rcvbuf":                       # what getsockopt shows is doubled
                return seen.rcvbufs.get(name, 0) // 2
            return next((getattr(s, attribute) for s in host.sockets if s.name == name), False)
        return next((getattr(a, attribute) for a in host.apps if a.name == name), None)
    if room in ("ethtool", "nic"):
        return getattr(getattr(host, room), rest.replace("-", "_"))
    return getattr(host, {"tap": "taps"}.get(key, key), None)


def _same(key: str, value: str, seen: Seen) -> bool:
    """Is it that already?"""
    if key == "ethtool.indir" and value.startswith("equal "):
        n = int(value.split()[1])
        return seen.host.device.indirection() == tuple(i % n for i in range(seen.host.device.driver.reta_size))
    now = present(key, seen)
    if isinstance(now, bool):
        return value == ("true" if now else "false")
    if isinstance(now, tuple):
        return value.replace(" ", "") == str(list(now)).replace(" ", "")
    return str(now) == value


# ---------------------------------------------------------------- values
def _value(key: str, word: int | bool | str, largest: int | str | None, seen: Seen, made: Mapping[str, str], n: int) -> str | None:
    """The text after `=`; None: nothing to set.  n: the key's place among those of its setting."""
    now = present(key, seen)
    most = _largest(key, largest, seen)
    if isinstance(word, str) and word.startswith("@"):
        return _word(word, key, seen, made, n)
    if isinstance(word, str) and re.fullmatch(r"[x/]\d+", word):
        by = int(word[1:])
        if isinstance(now, tuple):
            return '"' + " ".join(str(v * by) for v in now) + '"'
        if not isinstance(now, int):                        # this kernel does not have it: the refusal says since when it exists
            return "1"
        if most is not None and now >= most:
            return None
        return str(min(now * by, most or now * by) if word[0] == "x" else max(1, now // by))
    if word == "max":
        return str(most)
    if isinstance(word, bool):
        return "true" if word else "false"
    return str(word)


def _largest(key: str, largest: int | str | None, seen: Seen) -> int | None:
    """What the kernel or the card takes at most; of a buffer, what holds all that came for it: no larger one can do more."""
    if key == "ethtool.rx":
        return seen.host.device.most_descriptors
    if largest == "@cpus":
        return max(seen.host.cpus, *(a.threads for a in seen.readers))
    if largest == "@frames":
        return min(LARGEST_INT, seen.books.offered)
    if largest == "@fragments":
        return min(LARGEST_INT, seen.books.copies["fragments"] * FRAGMENT)
    if largest in ("@held", "@held_rcvbuf"):
        return min(LARGEST_INT, _holds_all(seen)) // (2 if largest == "@held_rcvbuf" else 1)
    assert largest is None or isinstance(largest, int), largest
    return largest


def _holds_all(seen: Seen) -> int:
    """Bytes of a receive buffer in which all that came for the socket that lost most would have had room."""
    most = max(seen.read_sockets, key=lambda s: s.received + s.drops + s.queued, default=None)
    if most is None:
        return 0
    charge = -(-most.rmem_max // most.queue_max) if most.queue_max else FRAGMENT
    return (most.received + most.drops + most.queued) * charge * 3 // 2


def _word(word: str, key: str, seen: Seen, made: Mapping[str, str], n: int) -> str | None:
    host = seen.host
    everywhere = list(range(host.cpus))
    if word in ASLEEP:
        return BUSY_POLL_US if seen.waits & ASLEEP[word] else None
    if word == "@queues":
        return str(min(host.device.most_queues, host.cpus))
    if word == "@equal":
        return f"equal {host.device.queue_count}"
    if word == "@spread":
        return str(int(key.rpartition(".")[2]) % host.cpus)
    if word == "@free":
        free = _free_cpus(seen)
        return str(free[n % len(free)]) if free else None
    if word == "@nic":
        return host.nic.name
    if word == "@mask":
        return f'"{(1 << host.cpus) - 1:x}"'
    if word == "@all_cpus":
        return str(everywhere)
    if word == "@other_cpus":
        busy = seen.poll_cpu(int(key.rpartition(".")[2]))
        return str([c for c in everywhere if c != busy])
    if word == "@quiet_cpus":
        taken = {seen.poll_cpu(int(key.rpartition(".")[2])), *(t.cpu for t in seen.reader_threads)}
        return str([c for c in everywhere if c not in taken]) if len(taken) < host.cpus else None
    if word == "@irq_cpu":
        return str(seen.poll_cpu(seen.used_queues[0])) if seen.used_queues else None
    if word == "@idle_for_irq":
        return _idle_for_irq(int(key.rpartition(".")[2]), seen, n)
    if word == "@cover":
        asked = [int(v) for k, v in made.items() if k.endswith(".rcvbuf")]
        now = present(key, seen)
        assert isinstance(now, int)
        return str(max(asked)) if asked and max(asked) > now else None
    if word == "@irq_on_node":
        near = [c for c in everywhere if seen.node(c) == host.nic.node]
        return str(near[int(key.rpartition(".")[2]) % len(near)]) if near else None
    name = key.split(".")[1]
    app = next(a for a in host.apps if a.name == name)
    if word == "@threads":
        return str(app.threads if app.threads > 1 else min(2, host.cpus))
    if word == "@half_service":
        return _half_service(app)
    if word == "@idle_for_app":
        return _cpus_for(app.threads, seen, [c for c in everywhere if c not in seen.poll_cpus] or everywhere)
    if word == "@other_core":
        apart = [c for c in everywhere if c not in seen.poll_cpus | seen.shared_cores]
        return _cpus_for(app.threads, seen, apart) if apart else None
    if word == "@nic_node":
        near = [c for c in everywhere if seen.node(c) == host.nic.node]
        return _cpus_for(app.threads, seen, [c for c in near if c not in seen.poll_cpus] or near) if near else None
    assert word == "@reader_cpus", word
    return _cpus_for(int(made.get(f"app.{name}.threads", app.threads)), seen, everywhere)


def _free_cpus(seen: Seen) -> list[int]:
    """CPUs on which no program and no other load runs, the idlest first."""
    taken = {t.cpu for t in seen.books.apps} | {c for load in seen.host.loads for c in load.cpu}
    return [c for c in seen.idlest if c not in taken]


def _idle_for_irq(queue: int, seen: Seen, n: int) -> str | None:
    """The CPU with the least to do, no reader's if there is one; of several queues each gets its own."""
    others = [c for c in _free_cpus(seen) if c != seen.poll_cpu(queue)] or [c for c in seen.idlest if c != seen.poll_cpu(queue)]
    return str(others[n % len(others)]) if others else None


def _cpus_for(threads: int, seen: Seen, allowed: list[int]) -> str:
    """CPUs for so many threads: those with the least other load and the least kernel work first."""
    rivals = {c: sum(c in load.cpu for load in seen.host.loads) for c in allowed}
    order = sorted(allowed, key=lambda c: (c in seen.shared_cores, rivals[c], round(seen.kernel_busy(c), 2), c))
    return str([order[i % len(order)] for i in range(threads)])


def _half_service(app: App) -> str | None:
    if app.service.constant:
        return str(app.service.constant // 2)
    if app.service.exponential:
        return f"{{ exponential = {app.service.exponential // 2} }}"
    return None


def join(*parts: Set) -> Set:
    """Settings together; of one key the last counts."""
    keys: dict[str, str] = {}
    for part in parts:
        for text in part:
            key, _, value = text.partition("=")
            keys[key] = value
    return tuple(f"{k}={v}" for k, v in keys.items())


def possible(host: Host, settings: Set) -> bool:
    try:
        hostfile.apply_overrides(host, split(settings)[1])
    except HostError:
        return False
    return True
