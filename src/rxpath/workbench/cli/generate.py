"""`rxpath generate`: traffic into a pcap file."""
from __future__ import annotations

import sys
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.options import SeedOption
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt

EXAMPLES = examples(
    "rxpath generate --rate 300kpps --duration 1s --flows 1000 --size imix -o out.pcap",
    ("rxpath generate --kind onoff --burst 600 --rate 60kpps -o bursts.pcap", "600 at once, 60,000 a second on average"),
    ("rxpath generate --preset dns --duration 5s | rxpath replay -", "generate --presets lists them"),
    ("rxpath generate --spec mix.toml -o mix.pcap", "or without a file: rxpath replay mix.toml"),
    ("rxpath generate --spec mix.toml --set traffic.0.rate=1Mpps -o x.pcap", "one key changed"),
    "rxpath generate --merge a.pcap --merge b.pcap --loop 10 --fresh -o ab.pcap",
)


def generate(
    rate: Annotated[str | None, typer.Option("--rate", metavar="PPS", help="Datagrams a second: 300kpps, 1.2Mpps.")] = None,
    gap: Annotated[str | None, typer.Option(
        "--gap", metavar="TIME", help="Instead of --rate: time between datagrams; onoff: pause after a burst.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="constant (default), poisson, onoff or pareto.")] = None,
    burst: Annotated[int | None, typer.Option("--burst", metavar="N", help="onoff, pareto: datagrams of a burst.")] = None,
    peak: Annotated[str | None, typer.Option("--peak", metavar="PPS", help="onoff, pareto: rate within a burst.")] = None,
    duration: Annotated[str | None, typer.Option("--duration", metavar="TIME", help="Duration; 1s if there is no --count.")] = None,
    count: Annotated[int | None, typer.Option("--count", metavar="N", help="How many datagrams.")] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="BYTES", help='UDP payload: 18, imix, "64:7,512:4,1472:1".')] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", metavar="P", help="udp (default), icmp or tcp-syn.")] = None,
    src: Annotated[str | None, typer.Option("--src", metavar="ADDR", help="Senders: 10.0.0.2-10.0.0.99, 10.1.0.0/16.")] = None,
    dst: Annotated[str | None, typer.Option("--dst", metavar="ADDR", help="Receiver; default 10.0.0.1.")] = None,
    sport: Annotated[str | None, typer.Option("--sport", metavar="PORT", help="Source ports: 1024-65535.")] = None,
    dport: Annotated[str | None, typer.Option("--dport", metavar="PORT", help="Destination ports; default 5000.")] = None,
    flows: Annotated[int | None, typer.Option("--flows", metavar="N", help="How many flows.")] = None,
    skew: Annotated[float | None, typer.Option("--skew", metavar="S", help="Some flows send more: Zipf's exponent; 0: at random.")] = None,
    vlan: Annotated[int | None, typer.Option("--vlan", metavar="ID", help="VLAN tag.")] = None,
    mtu: Annotated[int | None, typer.Option("--mtu", metavar="BYTES", help="Longer datagrams go in fragments; 1500.")] = None,
    ttl: Annotated[int | None, typer.Option("--ttl", metavar="N", help="Time to live; 64.")] = None,
    checksum: Annotated[str | None, typer.Option("--checksum", metavar="KIND", help="good, bad, bad-ip or none.")] = None,
    incomplete: Annotated[float | None, typer.Option(
        "--incomplete", metavar="SHARE", help="Share of fragmented datagrams without their last fragment.")] = None,
    seed: SeedOption = None,
    set_: Annotated[list[str] | None, typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of a spec or preset: traffic.0.rate=200kpps; several times.")] = None,
    line: Annotated[str | None, typer.Option("--line", metavar="SPEED", help="Line that frames share; 10Gbit.")] = None,
    spec: Annotated[str | None, typer.Option("--spec", metavar="FILE", help="A traffic spec (TOML), docs/generate.md.")] = None,
    preset: Annotated[str | None, typer.Option("--preset", metavar="NAME", help="A ready-made spec; options change it.")] = None,
    presets: Annotated[bool, typer.Option("--presets", help="List the presets.")] = False,
    out: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="pcap to write; - or a pipe: standard output.")] = None,
    merge: Annotated[list[str] | None, typer.Option("--merge", metavar="PCAP", help="Merge captures instead; several times.")] = None,
    speed: Annotated[float, typer.Option("--speed", metavar="X", help="With --merge: X times as fast.")] = 1.0,
    loop: Annotated[int, typer.Option("--loop", metavar="N", help="With --merge: N times, one after the other.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="With --loop: each time from other source addresses.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False
) -> None:
    """Generate traffic into a pcap: constant, Poisson, bursts, heavy tails; many flows, sizes, fragments.  Seeded: same bytes each time."""
    from pathlib import Path

    from rxpath.workbench.traffic import generate as generating
    from rxpath.workbench.traffic import merge as merging
    from rxpath.workbench.traffic.presets import lines
    from rxpath.workbench.words.mistakes import BadInput, apart

    if presets:
        for text in lines():
            typer.echo(text)
        return
    options = {"rate": rate, "gap": gap, "kind": kind, "burst": burst, "peak": peak, "duration": duration, "count": count, "size": size,
               "protocol": protocol, "src": src, "dst": dst, "sport": sport, "dport": dport, "flows": flows, "skew": skew, "vlan": vlan,
               "mtu": mtu, "ttl": ttl, "checksum": checksum, "incomplete": incomplete}
    if out == "":
        raise BadInput("generate -o: the file's name is empty")
    apart("generate -o", out, spec, *(merge or []))
    if merge:
        if spec is not None or preset is not None or set_ or any(v is not None for v in options.values()):
            raise BadInput("generate --merge: captures are merged as they are; --speed, --loop and --fresh change them")
        with Interrupt() as interrupt, Bar(not no_progress, "merging") as bar:
            frames, octets, ns = merging.merge(merge, out, speed=speed, loop=loop, fresh=fresh, progress=bar, stop=interrupt)
    else:
        if speed != 1 or loop != 1 or fresh:
            raise BadInput("generate: --speed, --loop and --fresh are for --merge")
        wanted = generating.spec_from(options, spec, preset, seed, line, set_ or [])
        with Interrupt() as interrupt, Bar(not no_progress, f"generating {Path(spec).name if spec else preset or ''}".strip()) as bar:
            frames, octets, ns = generating.generate(wanted, out, bar, interrupt)
    if out not in (None, "-"):
        print(f"rxpath: wrote {out}: {frames:,} frames in {ns / 1e9:,.3f} s, {octets:,} bytes"
              + ("; ended early" if interrupt.asked else ""), file=sys.stderr)
    raise typer.Exit(EXIT_INTERRUPTED if interrupt.asked else 0)
