"""What CPUs did and are: /proc/interrupts, softirqs, stat, schedstat; mpstat, lscpu, uname, date, uptime."""
from __future__ import annotations

import calendar
import re
import time
from collections.abc import Mapping

from .lines import Block, Line, cpu_list, fraction, number
from .records import CpuTimes, Interrupts, Irq, Kernel, Lscpu, Moment, Mpstat, Record, SchedRow, Schedstat, Softirqs, Stat

CPU_HEAD = re.compile(r"\s*CPU\d{1,5}(?:\s+CPU\d{1,5})*\s*$")
SOFTIRQS = {"HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "BLOCK_IOPOLL", "TASKLET", "SCHED", "HRTIMER", "RCU"}
COUNT_ROW = re.compile(r"\s*([A-Za-z0-9_/]+):(?:\s|$)")
WRAPPED = re.compile(r"\s*(?:\d+\s+)*(?:\d+|(?:IR-)?(?:PCI|IO-APIC|GIC|XT-PIC|HPET|DMAR)\S*\s.*|"
                     r"[A-Z][a-z]+ .*(?:interrupts?|shootdowns|polls?))$")
TRIGGER = re.compile(r"(?:.*-)?(?:edge|level|fasteoi|Edge|Level|fasteoi_ack|percpu)$")


def interrupts(block: Block) -> list[Record]:
    """Both /proc/interrupts and /proc/softirqs: a row of CPUs, then rows of counts."""
    cpus: list[int] = []
    irqs: list[Irq] = []
    soft: dict[str, tuple[int, ...]] = {}
    for line in block.rows(re.compile(rf"{COUNT_ROW.pattern}|{CPU_HEAD.pattern}"), WRAPPED):
        if CPU_HEAD.match(line.text):
            cpus += [int(w[3:]) for w in line.text.split()]
            continue
        match = COUNT_ROW.match(line.text)
        if match is None or not cpus:
            block.odd(line, "not recognised" if cpus else "the row of CPUs above it is missing")
            continue
        words = line.text[match.end():].split()
        counts: list[int] = []
        while words and len(counts) < len(cpus) and (value := number(words[0])) is not None:
            counts.append(value)
            words.pop(0)
        if len(counts) < len(cpus) and (match[1].isdigit() or match[1] in SOFTIRQS or len(counts) != 1):
            block.odd(line, f"{len(counts)} counts for {len(cpus)} CPUs")
        elif match[1] in SOFTIRQS:
            soft[match[1]] = tuple(counts)
        else:
            irqs.append(_irq(match[1], tuple(counts), words, line.text))
    result: list[Record] = []
    if irqs:
        result.append(Interrupts(tuple(cpus), tuple(irqs), source=block.source))
    if soft:
        result.append(Softirqs(tuple(cpus), soft, source=block.source))
    return result


def _irq(name: str, counts: tuple[int, ...], words: list[str], text: str) -> Irq:
    """Chip and trigger, then who asked for it, comma-separated.  A row with a short name has a description instead."""
    if not name.isdigit():
        return Irq(name, counts, " ".join(words))
    triggers = [i for i, w in enumerate(words[:5]) if TRIGGER.match(w)]
    cut = triggers[0] + 1 if triggers else None
    if cut is None:                                     # no word for the trigger: columns, if there still are any
        columns = re.split(r"\s{2,}", text.strip())
        cut = len(words) - len(columns[-1].split()) if len(columns) > 2 and number(columns[-1]) is None else max(len(words) - 1, 0)
    actions = " ".join(words[cut:]).split(",") if words[cut:] else []
    return Irq(name, counts, " ".join(words[:cut]), tuple(a.strip() for a in actions if a.strip()))


def stat(block: Block) -> list[Record]:
    """/proc/stat: user nice system idle iowait irq softirq steal guest guest_nice, the oldest with four."""
    return [made for part in block.parts(lambda line: line.text.split()[0]) for made in _stat(part, block)]


def _stat(lines: list[Line], block: Block) -> list[Record]:
    cpus: dict[int, CpuTimes] = {}
    total = None
    values: dict[str, int] = {}
    for line in lines:
        words = line.text.split()
        numbers = [number(w) for w in words[1:]]
        if not numbers or (None in numbers and words[0] not in ("page", "swap", "disk_io:")):
            block.odd(line)
        elif words[0] == "cpu" or re.fullmatch(r"cpu\d{1,5}", words[0]):
            if len(numbers) < 4:
                block.odd(line, "cut")
                continue
            times = CpuTimes(*[float(n or 0) for n in numbers[:8]])
            if words[0] == "cpu":
                total = times
            else:
                cpus[int(words[0][3:])] = times
        elif words[0] in ("btime", "ctxt") and numbers[0] is not None:
            values[words[0]] = numbers[0]
        elif words[0] not in ("intr", "processes", "procs_running", "procs_blocked", "softirq", "page", "swap", "disk_io:"):
            block.odd(line)
    if total is None and not cpus and not values:
        return []
    return [Stat(cpus, total, values.get("btime"), values.get("ctxt"), source=block.source_of(lines))]


def schedstat(block: Block) -> list[Record]:
    """/proc/schedstat: the last three of a CPU's numbers are run, wait (ns) and timeslices (kernel/sched/stats.c)."""
    cpus: dict[int, SchedRow] = {}
    version = 0
    for line in block:
        words = line.text.split()
        numbers = [number(w) for w in words[1:]]
        if words[0] == "version" and numbers and numbers[0] is not None:
            version = numbers[0]
        elif re.fullmatch(r"cpu\d{1,5}", words[0]) and len(numbers) >= 9 and None not in numbers:
            run, wait, slices = (n or 0 for n in numbers[6:9])
            cpus[int(words[0][3:])] = SchedRow(run, wait, slices)
        elif not words[0].startswith(("timestamp", "domain")):
            block.odd(line)
    return [Schedstat(cpus, version, source=block.source)] if cpus else []


# ---------------------------------------------------------------- mpstat
MPSTAT_HEAD = re.compile(r"\s*\S+(?: [AP]M)?\s+CPU((?:\s+%[a-z]+)+)\s*$")
MPSTAT_OTHER = re.compile(r"\s*\S+(?: [AP]M)?\s+(?:(?:CPU|NODE)\s+\S+/s|NODE\s+%)")


def mpstat(block: Block) -> list[Record]:
    """The averages at the end, else the last report.  One report alone without averages is since boot."""
    reports: list[dict[int, dict[str, float]]] = []
    averages: dict[int, dict[str, float]] = {}
    names: list[str] = []
    heading_of_average = other = False
    count = None
    for line in block:
        text = line.text
        if match := re.match(r"\s*Linux (\S+) \((.*?)\).*?(?:\((\d{1,5}) CPU\))?$", text):
            count = number(match[3] or "")
        elif match := MPSTAT_HEAD.match(text):
            names = [w[1:] for w in match[1].split()]
            heading_of_average = re.match(r"\s*\D+:\s", text) is not None
            other = False
            if not heading_of_average or not reports:
                reports.append({})
        elif MPSTAT_OTHER.match(text):
            other = True
            block.pass_over(line, "tables of mpstat other than that of times are not used")
        else:
            words = text.split()
            values = [fraction(w) for w in words[len(words) - len(names):]] if names else []
            cpu = words[-len(names) - 1] if len(words) > len(names) else ""
            if other:
                block.pass_over(line, "tables of mpstat other than that of times are not used")
                continue
            if not names or None in values or not (cpu == "all" or number(cpu) is not None):
                block.odd(line)
                continue
            averaged = re.match(r"\D+:$", words[0]) is not None
            (averages if averaged else reports[-1])[-1 if cpu == "all" else int(cpu)] = {
                n: v for n, v in zip(names, values, strict=True) if v is not None}
    reports = [r for r in reports if r]
    if not averages and not reports:
        return []
    return [Mpstat(averages or reports[-1], since_boot=not averages and len(reports) == 1, average=bool(averages), cpu_count=count,
                   source=block.source)]


def mpstat_json(data: Mapping[str, object], block: Block) -> list[Record]:
    """sysstat.hosts[0].statistics[]: the mean of its reports; one alone is since boot unless the command has an interval."""
    sysstat = data.get("sysstat")
    hosts = sysstat.get("hosts") if isinstance(sysstat, dict) else None
    host = hosts[0] if isinstance(hosts, list) and hosts and isinstance(hosts[0], dict) else {}
    sums: dict[int, dict[str, list[float]]] = {}
    reports = [s.get("cpu-load") for s in host.get("statistics", []) if isinstance(s, dict)]
    for report in reports:
        for row in report if isinstance(report, list) else ():
            cpu = row.get("cpu") if isinstance(row, dict) else None
            if cpu == "all" or (isinstance(cpu, str) and number(cpu) is not None):
                into = sums.setdefault(-1 if cpu == "all" else int(cpu), {})
                for name, value in row.items():
                    if isinstance(value, (int, float)):
                        into.setdefault(name, []).append(float(value))
    percent = {cpu: {n: sum(v) / len(v) for n, v in row.items()} for cpu, row in sums.items()}
    if not percent:
        return []
    interval = re.search(r"\s\d+(?:\s+\d+)?\s*$", block.command) is not None
    return [Mpstat(percent, since_boot=len(reports) == 1 and not interval, average=len(reports) > 1,
                   cpu_count=host.get("number-of-cpus") if isinstance(host.get("number-of-cpus"), int) else None, source=block.source)]


# ---------------------------------------------------------------- lscpu, uname, date, uptime
LSCPU_ROW = re.compile(r"\s*([A-Za-z0-9][\w ().'/-]*?):(?:\s+(.*))?$")


def lscpu(block: Block) -> list[Record]:
    """Lines by name (newer versions indent them), -p (a comment names its columns) and -e (a header does)."""
    values: dict[str, str] = {}
    layout: dict[int, tuple[int | None, int | None, int | None]] = {}
    columns: list[str] = []
    for line in block:
        text = line.text.strip()
        if re.match(r"#\s*CPU(?:,|$)", text, re.I):
            columns = [c.lower() for c in text.lstrip("# ").split(",")]
        elif re.match(r"CPU\s+(?:NODE|SOCKET|CORE)\b", text):
            columns = [c.lower() for c in text.split()]
        elif text.startswith("#"):
            continue
        elif columns and re.match(r"\d{1,5}[,\s]", text):
            words = text.split(",") if "," in text else text.split()
            row = dict(zip(columns, words, strict=False))
            layout[int(row["cpu"])] = (number(row.get("node", "")), number(row.get("socket", "")), number(row.get("core", "")))
        elif match := LSCPU_ROW.match(text):
            values[match[1]] = (match[2] or "").strip()
            node = re.fullmatch(r"NUMA node(\d{1,4}) CPU\(s\)", match[1])
            if node:
                layout |= {c: (int(node[1]), None, None) for c in cpu_list(values[match[1]]) if c not in layout}
        elif "Flags" in values and re.fullmatch(r"\w+(?: \w+)*", text):       # wrapped; they are never asked for
            continue
        else:
            block.odd(line)
    return [Lscpu(values, layout, source=block.source)] if values or layout else []


def lscpu_json(data: Mapping[str, object], block: Block) -> list[Record]:
    """{"lscpu": [{"field": "CPU(s):", "data": "2", "children": [...]}]}"""
    values: dict[str, str] = {}
    waiting = list(data["lscpu"]) if isinstance(data.get("lscpu"), list) else []        # type: ignore[call-overload]
    while waiting:
        entry = waiting.pop(0)
        if isinstance(entry, dict) and isinstance(entry.get("field"), str):
            values[entry["field"].rstrip(":")] = str(entry.get("data") or "")
            waiting += entry.get("children") or []
    return [Lscpu(values, source=block.source)] if values else []


UNAME = re.compile(r"\s*Linux (?:version (\S+)|(\S+) (\d+\.\d+\S*) #)(.*)$")


def uname(block: Block) -> list[Record]:
    """uname -a, /proc/version."""
    result: list[Record] = []
    for line in block:
        match = UNAME.match(line.text)
        if match is None:
            block.odd(line)
            continue
        machine = re.search(r"\b(x86_64|aarch64|ppc64le|s390x|armv7l|i686|riscv64)\b", match[4])
        result.append(Kernel(match[1] or match[3], machine[1] if machine else "", match[2] or "", source=block.source_of([line])))
    return result


DATE = re.compile(r"\s*(?:\w{2,3}\.?,? )?(?:([A-Z][a-z]{2}) +(\d{1,2})|(\d{1,2}) ([A-Z][a-z]{2})(?: (\d{4}))?),? (\d\d:\d\d:\d\d)"
                  r"(?: ([AP]M))? (?:\S{1,6} )?(?:(\d{4}))?")
UPTIME = re.compile(r"\s*\d\d?:\d\d:\d\d up +(?:(\d{1,6}) days?, +)?(?:(\d{1,2}):(\d\d)|(\d{1,2}) min)\b")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def moment(block: Block) -> list[Record]:
    """date (with +%s and +%s.%N too), uptime, /proc/uptime."""
    result: list[Record] = []
    for line in block:
        text = line.text.strip()
        where = block.source_of([line])
        if re.fullmatch(r"[12]\d{9}(?:\.\d+)?", text):
            result.append(Moment(time=float(text), source=where))
        elif match := UPTIME.match(text):
            minutes = int(match[4]) if match[4] else int(match[2]) * 60 + int(match[3])
            result.append(Moment(uptime=int(match[1] or 0) * 86400.0 + minutes * 60, source=where))
        elif match := re.fullmatch(r"(\d{1,12}\.\d\d) \d{1,14}\.\d\d", text):
            result.append(Moment(uptime=float(match[1]), source=where))
        elif (match := DATE.match(text)) and (at := _date(match)) is not None:
            result.append(Moment(time=at, source=where))
        else:
            block.odd(line)
    return result


def _date(match: re.Match[str]) -> float | None:
    month, day, year = match[1] or match[4], int(match[2] or match[3]), match[8] or match[5]
    hour, minute, second = (int(p) for p in match[6].split(":"))
    if month not in MONTHS or not year or not 1 <= day <= 31 or hour > 23 or minute > 59 or second > 60:
        return None
    if match[7]:
        hour = hour % 12 + (12 if match[7] == "PM" else 0)
    return float(calendar.timegm(time.struct_time((int(year), MONTHS.index(month) + 1, day, hour, minute, second, 0, 0, 0))))
