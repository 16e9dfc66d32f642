"""iptables rules as the path walks them: one list, chains one after another, each ending in a pseudo rule (host/iptables/flat.py lays
them out, network/ip_tables_setup.py writes them here, network/netfilter.py walks).  ip_tables is IPv4's: addresses have 32 bits."""
from enum import IntEnum

from .._compile import CACHELINE, Array, array, i32, i64, struct, u32

NRULE_ENTRIES = 2 * 16384       # NRULE rules and as many ends of chains
NMATCH = 65536
NHOOKFN = 8                     # functions at one hook
NSTACK = 16384                  # as deep as there can be chains

INV_SRCIP, INV_DSTIP, INV_PROTO, FRAG_FURTHER, FRAG_FIRST, NOT_FROM_ALL = 1, 2, 4, 8, 16, 32     # nf_rule.flags
NOT_FROM = 8                    # shift: with NOT_FROM_ALL a bit for each device from which the rule cannot hold (-i, -o)


class Target(IntEnum):
    """What a rule does with a packet that matches.  The numbers of workbench/host/iptables/ruleset.py; a test holds them together."""
    CONTINUE = 0
    ACCEPT = 1
    DROP = 2
    REJECT = 3
    RETURN = 4
    LOG = 5
    JUMP = 6
    GOTO = 7


class Xt(IntEnum):
    """Kinds of matches, likewise."""
    TCP = 1
    UDP = 2
    MULTIPORT = 3
    LENGTH = 4
    LIMIT = 5
    ICMP = 6
    MAC = 7


@struct(align=64)
class nf_rule:
    """struct ipt_entry: one cache line."""
    saddr: u32
    smask: u32
    daddr: u32
    dmask: u32
    flags: i32                  # INV_*, FRAG_*, NOT_FROM_ALL
    proto: i32                  # 0: any
    first: i32                  # its matches: nf_match[first : first + count]
    count: i32
    target: i32
    jump: i32                   # first rule of the chain, for JUMP and GOTO
    reject: i32                 # code of ICMP type 3, -1: TCP reset
    log: i32                    # which prefix
    line: i32                   # of the file, for reports


@struct(align=64)
class nf_match:
    """One match; which fields it uses, FlatMatch says."""
    kind: i32
    low: i32
    high: i32
    invert: i32
    low2: i32
    high2: i32
    invert2: i32
    mask: i32
    invert3: i32
    first: i32                  # MULTIPORT: net.multiport[first : first + count], low << 16 | high
    count: i32
    side: i32
    value: i64
    cost: i64                   # LIMIT: credits of a packet, at most, in one jiffy
    cap: i64
    per_jiffy: i64
    credit: i64                 # shared by all CPUs: a touch
    prev: i64                   # jiffies


@struct()
class nf_table:
    """A table at one hook."""
    first: i64 = -1             # first rule of its built-in chain
    underflow: i64              # where a RETURN with an empty stack leads: the policy


@struct()
class nf_hook_entries:
    """The functions at one hook, in the order of their priority (the lowest first)."""
    n: i64
    function: Array[i64] = array(NHOOKFN)       # of the nf_hookfn table
    priv: Array[i64] = array(NHOOKFN)           # what it is called with: ipt_do_table's table
    priority: Array[i64] = array(NHOOKFN)


@struct(align=CACHELINE)
class nf_walk:
    """The walk of one CPU.  It may have to wait for its turn in the middle; no other walk begins on that CPU meanwhile."""
    entry: i64                  # which of the hook's functions
    stack: Array[i64] = array(NSTACK)
