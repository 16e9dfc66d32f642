"""net/core/dev.c: the per-CPU backlog: RPS's way to another CPU, and netif_rx()'s to this one.

enqueue_to_backlog is reached from link/ and from drivers without NAPI; process_backlog is the poll of the backlog's own NAPI and hands
packets to link/ again, on this CPU.  The input queue is what other CPUs see: it is entered in the order of the clocks; the process
queue is private."""
from .._compile import cold, path_function
from ..abi.kernels import Behaviour, Sysctl
from ..abi.limits import NQ
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.nic import netif_running
from ..abi.numbers import AF_INET, NAPI_STATE_SCHED, NET_RX_DROP, NET_RX_SUCCESS, NO_CPU, NO_QUEUE, YIELD, Softirq
from ..abi.reasons import Drop
from ..abi.skbuff import RPS_SKB_CB, sk_buff
from ..abi.softnet import backlog_t
from ..abi.spent import Place
from ..link.dev import __netif_receive_skb, clone_up
from ..link.flow import hash_32, skb_get_hash
from ..path import Stage, dev_loopback, napi_poll, touched
from ..record import record_level
from ..skb import __skb_dequeue, __skb_queue_tail, kfree_skb_reason, skb_queue_splice_tail_init
from ..spent import spent_in
from ..turn import at, late, late_private, spin_lock, spin_unlock
from .napi import __napi_schedule, net_rps_send_ipi, raise_softirq_irqoff, rps_ipi_add

FLOW_LIMIT_HISTORY = 128        # net/core/dev.h; Documentation/networking/scaling.rst says 256


@path_function
def get_rps_cpu(net: Net, cpu: int, skb: sk_buff) -> int:
    """The CPU of rps_cpus that the flow's hash falls on: reciprocal_scale()."""
    at(net, cpu, skb, Stage.get_rps_cpu)
    q = skb.queue_mapping
    return net.rps_map[q][skb_get_hash(net, skb) * net.rps_len[q] >> 32]


# ---------------------------------------------------------------- RFS: a flow goes to the CPU of its reader
@cold
@path_function
def get_rfs_cpu(net: Net, cpu: int, skb: sk_buff) -> int:
    """get_rps_cpu() of a queue with rps_flow_cnt: the CPU on which the flow was read last, else RPS's, else NO_CPU: it stays here.
    RPS_SKB_CB says the flow's entry of the queue's table.  It must be this CPU's turn."""
    q = skb.queue_mapping
    h = skb_get_hash(net, skb)
    cb = RPS_SKB_CB(skb)
    cb.flow = -1
    ident = net.rps_sock_flow[h & net.rps_sock_flow_mask]
    ours = ident >= 0 and (net.behaviour[Behaviour.rfs_hash] == 0 or (ident ^ h) & ~net.rps_cpu_mask & 0xFFFFFFFF == 0)
    if not ours:
        if net.rps_len[q]:
            return get_rps_cpu(net, cpu, skb)
        at(net, cpu, skb, Stage.get_rps_cpu)
        return NO_CPU
    at(net, cpu, skb, Stage.get_rps_cpu)
    slot = hash_32(h, net.rfs_len[q]) if net.behaviour[Behaviour.rfs_hash] else h & net.rfs_len[q] - 1
    flow, wanted = net.dev_flow[q][slot], ident & net.rps_cpu_mask
    if flow.cpu != wanted:
        drained = flow.cpu < 0
        if not drained:                              # its old CPU's backlog has worked off the flow's last packet: no reordering
            drained = net.input[flow.cpu].input_queue_head >= flow.last_qtail
        if drained:
            at(net, cpu, skb, Stage.set_rps_cpu)
            flow.cpu = wanted
            flow.last_qtail = net.input[wanted].input_queue_head
    cb.flow = slot
    return flow.cpu


@path_function
def enqueue_flow(net: Net, cpu: int, skb: sk_buff, other: int) -> int:
    """enqueue_to_backlog() that notes where in the queue the flow's last packet stands."""
    q, slot, queue = skb.queue_mapping, RPS_SKB_CB(skb).flow, net.input[other]
    before = queue.input_queue_tail
    ret = enqueue_on(net, cpu, skb, other)
    if slot >= 0 and queue.input_queue_tail != before:
        flow = net.dev_flow[q][slot]
        flow.last_qtail = queue.input_queue_tail
    return ret


