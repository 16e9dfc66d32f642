"""An independent check of every sentence that the advice prints: each against the run's own figures, from the JSON object and the host
alone, never from the facts that let it be printed.

    wrong(run)                  # [] or what is not true, a line each

A sentence without a check here is a mistake too: whoever adds one says how to see that it is true."""
import json
import re
import statistics

from rxpath.workbench.host.rules import rules as rules_of
from rxpath.workbench.words.figures import ns


class Run:
    """Figures of a run, as --json has them."""

    def __init__(self, run):
        self.d, self.host = run.to_dict(), run.host
        self.w = self.d.get("whatif", {})
        self.span = max(self.d["capture"]["duration_ns"], 5_000_000)
        self.dropped = self.d["dropped"]
        self.seeds = ""                                     # which seed knobs were tried with, if not with the shown one

    def lost(self, *reasons):
        return sum(self.dropped.get(r, 0) for r in reasons)

    def tcp(self, counter):
        return self.d["counters"]["netstat"][f"TcpExt.{counter}"]

    def time_in(self, *places):
        """Share of the time of all datagrams, to the end of the work on each, by the samples' sums."""
        spent = self.d.get("spent", ())
        whole = sum(s["done_ns"]["mean"] * s["done_ns"]["count"] for s in spent)
        return sum(s["places"][p]["mean"] * s["places"][p]["count"] for s in spent for p in places if p in s["places"]) / max(whole, 1)

    @property
    def refused_by_buffers(self):
        """Datagrams: a connection's backlog is no buffer of theirs."""
        return self.lost("SOCKET_RCVBUFF", "SOCKET_BACKLOG") - self.d["lost_at"].get("SOCKET_BACKLOG", {}).get("tcp_v4_rcv", 0)

    @property
    def squeezed(self):
        return sum(c["time_squeeze"] for c in self.d["counters"]["softnet"])

    def kernel(self, cpu):
        return self.d["cpus"][cpu]["hardirq"] + self.d["cpus"][cpu]["softirq"]

    def full(self):
        return [s for s in self.d["sockets"] if s["drops"] and s["proto"] == "udp"]

    def listed(self, sock):
        base = sock["name"].partition("#")[0]
        return next((s for s in self.host.sockets if s.name in (base, base.rpartition(":")[0])), None)

    def readers(self, sock):
        """Threads of the programs that read a socket."""
        listed = self.listed(sock)
        apps = {a.name: a for a in self.host.apps if "*" in a.sockets or (listed is not None and listed.name in a.sockets)}
        own = sock["name"].partition("#")[2]
        return [t for t in self.d["apps"] if t["name"] in apps and (not own or int(own) == t["thread"])]

    def poll_saturated(self):
        """To take all that came off the rings, does a CPU need more than the traffic's time?"""
        for cpu in range(self.host.cpus):
            queues = [q for q in self.d["queues"] if self.poll_cpu(q) == cpu]
            came, missed = sum(q["frames"] for q in queues), sum(q["missed"] for q in queues)
            if missed and (came == missed or self.kernel(cpu) * came / (came - missed) >= 0.99 * self.span):
                return True
        return False

    def poll_cpu(self, queue):
        threads = self.host.nic.napi == "threaded" and queue["queue"] < self.host.device.queue_count
        return self.host.device.napi_cpu(queue["queue"]) if threads else queue["cpu"]

    def needs(self, threads, came):
        """Of the time of these threads, what all that came would need; and of the time that is left for them."""
        read = sum(t["received"] for t in threads)
        if not read:
            return 99.0, 99.0
        busy = {a.name for a in self.host.apps if a.wait == "busy"}
        each = sum(t["application_ns"] + (0 if t["name"] in busy else t["syscall_ns"]) for t in threads) / read
        left = sum(max(self.span - self.kernel(t["cpu"]) - self.others(t["cpu"]),
                       (self.span - self.kernel(t["cpu"])) / (1 + self.rivals(t["cpu"])), self.span / 100) for t in threads)
        return came * each / (self.span * len(threads)), came * each / left

    def rivals(self, cpu):
        return sum(load.share / 100 for load in self.host.loads if cpu in load.cpu)

    def others(self, cpu):
        """ns that [[load]] took of a CPU."""
        if not self.rivals(cpu):
            return 0
        c = self.d["cpus"][cpu]
        ours = sum(t["application_ns"] + t["syscall_ns"] for t in self.d["apps"] if t["cpu"] == cpu)
        return min(max(c["application"] + c["syscall"] - ours, 0), self.span)

    def programs_overloaded(self, floor=0.99):
        """Does a program that reads a full socket get more than it can do, of its own time or of what is left?"""
        for name in {t["name"] for s in self.full() for t in self.readers(s)}:
            app = next(a for a in self.host.apps if a.name == name)
            threads = [t for t in self.d["apps"] if t["name"] == name]
            socks = [s for s in self.d["sockets"] if s["proto"] == "udp" and any(t["name"] == name for t in self.readers(s))]
            if app.own_sockets and app.threads > 1:
                groups = [([t], [s for s in socks if s["name"].endswith(f"#{t['thread']}")]) for t in threads]
            else:
                groups = [(threads, socks)]
            for group, mine in groups:
                came = sum(s["received"] + s["drops"] + s["queued"] for s in mine)
                if came and self.needs(group, came)[1] >= floor:
                    return True
        return False

    def backlog_saturated(self):
        for row in self.d["counters"]["softnet"]:
            came = row["processed"] + row["dropped"]
            if row["dropped"] and (not row["processed"] or self.kernel(row["cpu"]) * came / row["processed"] >= 0.99 * self.span):
                return True
        return False

    def reader_cpus(self):
        socks = self.full() or [s for s in self.d["sockets"] if s["received"] and s["proto"] == "udp"]
        return {t["cpu"] for s in socks for t in self.readers(s)}


