"""The machine round the receive path, as a host file describes it: hyper-threads, NUMA nodes, idle states, background load, softirqs
that are not packets.  host.py puts the tables into a Host, host/check.py holds what needs more than one key, assemble.py writes the
path's tables."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from rxpath.workbench.toml_in.tables import CPUS_MAX, Cpus, Duration, Flag, Int, Part, key
from rxpath.workbench.words import units


def _groups(value: object) -> object:
    """[[0, 1], "2-3"]: lists of CPUs, none in two."""
    if not isinstance(value, (list, tuple)):
        raise ValueError("")
    groups = tuple(units.cpu_list(item) for item in value)
    every = [cpu for group in groups for cpu in group]
    if any(not group for group in groups) or len(every) != len(set(every)):
        raise ValueError("each CPU stands in one list")
    return groups


def _percent(value: object) -> int:
    """"30%" or 30: of a hundred."""
    text = value.removesuffix("%").strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 4:
        text = int(text)
    if isinstance(text, bool) or not isinstance(text, int) or not 1 <= text <= 100:
        raise ValueError("")
    return text


Groups = Annotated[tuple[tuple[int, ...], ...], BeforeValidator(_groups)]
Percent = Annotated[int, BeforeValidator(_percent)]


class Cpu(Part):
    """Cores, nodes and idle states.  Frequency is not modelled: every CPU has the speed of the cost profile."""

    siblings: Groups = key((), "hyper-threads of one core: while both are busy each is slower by the profile's factor SIBLING",
                           "lists of CPUs such as [[0, 1], [2, 3]]", example="[[0, 1]]")
    nodes: Groups = key((), "NUMA nodes: lines that cross cost the profile's BOUNCE_NODE, memory of the NIC's node its factor "
                            "REMOTE_MEMORY; none: one node", "lists of all CPUs such as [[0, 1], [2, 3]]", example="[[0, 1]]")
    idle: Literal["C1", "C1E", "C3", "C6", "poll"] = key(
        "C1", "deepest idle state that the governor may choose; poll is idle=poll, which does not sleep", "C1, C1E, C3, C6 or poll",
        "ours: the exit latency that the profiles were made with")


class Load(Part):
    """A thread that only burns CPU, under the scheduler: what else the machine does."""

    cpu: Cpus = key(..., "CPUs, one thread on each", units.CPUS_ALLOWED, example="[0]")
    share: Percent = key(100, "of the CPU, when nobody else wants it", "1% to 100%")
    slice: Duration = key(1_000_000, "it works so long, then it sleeps", units.DURATION_ALLOWED, "ours", ge=1000)
    nice: Int = key(0, "niceness", "-20 to 19", ge=-20, le=19)
    start: Duration = key(0, "when it begins", units.DURATION_ALLOWED)


def _per_second(value: object) -> float:
    """5, 0.5 or "5/s": so many in a second."""
    if isinstance(value, str):
        value = value.removesuffix("/s").strip()
        try:
            value = float(value)
        except ValueError:
            raise ValueError("") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100_000:
        raise ValueError("")
    return float(value)


PerSecond = Annotated[float, BeforeValidator(_per_second)]


class Stalls(Part):
    """Times at which a CPU runs no instruction: the hypervisor has given its processor to others (steal), on bare metal an SMI."""

    rate: PerSecond = key(0.0, "stalls in a second, of each CPU, at exponential distances; 0: none. Without this table a profile "
                               "that rxpath calibrate has made brings its own", '0 to 100000, such as 5 or "5/s"',
                          "[M] a quiet guest has 1 to 5 above 1 ms")
    length: Duration = key(1_500_000, "how long one takes on average, exponential", '"1us" to "10s"',
                           "[M] 1 to 6 ms are seen", ge=1000, le=10**10)
    cpu: Cpus = key((), "CPUs that stall; none: all", units.CPUS_ALLOWED, example="[0]")


class SoftirqSource(Part):
    """A device or a subsystem that is not modelled but for its softirqs: they run before or after NET_RX, in the order of __do_softirq."""

    type: Literal["HI", "TIMER", "NET_TX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"] = key(
        ..., "which vector", "HI, TIMER, NET_TX, BLOCK, IRQ_POLL, TASKLET, SCHED, HRTIMER or RCU", example='"BLOCK"')
    cpu: Cpus = key(..., "CPUs that it interrupts", units.CPUS_ALLOWED, example="[0]")
    every: Duration = key(..., "time from one interrupt to the next", units.DURATION_ALLOWED, example='"1ms"', ge=1000)
    cost: Duration = key(..., "work in softirq context for each", units.DURATION_ALLOWED, example='"50us"')
    random: Flag = key(False, "exponential distances with that mean", "true or false")
    start: Duration = key(0, "when the first comes; 0: after `every`", units.DURATION_ALLOWED)


__all__ = ["CPUS_MAX", "Cpu", "Load", "SoftirqSource", "Stalls"]
