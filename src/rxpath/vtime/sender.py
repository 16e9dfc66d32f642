"""The sender of a device without a ring (veth, lo): a thread of another network namespace, or of this host, on one of this host's CPUs.

The cable is its schedule: at a frame's time it makes the call that sends it.  It sleeps until shortly before (sim.sender_spin), when its
timer wakes it, and looks at its clock until then, as programs do that send on time: a wake-up alone takes longer than most gaps between
packets.  Behind its schedule it sends as fast as its calls allow.  It competes for its CPU by the scheduler's rules.

A call costs Stage.SENDER - the system call, the socket's and IP's way out, down to ndo_start_xmit - then the device hands the frame
over (veth.py, loopback.py), and the softirq that this raises runs in the call, when it enables bottom halves again.  Further fragments of
the datagram are of the same call; so are further datagrams of its flow that were due at the same moment: sendmmsg()."""
from .. import path
from .._compile import mem_at, path_function, struct_at
from ..abi.engine import thread_t
from ..abi.headers import ethhdr, iphdr, udphdr
from ..abi.limits import NFEED
from ..abi.net import Net
from ..abi.nic import rx_ring
from ..abi.numbers import ETH_HLEN, ETH_P_IP, IP_HLEN, IP_MF, IP_OFFSET, IPPROTO, NEVER, Ctx, Th
from ..abi.skbuff import sk_buff
from ..drivers.nic_rx import nic_pull_one
from ..link.flow import mix
from ..path import Stage
from .apps import Phase
from .sched import arm_timeout, charge_thread, go_to_sleep
from .slots import at_time, slot_of_cpu

ASLEEP = 20_000                                      # a gap that is no longer than this beyond its spin is not worth a sleep


@path_function
def sender_due(net: Net, q: int) -> int:
    """When the next call is to begin; NEVER: nothing is to be sent."""
    ring = net.ring[q]
    if ring.staged:
        skb = net.skb[ring.stage.head]
        return max(skb.tstamp, ring.call_next)
    if ring.feed_head < ring.feed_tail:
        a = net.feed[q][ring.feed_head & NFEED - 1]
        return max(a.t, ring.call_next)
    return NEVER


@path_function
def sender_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """What the sender does next, its piece of work being done."""
    if th.phase == Phase.XMIT:
        sender_xmit_one(net, cpu, th, start)
        return
    slow, ring = net.sim.sender_slow, net.ring[th.queue]
    if slow and ring.call_began:                     # a sender that is to be slower than it can: back to back takes longer
        ring.call_next = ring.call_began + ((start - ring.call_began) * slow >> 10)
        ring.call_began = 0
    due = sender_due(net, th.queue)
    if due <= start:
        if slow:
            ring.call_began = start
        ring.late_max = max(ring.late_max, start - due)
        ring.call_flow, ring.call_datagram = -1, -1
        th.until = 0
        th.calls += 1
        th.left = net.cost[cpu][Stage.SENDER]
        th.tail = th.left
        th.phase = Phase.XMIT
        net.stage_count[cpu][Stage.SENDER] += 1
        return
    if due == NEVER:
        due = net.sim.feed_next                      # not on the cable yet, but it knows its schedule
        if due <= start:
            due = NEVER
    th.until = 0
    if due - start > net.sim.sender_spin + ASLEEP:
        go_to_sleep(net, cpu, n)
        if due != NEVER:
            arm_timeout(net, cpu, th, due - net.sim.sender_spin)
        return
    th.until = due
    th.left = due - start
    th.tail = 0


@path_function
def sender_xmit_one(net: Net, cpu: int, th: thread_t, start: int) -> None:
    """dev_queue_xmit() of one frame, and what the call does then."""
    c, q = net.cpu[cpu], th.queue
    ring = net.ring[q]
    th.left = 0
    th.phase = Phase.SEND
    if ring.staged == 0 and ring.feed_head < ring.feed_tail:
        nic_pull_one(net, q)
    if ring.staged == 0:                             # there was no skb to be had: ENOBUFS
        return
    call_remember(net, ring, net.skb[ring.stage.head])
    path.call_sender_xmit(ring.sender_xmit, net, cpu, q)
    ran = c.now - start                              # bottom halves are off: interrupts, too, wait for so little
    c.syscall_ns += ran
    th.ran_sys_ns += ran
    charge_thread(th, ran)
    c.irq_until = max(c.irq_until, c.now)
    c.irq_cost = 0
    more = call_goes_on(net, q, ring)
    if more:
        th.phase = Phase.XMIT
        th.left = net.cost[cpu][more]
        if more == Stage.SENDER:                     # sendmmsg(): one system call for all
            th.left = max(0, th.left - net.cost[cpu][Stage.SYSCALL_ENTRY] - net.cost[cpu][Stage.SYSCALL_EXIT])
        th.tail = th.left
        net.stage_count[cpu][more] += 1


