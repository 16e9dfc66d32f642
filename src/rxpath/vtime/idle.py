"""How deep an idle CPU sleeps: drivers/cpuidle, with a governor after the manner of menu.

The nap is expected to last as long as the CPU's own next timer allows, and not longer than its last naps did on average; the deepest
state whose target residency fits is taken.  Leaving it takes its exit latency (Stage.IDLE_EXIT and what follows): nobody's work, it comes
before the interrupt's handler.  Everything that is looked at is the CPU's own.  Frequency (P-states, turbo) is not modelled.

A guest's CPU has one kind of halt, and how deep that is, the hypervisor decides while it lasts: the profile's [halt] says what the way
back takes by how long it was away."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import Idle
from ..path import Stage

RESIDENCY_C1E, RESIDENCY_C3, RESIDENCY_C6 = 20_000, 100_000, 400_000     # [K] intel_idle, Haswell and Skylake servers: target_residency
LONGEST = 2_000_000                                  # a nap counts for no more: one long silence does not hide many short ones
WEIGHT = 3                                           # each nap moves the mean by an eighth


@path_function
def idle_select(net: Net, cpu: int) -> None:
    """cpuidle_select(), as the CPU goes idle at c.since."""
    c = net.cpu[cpu]
    deepest = net.sim.idle_deepest
    if deepest == Idle.POLL:
        c.idle_state = Idle.POLL
        return
    nap = min(c.idle_mean, min(min(c.next_timer, c.hrtimer), c.device_irq) - c.since)
    state = 0
    if nap >= RESIDENCY_C6:
        state = Idle.C6
    elif nap >= RESIDENCY_C3:
        state = Idle.C3
    elif nap >= RESIDENCY_C1E:
        state = Idle.C1E
    c.idle_state = min(state, deepest)


@path_function
def halt_exit(net: Net, slept: int) -> int:
    """What the way back takes a guest's CPU beside its IDLE_EXIT after so long a halt (the profile's [halt])."""
    sim = net.sim
    i = 0
    while i < sim.nhalt and slept >= sim.halt_slept[i]:
        i += 1
    if i == 0:
        return sim.halt_ns[0]
    if i == sim.nhalt:
        return sim.halt_ns[i - 1]
    t, ns = sim.halt_slept[i - 1], sim.halt_ns[i - 1]
    return ns + (sim.halt_ns[i] - ns) * (slept - t) // (sim.halt_slept[i] - t)


@path_function
def idle_reflect(net: Net, cpu: int, ns: int) -> None:
    """The nap has lasted so long."""
    c = net.cpu[cpu]
    c.idle_mean += (min(ns, LONGEST) - c.idle_mean) >> WEIGHT
    net.stage_count[cpu][Stage.IDLE_EXIT + c.idle_state] += 1