@touched
@path_function
def rfs_list(net: Net, cpu: int, skb: sk_buff) -> int:
    """A packet of a list.  NET_RX_DROP: it is not steered, and stays in the list."""
    other = get_rfs_cpu(net, cpu, skb)
    if other < 0:
        return NET_RX_DROP
    enqueue_flow(net, cpu, skb, other)
    return NET_RX_SUCCESS                            # it has left the list, one way or the other


@touched
@path_function
def rfs_receive(net: Net, cpu: int, skb: sk_buff) -> int:
    """netif_receive_skb() of a lone packet."""
    other = get_rfs_cpu(net, cpu, skb)
    if other < 0:
        return __netif_receive_skb(net, cpu, skb)
    return enqueue_flow(net, cpu, skb, other)


@touched
@path_function
def enqueue_to_backlog(net: Net, cpu: int, skb: sk_buff) -> int:
    """Onto the input queue of the CPU that RPS has chosen."""
    return enqueue_on(net, cpu, skb, get_rps_cpu(net, cpu, skb))


@path_function
def netif_rx(net: Net, cpu: int, skb: sk_buff) -> int:
    """Drivers without NAPI: to the backlog of this CPU, or of RPS's; the caller runs in clock order (a handler, a sender's call)."""
    at(net, cpu, skb, Stage.netif_rx)
    if net.rps_ncpu and skb.queue_mapping != NO_QUEUE:                       # lo beside cards has none of its own
        if net.rfs_len[skb.queue_mapping]:
            other = get_rfs_cpu(net, cpu, skb)
            if other >= 0:
                ret = enqueue_flow(net, cpu, skb, other)
                raise_softirq_irqoff(net, cpu, Softirq.NET_RX)
                return ret
        elif net.rps_len[skb.queue_mapping]:
            ret = enqueue_on(net, cpu, skb, get_rps_cpu(net, cpu, skb))
            raise_softirq_irqoff(net, cpu, Softirq.NET_RX)           # which sends the IPI at its end
            return ret
    return enqueue_on(net, cpu, skb, cpu)


@dev_loopback(AF_INET)
@cold
@path_function
def dev_loopback_xmit(net: Net, cpu: int, skb: sk_buff) -> int:
    """What this host has sent to many comes in by the device that it left by; no driver counts it."""
    c = net.cpu[cpu]
    skb.tstamp = c.now
    return netif_rx(net, cpu, skb)


@path_function
def enqueue_on(net: Net, cpu: int, skb: sk_buff, other: int) -> int:
    """Onto the input queue of CPU `other`; the first packet there starts its poll.  It must be this CPU's turn."""
    at(net, cpu, skb, Stage.enqueue_to_backlog)
    dev, queue, n = net.dev[skb.dev], net.input[other], NQ + other
    if not netif_running(dev):                                               # 1
        return backlog_drop(net, cpu, skb, Drop.DEV_READY)
    spin_lock(net, cpu, queue.lock)
    limit = net.sysctl[Sysctl.netdev_max_backlog]
    if queue.len > limit or skb_flow_limit(net, cpu, skb, queue.len, limit):  # 2: one more than the limit fits.  3: its flow has too much
        queue.dropped += 1
        spin_unlock(net, queue.lock)
        return backlog_drop(net, cpu, skb, Drop.CPU_BACKLOG)
    if net.spends:
        spent_in(net, cpu, skb, Place.SOFTIRQ)
    __skb_queue_tail(net, queue.input_pkt_queue, skb)
    queue.len += 1
    queue.input_queue_tail += 1
    queue.len_max = max(queue.len_max, queue.len)
    if net.record:
        c = net.cpu[cpu]
        record_level(net, net.recording.backlog + other, c.now, queue.len)
    napi = net.napi[n]
    if not napi.state & NAPI_STATE_SCHED:            # napi_schedule_rps()
        napi.state |= NAPI_STATE_SCHED
        if other == cpu:
            __napi_schedule(net, cpu, n)
        else:
            rps_ipi_add(net, cpu, other)
    spin_unlock(net, queue.lock)
    return NET_RX_SUCCESS


