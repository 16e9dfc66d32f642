"""Would a case notice?  Breaks the path in one place at a time and lets the real kernel judge it: some case must differ.

    sudo python tools/mutate_path.py --write docs/mutations.md      # all; root, Linux 6.18
    sudo python tools/mutate_path.py --only route                   # those whose file or function says route

Each mutation is made in a copy of the source tree, of which only the changed function is compiled again.  First the families of cases that
it is likely to meet are run, then generated frames of a fixed seed, then all cases.  What differs has to differ again when it is run alone.
A mutation that survives is a missing case."""
from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SEED, EXAMPLES, MANY = 618, 1000, 5
GENERATED = ("--examples", str(EXAMPLES), "--seed", str(SEED))
LIMIT_S = 900


class Mutation(NamedTuple):
    """In `function` of `file`, the one occurrence of `old` becomes `new`.  families: where to look first."""
    file: str
    function: str
    old: str
    new: str
    families: str = "causes"


class Result(NamedTuple):
    mutation: Mutation
    killed_by: str                      # the case, "" if it survived
    difference: str
    seconds: float


M = Mutation
MUTATIONS = (
    # drivers, irq, link
    M("drivers/veth.py", "veth_truesize", "    slab = 1024\n", "    slab = 2048\n", "memory"),
    M("drivers/veth.py", "veth_truesize", "HEADROOM + 63", "HEADROOM", "memory load"),
    M("drivers/veth.py", "veth_forward", "dev.mtu + ETH_HLEN + VLAN_HLEN", "dev.mtu + ETH_HLEN"),
    M("drivers/veth.py", "veth_forward", "stat[DevStat.rx_bytes] -= n", "pass", "load"),
    M("drivers/veth.py", "veth_forward", "stat[DevStat.rx_packets] -= 1", "pass", "load"),
    M("irq/backlog.py", "enqueue_on", "queue.len > limit", "queue.len >= limit", "load"),
    M("irq/backlog.py", "enqueue_on", "queue.dropped += 1", "pass", "load"),
    M("irq/backlog.py", "backlog_drop", "net.dev_stat[cpu][skb.dev][DevStat.rx_dropped] += 1", "pass", "load"),
    M("link/eth.py", "eth_type_trans", "skb.pkt_type = PACKET_OTHERHOST", "skb.pkt_type = PACKET_HOST"),
    M("link/eth.py", "eth_type_trans", "net.dev_stat[cpu][skb.dev][DevStat.rx_bytes] += skb.len",
      "net.dev_stat[cpu][skb.dev][DevStat.rx_bytes] += skb.len - ETH_HLEN"),
    # network: acceptance
    M("network/ip_input.py", "ip_rcv_core", "net.dev_stat[cpu][skb.dev][DevStat.rx_otherhost_dropped] += 1", "pass"),
    M("network/ip_input.py", "ip_rcv_core", "mib[Mib.Ip_InReceives] += 1", "pass"),
    M("network/ip_input.py", "ip_rcv_core", "ip.version != 4 or ihl", "ihl"),
    M("network/ip_input.py", "ip_rcv_core", "or ihl < IP_HLEN", "or ihl < 0"),
    M("network/ip_input.py", "ip_rcv_core", "skb.len < ip.tot_len", "skb.len < ip.tot_len - 1", "causes edges"),
    M("network/ip_input.py", "ip_rcv_core", "ip.tot_len < ihl", "ip.tot_len <= ihl", "causes edges"),
    M("network/ip_input.py", "ip_rcv_core", "skb_trim(net, skb, ip.tot_len)", "pass"),
    M("network/ip_input.py", "ip_rcv_core", "mib[Mib.IpExt_InNoECTPkts + (ip.tos & 3)]", "mib[Mib.IpExt_InNoECTPkts]", "none"),
    M("network/ip_input.py", "ip_rcv_core", "csum_fold(csum_partial(mem, nh, ihl, 0)) != 0", "False"),
    # network: routes
    M("network/route.py", "ip_route_input_slow", "ipv4_is_multicast(saddr) or ipv4_is_lbcast(saddr)", "ipv4_is_lbcast(saddr)", "none"),
    M("network/route.py", "ip_route_input_slow", "if ipv4_is_zeronet(net, saddr):", "if False:", "none"),
    M("network/route.py", "ip_route_input_slow", "elif ipv4_is_loopback(saddr) and not dev.route_localnet:", "elif False:"),
    M("network/route.py", "fib_validate_source", "dev.accept_local == 0 and inet_lookup_ifaddr(net, saddr)", "False"),
    M("network/route.py", "brd_input", "skb.dst_type = RTN.BROADCAST", "skb.dst_type = RTN.LOCAL"),
    # network: ICMP
    M("network/icmp.py", "icmp_rcv", "asks and net.sysctl[Sysctl.icmp_echo_ignore_broadcasts]", "False"),
    M("network/icmp.py", "icmp_rcv", "kind > NR_ICMP_TYPES", "kind > NR_ICMP_TYPES + 30", "none"),
    M("network/icmp.py", "icmp_in_count", "mib[Mib.Icmp_InTimestamps] += 1", "pass"),
    M("network/icmp_limit.py", "inet_peer_xrlim_allow", "XRLIM_BURST_FACTOR * timeout", "(XRLIM_BURST_FACTOR + 1) * timeout", "load"),
    M("network/icmp_limit.py", "icmpv4_xrlim_allow", "(net.sysctl[Sysctl.icmp_ratelimit_ns] + jiffy - 1)",
      "(net.sysctl[Sysctl.icmp_ratelimit_ns] + 3 * jiffy)", "load"),
    M("network/icmp_limit.py", "icmpv4_xrlim_allow", "[Mib.Icmp_OutRateLimitHost] += ", "[Mib.Icmp_OutRateLimitHost] += 0 * ", "load"),
    M("network/icmp_limit.py", "icmp_global_consume", "* 3 >> 31", "* 5 >> 31", "icmp_limits load"),
    # network: ARP, fragments
    M("network/arp.py", "arp_process", "op == ARPOP_REQUEST and inet_addr_is_local(net, tip)", "inet_addr_is_local(net, tip)", "none"),
    M("network/arp.py", "arp_send_reply", "arp.ar_sip = tip", "arp.ar_sip = sip"),
    M("network/frag_queue.py", "inet_frag_find", "net.frag_mem > high", "net.frag_mem >= high - 700", "load fragments"),
    M("network/frag_queue.py", "inet_frag_find", "net.frag_mem += IPQ_SIZE", "net.frag_mem += IPQ_SIZE - 16", "load fragments"),
    M("network/frag_queue.py", "inet_frag_find", " and queue.protocol == protocol", "", "fragments"),
    M("network/frag_queue.py", "inet_frag_queue_insert", "offset < last.frag_end", "False", "causes fragments"),
    M("network/frag_queue.py", "inet_frag_queue_insert", "end <= run.cb_b", "end < run.cb_b", "causes fragments"),
    M("network/frag_queue.py", "frag_pull_head", "net.frag_mem -= head.truesize", "pass", "load fragments"),
    M("network/ip_fragment.py", "ip_frag_queue", "end < queue.len or ", "", "fragments"),
    M("network/ip_fragment.py", "ip_frag_queue", "if end == offset:", "if False:", "fragments"),
    M("network/ip_fragment.py", "ip_frag_queue", "net.snmp[cpu][Mib.IpExt_ReasmOverlaps] += 1", "pass", "causes fragments"),
    M("network/ip_fragment.py", "ip_frag_too_far", "queue.rid - before > most", "queue.rid - before >= most", "fragments"),
    M("network/ip_fragment.py", "ip_frag_reasm", "> IP_MAX", "> IP_MAX + 1", "fragments"),
    M("network/ip_fragment.py", "ip_frag_reasm", "(ecn & NOT_ECT and ecn != NOT_ECT) or ", "", "fragments"),
    M("network/ip_options.py", "ip_rcv_options", "if dev.accept_source_route else -1", "if True else -1"),
    # netfilter
    M("network/xt_match.py", "xt_match", "offset == 1 and kind == Xt.TCP", "False", "none"),
    M("network/xt_match.py", "multiport_mt", "low <= dport <= high", "low < dport <= high", "none"),
    # transport
    M("transport/udp.py", "__udp4_lib_rcv", "ulen > skb.len or ", ""),
    M("transport/udp.py", "__udp4_lib_rcv", " or ulen < UDP_HLEN", ""),
    M("transport/udp.py", "__udp4_lib_rcv", "ulen <= CHECKSUM_BREAK", "ulen < CHECKSUM_BREAK", "memory"),
    M("transport/udp.py", "__udp4_lib_rcv", "uh.check == 0", "False"),
    M("transport/udp.py", "__udp4_lib_rcv", "net.snmp[cpu][Mib.Udp_NoPorts] += 1", "pass"),
    M("transport/udp.py", "udp_csum_error", "net.snmp[cpu][Mib.Udp_InCsumErrors] += 1", "pass"),
    M("transport/udp_lookup.py", "compute_score", "score += 8", "score += 0", "receivers"),
    M("transport/udp_lookup.py", "compute_score", "score += 4", "score += 0", "receivers"),
    M("transport/udp_lookup.py", "udp4_lib_lookup2", "score > badness", "score >= badness and score > 0", "receivers"),
    M("transport/udp_lookup.py", "reuseport_select_sock", "phash * n >> 32", "phash % n", "receivers"),
    M("transport/udp_mcast.py", "ip_mc_sf_allow", "return not joined and sk.mc_all != 0", "return sk.mc_all != 0", "receivers"),
    M("transport/udp_mcast.py", "__udp4_lib_mcast_deliver", "net.snmp[cpu][Mib.Udp_IgnoredMulti] += 1", "pass", "causes receivers"),
    M("transport/tcp.py", "tcp_v4_rcv", "doff < TCP_HLEN", "False", "none"),
    M("transport/tcp.py", "tcp_v4_rcv", "net.snmp[cpu][Mib.Tcp_InSegs] += 1", "pass"),
    # user
    M("user/queue.py", "__udp_enqueue_schedule_skb", " and sk.rmem_alloc > 0", "", "memory"),
    M("user/queue.py", "__udp_enqueue_schedule_skb", "sk.rmem_alloc + size > sk.rcvbuf", "sk.rmem_alloc > sk.rcvbuf", "memory load"),
    M("user/queue.py", "udp_rcvbuf_full", "sk.drops += 1", "pass", "load"),
    M("user/queue.py", "udp_rcvbuf_full", "net.snmp[cpu][Mib.Udp_RcvbufErrors] += 1", "pass", "load"),
    M("user/memory.py", "udp_rmem_release", "sk.deficit < sk.forward_threshold", "sk.deficit <= sk.forward_threshold", "memory"),
    M("user/memory.py", "udp_rmem_release", " and sk.reader_head >= 0", "", "memory"),
    M("user/memory.py", "udp_rmem_release_now", "(size + sk.forward_alloc - 1)", "(size + sk.forward_alloc)", "memory"),
    M("user/memory.py", "udp_rmem_schedule", "size - sk.forward_alloc + PAGE - 1", "size - sk.forward_alloc + PAGE", "memory"),
)

