"""Python programs in virtual time, the engine's side: at each point where a program decides, the engine returns to Python and is called
again with what the program wants and how long it worked.  program.py is the side of the program."""
from .._compile import cold, path_function
from ..abi.net import Net
from ..abi.numbers import EAGAIN, NEVER, NO_THREAD, Op, Th, Trail
from ..abi.timeline import Slice
from ..path import Stage
from ..turn import charge, timeline_end
from ..user.sendmsg import sys_sendto
from .apps import Phase
from .latency import work_goes_on
from .notes import read_notes
from .sched import arm_timeout, charge_thread, go_to_sleep
from .slots import at_time, slot_of_cpu


@path_function
def hand_to_host(net: Net, n: int) -> None:
    """The engine stops here: nobody runs ahead of what the program is going to do."""
    sim = net.sim
    sim.host = n
    sim.horizon = -1
    sim.private = -1


@path_function
def host_worked(net: Net, ns: int) -> None:
    """The program has worked for so long, and wants th.op."""
    sim = net.sim
    n = sim.host
    th = net.thread[n]
    cpu = th.cpu
    c = net.cpu[cpu]
    start = c.now
    sim.host = NO_THREAD
    sim.running = cpu
    th.in_batch = 0
    th.timed_out = 0
    th.phase = Phase.ASK
    if th.op == Op.RECV:
        charge(net, cpu, Stage.SYSCALL_ENTRY)
        th.phase = Phase.CALL
        th.arg = 0
        th.result = EAGAIN
    elif th.op == Op.POLL or th.op == Op.EPOLL:
        charge(net, cpu, Stage.SYSCALL_ENTRY)
        th.phase = Phase.POLLING if th.op == Op.POLL else Phase.EPOLLING
        th.deadline = 0
    elif th.op == Op.ACCEPT:
        charge(net, cpu, Stage.SYSCALL_ENTRY)
        th.phase = Phase.ACCEPT
        th.deadline = 0
    elif th.op == Op.SEND:
        charge(net, cpu, Stage.SYSCALL_ENTRY)
        th.phase = Phase.SENDTO
    elif th.op == Op.SLEEP:
        charge(net, cpu, Stage.SYSCALL_ENTRY)
        th.phase = Phase.NAP
    elif th.op == Op.EXIT:
        th.state = Th.EXITED
        if net.trail == Trail.TIMELINE:
            timeline_end(net, cpu, Slice.TASK, n)
        c.curr = NO_THREAD
        c.need_resched = 1
    if c.slow:
        ns = ns * c.slow >> 10
    if th.serving and th.op != Op.WORK:              # it is done with what it has got when it calls again
        net.work_end[n][0] = ns
        th.serving, th.item, th.items, th.worked = 0, 0, 1, 0
        work_goes_on(net, n, th, start, 0)
    th.tail = c.now - start
    th.left = ns + th.tail
    c.now = start + th.left
    if th.op == Op.EXIT:
        c.now = start
        th.left = 0
    at_time(net, slot_of_cpu(net, cpu), c.now)


@cold
@path_function
def nap_step(net: Net, cpu: int, n: int, start: int) -> None:
    """time.sleep() of a program."""
    th = net.thread[n]
    if th.timed_out or th.arg <= 0:
        th.timed_out = 0
        th.phase = Phase.ASK
        th.left = 0
        return
    go_to_sleep(net, cpu, n)
    arm_timeout(net, cpu, th, min(start + th.arg, NEVER - 1))


@cold
@path_function
def sendto_step(net: Net, cpu: int, n: int, start: int) -> None:
    """sendto() of a program: it happens at once, with bottom halves off, so that interrupts wait for so little."""
    c, th = net.cpu[cpu], net.thread[n]
    th.result = sys_sendto(net, cpu, n)
    read_notes(net, cpu)
    ran = c.now - start
    c.syscall_ns += ran
    th.ran_sys_ns += ran
    charge_thread(th, ran)
    c.irq_until = max(c.irq_until, c.now)
    c.irq_cost = 0
    charge(net, cpu, Stage.SYSCALL_EXIT)
    th.left = net.cost[cpu][Stage.SYSCALL_EXIT]
    th.tail = th.left
    c.now -= th.left
    th.phase = Phase.ASK


@cold
@path_function
def ask_step(net: Net, n: int) -> None:
    th = net.thread[n]
    th.timed_out = 0
    th.left = 0
    th.tail = 0
    hand_to_host(net, n)
