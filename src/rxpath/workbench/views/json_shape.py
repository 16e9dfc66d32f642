"""The shape of --json: replay.schema.json is made from it, with what the results' dataclasses say of themselves; docs/json.md from that.

    python -m rxpath.workbench.views.doc_pages docs

Nothing here runs with a replay.  Counts are not negative; a key that is absent at times is NotRequired."""
import json
import re
from typing import Annotated, Any, Literal, NotRequired

from pydantic import TypeAdapter, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from rxpath.workbench.advice.expected_error import Expected
from rxpath.workbench.advice.sensitivity import Assumed
from rxpath.workbench.advice.states import State
from rxpath.workbench.run.books import CardBooks, Connections, Cpu, Queue, Rule, SenderBooks, SocketBooks, Stalled, Unhandled
from rxpath.workbench.run.connections import TcpLedger
from rxpath.workbench.traffic.clients import ClientBooks
from rxpath.workbench.words.doc import doc

Signed = Annotated[int, WithJsonSchema({"type": "integer"})]
Named = dict[str, int]
Latency = TypedDict("Latency", {"p50": int, "p90": int, "p99": int, "p99.9": int, "max": int, "mean": int, "count": int})


class Merged(TypedDict):
    frames: Annotated[int, doc("records of several segments, put together by GRO before the capture or cut after it (TSO)")]
    segments: Annotated[int, doc("as which they came onto the cable")]


class Capture(TypedDict):
    file: Annotated[str, doc("name without its folder")]
    records: Annotated[int, doc("records read, over all passes of --loop")]
    octets: Annotated[int, doc("bytes on the wire of the offered frames, without preamble and FCS")]
    duration_ns: Annotated[int, doc("from the start to the last frame, as offered")]
    speed: Annotated[float, doc("--speed")]
    rate_pps: Annotated[float, doc("--rate, 0: the capture's own times")]
    loop: Annotated[int, doc("--loop")]
    checksums_left: Annotated[NotRequired[Named], doc(
        "sources that leave checksums to their card, and how many of their frames were taken as good; absent without")]
    merged: Annotated[NotRequired[Merged], doc("frames that were split into the segments that the wire had; absent without")]


class PortChange(TypedDict):
    record: Annotated[int, doc("it closes before this record comes, or opens after it; 0: it begins closed")]
    port: int
    opens: bool


class Receiver(TypedDict):
    addresses: Annotated[list[str], doc("its addresses")]
    mac: Annotated[str, doc("its hardware address")]
    gateway: Annotated[str, doc("the router on its network; empty: not known")]
    lo: Annotated[bool, doc("traffic of a host with itself: lo receives")]
    made_up: Annotated[bool, doc("no frame is addressed to one host: address and MAC are made up")]
    groups: Annotated[list[str], doc("multicast groups that the traffic goes to")]
    vlans: Annotated[list[int], doc("VLAN tags of its traffic")]
    udp_ports: Annotated[list[int], doc("UDP ports that it listens on, busiest first")]
    tcp_ports: Annotated[list[int], doc("TCP ports that accepted connections")]
    closed_udp: Annotated[list[int], doc("UDP ports that answered with port unreachable")]
    closed_tcp: Annotated[list[int], doc("TCP ports that answered with RST")]
    udp_changes: Annotated[list[PortChange], doc("UDP ports that open and close while the capture goes on, in this order")]
    lost_ports: Annotated[int, doc("times that a seldom used UDP port of some host made room for another, the table of ports being full: "
                                   "one of the receiver's is closed then")]
    evidence: Annotated[str, doc("why, in a sentence")]


class HostSeen(TypedDict):
    """cable/receiver.py's: that room knows no pydantic."""
    name: Annotated[str, doc("what --local takes, as long as the file is the same")]
    local: Annotated[str, doc("the address or MAC to give to --local")]
    addresses: list[str]
    mac: Annotated[str, doc("empty: the capture has none")]
    frames_in: Annotated[int, doc("frames to it")]
    frames_out: Annotated[int, doc("frames from it")]
    udp: Annotated[int, doc("of frames_in")]
    tcp: int
    icmp: int
    offered: Annotated[int, doc("frames that a replay for it would put on the cable: all that it has not sent; of lo, but for what its "
                                "kernel itself answered")]
    udp_ports: Annotated[list[int], doc("at which it has answered others")]
    tcp_ports: list[int]
    points: Annotated[float, doc("what the evidence adds up to")]
    why: Annotated[list[str], doc("the evidence, weightiest first")]


