"""The counters of /proc/net/snmp and /proc/net/netstat in the kernel's order (net/ipv4/proc.c), and with which version each came or went.

The order is that of 6.18.  Versions were read in the sources of 3.10, 4.19, 5.15 and 6.12 [S] and in this 6.18; those between are of the
commits that brought a counter [K].  What vendors have brought back to an old kernel is not here, nor are the groups of MPTCP."""
from __future__ import annotations

from rxpath.abi.kernels import version
from rxpath.abi.mib import has

IP = (
    "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers "
    "OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates "
    "OutTransmits").split()
TCP = (
    "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs "
    "RetransSegs InErrs OutRsts InCsumErrors").split()
UDP = (
    "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors").split()
TCP_EXT = (
    "SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps "
    "LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSPassive PAWSActive PAWSEstab BeyondWindow TSEcrRejected PAWSOldAck "
    "PAWSTimewait DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops TCPPrequeued "
    "TCPDirectCopyFromBacklog TCPDirectCopyFromPrequeue TCPPrequeueDropped TCPHPHits TCPHPHitsToUser TCPPureAcks TCPHPAcks "
    "TCPRenoRecovery TCPSackRecovery TCPSACKReneging TCPFACKReorder TCPSACKReorder TCPRenoReorder TCPTSReorder TCPFullUndo "
    "TCPPartialUndo TCPDSACKUndo TCPLossUndo TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures TCPFastRetrans "
    "TCPForwardRetrans TCPSlowStartRetrans TCPTimeouts TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail "
    "TCPSackRecoveryFail TCPSchedulerFailed TCPRcvCollapsed TCPBacklogCoalesce TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv "
    "TCPDSACKOfoRecv TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed "
    "TCPMemoryPressures TCPMemoryPressuresChrono TCPSACKDiscard TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo TCPSpuriousRTOs "
    "TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted TCPSackMerged TCPSackShiftFallback TCPBacklogDrop "
    "PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop IPReversePathFilter TCPTimeWaitOverflow TCPReqQFullDoCookies "
    "TCPReqQFullDrop TCPRetransFail TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge "
    "TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail TCPFastOpenListenOverflow "
    "TCPFastOpenCookieReqd TCPFastOpenBlackhole TCPSpuriousRtxHostQueues BusyPollRxPackets TCPAutoCorking "
    "TCPFromZeroWindowAdv TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent TCPHystartTrainDetect "
    "TCPHystartTrainCwnd TCPHystartDelayDetect TCPHystartDelayCwnd TCPACKSkippedSynRecv TCPACKSkippedPAWS TCPACKSkippedSeq "
    "TCPACKSkippedFinWait2 TCPACKSkippedTimeWait TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail TCPMTUPSuccess "
    "TCPDelivered TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig TCPFastOpenPassiveAltKey "
    "TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs TCPDSACKIgnoredDubious TCPMigrateReqSuccess "
    "TCPMigrateReqFailure TCPPLBRehash TCPAORequired TCPAOBad TCPAOKeyNotFound TCPAOGood TCPAODroppedIcmps").split()
IP_EXT = (
    "InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets "
    "OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps").split()
# ICMP messages by type, in the kernel's order
ICMP_TYPES = {"DestUnreachs": 3, "TimeExcds": 11, "ParmProbs": 12, "SrcQuenchs": 4, "Redirects": 5, "Echos": 8, "EchoReps": 0,
              "Timestamps": 13, "TimestampReps": 14, "AddrMasks": 17, "AddrMaskReps": 18}

# counters that the path does not have; abi/mib.py knows when the others came
SINCE = {
    "Ip.OutTransmits": "6.7", "UdpLite.MemErrors": "5.11", "TcpExt.BusyPollRxPackets": "3.11", "TcpExt.TCPAutoCorking": "3.14",
    "TcpExt.TCPFastOpenActiveFail": "3.15",
    "TcpExt.TCPHystartTrainDetect": "3.19", "TcpExt.TCPHystartTrainCwnd": "3.19", "TcpExt.TCPHystartDelayDetect": "3.19",
    "TcpExt.TCPHystartDelayCwnd": "3.19", "TcpExt.TCPWinProbe": "4.2", "TcpExt.TCPMTUPFail": "4.3", "TcpExt.TCPMTUPSuccess": "4.3",
    "TcpExt.PFMemallocDrop": "4.10", "TcpExt.TCPFastOpenBlackhole": "4.12", "TcpExt.TCPMemoryPressuresChrono": "4.13",
    "TcpExt.TCPMD5Failure": "4.14", "TcpExt.TCPDeliveredCE": "4.18", "TcpExt.TCPWqueueTooBig": "5.2",
    "TcpExt.TCPFastOpenPassiveAltKey": "5.3", "TcpExt.TcpTimeoutRehash": "5.6", "TcpExt.TcpDuplicateDataRehash": "5.6",
    "TcpExt.TCPDSACKRecvSegs": "5.9", "TcpExt.TCPDSACKIgnoredDubious": "5.10", "TcpExt.TCPMigrateReqSuccess": "5.14",
    "TcpExt.TCPMigrateReqFailure": "5.14", "TcpExt.TCPPLBRehash": "6.2", "TcpExt.TCPAORequired": "6.7", "TcpExt.TCPAOBad": "6.7",
    "TcpExt.TCPAOKeyNotFound": "6.7", "TcpExt.TCPAOGood": "6.7", "TcpExt.TCPAODroppedIcmps": "6.7",
}
UNTIL = {
    "TcpExt.PAWSPassive": "4.12", "TcpExt.TCPPrequeued": "4.14", "TcpExt.TCPDirectCopyFromBacklog": "4.14",
    "TcpExt.TCPDirectCopyFromPrequeue": "4.14", "TcpExt.TCPPrequeueDropped": "4.14", "TcpExt.TCPHPHitsToUser": "4.14",
    "TcpExt.TCPFACKReorder": "4.15", "TcpExt.TCPForwardRetrans": "4.15", "TcpExt.TCPSchedulerFailed": "4.8",
}


def of(group: str, names: list[str], kernel: str) -> list[str]:
    """Those that this kernel prints."""
    now = version(kernel)

    def there(name: str) -> bool:
        full = f"{group}.{name}"
        return has(full, kernel) and version(SINCE.get(full, "0")) <= now and (full not in UNTIL or now < version(UNTIL[full]))

    return [name for name in names if there(name)]