class Tree:
    """The copy."""

    def __init__(self, root: Path) -> None:
        self.package = root / "src" / "rxpath"
        shutil.copytree(ROOT / "src" / "rxpath", self.package, ignore=shutil.ignore_patterns("_core.*", "__pycache__"))
        (root / "pyproject.toml").touch()
        self.env = {k: v for k, v in os.environ.items() if k not in ("RXPATH_WHOLE", "RXPATH_PLAIN")}
        self.env.update(PYTHONPATH=str(root / "src"), PYTHONDONTWRITEBYTECODE="1")
        self.root = root
        self.known: set[str] = set()

    def judge(self, *arguments: str) -> list[dict[str, object]]:
        """The cases that differ."""
        done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "judge", "--json", *arguments], env=self.env, cwd=self.root,
                              capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stderr.strip()[-500:])
        return [d for d in json.loads(done.stdout)["differences"] if d["case"] not in self.known]

    def families(self) -> set[str]:
        return {p.stem for p in (self.package / "workbench/judge/cases").glob("[a-z]*.py")}

    def broken(self, m: Mutation) -> str:
        """The file's text with the mutation in it."""
        text = (self.package / m.file).read_text()
        start = re.search(rf"^def {re.escape(m.function)}\(", text, re.M)
        if start is None:
            raise RuntimeError(f"{m.file} has no function {m.function}")
        end = re.search(r"^(?:@|def |# -)", text[start.end():], re.M)
        stop = len(text) if end is None else start.end() + end.start()
        body = text[start.start():stop]
        if body.count(m.old) != 1:
            raise RuntimeError(f"{m.file}: {m.function}: {m.old!r} stands there {body.count(m.old)} times")
        return text[:start.start()] + body.replace(m.old, m.new) + text[stop:]

    def tried(self, m: Mutation) -> Result:
        file, started = self.package / m.file, time.monotonic()
        whole, text = file.read_text(), self.broken(m)
        file.write_text(text)
        try:
            first = [f for f in m.families.split() if f in self.families()]
            case = (self.noticed(*(x for f in first for x in ("--only", f))) if first else None) \
                or self.noticed("--only", "no case", *GENERATED) or self.noticed() or {"case": "", "differences": [""]}
        finally:
            file.write_text(whole)
        return Result(m, str(case["case"]), str(case["differences"][0]), time.monotonic() - started)                  # type: ignore[index]

    def noticed(self, *arguments: str) -> dict[str, object] | None:
        """The first case of that run that differs, and differs again; where many do, once is enough."""
        found = self.judge(*arguments)
        if len(found) >= MANY:
            return found[0]
        for case in found:
            name = str(case["case"])
            asked = arguments if name.startswith("generated ") else ("--only", re.sub(r"([*?\[])", r"[\1]", name))
            if any(again["case"] == name for again in self.judge(*asked)):
                return case
        return None


