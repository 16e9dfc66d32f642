"""net/ipv4/igmp.c: which multicast groups a device has joined.  Routing asks ip_check_mc(); sockets join by ip_mc_inc_group().

Every device that is up is in 224.0.0.1 (all hosts).  IGMP itself is consumed: this host reports to nobody."""
from .._compile import path_function
from ..abi.headers import igmp_hdr
from ..abi.net import MC_HASH, NMCGROUP, Net
from ..abi.numbers import FEED_HEADER_CUT, IGMP_ALL_HOSTS, IPPROTO, NET_RX_SUCCESS, PACKET_BROADCAST, PACKET_MULTICAST
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, Touch, inet_protocol, touched
from ..skb import consume_skb, kfree_skb_reason, pskb_may_pull, skb_checksum, skb_csum_right
from ..turn import at, touch
from .pim import pim_rcv_v1

OLD_QUERIER_NS = 260_000_000_000                     # robustness x query interval + response interval, as they start
IGMP_HLEN, IGMPV3_QUERY_HLEN, IGMP_QUERY, IGMP_REPORT, IGMPV2_REPORT = 8, 12, 0x11, 0x12, 0x16
IGMP_PIM = 0x14


@path_function
def mc_hashfn(group: int) -> int:
    return (group * 0x9E3779B1 >> 16) & MC_HASH - 1


@path_function
def mc_find(net: Net, dev: int, group: int) -> int:
    i = net.mc_hash[mc_hashfn(group)]
    while i >= 0:
        im = net.mc_group[i]
        if im.addr_lo == group and im.dev == dev and im.users > 0:
            return i
        i = im.next
    return -1


@path_function
def ip_check_mc(net: Net, dev: int, group: int) -> bool:
    """ip_check_mc_rcu(): without source filters."""
    return group == IGMP_ALL_HOSTS or mc_find(net, dev, group) >= 0


@path_function
def ip_mc_inc_group(net: Net, dev: int, group: int) -> bool:
    """A socket joins.  False: there are too many groups."""
    i = mc_find(net, dev, group)
    if i < 0:
        i = 0
        while net.mc_group[i].users > 0:
            i += 1
            if i == NMCGROUP:
                return False
        made = net.mc_group[i]
        h = mc_hashfn(group)
        made.addr_hi, made.addr_lo, made.dev, made.next = 0, group, dev, net.mc_hash[h]
        net.mc_hash[h] = i
    im = net.mc_group[i]
    im.users += 1
    return True


@path_function
def ip_mc_dec_group(net: Net, dev: int, group: int) -> None:
    """A socket leaves; the last one takes the group along."""
    gone = mc_find(net, dev, group)
    if gone < 0:
        return
    im = net.mc_group[gone]
    im.users -= 1
    if im.users > 0:
        return
    h = mc_hashfn(group)
    i = net.mc_hash[h]
    if i == gone:
        net.mc_hash[h] = im.next
        return
    while i >= 0:
        before = net.mc_group[i]
        if before.next == gone:
            before.next = im.next
            return
        i = before.next


@inet_protocol(IPPROTO.IGMP)
@path_function
def igmp_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """A query, or another host's report: heard.  Anything else: a drop."""
    at(net, cpu, skb, Stage.igmp_rcv)
    if skb.wire & FEED_HEADER_CUT:
        return kfree_skb_reason(net, cpu, skb, Stage.igmp_rcv, Drop.CAPTURE_CUT)
    if not pskb_may_pull(net, skb, IGMP_HLEN) or not skb_csum_right(skb, skb_checksum(net, skb, 0)):
        return kfree_skb_reason(net, cpu, skb, Stage.igmp_rcv, Drop.NOT_SPECIFIED)
    igmp = igmp_hdr(net, skb)
    report = igmp.type == IGMP_REPORT or igmp.type == IGMPV2_REPORT
    if igmp.type == IGMP_QUERY:
        return touch(net, cpu, skb, Touch.igmp_heard_query)
    if igmp.type == IGMP_PIM:
        return pim_rcv_v1(net, cpu, skb)
    if report and (skb.pkt_type == PACKET_MULTICAST or skb.pkt_type == PACKET_BROADCAST):
        consume_skb(net, cpu, skb)
        return NET_RX_SUCCESS
    return kfree_skb_reason(net, cpu, skb, Stage.igmp_rcv, Drop.NOT_SPECIFIED)


@touched
@path_function
def igmp_heard_query(net: Net, cpu: int, skb: sk_buff) -> int:
    """This host never answers.  A query of version 3 must hold the sources that it names, unless an older querier is on the link."""
    igmp, dev, c = igmp_hdr(net, skb), net.dev[skb.dev], net.cpu[cpu]
    whole = True
    if skb.len == IGMP_HLEN:
        dev.igmp_old_until = c.now + OLD_QUERIER_NS
    elif skb.len < IGMPV3_QUERY_HLEN:
        whole = False
    elif c.now >= dev.igmp_old_until:
        whole = pskb_may_pull(net, skb, IGMPV3_QUERY_HLEN)
        if igmp.nsrcs:                               # one about all groups has none
            whole = whole and igmp.group != 0 and pskb_may_pull(net, skb, IGMPV3_QUERY_HLEN + 4 * igmp.nsrcs)
    if not whole:
        return kfree_skb_reason(net, cpu, skb, Stage.igmp_rcv, Drop.NOT_SPECIFIED)
    consume_skb(net, cpu, skb)
    return NET_RX_SUCCESS
