"""Running ahead equals one step at a time equals slices of 10 us, to the byte; compiled equals plain."""

import hashlib

import pytest

from rxpath import boot, record
from rxpath.abi.kernels import Sysctl
from rxpath.abi.limits import NCPU, NSTAGE
from rxpath.abi.mib import Mib
from rxpath.abi.numbers import MSG_WAITFORONE, Idle, Kind, Softirq, WaitBy
from rxpath.abi.reasons import Drop
from rxpath.drivers.net_device import napi_defer
from rxpath.link.setup import set_rfs
from rxpath.path import Stage
from rxpath.user.socket import connect
from rxpath.vtime import engine, feed, machine, pauses, setup, waiting
from rxpath.vtime.apps import SERVICE_EXPONENTIAL, SERVICE_LIST, Phase
from rxpath.vtime.costs import BM36
from rxpath.vtime.dice import seeded

from ..frames import PEER, ip4, udp_frame
from ..lab import Lab, whole_state

TINY = {s: n for s, n in BM36.items() if s not in (Stage.IPI_LATENCY, Stage.IDLE_EXIT, Stage.SWITCH, Stage.NIC_LATENCY, Stage.WAKE)} | {
    Stage.IPI_LATENCY: 20,
    Stage.IDLE_EXIT: 10,
    Stage.SWITCH: 30,
    Stage.NIC_LATENCY: 15,
    Stage.WAKE: 7,
}

DEEP = BM36 | {Stage.IDLE_EXIT_C1E: 10_000, Stage.IDLE_EXIT_C3: 33_000, Stage.IDLE_EXIT_C6: 133_000}

EARLY = BM36 | {Stage.IPI_SEND: 16_000, Stage.IPI_SEND_BUSY: 11_000, Stage.IPI_BUSY: 10_000, Stage.IPI_LATENCY: -5_000}