# ---------------------------------------------------------------- rules: what fired
RULES = {
    "R1": lambda r: r.lost("RX_MISSED") > 0,
    "R2": lambda r: r.lost("RX_MISSED") > 0 and r.poll_saturated(),
    "R3": lambda r: r.lost("RX_MISSED") > 0 and r.host.device.rx_usecs >= 10,
    "R4": lambda r: sum(q["interrupts"] for q in r.d["queues"]) * 3 > sum(q["frames"] - q["missed"] for q in r.d["queues"]),
    "R5": lambda r: r.squeezed > 0 and not r.lost("RX_MISSED", "CPU_BACKLOG"),
    "R6": lambda r: r.lost("RX_MISSED") > 0 and r.squeezed > 0,
    "R7": lambda r: r.lost("RX_MISSED") > 0 and r.squeezed > 0,
    "R7b": lambda r: r.refused_by_buffers > 0 and any(r.kernel(c) > 0.5 * r.span for c in r.reader_cpus()),
    "R8": lambda r: r.lost("RX_MISSED") > 0 and len({q["cpu"] for q in r.d["queues"] if q["frames"]}) == 1,
    "R9": lambda r: r.lost("RX_MISSED") > 0 and r.host.device.queue_count == 1 and r.host.cpus > 1,
    "R10": lambda r: r.lost("RX_MISSED") > 0 and max(q["frames"] for q in r.d["queues"]) > 0.8 * r.d["offered"],
    "R11": lambda r: r.lost("CPU_BACKLOG") > 0,
    "R12": lambda r: r.lost("CPU_BACKLOG") > 0 and r.backlog_saturated(),
    "R14": lambda r: r.refused_by_buffers > 0 and any(r.readers(s) for s in r.full()) and not r.programs_overloaded(1.01),
    "R15": lambda r: any(not (s := r.listed(f)) or (s.rcvbuf is None and s.rcvbufforce is None) for f in r.full()),
    "R16": lambda r: r.refused_by_buffers > 0 and r.programs_overloaded(),
    "R17": lambda r: any(s["lock_wait_ns"] for s in r.d["sockets"]) and any(len(r.readers(s)) > 1 for s in r.d["sockets"]),
    "R18": lambda r: any(not s["received"] and not s["drops"] for s in r.d["sockets"]) and r.refused_by_buffers > 0,
    "R19": lambda r: r.refused_by_buffers > 0 and any(r.kernel(c) > 0.2 * r.span for c in r.reader_cpus()),
    "R20": lambda r: bool(r.host.cpu.siblings) and bool(r.reader_cpus()),
    "R21": lambda r: len(r.host.cpu.nodes) > 1,
    "R22": lambda r: r.time_in("throttle", "interrupt", "ring", "wake_up") >= 0.3 and
    all(r.kernel(c["cpu"]) < 0.51 * r.d["capture"]["duration_ns"] for c in r.d["cpus"]),
    "R23": lambda r: r.host.cpu.idle in ("C1E", "C3", "C6"),
    "R24": lambda r: r.d["stations"].get("nf_rule", 0) > 20 * r.d["offered"],
    "R26": lambda r: r.lost("NO_SOCKET") > 0,
    "R27": lambda r: r.d["counters"]["snmp"]["Ip.ReasmFails"] > 0,
    "R28": lambda r: r.lost("IP_RPFILTER") > 0 and r.host.conf("rp_filter") > 0,
    "R31": lambda r: r.lost("PROTO_MEM") > 0,
    "R32": lambda r: not r.host.device.gro,
    "R33": lambda r: bool(r.host.taps),
    "R35": lambda r: r.lost("TX_PAUSE") > 0 and not r.lost("RX_MISSED"),
    "R36": lambda r: any(not r.readers(s) for s in r.full()),
    "R37": lambda r: r.refused_by_buffers > 0 and any(r.others(c) >= 0.19 * r.d["capture"]["duration_ns"] for c in r.reader_cpus()),
    "R38": lambda r: r.d["lost_at"]["UNHANDLED_PROTO"]["__netif_receive_skb_core"] > 0,
    "R39": lambda r: r.lost("NIC_FILTER", "OTHERHOST") > 0,
    "R40": lambda r: r.time_in("socket") >= 0.5,
    "T1": lambda r: r.tcp("ListenOverflows") > 0,
    "T2": lambda r: r.tcp("ListenDrops") > r.tcp("ListenOverflows") and r.tcp("TCPReqQFullDrop") > 0,
    "T3": lambda r: r.tcp("SyncookiesSent") > 0,
    "T4": lambda r: r.tcp("TCPBacklogDrop") > 0,
    "T5": lambda r: r.tcp("PruneCalled") > 0 and r.tcp("TCPRcvCollapsed") > 0,
    "T6": lambda r: any(s.proto == "tcp" and (s.rcvbuf or s.rcvbufforce) for s in r.host.sockets) and r.d["clients"]["ended"] > 0,
    "T8": lambda r: r.tcp("TCPOFODrop") > 0,
    "T9": lambda r: r.tcp("TCPDSACKOldSent") > 0,
    "T10": lambda r: r.tcp("TCPTimeWaitOverflow") > 0,
    "T11": lambda r: r.tcp("TCPRcvCoalesce") > 0,
    "T12": lambda r: r.tcp("PAWSEstab") > 0,
    "T13": lambda r: r.tcp("TCPChallengeACK") > 0,
    "T14": lambda r: r.tcp("BeyondWindow") > 0,
    "T16": lambda r: r.tcp("TCPDeferAcceptDrop") > 0 and any(s.defer_accept for s in r.host.sockets),
    "T17": lambda r: r.d["clients"]["connect_ns"]["p99"] >= 10 ** 9 and (r.tcp("ListenDrops") > 0 or r.lost("RX_MISSED") > 0),
}