def table(results: list[Result]) -> str:
    """docs/mutations.md."""
    survivors = [r for r in results if not r.killed_by]
    lines = ["# Mutations of the path, and the case that notices", "",
             f"`tools/mutate_path.py` on Linux {os.uname().release}: {len(results)} mutations, one at a time, in a copy of the tree;",
             f"the real kernel judges each (`rxpath judge`, then {EXAMPLES:,} generated frames of seed {SEED}). "
             f"{len(survivors)} survive.", "",
             "| place | was | becomes | first case that differs | difference |", "|---|---|---|---|---|"]
    for r in results:
        m = r.mutation
        cells = (f"{m.file}: {m.function}", f"`{m.old.strip()}`", f"`{m.new.strip()}`" if m.new.strip() else "-",
                 r.killed_by or "**none: survives**", r.difference[:90])
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="TEXT", action="append", help="mutations whose file, function or line contains it")
    parser.add_argument("--write", metavar="FILE", help="the table, as Markdown")
    parser.add_argument("--state", metavar="FILE", help="what has been tried already, one JSON object a line: not tried again")
    asked = parser.parse_args()
    chosen = [m for m in MUTATIONS if not asked.only or any(t in f"{m.file} {m.function} {m.old}" for t in asked.only)]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="rxpath-mutate-") as folder:
        tree = Tree(Path(folder))
        for m in chosen:
            tree.broken(m)                                  # a mutation that no longer fits is said before anything runs
        tree.known = {str(d["case"]) for d in (*tree.judge("--only", "no case", *GENERATED), *tree.judge())}
        for name in tree.known:                             # a case that waits may differ on a busy machine: it proves nothing
            print(f"differs without any mutation, and is not counted: {name}", flush=True)
        kept = {tuple(row["key"]): row for row in map(json.loads, Path(asked.state).read_text().splitlines())} \
            if asked.state and Path(asked.state).exists() else {}
        for m in chosen:
            if row := kept.get((m.file, m.function, m.old, m.new)):
                results.append(Result(m, row["case"], row["difference"], 0.0))
                continue
            results.append(r := tree.tried(m))
            if asked.state:
                with open(asked.state, "a") as state:
                    state.write(json.dumps({"key": [*m[:4]], "case": r.killed_by, "difference": r.difference}) + "\n")
            what = f"{m.file}: {m.function}: {m.old.strip()[:50]!r} -> {m.new.strip()[:40]!r}"
            print(f"{r.seconds:5.0f} s  {what}: {r.killed_by or 'SURVIVES'}", flush=True)
            if asked.write:
                Path(asked.write).write_text(table(results))
    survivors = sum(not r.killed_by for r in results)
    print(f"{len(results)} mutations, {survivors} survive")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