SCENARIOS = {
    "same CPU 0.5": dict(rate=4.6e5),
    "same CPU 0.9": dict(rate=8.3e5),
    "same CPU, ITR": dict(rate=8.3e5, itr_ns=20_000),
    "overload": dict(rate=3e6),
    "other CPU 0.9": dict(rate=1.3e6, apps=(1,)),
    "other CPU, ITR, overload": dict(rate=2e6, apps=(1,), itr_ns=20_000),
    "other CPU, tiny latencies": dict(rate=1e6, apps=(1,), costs=TINY),
    "nothing costs anything": dict(rate=1e6, apps=(1,), costs={}),
    "4 + 4": dict(queues=4, cpus=4, apps=(0, 1, 2, 3), rate=7e5),
    "8 + 8": dict(queues=8, cpus=8, apps=tuple(range(8)), rate=8e5, itr_ns=20_000),
    "4 + 4 apart": dict(queues=4, cpus=8, apps=(4, 5, 6, 7), rate=9e5),
    "random service": dict(rate=4e5, apps=(1,), service=(SERVICE_EXPONENTIAL, 1000)),
    "services from a list": dict(rate=4e5, apps=(1,), service=(SERVICE_LIST, 0)),
    "batches of 8": dict(queues=2, apps=(0, 0), rate=3e5, batch=8, flags=MSG_WAITFORONE),
    "batches of 8, until full": dict(rate=6e5, batch=8, apps=(1,)),
    "timeouts": dict(rate=2e4, timeout=30_000, apps=(1,)),
    "batches with timeouts": dict(rate=2e4, timeout=90_000, apps=(1,), batch=4),
    "shared socket, 2 readers": dict(queues=2, cpus=4, apps=(2, 3), shared=True, rate=8e5, service=(SERVICE_EXPONENTIAL, 300)),
    "shared socket, 4 queues, 4 readers": dict(queues=4, cpus=8, apps=(4, 5, 6, 7), shared=True, rate=4e5),
    "RPS 0 to 1": dict(rate=9e5, cpus=3, apps=(2,), rps=(1,)),
    "interrupts before their sender goes on": dict(queues=2, cpus=4, apps=(2, 3), rate=4e4, costs=EARLY),
    "RPS, interrupts before their sender goes on": dict(rate=2e5, cpus=3, apps=(2,), rps=(1,), costs=EARLY),
    "RPS to readers, interrupts before their sender goes on": dict(queues=2, cpus=4, apps=(2, 3), rps=(2, 3), rate=1e5, costs=EARLY),
    "RPS to itself": dict(rate=5e5, apps=(1,), rps=(0,)),
    "RPS over 3 CPUs": dict(queues=4, cpus=8, apps=(4, 5, 6, 7), rps=(1, 2, 3), rate=3e5),
    "3 readers of one CPU": dict(queues=3, cpus=5, apps=(4, 4, 4), rate=4.5e5, service=(SERVICE_EXPONENTIAL, 200)),
    "spinning": dict(rate=5e5, apps=(1,), wait_by=WaitBy.SPIN),
    "epoll": dict(queues=2, cpus=3, apps=(2,), rate=2e5, wait_by=WaitBy.EPOLL, all_socks=True),
    "poll": dict(queues=2, cpus=3, apps=(2,), rate=2e5, wait_by=WaitBy.POLL, all_socks=True),
    "threaded NAPI": dict(rate=8e5, cpus=3, apps=(2,), threaded=1),
    "threaded NAPI beside its reader": dict(rate=8e5, apps=(0,), threaded=0),
    "busy polling": dict(rate=3e5, apps=(1,), busy=50_000),
    "busy polling beside the interrupt": dict(rate=5e5, apps=(0,), busy=20_000),
    "epoll, busy polling": dict(queues=2, cpus=3, apps=(2,), rate=1e5, wait_by=WaitBy.EPOLL, all_socks=True, busy_poll=20_000),
    "epoll, busy polling beside the interrupt": dict(rate=2e5, apps=(0,), wait_by=WaitBy.EPOLL, busy_poll=20_000, hogs=(0,)),
    "two epolls that busy-poll one queue, timeouts": dict(queues=2, cpus=3, apps=(1, 2), rate=4e4, wait_by=WaitBy.EPOLL,
                                                          busy_poll=50_000, timeout=30_000),
    "poll, busy polling": dict(queues=2, cpus=3, apps=(2,), rate=1e5, wait_by=WaitBy.POLL, all_socks=True, busy=9_000, busy_poll=20_000),
    "poll, busy polling beside the interrupt": dict(rate=2e5, apps=(0,), wait_by=WaitBy.POLL, busy=9_000, busy_poll=20_000, hogs=(0,)),
    "poll, busy polling, timeouts": dict(rate=4e4, apps=(1,), wait_by=WaitBy.POLL, busy=1, busy_poll=50_000, timeout=30_000),
    "hogs": dict(rate=5e5, apps=(0,), hogs=(0, 1)),
    "deferred interrupts": dict(queues=2, cpus=3, apps=(2, 2), rate=3e5, defer=(2, 15_000)),
    "deferred interrupts, threaded": dict(rate=3e5, cpus=3, apps=(2,), defer=(2, 15_000), threaded=1),
    "deferred interrupts, busy polling": dict(rate=3e5, apps=(1,), defer=(2, 15_000), busy=20_000),
    "RFS": dict(queues=2, cpus=5, apps=(3, 4), rate=4e5, rps=(1, 2), rfs=True),
    "nice": dict(rate=6e5, apps=(0,), hogs=(0,), nice=5),
    "hyper-threads": dict(queues=2, cpus=4, apps=(1, 3), rate=5e5, siblings=((0, 1), (2, 3)), service=(0, 500)),
    "hyper-threads, same CPU, hogs": dict(rate=4e5, apps=(0,), hogs=(0, 1), siblings=((0, 1),), n=8000),
    "NUMA nodes": dict(queues=2, cpus=4, apps=(2, 3), rate=6e5, nodes=(0, 0, 0, 1)),
    "deep idle": dict(rate=3e4, apps=(1,), idle=Idle.C6, costs=DEEP, n=2000),
    "deep idle, timeouts": dict(rate=2e4, apps=(1,), idle=Idle.C3, costs=DEEP, timeout=30_000, n=2000),
    "other softirqs": dict(rate=6e5, apps=(0,), sources=((0, Softirq.BLOCK, 200_000, 30_000, 1), (0, Softirq.RCU, 70_000, 5_000, 0))),
    "roaming": dict(queues=2, cpus=4, apps=(0, 0), rate=4e5, roams=True, service=(SERVICE_EXPONENTIAL, 400)),
    "roaming among hogs": dict(queues=2, cpus=4, apps=(0, 1), rate=3e5, roams=True, hogs=(0, 1, 2), costs=TINY),
    "roaming among short naps": dict(queues=2, cpus=4, apps=(0, 1), rate=2e5, roams=True, hogs=(0, 1, 2), hog=(3_000, 7_000),
                                     costs=BM36 | {Stage.IPI_LATENCY: 60_000}),
    "roaming with timeouts": dict(queues=2, cpus=3, apps=(0, 1), rate=2e4, roams=True, timeout=30_000, hogs=(1,)),
    "a shared socket among roaming threads": dict(queues=2, cpus=4, apps=(0, 1, 2, 3), shared=True, rate=4e5, roams=True),
    "virtio_net": dict(queues=2, cpus=4, apps=(1, 3), rate=9e5, driver="virtio_net"),
    "virtio_net, threaded": dict(rate=8e5, cpus=3, apps=(2,), threaded=1, driver="virtio_net"),
    "virtio_net, busy polling": dict(rate=3e5, apps=(1,), busy=50_000, driver="virtio_net"),
    "virtio_net, deferred interrupts": dict(queues=2, cpus=3, apps=(2, 2), rate=3e5, defer=(2, 15_000), driver="virtio_net"),
    "a service that sleeps": dict(rate=2e4, apps=(1,), sleep=(0, 20_000), n=1500),
    "a service that works and sleeps, in batches": dict(queues=2, cpus=3, apps=(2, 2), rate=2e4, batch=4, flags=MSG_WAITFORONE,
                                                        service=(SERVICE_EXPONENTIAL, 4000), sleep=(SERVICE_LIST, 0), n=1500),
    "work by the clock, in batches": dict(queues=2, cpus=2, apps=(0, 1), rate=2e5, batch=4, flags=MSG_WAITFORONE, hogs=(1,),
                                          service=(SERVICE_EXPONENTIAL, 4000), by_clock=1),
    "pauses": dict(rate=3e5, apps=(1,), pause=dict(every=400_000, for_=90_000)),
    "pauses of who shares its CPU": dict(rate=3e5, apps=(0,), hogs=(0,), pause=dict(every=400_000, for_=90_000, random=1)),
    "pauses that compute": dict(rate=2e5, apps=(1,), hogs=(1,), service=(SERVICE_EXPONENTIAL, 900),
                                pause=dict(every=300_000, for_=50_000, random=1, busy=1)),
    "pauses in epoll": dict(queues=2, cpus=3, apps=(2,), rate=2e5, wait_by=WaitBy.EPOLL, all_socks=True,
                            pause=dict(every=300_000, for_=40_000)),
    "pauses in poll": dict(queues=2, cpus=3, apps=(2,), rate=2e5, wait_by=WaitBy.POLL, all_socks=True,
                           pause=dict(every=300_000, for_=40_000)),
    "pauses with timeouts": dict(rate=2e4, timeout=30_000, apps=(1,), pause=dict(every=700_000, for_=300_000, random=1), n=1500),
    "pauses amid batches": dict(rate=3e4, apps=(1,), batch=8, pause=dict(every=700_000, for_=300_000, random=1), n=1500),
    "pauses while it sleeps": dict(rate=2e4, apps=(1,), sleep=(0, 100_000), pause=dict(every=900_000, for_=300_000), n=1500),
    "pauses while it spins": dict(rate=5e5, apps=(1,), wait_by=WaitBy.SPIN, pause=dict(every=300_000, for_=40_000)),
    "pauses while it polls": dict(rate=3e5, apps=(1,), busy=50_000, pause=dict(every=300_000, for_=40_000)),
    "pauses of roaming threads": dict(queues=2, cpus=4, apps=(0, 1), rate=3e5, roams=True, hogs=(0, 1, 2),
                                      pause=dict(every=300_000, for_=40_000, random=1), sleep=(SERVICE_EXPONENTIAL, 3000)),
    "a list of pauses": dict(rate=3e5, apps=(1,), pause=dict(list=((1_000_000, 200_000), (1_200_000, 70_000), (4_000_000, 900_000)))),
    "kernel 6.1, ksoftirqd beside readers": dict(queues=2, cpus=3, apps=(0, 1), rate=2e6, kernel="6.1", rps=(1,)),
    "kernel 3.10, shared socket": dict(queues=2, cpus=4, apps=(2, 3), shared=True, rate=6e5, kernel="3.10"),
}


