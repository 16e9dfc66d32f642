"""What a station costs: it is charged, counted and marked in one line, its first."""
from .._compile import cold, path_function
from ..abi.net import Net
from ..abi.numbers import Idle
from ..abi.skbuff import sk_buff
from ..path import Stage
from .trail import trail_mark


@path_function
def charge(net: Net, cpu: int, stage: int) -> None:
    """An event of the machine: it costs time and is counted."""
    c = net.cpu[cpu]
    c.now += net.cost[cpu][stage]
    net.stage_count[cpu][stage] += 1


@path_function
def charge_times(net: Net, cpu: int, stage: int, n: int) -> None:
    """The same event n times."""
    c = net.cpu[cpu]
    c.now += net.cost[cpu][stage] * n
    net.stage_count[cpu][stage] += n


@path_function
def charge_ipi(net: Net, cpu: int, idle: bool) -> None:
    """An interrupt for another CPU is sent: an idle one may have to be woken by a hypervisor first.  idle=poll: that CPU looks at
    need_resched all the time and gets none.  `idle` must have been seen in this CPU's turn."""
    if not idle:
        charge(net, cpu, Stage.IPI_SEND_BUSY)
    elif net.sim.idle_deepest != Idle.POLL:
        charge(net, cpu, Stage.IPI_SEND)


@path_function
def at(net: Net, cpu: int, skb: sk_buff, stage: int) -> None:
    """Every station's first line: it costs time, is counted, and leaves a mark in the trail."""
    watch = net.trail
    if watch == 0:                                   # nearly every run of virtual time
        cost = net.cost[cpu][stage]
        if cost:                                     # most stations of a profile cost nothing by themselves: no chain of additions
            c = net.cpu[cpu]
            c.now += cost
        net.stage_count[cpu][stage] += 1
    elif watch > 0:                                  # else real time: the clock is on the wall
        at_marked(net, cpu, skb, stage)


@cold
@path_function
def at_marked(net: Net, cpu: int, skb: sk_buff, stage: int) -> None:
    """The same where a trail is kept."""
    charge(net, cpu, stage)
    trail_mark(net, cpu, skb, stage, net.cost[cpu][stage], 0)


@path_function
def memory_of(net: Net, cpu: int, dev: int) -> None:
    """What comes is work on memory that the card of `dev` has written."""
    if net.cards_apart:
        look_at_memory(net, cpu, dev)


@cold
@path_function
def look_at_memory(net: Net, cpu: int, dev: int) -> None:
    """Is it near, or another NUMA node's?  The costs of what waits for memory (vtime/costs.py, MEMORY_BOUND) change places."""
    c, device = net.cpu[cpu], net.dev[dev]
    nic = net.nic[device.nic]
    far = int(net.node[cpu] != nic.node)
    if c.far != far:
        c.far = far
        change_places(net, cpu, Stage.igb_clean_rx_irq)
        change_places(net, cpu, Stage.eth_type_trans)
        change_places(net, cpu, Stage.igb_add_rx_frag)
        change_places(net, cpu, Stage.BYTE_COPY)
        change_places(net, cpu, Stage.BYTE_CSUM)


@path_function
def change_places(net: Net, cpu: int, stage: int) -> None:
    """Beside a hyper-thread (c.slow) the table of an idle sibling's is the one that counts."""
    c, other = net.cpu[cpu], net.cost_memory[cpu][stage]
    if c.slow:
        net.cost_memory[cpu][stage] = net.cost_alone[cpu][stage]
        net.cost_alone[cpu][stage] = other
        net.cost[cpu][stage] = other * c.slow >> 10
    else:
        net.cost_memory[cpu][stage] = net.cost[cpu][stage]
        net.cost[cpu][stage] = other


@path_function
def at_bytes(net: Net, cpu: int, skb: sk_buff, stage: int, n: int) -> None:
    """Work on n bytes of a packet: the cost table holds ns << 10 for one."""
    memory_of(net, cpu, skb.dev)
    c = net.cpu[cpu]
    c.now += net.cost[cpu][stage] * n >> 10
    net.stage_count[cpu][stage] += n