class Taught(TypedDict):
    requests: Annotated[int, doc("UDP datagrams to the receiver, but for answers to what it asked")]
    replies: Annotated[int, doc("of these, that it answered")]
    work_ns: Annotated[int, doc("computing for one request, at most: the quickest replies")]
    together: Annotated[int, doc("requests that were worked on at a time, at least: as many as were overtaken by a later one's reply, and "
                                 "one")]
    threads: Annotated[int, doc("threads that work as the replies do: as many as had a request at a time, 256 at most")]
    pauses: Annotated[int, doc("times in which it stood still")]
    applied: Annotated[bool, doc("whether the program of this run works so")]
    why_not: Annotated[str, doc("empty: it does")]


class CpuNs(TypedDict):
    hardirq: Annotated[int, doc("interrupt handlers")]
    softirq: Annotated[int, doc("softirqs, ksoftirqd and NAPI threads")]
    syscall: Annotated[int, doc("the kernel on behalf of threads: system calls, and switching between threads")]
    application: Annotated[int, doc("the programs' own work")]
    idle: Annotated[int, doc("nothing to do")]


class Spent(TypedDict):
    program: str
    done_ns: Latency
    places: Annotated[dict[str, Latency], doc("throttle, interrupt, ring, softirq, backlog, hole (behind a missing TCP segment), "
                                              "wake_up, socket, system_call, batch, work: those where a datagram or message was at all; "
                                              "the means add up to that of done_ns")]


class Counters(TypedDict):
    snmp: Annotated[Named, doc("/proc/net/snmp: Ip, Icmp, Udp, Tcp")]
    netstat: Annotated[Named, doc("/proc/net/netstat: IpExt, TcpExt")]
    softnet: Annotated[list[Named], doc("/proc/net/softnet_stat, for each CPU")]
    ethtool: Annotated[Named, doc("ethtool -S of the first card; empty where its driver has none")]
    device: Annotated[Named, doc("struct rtnl_link_stats64 of the first card, as ip -s link shows it")]


class App(TypedDict):
    name: str
    thread: int
    cpu: int
    received: int
    application_ns: int
    syscall_ns: int
    wakeups: int
    latency_ns: Latency
    done_ns: Latency
    pauses: Annotated[int, doc("times that it stood still (app.N.pause) or did not run (app.N.restart)")]
    paused_ns: Annotated[int, doc("how long, in all")]
    connections: Annotated[NotRequired[Connections], doc("of a thread that serves TCP, whose received are messages; absent for others")]


class SocketFill(TypedDict):
    socket: str
    max: int
    of: int


class HighWater(TypedDict):
    ring: Annotated[list[Named], doc("descriptors of each queue")]
    backlog: Annotated[list[Named], doc("packets on each CPU's backlog")]
    socket: Annotated[list[SocketFill], doc("receive memory of each socket, bytes")]
    fragments: Annotated[Named, doc("memory of reassembly, bytes")]


class Range(TypedDict):
    min: Signed
    median: Signed
    max: Signed
    each: list[Signed]


Ranges = dict[str, Range]


class Sure(TypedDict):
    lost_before: Range
    lost_after: Range
    saved: Annotated[Range, doc("frames lost or stuck without it and not with it, seed by seed")]
    p99_ns: Annotated[Range, doc("latency")]
    cpu_ns: Annotated[Range, doc("CPU time")]
    told_apart: Annotated[bool, doc("it differs from the host as it is by more than the seeds do: the 99 % t interval of the differences, "
                                    "seed by seed, does not hold 0, or, with five seeds or more, all values of one lie above all "
                                    "of the other, or nothing is lost with it in any seed, and something as it is in some")]


