"""The options of `rxpath replay`, one below the other: the command itself is replay.py."""
from __future__ import annotations

from typing import Annotated

import typer

CaptureArgument = Annotated[str, typer.Argument(
    metavar="CAPTURE",
    help="pcap or pcapng file (also gzipped), -, the name of a bundled one (first), or a traffic spec (.toml).")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="With --loop: each time from other source addresses.")]
TrailOption = Annotated[list[str] | None, typer.Option(
    "--trail", metavar="FILTER",
    help="Print the way of single packets: a frame number, an address, :PORT, drops, drops:REASON, all, or a pcap filter "
    "('udp port 53').")]
TrailLimitOption = Annotated[int, typer.Option("--trail-limit", metavar="N", help="Print at most this many packets.")]
TrailLinesOption = Annotated[str | None, typer.Option(
    "--trail-lines", metavar="FILE", help="Write these packets as JSON lines, one for each; - is standard output, in place of the tree.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output; docs/json.md.")]
RecordOption = Annotated[str | None, typer.Option(
    "--record", metavar="FILE", help="Write rings, queues, CPU time, losses and latency over time: FILE.json, .arrow or .parquet; "
    "- puts them into --json.")]
PcapngOption = Annotated[str | None, typer.Option("--pcapng", metavar="FILE", help="Write every frame with its fate, for Wireshark.")]
FoldedOption = Annotated[str | None, typer.Option(
    "--folded", metavar="FILE", help="Write what the CPUs worked on: folded stacks in ns of virtual time, or FILE.svg, a flame graph.")]
PerfettoOption = Annotated[str | None, typer.Option(
    "--perfetto", metavar="FILE", help="Write what every CPU did and when, as a trace for ui.perfetto.dev.")]
PerfettoEventsOption = Annotated[int | None, typer.Option(
    "--perfetto-events", metavar="N", help="Keep at most this many events of it: 500,000 if not given.")]
OverTimeOption = Annotated[bool, typer.Option(
    "--over-time", help="Show queues, losses, CPUs and latency over time, and chart the queue nearest to its limit.")]
SamplesOption = Annotated[str | None, typer.Option(
    "--samples", metavar="FILE.csv", help="Write where the time of single datagrams went, up to 4,096 chosen by chance.")]
TapOption = Annotated[str | None, typer.Option("--tap", metavar="FILE", help="A packet socket that writes what it sees to a pcap.")]
TxOption = Annotated[str | None, typer.Option("--tx", metavar="FILE", help="Write the frames that the path sends to a pcap.")]
SkipUnsupportedOption = Annotated[bool, typer.Option("--skip-unsupported", help="Leave out iptables rules that are not modelled.")]
PlainOption = Annotated[bool, typer.Option("--plain", help="Run the path as plain Python: slow, the same bytes.")]
GoalOption = Annotated[str | None, typer.Option(
    "--goal", metavar="GOAL", help="What to find knobs for: loss, latency or cpu. Loss, if anything was lost.")]
BudgetOption = Annotated[str | None, typer.Option(
    "--budget", metavar="PACKETS", help="How many packets to simulate for that: 20M if not given.")]
NoWhatifOption = Annotated[bool, typer.Option("--no-whatif", help="Do not look for what would have saved the lost packets.")]
SeedsOption = Annotated[int | None, typer.Option(
    "--seeds", metavar="N", help="How many seeds the run and its knobs are repeated with, to say what is chance: 5, with --no-whatif "
    "1.")]
ViewOption = Annotated[list[str] | None, typer.Option(
    "--view", metavar="MODULE:CLASS", help="Show a view of your own in place of the report, an rxpath.View: mine:Sockets, mine.py:Sockets; "
    "docs/python.md.")]
NoProgressOption = Annotated[bool, typer.Option("--no-progress", help="No progress bar.")]
ProcOption = Annotated[str | None, typer.Option(
    "--proc", metavar="DIR", help="Write /proc as the host's kernel would show it at the end of the run, or --at a moment.")]