# ---------------------------------------------------------------- why a knob changed nothing, and what goes with it
ALWAYS = "how the kernel is made, true of every run"
LATER = lambda r: r.refused_by_buffers > 0 and r.programs_overloaded()       # noqa: E731
SENTENCES = {
    "no frame was lost for lack of a descriptor": lambda r: not r.lost("RX_MISSED") and not any(q["missed"] for q in r.d["queues"]),
    "no frame was lost in a ring": lambda r: not r.lost("RX_MISSED") and not any(q["missed"] for q in r.d["queues"]),
    "the CPU that polls gets more than it can do: a larger ring fills up too, only later": Run.poll_saturated,
    "the CPU that polls gets more than it can do: a pass of another length gives it no more time": Run.poll_saturated,
    "interrupts take less than a twentieth of every CPU's time":
        lambda r: all(c["hardirq"] < 0.05 * r.d["capture"]["duration_ns"] for c in r.d["cpus"]),
    "no pass of net_rx_action ended early: time_squeeze is 0": lambda r: r.squeezed == 0,
    "passes ended early, but no frame was lost in a ring or a backlog": lambda r: r.squeezed > 0 and not r.lost("RX_MISSED", "CPU_BACKLOG"),
    "no frame was lost in a ring or a backlog": lambda r: not r.lost("RX_MISSED", "CPU_BACKLOG"),
    "no frame was lost in a CPU's backlog":
        lambda r: not r.lost("CPU_BACKLOG") and not any(c["dropped"] for c in r.d["counters"]["softnet"]),
    "the CPU that works it off gets more than it can do: a longer backlog fills up too, only later": Run.backlog_saturated,
    "no receive buffer overflowed": lambda r: not r.refused_by_buffers and r.d["counters"]["snmp"]["Udp.RcvbufErrors"] == 0,
    "no program reads the sockets that overflowed: a larger buffer fills up too, only later":
        lambda r: bool(r.full()) and not any(r.readers(s) for s in r.full()),
    "the program gets more than it can do: a larger buffer fills up too, only later": LATER,
    "the sockets that overflowed set their own size: rmem_default is the size of those that do not":
        lambda r: bool(r.full()) and all((s := r.listed(f)) is not None and (s.rcvbuf or s.rcvbufforce) for f in r.full()),
    "it is only the ceiling of what SO_RCVBUF may ask for, and no socket asks for more than it gets":
        lambda r: all((s.rcvbuf or 0) <= r.host.sysctls()["net.core.rmem_max"] for s in r.host.sockets),
    "no datagram was refused for the memory of all UDP sockets together": lambda r: not r.lost("PROTO_MEM"),
    "system calls are less than a fifth of what its time goes into":
        lambda r: sum(t["syscall_ns"] for t in _readers(r)) < 0.2 * sum(t["syscall_ns"] + t["application_ns"] for t in _readers(r)),
    "softirqs come before every program, whatever its niceness": lambda r: any(r.kernel(c) > 0 for c in r.reader_cpus()),
    "no frame was refused by rp_filter":
        lambda r: not r.lost("IP_RPFILTER") and r.d["counters"]["netstat"]["TcpExt.IPReversePathFilter"] == 0,
    "fragments never took as much memory as ipfrag_high_thresh allows":
        lambda r: r.d["high_water"]["fragments"]["max"] < r.d["high_water"]["fragments"]["of"],
    "no reassembly ran out of time": lambda r: r.d["counters"]["snmp"]["Ip.ReasmTimeout"] == 0,
    "no reassembly was given up for the distance of its fragments": lambda r: not r.lost("FRAG_TOO_FAR"),
    "no connection found the accept queue full": lambda r: r.tcp("ListenOverflows") == 0,
    "it is only the ceiling of what listen() may ask for": lambda r: r.tcp("ListenOverflows") > 0,
    "it counts only where SYN cookies are off": lambda r: r.host.sysctls()["net.ipv4.tcp_syncookies"] > 0,
    "the listener asks for a buffer of its own, and its connections keep that":
        lambda r: any(s.proto == "tcp" and (s.rcvbuf or s.rcvbufforce) for s in r.host.sockets),
    "it is the buffer of every new socket that does not ask for one: programs must be restarted": ALWAYS,
    "which flows meet in a socket is drawn at boot": ALWAYS,
    "a sender has more flows when it uses more source ports or addresses": ALWAYS,
    "the senders are told of all the ports and use them in turn": ALWAYS,
    "it spreads the datagrams of one flow, too: they are read out of their order, by any thread": ALWAYS,
    "the i-th socket's thread runs on CPU i and reads what was received there": ALWAYS,
    "no frame that came to the rules matches one that they pass, but another frame might": ALWAYS,         # _figures()
    "the rules themselves show that every packet's verdict stays": ALWAYS,          # tests/workbench/test_iptables_move.py
    "a default route stands here for one to the senders' network": ALWAYS,
}


