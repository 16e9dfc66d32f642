#!/usr/bin/env python3
"""What a replay makes of every capture of a folder: whether it gives an answer, and whether it is about the right host.

    python tools/capture_census.py FOLDER [FOLDER ...] [--json FILE] [--compare FILE] [--quiet]

For each capture, on the default host:

    receiver    the host that was chosen
    read        of the frames that the receiver did not send, the share that a program read (what the kernel itself consumes does not
                count: ACKs, a SYN)
    ended       the share that was read, or that the kernel consumed (ARP, ICMP, a SYN)
    capturer    the capturing host, where checksums prove it: the sources all or most of whose checksums were left to their card (an IP
                checksum of 0, or a TCP or UDP checksum that is only the pseudo-header's sum), if another source made its own
    right       whether the receiver is one of them

Then the totals.  --json writes all of it, --compare says what has changed since such a file.  Ctrl-C prints what was done until then.
Needs nothing but the installed package; each capture is replayed in this process, one after the other."""
from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import rxpath
from rxpath.abi.capture import Scan
from rxpath.cable.reading import Reading
from rxpath.cable.scan import capture_next
from rxpath.cable.source import CaptureError, Source

SUFFIXES = (".pcap", ".pcapng", ".cap", ".gz")
LEAST_SHARE = 0.5                                   # of a source's checksums that must be unmade
MADE_UP_MAC = "02:00:00:00:00:fe"                   # of peers in captures without MACs


# ---------------------------------------------------------------- the proof, read in plain Python from the frames alone
def sums_of(frame: bytes) -> tuple[str, str, bool] | None:
    """(source address, source MAC, whether its checksum was left to the card) of a whole IPv4 or IPv6 frame with a checksum to judge."""
    at, kind = 12, frame[12:14]
    while kind in (b"\x81\x00", b"\x88\xa8") and len(frame) >= at + 6:
        at += 4
        kind = frame[at:at + 2]
    ip, mac = frame[at + 2:], frame[6:12].hex(":")
    if kind == b"\x08\x00" and len(ip) >= 20 and ip[0] >> 4 == 4:
        head, total, proto = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big"), ip[9]
        source = ".".join(map(str, ip[12:16]))
        if head < 20 or len(ip) < head:
            return None
        if ip[10:12] == b"\0\0" and total:
            return source, mac, True
        if int.from_bytes(ip[6:8], "big") & 0x3FFF:
            return None
        addresses, body = ip[12:20], ip[head:total or None]
    elif kind == b"\x86\xdd" and len(ip) >= 40 and ip[0] >> 4 == 6:
        proto, addresses, body = ip[6], ip[8:40], ip[40:40 + int.from_bytes(ip[4:6], "big")]
        source = ":".join(ip[i:i + 2].hex() for i in range(8, 24, 2))
    else:
        return None
    place = {6: 16, 17: 6}.get(proto)
    if place is None or len(body) < (20 if proto == 6 else 8):
        return None
    length = int.from_bytes(body[4:6], "big") if proto == 17 else len(body)
    found = int.from_bytes(body[place:place + 2], "big")
    if proto == 17 and found == 0:
        return None
    total = sum(int.from_bytes(addresses[i:i + 2], "big") for i in range(0, len(addresses), 2)) + proto
    return source, mac, found in (folded(total + length), folded(total))


def folded(n: int) -> int:
    while n >> 16:
        n = (n & 0xFFFF) + (n >> 16)
    return n


def capturers(path: Path) -> tuple[set[str], set[str]]:
    """(addresses, MACs) that the checksums prove to be the capturing host's; both empty: they prove nothing."""
    left, made, macs = Counter[str](), Counter[str](), {}
    reading = Reading(Source(path))
    try:
        while (why := capture_next(reading.s, reading.addr)) == Scan.RECORD or (why == Scan.MORE and reading.more()):
            if why == Scan.RECORD:
                s = reading.s
                found = sums_of(bytes(reading.view[s.rec_at:s.rec_at + s.rec_caplen]))
                if found is not None:
                    (left if found[2] else made)[found[0]] += 1
                    macs.setdefault(found[0], found[1])
    finally:
        reading.close()
    proved = {a for a, n in left.items() if n >= (n + made[a]) * LEAST_SHARE}
    if not proved or not any(a not in proved for a in made):
        return set(), set()
    return proved, {macs[a] for a in proved} - {MADE_UP_MAC, "00:00:00:00:00:00"}


