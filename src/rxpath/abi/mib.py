"""Counters under their kernel names: /proc/net/snmp, /proc/net/netstat, a device's statistics.  Each CPU has its own row."""
from enum import IntEnum, auto

from .kernels import version


class Mib(IntEnum):
    """Name = group_Field; text() gives the kernel's `Group.Field`."""
    Ip_InReceives = 0
    Ip_InHdrErrors = auto()
    Ip_InAddrErrors = auto()
    Ip_InUnknownProtos = auto()
    Ip_InDiscards = auto()
    Ip_InDelivers = auto()
    Ip_ForwDatagrams = auto()
    Ip_OutRequests = auto()
    Ip_OutNoRoutes = auto()
    Ip_ReasmTimeout = auto()
    Ip_ReasmReqds = auto()
    Ip_ReasmOKs = auto()
    Ip_ReasmFails = auto()
    IpExt_InNoRoutes = auto()
    IpExt_InTruncatedPkts = auto()
    IpExt_InMcastPkts = auto()
    IpExt_InBcastPkts = auto()
    IpExt_InOctets = auto()
    IpExt_InMcastOctets = auto()
    IpExt_InBcastOctets = auto()
    IpExt_InCsumErrors = auto()
    IpExt_InNoECTPkts = auto()
    IpExt_InECT1Pkts = auto()
    IpExt_InECT0Pkts = auto()
    IpExt_InCEPkts = auto()
    IpExt_ReasmOverlaps = auto()
    Icmp_InMsgs = auto()
    Icmp_InErrors = auto()
    Icmp_InCsumErrors = auto()
    Icmp_InDestUnreachs = auto()
    Icmp_InTimeExcds = auto()
    Icmp_InParmProbs = auto()
    Icmp_InSrcQuenchs = auto()
    Icmp_InRedirects = auto()
    Icmp_InEchos = auto()
    Icmp_InEchoReps = auto()
    Icmp_InTimestamps = auto()
    Icmp_InTimestampReps = auto()
    Icmp_InAddrMasks = auto()
    Icmp_InAddrMaskReps = auto()
    Icmp_OutMsgs = auto()
    Icmp_OutErrors = auto()
    Icmp_OutRateLimitGlobal = auto()
    Icmp_OutRateLimitHost = auto()
    Icmp_OutDestUnreachs = auto()
    Icmp_OutTimeExcds = auto()
    Icmp_OutParmProbs = auto()
    Icmp_OutEchoReps = auto()
    Icmp_OutTimestampReps = auto()
    Udp_InDatagrams = auto()
    Udp_NoPorts = auto()
    Udp_InErrors = auto()
    Udp_OutDatagrams = auto()
    Udp_RcvbufErrors = auto()
    Udp_SndbufErrors = auto()
    Udp_InCsumErrors = auto()
    Udp_IgnoredMulti = auto()
    Udp_MemErrors = auto()
    Tcp_InSegs = auto()
    Tcp_OutSegs = auto()
    Tcp_InErrs = auto()
    Tcp_OutRsts = auto()
    Tcp_InCsumErrors = auto()
    TcpExt_IPReversePathFilter = auto()
    TcpExt_ListenDrops = auto()
    UdpLite_NoPorts = auto()
    UdpLite_InErrors = auto()
    UdpLite_InCsumErrors = auto()
    UdpLite_IgnoredMulti = auto()
    Rxpath_TcpNotYet = auto()           # ours: a SYN to a listener was consumed; the rest of TCP is not built yet
    Rxpath_TapFrames = auto()           # ours: copies that packet sockets took
    Rxpath_Copies = auto()              # ours: clones made (multicast, broadcast)

    def text(self) -> str:
        group, field = self.name.split("_", 1)
        if self in (Mib.Rxpath_TcpNotYet,):
            return "TCP_NOT_YET"
        return f"{group}.{field}"


# counters that came later than 3.10, and with which kernel; for the others "since" is of no interest here
SINCE = {
    "Udp.IgnoredMulti": "3.19", "UdpLite.IgnoredMulti": "3.19", "Udp.MemErrors": "5.11", "IpExt.ReasmOverlaps": "4.20",
    "Icmp.OutRateLimitGlobal": "6.3", "Icmp.OutRateLimitHost": "6.3", "rx_nohandler": "4.6", "rx_otherhost_dropped": "5.19",
}


def has(counter: str, kernel: str) -> bool:
    """Does that kernel count it?"""
    return version(SINCE.get(counter, "0")) <= version(kernel)


class DevStat(IntEnum):
    """struct rtnl_link_stats64 of a device, the receive half."""
    rx_packets = 0
    rx_bytes = auto()
    rx_dropped = auto()
    rx_errors = auto()
    multicast = auto()
    rx_length_errors = auto()
    rx_over_errors = auto()
    rx_crc_errors = auto()
    rx_fifo_errors = auto()
    rx_missed_errors = auto()
    rx_nohandler = auto()
    rx_otherhost_dropped = auto()
    tx_packets = auto()
    tx_bytes = auto()
    tx_dropped = auto()
    tx_errors = auto()