class Spread(TypedDict):
    seeds: Annotated[list[int], doc("which")]
    part: Annotated[int, doc("of the first 1/part of the traffic: 1 is all of it")]
    offered: Range
    delivered: Range
    received: Range
    queued: Range
    lost: Annotated[Range, doc("of the class lost")]
    dropped: Annotated[NotRequired[Ranges], doc("by drop reason; absent where nothing was")]
    latency_ns: Annotated[Ranges, doc("p50, p90, p99, p99.9, max, mean")]
    done_ns: Annotated[NotRequired[Ranges], doc("the same to the end of the program's work")]
    cpu_ns: Annotated[Ranges, doc("by context, without idle")]
    sockets: Annotated[NotRequired[dict[str, Ranges]], doc("received, queued and drops of each socket that something came to")]
    apps: Annotated[NotRequired[dict[str, Ranges]], doc("of each application thread: count, p50, p99 and max of its latency")]
    cpus: Annotated[NotRequired[dict[str, Ranges]], doc("busy_ns of each CPU")]


class Knob(TypedDict):
    set: Annotated[list[str], doc("as --set takes them")]
    lost_before: Annotated[int, doc("frames that ended before their program as the host is, and that some setting could save")]
    lost_after: Annotated[int, doc("the same with the setting")]
    saved: Annotated[Signed, doc("frames lost or stuck before and not any more")]
    queued_after: Annotated[int, doc("frames unread or under way at the end of the run with the setting")]
    part: Annotated[int, doc("the figures are of the first 1/part of the traffic; 1: of all of it")]
    effort: Annotated[int, doc("1: undone at once; 2: where something runs; 3: a program asks for something else; 4: a program is built "
                               "otherwise; 5: not this host's; the sum of several together")]
    ended: Annotated[Literal["saves all", "no more", "largest", "not finished"], doc(
        "why no larger step was tried: it saves all, it brings nothing more, there is none, the budget or Ctrl-C")]
    p99_us_before: Annotated[float, doc("latency, us")]
    p99_us_after: Annotated[float, doc("the same with the setting")]
    cpu_before: Annotated[int, doc("CPU time of all CPUs in all contexts, ns")]
    cpu_after: Annotated[int, doc("the same with the setting")]
    memory_bytes: Annotated[Signed, doc("what queues can hold more than before, when they are full")]
    helped: Annotated[Literal["yes", "partly", "no", "worse"], doc(
        "yes: 99 % of what can be saved (latency, cpu: 10 % better); partly: 5 % (3 %)")]
    why: Annotated[str, doc("a sentence: the rule, or why it did not help")]
    commands: Annotated[list[str], doc("what a person types on a Linux host")]
    rule: Annotated[str, doc("of docs/rules.md, empty for popular advice that no rule gives")]
    title: Annotated[str, doc("in words")]
    lasting: Annotated[bool, doc("false: it helped only because this traffic ends, or nobody can type it; never recommended")]
    dropped_after: Annotated[Named, doc("losses by drop reason with the setting")]
    spread: Annotated[NotRequired[Sure], doc("the same setting over the seeds of spread.seeds; absent where it was not repeated")]


class Fired(TypedDict):
    rule: str
    title: str
    cause: str


class NotTried(TypedDict):
    title: str
    why: str


class WhatIf(TypedDict):
    goal: Annotated[Literal["loss", "latency", "cpu"], doc("--goal")]
    fired: Annotated[list[Fired], doc("rules whose symptom and discriminator hold")]
    recommended: Annotated[list[str], doc("the first of knobs, if it helped")]
    commands: Annotated[list[str], doc("its commands")]
    says: Annotated[list[str], doc("losses that no knob saves and why; or why there is no recommendation")]
    not_tried: Annotated[list[NotTried], doc("cures that could not be tried on this host, and why")]
    unfinished: Annotated[list[str], doc("knobs whose search the budget or Ctrl-C ended")]
    settings: Annotated[int, doc("that were tried")]
    runs: int
    packets: Annotated[int, doc("simulated in these runs")]
    part: Annotated[int, doc("candidates were tried on the first 1/part of the traffic, and what helped on all of it")]
    budget: Annotated[int, doc("simulated packets, --budget")]
    interrupted: Annotated[bool, doc("Ctrl-C: what was tried until then")]
    seed: Annotated[int, doc("of the host, that knobs were tried with: where the shown run loses nothing and others of spread.seeds do, "
                             "the one that loses most, which is then the first of them")]