# ---------------------------------------------------------------- one capture
def look(path: Path) -> dict[str, Any]:
    """What came of one capture, as plain values."""
    began = time.process_time()
    try:
        run = rxpath.replay(path)
    except CaptureError as error:
        return {"refused": str(error)}
    except Exception as error:                      # what must never happen is a figure, too
        return {"bug": f"{type(error).__name__}: {error}"}
    took = time.process_time() - began
    addresses, macs = capturers(path)
    offered = run.offered
    found: dict[str, Any] = {
        "receiver": [run.receiver.mac_text(), *run.receiver.addresses], "offered": offered, "received": run.books.received,
        "delivered": run.delivered, "not_offered": run.not_offered, "dropped": run.dropped, "cpu_s": round(took, 2),
        "read": round(run.books.received / offered, 4) if offered else 0.0, "ended": round(run.delivered / offered, 4) if offered else 0.0,
    }
    if addresses:
        own = set(run.receiver.addresses)
        found |= {"capturer": sorted(addresses), "right": bool(own & {short(a) for a in addresses}) or run.receiver.mac_text() in macs}
    return found


def short(address: str) -> str:
    import ipaddress

    return str(ipaddress.ip_address(address))


# ---------------------------------------------------------------- all of them
def totals(files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    ran = [f for f in files.values() if "offered" in f]
    proved = [f for f in ran if "capturer" in f]
    frames, lost = sum(f["offered"] for f in ran), Counter[str]()
    for f in ran:
        lost.update(f["dropped"])
    return {"files": len(files), "replayed": len(ran), "refused": sum("refused" in f for f in files.values()),
            "bugs": sum("bug" in f for f in files.values()),
            "mostly_read": sum(f["read"] > 0.5 for f in ran), "mostly_ended": sum(f["ended"] > 0.5 for f in ran),
            "nothing_offered": sum(not f["offered"] for f in ran),
            "proved": len(proved), "right": sum(f["right"] for f in proved),
            "frames": frames, "frames_read": sum(f["received"] for f in ran), "dropped": dict(lost.most_common()),
            "cpu_s": round(sum(f["cpu_s"] for f in ran), 1)}


def text(total: dict[str, Any]) -> str:
    def of(n: int, all_: int) -> str:
        return f"{n:,} of {all_:,}" + (f" ({100 * n / all_:.0f} %)" if all_ else "")

    lines = [f"{of(total['replayed'], total['files'])} captures replayed, {total['refused']:,} refused, {total['bugs']:,} failed",
             f"a program reads more than half of the frames: {of(total['mostly_read'], total['replayed'])}",
             f"a program or the kernel is the end of more than half: {of(total['mostly_ended'], total['replayed'])}",
             f"no frame offered at all: {total['nothing_offered']:,}",
             f"the capturing host, where checksums prove it, was chosen: {of(total['right'], total['proved'])}",
             f"frames read by a program: {of(total['frames_read'], total['frames'])}"]
    lines += [f"  {n:,} {reason}" for reason, n in list(total["dropped"].items())[:12]]
    return "\n".join([*lines, f"{total['cpu_s']:,} s of CPU time"])


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Captures whose answer has become better or worse."""
    out = []
    for name, f in now.items():
        old = before.get(name, {})
        if "read" in f and "read" in old and abs(f["read"] - old["read"]) > 0.02:
            out.append(f"{name}: read {100 * old['read']:.0f} % -> {100 * f['read']:.0f} %, receiver {' '.join(f['receiver'][1:3])}")
        elif f.get("right") != old.get("right") or ("read" in f) != ("read" in old):
            out.append(f"{name}: {old.get('right', old.get('refused', '-'))} -> {f.get('right', f.get('refused', f.get('bug', '-')))}")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="Example:\n  python tools/capture_census.py captures/ --json now.json --compare before.json")
    parser.add_argument("folder", nargs="+", help="folders of captures, or captures")
    parser.add_argument("--json", metavar="FILE", help="write everything that was found, - for standard output")
    parser.add_argument("--compare", metavar="FILE", help="say what has changed since that --json")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    args = parser.parse_args()
    paths = [p for f in map(Path, args.folder) for p in (sorted(f.rglob("*")) if f.is_dir() else [f])]
    paths = [p for p in paths if p.is_file() and p.suffix in SUFFIXES]
    if not paths:
        parser.error(f"no capture ({', '.join(SUFFIXES)}) in {', '.join(args.folder)}")
    files: dict[str, dict[str, Any]] = {}
    try:
        for i, path in enumerate(paths, 1):
            if not args.quiet and (sys.stderr.isatty() or i % 50 == 0 or i == len(paths)):
                print(f"{i:,} of {len(paths):,}: {path.name}", file=sys.stderr)
            files[f"{path.parent.name}/{path.name}"] = look(path)
    except KeyboardInterrupt:
        print("interrupted: what follows is of the captures until here", file=sys.stderr)
    whole = {"totals": totals(files), "files": files}
    if args.json == "-":
        print(json.dumps(whole, indent=1))
    else:
        print(text(whole["totals"]))
        for name, f in files.items():
            if "bug" in f:
                print(f"FAILED {name}: {f['bug']}")
        if args.json:
            Path(args.json).write_text(json.dumps(whole, indent=1) + "\n")
    if args.compare:
        print("\n".join(changes(json.loads(Path(args.compare).read_text())["files"], files)))
    return 1 if whole["totals"]["bugs"] else 0


if __name__ == "__main__":
    sys.exit(main())
