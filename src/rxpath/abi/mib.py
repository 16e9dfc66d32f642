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
    Tcp_PassiveOpens = auto()
    Tcp_AttemptFails = auto()
    Tcp_EstabResets = auto()
    Tcp_CurrEstab = auto()
    Tcp_RetransSegs = auto()
    TcpExt_EmbryonicRsts = auto()
    TcpExt_PruneCalled = auto()
    TcpExt_RcvPruned = auto()
    TcpExt_OfoPruned = auto()
    TcpExt_DelayedACKs = auto()
    TcpExt_DelayedACKLocked = auto()
    TcpExt_DelayedACKLost = auto()
    TcpExt_ListenOverflows = auto()
    TcpExt_TCPHPHits = auto()
    TcpExt_TCPPureAcks = auto()
    TcpExt_TCPHPAcks = auto()
    TcpExt_TCPDSACKOldSent = auto()
    TcpExt_TCPDSACKOfoSent = auto()
    TcpExt_TCPAbortOnData = auto()
    TcpExt_TCPAbortOnClose = auto()
    TcpExt_TCPMD5Unexpected = auto()
    TcpExt_TCPRcvCoalesce = auto()
    TcpExt_TCPOFOQueue = auto()
    TcpExt_TCPOFODrop = auto()
    TcpExt_TCPOFOMerge = auto()
    TcpExt_TCPChallengeACK = auto()
    TcpExt_TCPSYNChallenge = auto()
    TcpExt_PAWSEstab = auto()
    TcpExt_PAWSOldAck = auto()
    TcpExt_TCPReqQFullDrop = auto()
    TcpExt_TCPSynRetrans = auto()
    TcpExt_TCPFromZeroWindowAdv = auto()
    TcpExt_TCPToZeroWindowAdv = auto()
    TcpExt_TCPWantZeroWindowAdv = auto()
    TcpExt_TCPZeroWindowDrop = auto()
    TcpExt_TCPRcvQDrop = auto()
    TcpExt_TCPACKSkippedSynRecv = auto()
    TcpExt_TCPACKSkippedPAWS = auto()
    TcpExt_TCPACKSkippedSeq = auto()
    TcpExt_TCPACKSkippedChallenge = auto()
    TcpExt_TCPOrigDataSent = auto()
    TcpExt_TCPDelivered = auto()
    TcpExt_TCPAckCompressed = auto()
    TcpExt_TCPBacklogDrop = auto()
    TcpExt_TCPBacklogCoalesce = auto()
    TcpExt_TCPMinTTLDrop = auto()
    TcpExt_BeyondWindow = auto()
    Tcp_ActiveOpens = auto()
    TcpExt_SyncookiesSent = auto()
    TcpExt_SyncookiesRecv = auto()
    TcpExt_SyncookiesFailed = auto()
    TcpExt_TW = auto()
    TcpExt_TWKilled = auto()
    TcpExt_PAWSActive = auto()
    TcpExt_PAWSTimewait = auto()
    TcpExt_TCPTimeouts = auto()
    TcpExt_TCPLossProbes = auto()
    TcpExt_TCPLostRetransmit = auto()
    TcpExt_TCPAbortOnTimeout = auto()
    TcpExt_TCPAbortOnLinger = auto()
    TcpExt_TCPAbortOnMemory = auto()
    TcpExt_TCPTimeWaitOverflow = auto()
    TcpExt_TCPReqQFullDoCookies = auto()
    TcpExt_TCPDeferAcceptDrop = auto()
    TcpExt_TCPKeepAlive = auto()
    TcpExt_TCPACKSkippedFinWait2 = auto()
    TcpExt_TCPACKSkippedTimeWait = auto()
    TcpExt_TSEcrRejected = auto()
    TcpExt_TCPFastOpenCookieReqd = auto()
    UdpLite_NoPorts = auto()
    UdpLite_InErrors = auto()
    UdpLite_InCsumErrors = auto()
    UdpLite_IgnoredMulti = auto()
    Rxpath_TapFrames = auto()           # ours: copies that packet sockets took
    Rxpath_Copies = auto()              # ours: clones made (multicast, broadcast)
    TcpExt_TCPRcvCollapsed = auto()     # out of their places, so that the others keep their numbers
    Ip_OutDiscards = auto()
    Ip_FragOKs = auto()
    Ip_FragCreates = auto()
    TcpExt_TCPRenoReorder = auto()
    TcpExt_TCPMemoryPressures = auto()
    TcpExt_TCPMemoryPressuresChrono = auto()    # ms

    def text(self) -> str:
        group, field = self.name.split("_", 1)
        return f"{group}.{field}"


# counters that came later than 3.10, and with which kernel; for the others "since" is of no interest here
SINCE = {
    "Udp.IgnoredMulti": "3.19", "UdpLite.IgnoredMulti": "3.19", "Udp.MemErrors": "5.11", "IpExt.ReasmOverlaps": "4.20",
    "TcpExt.TCPRcvCoalesce": "3.6", "TcpExt.TCPOFOQueue": "3.6", "TcpExt.TCPOFODrop": "3.6", "TcpExt.TCPOFOMerge": "3.6",
    "TcpExt.TCPFromZeroWindowAdv": "3.15", "TcpExt.TCPToZeroWindowAdv": "3.15", "TcpExt.TCPWantZeroWindowAdv": "3.15",
    "TcpExt.TCPSynRetrans": "3.15", "TcpExt.TCPOrigDataSent": "3.15", "TcpExt.TCPACKSkippedSynRecv": "4.0",
    "TcpExt.TCPACKSkippedPAWS": "4.0", "TcpExt.TCPACKSkippedSeq": "4.0", "TcpExt.TCPACKSkippedChallenge": "4.0",
    "TcpExt.TCPDelivered": "4.18", "TcpExt.TCPAckCompressed": "4.18", "TcpExt.TCPZeroWindowDrop": "4.19", "TcpExt.TCPRcvQDrop": "4.19",
    "TcpExt.TCPBacklogCoalesce": "4.20", "TcpExt.PAWSOldAck": "6.14", "TcpExt.PAWSTimewait": "6.14",
    "TcpExt.TSEcrRejected": "6.15", "TcpExt.TCPFastOpenCookieReqd": "3.7", "TcpExt.TCPKeepAlive": "4.18", "TcpExt.TCPLossProbes": "3.10",
    "TcpExt.TCPACKSkippedFinWait2": "4.0", "TcpExt.TCPACKSkippedTimeWait": "4.0", "TcpExt.BeyondWindow": "6.16",
    "TcpExt.TCPMemoryPressuresChrono": "4.13",
    "IpExt.InNoECTPkts": "3.12", "IpExt.InECT1Pkts": "3.12", "IpExt.InECT0Pkts": "3.12", "IpExt.InCEPkts": "3.12",
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