class Series(TypedDict):
    name: Annotated[str, doc("what: ring_fill, socket_memory, cpu_softirq, dropped, ...")]
    of: Annotated[str, doc("whose: queue 0, cpu 1, a socket, a thread, a drop reason")]
    unit: Annotated[str, doc("descriptors, packets, datagrams, frames, bytes, ns")]
    kind: Annotated[Literal["level", "total", "sample"], doc(
        "level: what stood somewhere; total: what was counted; sample: single values")]
    count: Annotated[NotRequired[list[Signed]], doc(
        "of a level: how often it changed; of samples: how many. A total has neither this nor min and max")]
    min: Annotated[NotRequired[list[Signed]], doc("the least; of samples nothing where count is 0")]
    max: Annotated[NotRequired[list[Signed]], doc("the most; of samples nothing where count is 0")]
    sum: Annotated[list[Signed], doc("of a level: value times ns, so that sum / bucket_ns is its mean over time; of a total: what was "
                                     "counted; of samples: their sum")]


class Recording(TypedDict):
    bucket_ns: Annotated[int, doc("width of a bucket; bucket i begins at i times that")]
    buckets: Annotated[int, doc("of every series")]
    elapsed_ns: Annotated[int, doc("virtual time of the run")]
    sockets_summed: Annotated[int, doc("sockets beyond the last series: together they are other sockets")]
    series: Annotated[list[Series], doc("one quantity of one owner, a value for each bucket")]


class Mark(TypedDict):
    t_ns: int
    cpu: int
    station: str
    cost_ns: int
    context: str
    arg: Signed
    facts: Annotated[NotRequired[dict[str, Any]], doc(
        "what it says of the host: queue, slot, of, waiting and poll of its ring; route, type, table; socket, name, queued, bytes and "
        "limit as it came there; behind: packets that waited behind it; merged_into: a frame, and segment, as above; rule, line, target")]


class Packet(TypedDict):
    frame: Annotated[int, doc("its number in the capture, from 1")]
    segment: Annotated[NotRequired[int], doc(
        "of a merged frame that was split: which segment, from 2; absent: the first, or the frame is whole")]
    packet: str
    length: int
    t_ns: Annotated[int, doc("when its last bit arrived")]
    end: Annotated[str, doc("RECEIVED, CONSUMED, a drop reason, or NOT_DROPPED_YET")]
    at: Annotated[str, doc("the station at which it ended")]
    spent_ns: Annotated[Named, doc("where its time went, as far as it came: the places of spent")]
    marks: list[Mark]


class CaseClass(TypedDict):
    """A class of losses of a case: what its host really lost, and the model."""
    name: Annotated[str, doc("ring, backlog, rules, rp_filter, fragments, no_port, checksum, socket, memory; squeeze, which is no loss")]
    counters: Annotated[str, doc("where Linux shows it")]
    real: Annotated[NotRequired[int], doc("really lost between the first sample and the last; absent: the case does not say")]
    predicted: Annotated[int, doc("by the model in the same time, nothing fitted to losses")]
    fitted: Annotated[NotRequired[int], doc("by the model with what was fitted; absent: nothing was")]
    together: Annotated[NotRequired[float], doc("of the larger of both, the share that was lost in the same interval between two samples")]
    judged: Annotated[bool, doc("false: lost before the place where the capture was taken, which holds only what got through")]


class RealAndHere(TypedDict):
    """Of one class in one stretch of time."""
    name: str
    real: int
    here: int


class CaseStretch(TypedDict):
    """A stretch of time, in s from the first sample."""
    begin: float
    end: float
    losses: list[RealAndHere]


class CaseFitted(TypedDict):
    """What was fitted to the losses of the first half of the recording."""
    app: Annotated[str, doc("the program")]
    what: Annotated[str, doc("work or sleep, for each datagram")]
    before_ns: Annotated[int, doc("what was meant before")]
    ns: Annotated[int, doc("what it is with that")]
    second_half: Annotated[list[int], doc("of the second half: really lost, and by the model")]


