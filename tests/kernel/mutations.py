"""Can the judge fail?  Each row breaks one acceptance test, counter or limit of the path, and the named cases must differ then.

    python -m tests.kernel.mutations > docs/judge-mutations.md          # root, Linux 6.18; five minutes

Not a test of its own: it takes too long.  The path runs plain (no compiler), in a copy of the sources."""
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"

# file, what stands there, what is put in its place, cases
MUTATIONS = [
    ("user/queue.py", "sk.rmem_alloc + size > sk.rcvbuf and", "sk.rmem_alloc + size >= sk.rcvbuf and", "rcvbuf 212992, payload 64*"),
    ("user/queue.py", " and sk.rmem_alloc > 0:", ":", "an empty socket accepts*"),
    ("user/queue.py", "net.snmp[cpu][Mib.Udp_RcvbufErrors] += 1", "pass", "rcvbuf 4608*"),
    ("user/queue.py", "skb.dropcount = sk.drops if sk.rxq_ovfl else 0", "skb.dropcount = 0", "SO_RXQ_OVFL: the drops*"),
    ("user/memory.py", "sk.deficit < sk.forward_threshold", "sk.deficit <= sk.forward_threshold", "rcvbuf 212992, payload 64*"),
    ("user/memory.py", "amount = (size + sk.forward_alloc - 1)", "amount = (size + sk.forward_alloc)", "dialogue*"),
    ("user/memory.py", "(size - sk.forward_alloc + PAGE - 1)", "(size - sk.forward_alloc + PAGE)", "exactly a page*"),
    ("user/sock.py", "sk.rcvbuf = max(2 * value, SOCK_MIN_RCVBUF)", "sk.rcvbuf = max(value, SOCK_MIN_RCVBUF)", "SO_RCVBUF: set and read"),
    ("user/sock.py", "value & 0xFFFFFFFF, net", "value, net", "SO_RCVBUF: set and read"),
    ("user/sock.py", "SOCK_MIN_RCVBUF)\n    sk.forward_threshold = sk.rcvbuf >> 2", "SOCK_MIN_RCVBUF)", "lowered*"),
    ("user/recvmsg.py", "th.buf_len <= length - off and", "th.buf_len < length - off and", "SO_PEEK_OFF*"),
    ("user/recvmsg.py", "sk.peek_off = max(0, sk.peek_off - r)", "pass", "SO_PEEK_OFF*"),
    ("user/recvmsg.py", "if sk.err:", "if sk.err and not th.flags & MSG_PEEK:", "ICMP 3/3*"),
    ("user/checksum.py", "total += bad.truesize", "total += 1", "bad checksums*"),
    ("transport/sock_reuseport.py", "reuse.socks[k] = reuse.socks[reuse.num_socks]", "pass", "reuseport*"),
    ("transport/udp_sock.py", "if other.reuseport and sk.reuseport:", "if other.reuseport or sk.reuseport:", "B rp; B"),
    ("transport/udp_lookup.py", "        score += 4\n    if sk.incoming_cpu", "        score += 0\n    if sk.incoming_cpu", "*device*"),
    ("transport/udp_lookup.py", "        score += 1\n", "        score += 0\n", "CPU*"),
    ("transport/udp_lookup.py", "first = phash * n >> 32", "first = phash % n", "reuseport*"),
    ("transport/udp_mcast.py", "return not joined and sk.mc_all != 0", "return not joined", "multicast*"),
    ("transport/udp_mcast.py", "sk.rcv_saddr_lo == 0 or sk.rcv_saddr_lo == daddr", "True", "broadcast*"),
    ("transport/udp.py", "ulen > skb.len or ulen < UDP_HLEN", "ulen > skb.len", "UDP len*"),
    ("transport/udp.py", "ulen <= CHECKSUM_BREAK and", "ulen < CHECKSUM_BREAK and", "bad checksums*"),
    ("transport/udp.py", "net.snmp[cpu][Mib.Udp_NoPorts] += 1", "pass", "UDP closed port"),
    ("network/frag_queue.py", "net.frag_mem > high)", "net.frag_mem >= high)", "high_thresh*"),
    ("network/frag_queue.py", "IPQ_SIZE = 200 ", "IPQ_SIZE = 208 ", "a hole stays"),
    ("network/frag_queue.py", "if offset < last_end:", "if offset < last_end - 8:", "overlap: 8*"),
    ("network/frag_queue.py", "offset >= run.offset and end <= run.run_end", "offset >= run.offset and end < run.run_end", "*subset*"),
    ("timer.py", "if net.behaviour[Behaviour.timer_buckets]:\n        timer.next", "if False:\n        timer.next", "time-out: exceeded*"),
    ("network/ip_fragment.py", "queue.rid - before > most", "queue.rid - before >= most", "ipfrag_max_dist 3*"),
    ("network/ip_fragment.py", "IP_MAX = 65535", "IP_MAX = 65536", "total length*"),
    ("network/ip_fragment.py", "ecn & NOT_ECT and ecn != NOT_ECT", "ecn & NOT_ECT and ecn & CE", "ECN*"),
    ("network/ip_fragment.py", "        ip.tos |= 3\n", "        pass\n", "ECN*"),
    ("network/ip_fragment.py", "if queue.flags & LAST_IN:                                # 3", "if False:  # 3", "more fragments beyond*"),
    ("network/ip_fragment.py", "            end -= end & 7\n", "            pass\n", "*fragments of 1484*"),
    ("network/ip_fragment.py", "[Mib.IpExt_ReasmOverlaps] += 1", "[Mib.IpExt_ReasmOverlaps] += 2", "overlap*"),
    ("network/ip_fragment.py", "net.snmp[cpu][Mib.Ip_ReasmTimeout] += 1", "pass", "time-out: exceeded*"),
    ("network/icmp_limit.py", "XRLIM_BURST_FACTOR = 6 ", "XRLIM_BURST_FACTOR = 7 ", "100 at once*"),
    ("network/icmp_limit.py", "token -= timeout", "token -= 1", "ratelimit 200*"),
    ("network/icmp_limit.py", ">> 32) * 3 >> 31", ">> 32) * 2 >> 31", "global limit: bursts of 120, 0.12 s apart"),
    ("network/icmp_limit.py", "[Mib.Icmp_OutRateLimitHost] += ", "[Mib.Icmp_OutRateLimitHost] -= ", "7 at once*"),
    ("network/ip_input.py", "ip.version != 4 or ihl < IP_HLEN", "ihl < IP_HLEN", "IP version*"),
    ("network/ip_input.py", "if ip.tot_len < ihl:", "if ip.tot_len < 0:", "IP tot_len*"),
    ("network/ip_input.py", "net.snmp[cpu][Mib.Ip_InHdrErrors] += 1", "pass", "IP ihl*"),
    ("network/ip_input.py", "mib[Mib.IpExt_InBcastPkts] += 1", "pass", "broadcast*wildcards"),
    ("network/route.py", "if ipv4_is_multicast(saddr) or ipv4_is_lbcast(saddr):                    # 1", "if False:  # 1", "martian*"),
    ("network/icmp.py", "if asks and net.sysctl[Sysctl.icmp_echo_ignore_broadcasts]:", "if False:", "echo to broadcast"),
    ("drivers/veth.py", "skb.len > dev.mtu + ETH_HLEN + VLAN_HLEN", "skb.len > dev.mtu + ETH_HLEN", "frame*longer*"),
    ("programs/sockopt.py", "n & 0xFF if key", "n if key", "IP_TOS: set and read"),
]