@cold
@path_function
def backlog_drop(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    net.dev_stat[cpu][skb.dev][DevStat.rx_dropped] += 1
    return kfree_skb_reason(net, cpu, skb, Stage.enqueue_to_backlog, reason)


@path_function
def skb_flow_limit(net: Net, cpu: int, skb: sk_buff, qlen: int, limit: int) -> bool:
    """From half a backlog on: has this flow more than half of the last packets?  The history is that of the CPU that enqueues."""
    fl = net.input[cpu]
    if fl.flow_limit == 0 or qlen < limit >> 1:
        return False
    return flow_limit_exceeded(fl, hash_32(skb_get_hash(net, skb), net.sysctl[Sysctl.flow_limit_table_len]))


@cold
@path_function
def flow_limit_exceeded(fl: backlog_t, flow: int) -> bool:
    old = fl.flow_history[fl.flow_head]
    fl.flow_history[fl.flow_head] = flow
    fl.flow_head = fl.flow_head + 1 & FLOW_LIMIT_HISTORY - 1
    if fl.flow_bucket[old]:
        fl.flow_bucket[old] -= 1
    fl.flow_bucket[flow] += 1
    if fl.flow_bucket[flow] > FLOW_LIMIT_HISTORY >> 1:
        fl.flow_count += 1
        return True
    return False


@path_function
def rps_trigger_softirq(net: Net, cpu: int) -> None:
    """The IPI's handler, on the CPU that got it."""
    sd = net.sd[cpu]
    sd.received_rps += 1
    __napi_schedule(net, cpu, NQ + cpu)


@napi_poll("process_backlog")
@path_function
def process_backlog(net: Net, cpu: int, n: int, budget: int) -> int:
    """Take over all of the input queue (a touch), then work on it in private.  Packets done, or YIELD."""
    sd, queue, napi = net.sd[cpu], net.input[cpu], net.napi[n]
    napi.weight = net.sysctl[Sysctl.dev_weight]      # counts from the next poll on: this one has its budget
    if sd.ipi_head >= 0 and napi.done == 0:          # CPUs that we have given work need not wait for the end of net_rx_action
        net_rps_send_ipi(net, cpu)
        return YIELD
    while napi.done < budget or sd.clones.head >= 0:
        if sd.clones.head >= 0:
            clone_up(net, cpu)
            if late_private(net, cpu):
                return YIELD
        elif sd.process_queue.head >= 0:
            skb = __skb_dequeue(net, sd.process_queue)
            sd.process_len -= 1
            if net.record:
                c = net.cpu[cpu]
                record_level(net, net.recording.process_queue + cpu, c.now, sd.process_len)
            napi.done += 1
            if net.spends:
                spent_in(net, cpu, skb, Place.BACKLOG)
            at(net, cpu, skb, Stage.process_backlog)
            __netif_receive_skb(net, cpu, skb)
            if late_private(net, cpu):
                return YIELD
        else:
            if late(net, cpu):
                return YIELD
            spin_lock(net, cpu, queue.lock)
            if queue.len:
                skb_queue_splice_tail_init(net, queue.input_pkt_queue, sd.process_queue)
            sd.process_len = queue.len
            sd.process_len_max = max(sd.process_len_max, sd.process_len)
            queue.len = 0
            if net.record:
                c = net.cpu[cpu]
                record_level(net, net.recording.backlog + cpu, c.now, 0)
                record_level(net, net.recording.process_queue + cpu, c.now, sd.process_len)
            if sd.process_len == 0:
                napi.state &= ~NAPI_STATE_SCHED
                queue.input_queue_head += napi.done
                spin_unlock(net, queue.lock)
                done = napi.done
                napi.done = 0
                return done
            spin_unlock(net, queue.lock)
    if net.rfs and late(net, cpu):                   # rps_input_queue_head_add(): RFS looks at it from other CPUs
        return YIELD
    queue.input_queue_head += napi.done
    done = napi.done
    napi.done = 0
    return done