def _readers(r):
    names = {(t["name"], t["thread"]) for s in (r.full() or [s for s in r.d["sockets"] if s["received"]]) for t in r.readers(s)}
    names = {n for n, _ in names}
    return [t for t in r.d["apps"] if t["name"] in names]


def wrong(run, again=None):
    """What is printed of a run and not true of it.  again: the same with the host's seed so many further, where knobs were tried with
    another one than the run that is shown."""
    r = Run(run)
    if r.w.get("seed", run.host.seed) != run.host.seed:
        each = r.d["spread"]["lost"]["each"]
        assert r.d["ended"].get("lost", 0) == 0 and each[0] == max(each) > 0
        r.seeds = f"nothing is lost with seed {run.host.seed}; knobs are tried with seed {r.w['seed']}, which loses most: {each[0]:,}"
        r.d = again(r.w["seed"] - run.host.seed).to_dict() | {k: r.d[k] for k in ("whatif", "knobs", "spread")}
        r.dropped = r.d["dropped"]
    out = [f"{f['rule']} fired: {f['title']}" for f in r.w.get("fired", ()) if not RULES[f["rule"]](r)]
    titles = {f["title"] for f in r.w.get("fired", ())}
    for knob in r.d.get("knobs", ()):
        out += [f"{' '.join(knob['set'])}: {part}" for part in re.split(r"; |(?<=ends): ", knob["why"])
                if part and not _true(part, knob, r, titles)]
        out += [f"{' '.join(knob['set'])}: {problem}" for problem in _figures(knob, r)]
    out += [f"state: {s['text']}" for s in r.d["states"] if s["kind"] == "burst" and not _burst(s, r)]
    for said in r.w.get("says", ()):
        if not _said(said, r):
            out.append(f"says: {said}")
    return out