def judged(tree: Path, only: str) -> dict:
    """The report of those cases in that tree, on the plain path."""
    done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "judge", "--plain", "--json", "--only", only],
                          env=os.environ | {"PYTHONPATH": str(tree)}, capture_output=True, text=True, timeout=300, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"broken": (done.stderr or done.stdout).strip().splitlines()[-1:]}


def main() -> int:
    survived = 0
    print("# Can the judge fail?\n\nEach row breaks one thing in the path (`python -m tests.kernel.mutations`, kernel "
          f"{platform.release().split('-')[0]}); the cases of the third column must differ then.\n")
    print("| where | broken | cases | differ | first difference |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place) / "src"
        shutil.copytree(SOURCES, tree, ignore=shutil.ignore_patterns("__pycache__"))
        for name, old, new, only in MUTATIONS:
            file = tree / "rxpath" / name
            text = file.read_text()
            if text.count(old) != 1:
                raise SystemExit(f"{name}: {old!r} stands there {text.count(old)} times")
            file.write_text(text.replace(old, new))
            report = judged(tree, only)
            file.write_text(text)
            found = report.get("differences", [])
            first = found[0]["differences"][0][:90] if found else str(report.get("broken", "**none**"))
            survived += not found
            cells = (f"`{name}`", f"`{' '.join(old.split())}` → `{' '.join(new.split())}`", only,
                     f"{len(found)} of {sum(s['cases'] for s in report.get('stations', {}).values())}", first)
            print("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |", flush=True)
    print(f"\n{len(MUTATIONS)} mutations, {survived} not found.")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
