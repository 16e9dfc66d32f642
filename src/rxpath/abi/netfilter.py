"""iptables rules as the path walks them.  workbench/iptables.py reads iptables-save text; network/netfilter.py walks."""
from .._compile import Array, array, i64, struct


@struct(align=64)
class nf_rule:
    saddr: i64
    smask: i64
    daddr: i64
    dmask: i64
    flags: i64                  # NF_INV_* and which matches are present
    proto: i64                  # 0: any
    iif: i64                    # interface pattern, index into net.ifname_set, -1: any
    sport_min: i64
    sport_max: i64
    dport_min: i64
    dport_max: i64
    multiport: i64              # index into net.multiport, -1
    multiport_n: i64
    len_min: i64
    len_max: i64
    limit_avg: i64              # xt_limit: cost of one packet, 0: no limit match
    limit_cap: i64
    limit_credit: i64           # shared by all CPUs: a touch
    limit_prev: i64
    target: i64                 # NFT_*
    jump: i64                   # first rule of the user chain; for REJECT its kind; for LOG its prefix
    table: i64
    icmp_type: i64
    icmp_code: i64
    mark: i64
    line: i64                   # of the file, for reports


@struct()
class nf_table:
    """Base chain of one table at one hook, in priority order."""
    first: i64                  # rule index, -1: none
    policy: i64


@struct()
class nf_hook_entries:
    n: i64
    table: Array[i64] = array(4)