QUIET_NS = 30_000_000  # after the last frame
SPINNING = ("spinning", "pauses while it spins", "poll, busy polling, timeouts", "two epolls that busy-poll one queue, timeouts",
            "pauses while it polls")  # they never sleep, which is long in plain Python: a tick is enough


class Run:
    """Poisson traffic on every queue, an application on each socket; run by the whole or in slices."""

    def __init__(
        self,
        rate,
        queues=1,
        cpus=2,
        apps=(0,),
        itr_ns=0,
        costs=None,
        service=(0, 200),
        by_clock=0,
        sleep=None,
        pause=None,
        batch=1,
        flags=0,
        timeout=0,
        shared=False,
        rps=(),
        wait_by=WaitBy.RECV,
        all_socks=False,
        threaded=-1,
        busy=0,
        busy_poll=0,
        hogs=(),
        hog=(150_000, 90_000),
        nice=0,
        defer=(0, 0),
        rfs=False,
        siblings=(),
        nodes=(),
        idle=0,
        sources=(),
        roams=False,
        kernel="6.18",
        driver="igb",
        n=4000,
        one_step=False,
        plain=False,
        seed=1,
        recorded=False,
    ):
        self.lab = Lab(plain=plain, kernel=kernel, cpus=cpus, queues=queues, itr_ns=itr_ns, one_step=one_step, costs=costs,
                       driver=driver)
        self.net, self.call, self.queues, self.cpus, self.rate = self.lab.net, self.lab.call, queues, cpus, rate
        net = self.net
        self.list_memory, net.service_addr = boot.buffer(4096)
        for i in range(16):
            self.list_memory[8 * i : 8 * i + 8] = (100 + 97 * i).to_bytes(8, "little")
        if busy_poll:
            net.sysctl[Sysctl.busy_poll_ns] = busy_poll
            self.call(setup.share_rings)(net)
        socks = [self.lab.udp(5000 + i) for i in range(1 if shared else queues)]
        for sk in socks:
            net.socks[sk].napi_id = 1
            if busy:
                self.call(setup.set_busy_poll)(net, sk, busy)
        self.apps = []
        for i, cpu in enumerate(apps):
            n_ = NCPU + self.lab.threads
            if wait_by in (WaitBy.EPOLL, WaitBy.POLL):
                self.lab.threads += 1
                self.call(engine.add_thread)(net, n_, cpu, Kind.APP)
                m, addr = boot.buffer(4096)
                self.lab.users.append(m)
                th = net.thread[n_]
                th.buf_addr, th.buf_len, th.wait_by = addr, 4096, wait_by
                for k, sk in enumerate(socks if all_socks else [socks[i]]):
                    self.call(waiting.watch)(net, n_, 1024 + 16 * i + k, sk)
                self.call(setup.thread_start)(net, n_, Phase.WAIT, 500)
            else:
                n_ = self.lab.app(socks[0 if shared else i % len(socks)], cpu, 0)
            th = net.thread[n_]
            th.wait_by, th.batch, th.flags, th.timeout, th.rng = wait_by, batch, flags, timeout, 99 + i
            th.service_kind, th.service, th.service_count = service[0], service[1], 16
            th.by_clock = by_clock
            th.weight = setup.nice_weight(nice)
            if sleep is not None:
                th.sleeps, th.sleep_kind, th.sleep, th.sleep_count = 1, sleep[0], sleep[1], 16
            self.apps.append(n_)
        for k, cpu in enumerate(hogs):
            self.call(engine.add_thread)(net, 900 + k, cpu, Kind.HOG)
            net.thread[900 + k].service, net.thread[900 + k].period = hog[0], hog[1] * (k + 1)
            self.call(setup.thread_start)(net, 900 + k, Phase.COMPUTE, 700 + k)
        if threaded >= 0:
            self.call(engine.add_thread)(net, 800, threaded, Kind.NAPI)
            self.call(setup.set_threaded)(net, 0, 800)
        for q in range(queues if rps else 0):
            net.rps_ncpu, net.rps_len[q] = 1, len(rps)
            for k, cpu in enumerate(rps):
                net.rps_map[q][k] = cpu
        napi_defer(self.lab.boot.netdev, *defer)
        if rfs:
            for q, sk in enumerate(socks):
                connect(self.lab.boot, sk, ip4(PEER), 40000 + q)
            set_rfs(self.lab.boot, 64, dict.fromkeys(range(queues), 16), cpus)
        for n_ in self.apps:
            net.thread[n_].roams = net.sim.any_roams = int(roams)
        for n_ in self.apps if pause is not None else ():
            self.pause(net.thread[n_], **pause)
            self.call(pauses.pauses_start)(net, n_, pause.get("every", 0) // 3)
        for group in siblings:
            for cpu in group:
                net.siblings[cpu] = sum(1 << c for c in group if c != cpu)
        if siblings:
            self.call(machine.set_siblings)(net, 1843)
        net.nnode = len(set(nodes))
        for cpu, node in enumerate(nodes):
            net.node[cpu] = node
        net.sim.idle_deepest = idle
        for k, (cpu, nr, every, cost, random) in enumerate(sources):
            s = net.source[k]
            s.nr, s.every, s.cost, s.random, s.rng = nr, every, cost, random, 77 + k
            self.call(machine.add_source)(net, k, cpu, every)
        self.frames = []
        for q in range(queues):
            f = udp_frame(bytes(64), sport=40000 + q, dport=5000 + (0 if shared else q))
            self.lab.feed[q * 2048 : q * 2048 + len(f)] = f
            self.frames.append(len(f))
            net.ring[q].feed_time, net.ring[q].rng = 1000 + q, seeded(seed * 64 + q)
        self.left = [n // queues] * queues
        if recorded:
            self.call(record.record_start)(net, cpus, record.FIRST_SHIFT)
            for n_ in self.apps:
                self.call(record.record_thread)(net, n_)
                if pause is not None:
                    self.call(record.record_pauses)(net, n_)

    def pause(self, th, every=0, for_=0, random=0, busy=0, list=()):
        th.pause_every, th.pause_for, th.pause_random, th.pause_busy, th.pause_rng = every, for_, random, busy, seeded(5)
        th.pause_first, th.pause_count = 32, len(list)
        for i, ns in enumerate(ns for pair in list for ns in pair):
            self.list_memory[8 * (32 + i) : 8 * (33 + i)] = ns.to_bytes(8, "little")

    def run(self, slice_ns=0, quiet=QUIET_NS):
        net, call = self.net, self.call
        while True:
            for q in range(self.queues):
                self.left[q] -= call(feed.feed_poisson)(
                    net, q, self.left[q], int(1e9 / self.rate), q * 2048, self.frames[q], q * 0x12345678 & 0x7FFFFFFF, 0
                )
            loaded = [net.ring[q].feed_time for q in range(self.queues) if self.left[q]]
            until = min(loaded) - 20_000 if loaded else max(net.ring[q].feed_time for q in range(self.queues)) + quiet
            t = net.sim.now
            while t < until:
                t = min(until, t + slice_ns if slice_ns else until)
                call(engine.run)(net, t, 0)
                assert_time_adds_up(self, t)
            if not loaded:
                return self

    def digest(self):
        """Everything that may not differ: not the indices of skbs, nor how far somebody ran ahead."""
        net, h = self.net, hashlib.sha256()
        for c in range(self.cpus):
            x, sd = net.cpu[c], net.sd[c]
            h.update(
                repr(
                    (
                        tuple(setup.cpu_time(net, c, net.sim.now)),
                        x.irqs,
                        x.ipis,
                        x.ticks,
                        x.switches,
                        x.wakes,
                        x.ksoftirqd_ns,
                        x.naps,
                        sd.processed,
                        sd.time_squeeze,
                        sd.received_rps,
                        list(sd.raised),
                        sd.process_len,
                        net.input[c].dropped,
                        net.input[c].len_max,
                        [net.stage_count[c][i] for i in range(NSTAGE)],
                        [net.drop_stat[c][r] for r in Drop],
                        [net.snmp[c][m] for m in Mib],
                    )
                ).encode()
            )
        for q in range(self.queues):
            r, n = net.ring[q], net.napi[q]
            h.update(repr((r.missed, r.packets, r.irqs, r.arrived, r.fill_max)).encode())
            h.update(repr((n.polls, n.work, n.full_polls, n.state, n.watchdogs)).encode())
        for n in [*range(self.cpus), *self.apps, 800, 900, 901, 902]:
            th = net.thread[n]
            h.update(
                repr(
                    (
                        th.received,
                        th.latency_sum,
                        th.latency_max,
                        th.latency_hash,
                        th.timeouts,
                        th.woken,
                        th.preempted,
                        th.calls,
                        th.empty_calls,
                        th.ran_app_ns,
                        th.ran_sys_ns,
                        th.vruntime if th.kind else 0,
                        th.cpu,
                        th.migrations,
                        th.pauses,
                        th.paused_ns,
                    )
                ).encode()
            )
        for s in range(net.nsock):
            sk = net.socks[s]
            h.update(
                repr((sk.rmem_alloc, sk.forward_alloc, sk.drops, sk.packets, sk.in_packets, sk.qlen, sk.deficit, sk.lock.spin_ns)).encode()
            )
        return h.hexdigest()


def assert_time_adds_up(run, t):
    for c in range(run.cpus):
        times = setup.cpu_time(run.net, c, t)
        assert sum(times) == t, (c, t, times)


@pytest.mark.parametrize("name", SCENARIOS)
def test_running_ahead_equals_one_step_at_a_time_equals_slices(name):
    k = SCENARIOS[name]
    ahead, exact, sliced = Run(**k).run(), Run(**k, one_step=True).run(), Run(**k).run(slice_ns=10_000)
    for r in (ahead, exact, sliced):
        r.lab.sent = r.net.offered
        r.lab.close()
    assert sum(ahead.net.thread[n].received for n in ahead.apps) > 50
    assert "pause" not in k or min(ahead.net.thread[n].pauses for n in ahead.apps) >= 2
    assert ahead.digest() == exact.digest()
    assert ahead.digest() == sliced.digest()


@pytest.mark.parametrize("seed", range(1, 7))
def test_remote_wakeups_are_decided_at_home(seed):
    """Three applications on one CPU, woken by three others: a waker that read the run queue of a CPU that has run ahead would differ."""
    k = dict(queues=3, cpus=5, apps=(4, 4, 4), rate=4.5e5 + seed * 2e4, n=4000, seed=seed, service=(seed & 1, 200), costs=TINY)
    assert Run(**k).run().digest() == Run(**k, one_step=True).run().digest()


@pytest.mark.parametrize("name", SCENARIOS)
def test_compiled_equals_plain_state_and_all(name):
    k, quiet = SCENARIOS[name] | dict(n=120), 5_000_000 if name in SPINNING else QUIET_NS
    compiled, plain = Run(**k).run(quiet=quiet), Run(**k, plain=True).run(quiet=quiet)
    assert compiled.digest() == plain.digest()
    assert whole_state(compiled.net) == whole_state(plain.net)


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    k = SCENARIOS["other CPU 0.9"]
    assert Run(**k).run().digest() == Run(**k).run().digest() != Run(**k, seed=2).run().digest()