def _burst(state, r):
    """It needs more than there can be, by the run's own figures, and what empties the queue has time for all that comes."""
    needs, most = state["figures"]["needs"], state["figures"]["most"]
    if state["of"].startswith("queue "):
        q = r.d["queues"][int(state["of"].split()[1])]
        return q["missed"] > 0 and needs == q["burst_needs"] > most and q["missed"] + q["size"] >= needs
    s = next(s for s in r.d["sockets"] if f"{s['proto']} {s['address']}:{s['port']}" == state["of"] and s["burst_needs"] == needs)
    return s["drops"] > 0 and needs > most == 2 * r.host.sysctls()["net.core.rmem_max"] and bool(r.readers(s)) and \
        needs <= s["rmem_max"] + s["drops"] * 70_000


def _true(text, knob, r, titles):
    """One sentence of a knob's `why`."""
    check = SENTENCES.get(text)
    if check is not None:
        return check is ALWAYS or bool(check(r))
    if text in titles:                                      # the rule that named it
        return True
    if text == "only because this traffic ends":
        return not knob["lasting"] and (r.programs_overloaded() or r.poll_saturated() or r.backlog_saturated()
                                        or any(not r.readers(s) for s in r.full()))
    if found := re.fullmatch(r"it saves too little: (\d+\.\d)% of them", text):
        return abs(_saved(knob) * 100 - float(found[1])) < 0.06
    if found := re.fullmatch(r"no more than chance over (\d+) seeds: (lost|p99|CPU time) (.*) with it, (.*) without it", text):
        return _chance(found, knob, r)
    if found := re.fullmatch(r"more frames are lost with it in (\d+) of (\d+) seeds", text):
        each = [knob["spread"][k]["each"] for k in ("lost_before", "lost_after")]
        return len(each[0]) == int(found[2]) and sum(a > b for b, a in zip(*each, strict=True)) >= int(found[1]) > 0
    if found := re.fullmatch(r"frames that (.*) took are lost to (.*) instead", text):
        before = r.dropped if knob["part"] == 1 else None
        return all(knob["dropped_after"].get(x, 0) > (before.get(x, 0) if before else 0) for x in found[2].split(" and "))
    if found := re.fullmatch(r"still (?:lost|refused|lost or refused): (.*)", text):
        return all(f"{knob['dropped_after'].get(x.split(' ')[1], 0):,}" == x.split(" ")[0] for x in found[1].split(", "))
    if text == "nothing is lost, but no more is delivered":
        return knob["lost_after"] == 0 and knob["saved"] < 0.05 * knob["lost_before"]
    return False


def _passed(knob, r):
    """Rules that a moved one passes, that matched something, and that say otherwise."""
    rules = rules_of(r.host)
    for text in json.loads(next((s.partition("=")[2] for s in knob["set"] if s.startswith("iptables.first=")), "[]")):
        table, chain, number = text.split()
        own = rules.tables[table][chain].rules[int(number) - 1]
        yield from (row for row in r.d["iptables"] if (row["table"], row["chain"]) == (table, chain) and row["line"] < own.line
                    and row["target"] not in (own.target.name, "CONTINUE"))


def _saved(knob):
    """Of what could be saved; with several seeds the one in the middle of those that lose something."""
    if "spread" not in knob:
        return knob["saved"] / max(knob["lost_before"], 1)
    spread = knob["spread"]
    each = zip(*(spread[k]["each"] for k in ("saved", "lost_before", "lost_after")), strict=True)
    return statistics.median_low([saved / max(before, 1) for saved, before, after in each if before or after] or [0.0])


