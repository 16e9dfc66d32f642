"""/proc/interrupts, softirqs, stat and uptime of a run: kernel/irq/proc.c, fs/proc/softirqs.c, fs/proc/stat.c.

Interrupts and softirqs are those of the receive path: a device that is not modelled has none, and where nothing is modelled of a kind the
kernel's line is left out.  A card's PCI address is its place among the cards.  Times are exact, as with CONFIG_IRQ_TIME_ACCOUNTING."""
from __future__ import annotations

from rxpath.abi.kernels import version
from rxpath.abi.numbers import Softirq
from rxpath.workbench.run.books import Cpu
from rxpath.workbench.run.moment import USER_HZ, Moment, Vector

TICK_NS = 1_000_000_000 // USER_HZ
PER_DEVICE_DOMAINS = "6.2"                                  # from then on a vector's domain is its device's, and its name has the address


def interrupts(m: Moment) -> str:
    """/proc/interrupts"""
    lines = [" " * 11 + "".join(f"CPU{c:<8}" for c in range(m.host.cpus))]
    for v in m.vectors:
        lines.append(f"{v.number:3}: " + "".join(f"{n & 0xFFFFFFFF:10} " for n in v.counts) + f"{_chip(v, m.host.kernel)}      {v.name}")
    rows = {"LOC": ([c.timer for c in m.locals], "Local timer interrupts"),
            "RES": ([c.reschedule for c in m.locals], "Rescheduling interrupts"),
            "CAL": ([c.function_call for c in m.locals], "Function call interrupts")}
    for name, (counts, what) in rows.items():
        lines.append(f"{name}: " + "".join(f"{n & 0xFFFFFFFF:10} " for n in counts) + f"  {what}")
    return "".join(f"{line}\n" for line in lines)


def _chip(v: Vector, kernel: str) -> str:
    """The controller, and the vector's number there."""
    if version(kernel) >= version(PER_DEVICE_DOMAINS):
        return f"PCI-MSIX-0000:{v.card + 1:02x}:00.0 {v.entry:3}-edge"
    return f" {'PCI-MSI':>8} {(v.card + 1 << 19) + v.entry:3}-edge"


def softirqs(m: Moment) -> str:
    """/proc/softirqs"""
    lines = [" " * 20 + "".join(f"CPU{c:<8}" for c in range(m.host.cpus))]
    for s in Softirq:
        name = "BLOCK_IOPOLL" if s == Softirq.IRQ_POLL and version(m.host.kernel) < version("4.5") else s.name
        lines.append(f"{name:>12}:" + "".join(f" {row[s] & 0xFFFFFFFF:10}" for row in m.softirqs))
    return "".join(f"{line}\n" for line in lines)


def _times(c: Cpu) -> list[int]:
    """user nice system idle iowait irq softirq steal guest guest_nice.  Time that a hypervisor took is in irq."""
    return [c.application, 0, c.syscall, c.idle, 0, c.hardirq, c.softirq, 0, 0, 0]


def stat(m: Moment) -> str:
    """/proc/stat"""
    each = [_times(c) for c in m.books.cpus]
    whole = [sum(column) for column in zip(*each, strict=True)]
    vectors = {v.number: sum(v.counts) for v in m.vectors}
    local = sum(c.timer + c.reschedule + c.function_call for c in m.locals)
    by_number = [vectors.get(n, 0) for n in range(max(vectors, default=0) + 1)]
    runs = [sum(row[s] for row in m.softirqs) for s in Softirq]
    lines = ["cpu  " + " ".join(str(n // TICK_NS) for n in whole)]
    lines += [f"cpu{i} " + " ".join(str(n // TICK_NS) for n in times) for i, times in enumerate(each)]
    lines += [f"intr {sum(by_number) + local} {' '.join(map(str, by_number))}", f"ctxt {sum(c.switches for c in m.locals)}",
              f"btime {max(0, m.epoch_ns) // 1_000_000_000}", f"processes {m.threads}", f"procs_running {m.running}", "procs_blocked 0",
              f"softirq {sum(runs)} {' '.join(map(str, runs))}"]
    return "".join(f"{line}\n" for line in lines)


def uptime(m: Moment) -> str:
    """/proc/uptime: since the run's beginning."""
    idle = sum(c.idle for c in m.books.cpus)
    return f"{m.t_ns / 1e9:.2f} {idle / 1e9:.2f}\n"