class Case(TypedDict):
    """A case beside what its host really lost (docs/case.md)."""
    seconds: Annotated[float, doc("between the first sample and the last")]
    frames: Annotated[int, doc("of the capture, in that time")]
    classes: Annotated[list[CaseClass], doc("classes in which anything was lost, really or here")]
    over_time: list[CaseStretch]
    measured: Annotated[list[str], doc("what the case said of its programs, in words")]
    fitted: Annotated[NotRequired[CaseFitted], doc("absent: nothing was")]
    cannot_judge: Annotated[str, doc("why the two cannot be compared; empty: they can")]
    explained: Annotated[list[str], doc("where they differ, and which assumption would explain it")]
    notes: Annotated[list[str], doc("what was damaged or missing in the case")]
    tap_lost: Annotated[int, doc("frames that the capture itself lost")]


class Replay(TypedDict):
    """One run.  Frames are frames of the wire; times are ns of the cost profile's virtual time.  The same capture, host and seed give the \
same bytes."""
    schema: Annotated[Literal[3], doc("version of this layout; it goes up when a key changes its meaning or goes away")]
    kernel: Annotated[str, doc("kernel profile, as docs/kernels.md lists them")]
    profile: Annotated[str, doc("cost profile that every figure of time belongs to")]
    seed: Annotated[int, doc("seed of everything random")]
    capture: Annotated[Capture, doc("what was replayed")]
    receiver: Annotated[Receiver, doc("who receives, as worked out from the capture or as the user said")]
    hosts: Annotated[list[HostSeen], doc("hosts of the capture, the likeliest receiver first; empty for generated traffic")]
    little: Annotated[str, doc("why the answer means little; empty: it means something; said where less than a fifth of the frames had an "
                               "end in the receiver")]
    replies: Annotated[str, doc("what the receiver's replies in the capture teach of its programs: service times, requests under way at a "
                                "time, pauses, and whether the program works so; empty: there are none")]
    taught: Annotated[NotRequired[Taught], doc("the same as figures; absent: there are no replies")]
    offered: Annotated[int, doc("frames that were put on the cable; offered = delivered + queued + sum of dropped, always")]
    delivered: Annotated[int, doc("frames that reached an end: received + consumed")]
    queued: Annotated[int, doc("frames that were still under way when the run ended")]
    dropped: Annotated[Named, doc("lost frames by drop reason (docs/drop-reasons.md); each lost frame has exactly one")]
    lost_at: Annotated[dict[str, Named], doc("the same frames by drop reason and station: where it happened")]
    ended: Annotated[Named, doc("the same by class: lost, not in order, refused, not for this host, not modelled, down, held back")]
    unhandled: Annotated[NotRequired[list[Unhandled]], doc(
        "protocols that nobody handles, or that are not modelled, most frames first; absent without")]
    tcp: Annotated[NotRequired[TcpLedger], doc(
        "TCP connections that the capture shows: offered = read + consumed + duplicates + held_back + before_syn + behind_gaps + lost + "
        "other + queued; absent without")]
    clients: Annotated[NotRequired[ClientBooks], doc(
        "TCP clients of a traffic spec, what became of their connections as they see it; absent without")]
    received: Annotated[int, doc("of the delivered: an application read it, or any copy of it")]
    consumed: Annotated[int, doc("of the delivered: the kernel itself was its end (ARP, ICMP, a SYN)")]
    not_offered: Annotated[Named, doc("records that were not put on the cable: own (sent by the receiver itself; of lo: what its kernel "
                                      "itself answered), link_type, no_interface, no_link_header, not_selected")]
    elapsed_ns: Annotated[int, doc("virtual time of the run, from boot until nothing was under way")]
    cpu_ns: Annotated[CpuNs, doc("CPU time of all CPUs by context; they add up to elapsed_ns times the number of CPUs")]
    cpus: Annotated[list[Cpu], doc("the same for each CPU")]
    latency_ns: Annotated[Latency, doc("from the last bit on the wire to the return of the receiving call, all applications together; "
                                       "percentiles are right within 3 %")]
    done_ns: Annotated[Latency, doc("from the last bit on the wire to the end of the program's work on the datagram; of those that it is "
                                    "done with")]
    spent: Annotated[NotRequired[list[Spent]], doc("where that time went, by program; absent where no program was done with a datagram")]
    counters: Annotated[Counters, doc("counters under their kernel names")]
    queues: Annotated[list[Queue], doc("receive queues; those of several cards are numbered through")]
    cards: Annotated[NotRequired[list[CardBooks]], doc("with several cards: each")]
    sockets: Annotated[list[SocketBooks], doc("every socket")]
    apps: Annotated[list[App], doc("every application thread")]
    senders: Annotated[NotRequired[list[SenderBooks]], doc(
        "with a device without a ring (veth, lo): the task of this host that sends to it")]
    stalls: Annotated[NotRequired[list[Stalled]], doc("with [stalls]: each CPU that stalled")]
    high_water: Annotated[HighWater, doc("how full everything was that can be full: max, of its limit")]
    copies: Annotated[Named, doc("what the books do not count as frames of its own: taps, clones (multicast), fragments, reassembled "
                                 "datagrams, gro_merged, sent (frames that the path sent)")]
    stations: Annotated[Named, doc("how often each station was entered (docs/kernel-map.md)")]
    iptables: Annotated[list[Rule], doc("rules and policies that counted a packet")]
    log: Annotated[NotRequired[list[str]], doc("lines of LOG rules, at most 1000; only there when a rule logged")]
    states: Annotated[list[State], doc("what matters whether or not something was lost: lasting overload, bursts "
                                       "longer than any buffer, sockets that nobody reads, groups that nobody joined")]
    assumed: Annotated[list[str], doc("what the figures depend on and nobody measured on this host")]
    expected_error: Annotated[NotRequired[list[Expected]], doc(
        "how far the figures are from this machine's kernel, for each kind of load that the run is of; there when the cost profile was "
        "measured here and validated (docs/calibrate.md)")]
    knobs: Annotated[NotRequired[list[Knob]], doc(
        "settings that were tried on the same traffic and host, best first, then those that did not help; absent with --no-whatif, and "
        "when nothing was lost and no --goal given (docs/whatif.md)")]
    whatif: Annotated[NotRequired[WhatIf], doc("the search for them; there when knobs is")]
    sensitivity: Annotated[NotRequired[list[Assumed]], doc("the same run with what is assumed changed; absent with --no-whatif")]
    spread: Annotated[NotRequired[Spread], doc(
        "figures of the run over several seeds, those of seed first; each is an object of min, median, max and each (a value for each "
        "seed); absent with --seeds 1, and with --no-whatif without --seeds")]
    recording: Annotated[NotRequired[Recording], doc("the run over time; there with --record - (docs/recording.md)")]
    case: Annotated[NotRequired[Case], doc("of a case replayed as it was recorded: what its host really lost, beside the model")]
    notes: Annotated[list[str], doc("what a reader of the figures must know: cut frames, mended times, rules left out")]
    interrupted: Annotated[bool, doc("the run was stopped before its end")]
    host: Annotated[dict[str, Any], doc("every setting that the run used, as rxpath host show --json")]
    trail: Annotated[NotRequired[list[Packet]], doc("with --trail only: the way of single packets")]