# ---------------------------------------------------------------- what is one call
@path_function
def call_remember(net: Net, ring: rx_ring, skb: sk_buff) -> None:
    """The frame that is sent now, for what may follow it."""
    ring.call_t = skb.tstamp
    ring.call_flow = skb_flow(net, skb)
    ring.call_datagram = skb_datagram(net, skb)


@path_function
def call_goes_on(net: Net, q: int, ring: rx_ring) -> int:
    """Is the next frame of the same call?  Then what it costs (Stage), else 0.  Times on the cable differ: those of one moment by 1 ns."""
    if ring.call_datagram < 0 and ring.call_flow < 0:
        return 0
    if ring.staged == 0:
        if ring.feed_head == ring.feed_tail:
            return 0
        a = net.feed[q][ring.feed_head & NFEED - 1]
        if a.t > ring.call_t + 1:
            return 0
        nic_pull_one(net, q)
        if ring.staged == 0:
            return 0
    skb = net.skb[ring.stage.head]
    if skb.tstamp > ring.call_t + 1:
        return 0
    if ring.call_datagram >= 0 and skb_datagram(net, skb) == ring.call_datagram:
        return Stage.SENDER_FRAGMENT
    if net.sim.sender_slow == 0 and ring.call_flow >= 0 and skb_flow(net, skb) == ring.call_flow:
        return Stage.SENDER
    return 0


@path_function
def skb_ip_at(net: Net, skb: sk_buff) -> int:
    """Where the IPv4 header of a frame lies that has not come up yet; -1: it has none."""
    eth = struct_at(ethhdr, mem_at(net.mem_addr), skb.data)
    if skb.len - skb.data_len < ETH_HLEN + IP_HLEN + 4 or eth.h_proto != ETH_P_IP:
        return -1
    return skb.data + ETH_HLEN


@path_function
def skb_flow(net: Net, skb: sk_buff) -> int:
    """Addresses and ports of a whole UDP datagram as one number; -1: it is none."""
    at = skb_ip_at(net, skb)
    if at < 0:
        return -1
    ip = struct_at(iphdr, mem_at(net.mem_addr), at)
    if ip.protocol != IPPROTO.UDP or ip.frag_off & (IP_MF | IP_OFFSET):
        return -1
    uh = struct_at(udphdr, mem_at(net.mem_addr), at + ip.ihl * 4)
    return mix(mix(ip.saddr, ip.daddr), uh.source << 16 | uh.dest)


@path_function
def skb_datagram(net: Net, skb: sk_buff) -> int:
    """Which datagram a fragment is of, as one number; -1: it is no fragment."""
    at = skb_ip_at(net, skb)
    if at < 0:
        return -1
    ip = struct_at(iphdr, mem_at(net.mem_addr), at)
    if ip.frag_off & (IP_MF | IP_OFFSET) == 0:
        return -1
    return mix(mix(ip.saddr, ip.daddr), ip.protocol << 16 | ip.id)


# ---------------------------------------------------------------- its schedule changes
@path_function
def sender_told(net: Net, q: int) -> None:
    """A frame has come onto the cable, perhaps an earlier one than the sender waits for."""
    due = sender_due(net, q)
    if due == NEVER:
        return
    th = net.thread[net.ring[q].sender]
    if th.state == Th.SLEEPING:
        t = max(due - net.sim.sender_spin, net.sim.now)
        if t < th.timeout_at and th.wake_listed == 0:
            arm_timeout(net, th.cpu, th, t)
    elif th.until > due:
        c = net.cpu[th.cpu]
        th.until = due
        if th.state == Th.RUNNING and c.ctx == Ctx.TASK and c.need_resched == 0:          # else it looks when it goes on
            th.left = max(0, due - c.since)
            c.now = c.since + th.left
            at_time(net, slot_of_cpu(net, th.cpu), c.now)
