"""A host under each driver of time: what the suite's tests are told.

    host = made()                     # fixture: virtual and real time, compiled and plain
    host.reader(host.udp(5000))
    host.time.send(udp_frame(), at=1000)
    host.time.run(2_000_000)
    assert host.ends() == {"RECEIVED": 1}"""
from rxpath import boot
from rxpath.abi.limits import NCPU
from rxpath.abi.numbers import Kind, Note
from rxpath.abi.reasons import Drop
from rxpath.vtime import engine
from rxpath.vtime.costs import BM36
from rxpath.vtime.driver import VirtualTime
from rxpath.vtime.setup import set_threaded
from rxpath.walltime.driver import RealTime
from rxpath.walltime.engine import rt_reader

from ..frames import US, ip4

MS, SECOND = 1_000_000, 1_000_000_000
KINDS = ("virtual", "real")


class SteppedClock:
    """A clock on a wall that nobody waits for: it is at once where somebody wants it to be."""

    def __init__(self):
        self.t = 0

    def now(self):
        return self.t

    def wait(self, until):
        self.t = max(self.t, until)

    def spin(self):
        self.t += 1000


class Host:
    """cpus CPUs, an igb whose queues interrupt them in turn, one address."""

    def __init__(self, kind, plain, cpus=1, queues=1, one_step=False, clock=None):
        self.kind, self.cpus, self.queues, self.threads = kind, cpus, queues, 0
        self.boot = boot.Booted(nskb=4096, plain=plain)
        self.net, self.call = self.boot.net, self.boot.call
        if kind == "virtual":
            for c in range(cpus):
                for stage, ns in BM36.items():
                    self.net.cost[c][stage] = ns
            self.call(engine.vtime_init)(self.net, queues, cpus, one_step)
        self.boot.igb_open(queues, 1024, list(range(cpus)))
        self.boot.add_address(ip4(US), 24)
        self.buffers, self.left = [], []
        if kind == "virtual":
            for q in range(queues):
                r = self.net.ring[q]
                c = self.net.cpu[r.cpu]
                r.next_of_cpu, c.first_queue = c.first_queue, q
            for c in range(cpus):
                self.call(engine.add_thread)(self.net, c, c, Kind.KSOFTIRQD)
            self.time = VirtualTime(self.boot)
        else:
            self.time = RealTime(self.boot, cpus, clock or SteppedClock())
        self.time.add_sink(self.left.append)

    def udp(self, port):
        return self.boot.udp_socket(0, port, 1 << 22)

    def reader(self, sk, cpu=0):
        """A compiled thread asleep in recvfrom on that socket."""
        n = NCPU + self.threads
        self.threads += 1
        if self.kind == "virtual":
            self.call(engine.add_thread)(self.net, n, cpu, Kind.APP)
        th = self.net.thread[n]
        memory, th.buf_addr = boot.buffer(2048)
        th.buf_len, th.kind, th.batch = 2048, Kind.APP, 1
        self.buffers.append(memory)
        self.call(rt_reader)(self.net, n, sk)
        return n

    def threaded_napi(self, q, cpu=0):
        """/sys/class/net/eth0/threaded"""
        n = NCPU + self.threads
        self.threads += 1
        if self.kind == "virtual":
            self.call(engine.add_thread)(self.net, n, cpu, Kind.NAPI)
            self.call(set_threaded)(self.net, q, n)
        self.net.napi[q].thread, self.net.thread[n].napi, self.net.thread[n].kind = n, q, Kind.NAPI

    def notes(self):
        """What stations have left word of, whoever has obeyed it."""
        return {Note(note & 255) for c in range(self.cpus) for note in list(self.net.note[c])[:self.net.sd[c].note_tail]}

    def ends(self):
        return {r.name: n for r in Drop if (n := sum(self.net.drop_stat[c][r] for c in range(self.cpus)))}

    def mib(self, m):
        return sum(self.net.snmp[c][m] for c in range(self.cpus))

    def sent(self, kind):
        self.time.collect(last=True)
        return [o for o in self.left if o.kind == kind]