class Shape(GenerateJsonSchema):
    """Nothing unknown, what is said of fields alone, and what is not Signed is no less than 0."""

    def int_schema(self, schema: Any) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        return self._closed(super().typed_dict_schema(schema))

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        return self._closed(super().dataclass_schema(schema))

    def default_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    @staticmethod
    def _closed(made: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in made.items() if k not in ("title", "description")} | {"additionalProperties": False}


def _made() -> dict[str, Any]:
    head = {"$schema": GenerateJsonSchema.schema_dialect, "title": "rxpath replay --json", "description": Replay.__doc__}
    return head | TypeAdapter(Replay).json_schema(mode="serialization", schema_generator=Shape)


def resolved() -> dict[str, Any]:
    """The schema as one object: what is said of a field beside what it is."""
    made = _made()

    def whole(node: Any) -> Any:
        if isinstance(node, list):
            return [whole(item) for item in node]
        if not isinstance(node, dict):
            return node
        known = whole(made["$defs"][node["$ref"].rsplit("/", 1)[-1]]) if "$ref" in node else {}
        return known | {k: whole(v) for k, v in node.items() if k not in ("$ref", "$defs")}
    found: dict[str, Any] = whole(made)
    return found


def schema() -> str:
    """replay.schema.json"""
    text = json.dumps(_made(), indent=1)
    return re.sub(r"[\[{]\n[^\[\]{}]*[\]}]", lambda inner: " ".join(inner[0].split()), text) + "\n"      # what holds nothing: a line