def _chance(found, knob, r):
    """Is the difference, seed by seed, too small for so few seeds?  And are the figures those of the spread?"""
    spread = knob["spread"]
    name = {"lost": "lost_after", "p99": "p99_ns", "CPU time": "cpu_ns"}[found[2]]
    if found[2] == "lost":
        differences, before = spread["saved"]["each"], spread["lost_before"]["each"]
    else:
        before = r.d["spread"]["done_ns"]["p99"]["each"] if found[2] == "p99" else \
            [sum(each) for each in zip(*(c["each"] for c in r.d["spread"]["cpu_ns"].values()), strict=True)]
        differences = [b - a for a, b in zip(before, spread[name]["each"], strict=True)]
    shares = [d / b for d, b in zip(differences, before, strict=True) if b]
    if found[2] == "lost" and any(after and not b for after, b in zip(spread[name]["each"], before, strict=True)):
        shares = []                                         # it loses what was not lost: shares tell nothing
    cures = found[2] == "lost" and any(before) and not any(spread[name]["each"]) and min(differences) >= 0 \
        and sum(differences) >= 0.99 * sum(before)
    ends = [_ends(values, found[2]) for values in (spread[name]["each"], before)]
    overlap = len(before) < 5 or (max(before) >= min(spread[name]["each"]) and max(spread[name]["each"]) >= min(before))
    return int(found[1]) == len(before) and _near(shares) and overlap and not cures and ends == [found[3], found[4]]


def _near(differences):
    """Does the t interval of the mean hold 0?  Of one alone nothing can be said."""
    n = len(differences)
    if n < 2:
        return True
    t = {2: 63.657, 3: 9.925, 4: 5.841, 5: 4.604}[n]
    return abs(statistics.fmean(differences)) <= t * statistics.stdev(differences) / n ** 0.5 + 1e-9


def _ends(values, what):
    low, high = (f"{v:,}" if what == "lost" else ns(v) for v in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _figures(knob, r):
    """What a knob's row says of itself."""
    if "no frame that came to the rules matches" in knob["why"] and list(_passed(knob, r)):
        yield "a rule that is passed has matched"
    if knob["part"] == 1 and knob["lost_before"] > sum(r.dropped.values()):
        yield "more lost before than was dropped"
    if knob["lost_after"] > sum(knob["dropped_after"].values()):
        yield "more lost after than was dropped"
    if r.w["goal"] == "loss":
        share = _saved(knob)
        word = "yes" if share >= 0.99 else "partly" if share >= 0.05 else "worse" if share <= -0.05 else "no"
        if knob.get("spread", {}).get("told_apart") is False:
            word = "no"
        share = knob["saved"] / max(knob["lost_before"], 1)
        if word != knob["helped"]:
            yield f"helped {knob['helped']}, but {share:.1%} are saved"
        if knob["ended"] == "saves all" and share < 0.99 and knob["part"] == 1:
            yield f"its climb ended as if it saved all, but {share:.1%} are saved"


def _said(text, r):
    if found := re.match(r"([\d,]+) ([a-z ]+), ([A-Z0-9_]+)( \((UDP|TCP)\))?: ", text):
        n, reason = int(found[1].replace(",", "")), found[3]
        return n <= r.dropped.get(reason, 0) and (found[4] is not None or n == r.dropped[reason] or len(r.d["lost_at"][reason]) > 1
                                                  or r.w["recommended"])
    if text == r.seeds:
        return True
    if text.startswith("a candidate could not be run: "):
        return "bug" not in text
    helped = [k for k in r.d["knobs"] if k["helped"] in ("yes", "partly") and k["lasting"]]
    if text.startswith(("nothing that was tried", "there is no setting to try", "the budget allows no knob")):
        _, _, tail = text.partition(": ")
        return not helped and (not tail or _limit(tail, r))
    if found := re.fullmatch(r"the best of them saves less than half(: (.*)|; nothing else that was tried saves more)", text):
        best = helped[0]
        more = max(k["saved"] for k in helped)
        close = more <= best["saved"] + 0.006 * best["lost_before"]
        return best["saved"] < 0.5 * best["lost_before"] and (_limit(found[2], r) if found[2] else close)
    return False


def _limit(text, r):
    """What is overloaded."""
    if text == "no program reads the sockets that overflowed":
        return not any(r.readers(s) for s in r.full())
    if "of the program's CPU" in text:
        return r.programs_overloaded()
    if re.match(r"the program gets [\d.]+ times what it can read", text):
        return r.programs_overloaded()
    if re.match(r"the CPU that polls gets [\d.]+ times", text):
        return r.poll_saturated()
    return bool(re.match(r"the CPU that works the backlog off gets", text)) and r.backlog_saturated()

