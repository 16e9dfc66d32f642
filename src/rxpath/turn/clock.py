"""When a CPU has to let others go first: its clock against its horizon.

Virtual time gives each CPU a horizon (nobody is earlier until then) and a private limit (no interrupt of its own before) when it runs; real
time gives it NEVER.  A loop asks late_private() between packets, and late() before it touches what other CPUs see."""
from .._compile import asks, path_function
from ..abi.net import Net


@asks
@path_function
def late(net: Net, cpu: int) -> bool:
    """Is anybody earlier by now?"""
    c = net.cpu[cpu]
    return c.now > c.horizon


@asks
@path_function
def late_private(net: Net, cpu: int) -> bool:
    """The same, before a step that touches nothing of others: only an interrupt of this CPU comes before it."""
    c = net.cpu[cpu]
    return c.now > c.private


@path_function
def come_back(net: Net, cpu: int) -> None:
    """Make the loops return to the driver at their next question."""
    c = net.cpu[cpu]
    c.horizon = -1
    c.private = -1
