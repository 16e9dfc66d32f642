"""netstat -s, -i, -anu, ifconfig (net-tools) and nstat (iproute2).

netstat -s prints sentences, whose names are a table here; it leaves zeros out.  nstat without -a prints the increase since its own last
run."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from .lines import Block, Line, number
from .proc_net import group_and_name
from .records import Address, Link, NetDev, Record, Snmp, TcpSocket, TcpSockets, UdpSocket, UdpSockets

# the sentence after its number, without full stop; versions that differ in a word stand beside each other
SENTENCES: Mapping[str, Mapping[str, str]] = {
    "Ip": {
        "total packets received": "InReceives", "with invalid headers": "InHdrErrors", "with invalid addresses": "InAddrErrors",
        "forwarded": "ForwDatagrams", "with unknown protocol": "InUnknownProtos", "incoming packets discarded": "InDiscards",
        "incoming packets delivered": "InDelivers", "requests sent out": "OutRequests", "outgoing packets dropped": "OutDiscards",
        "dropped because of missing route": "OutNoRoutes", "fragments dropped after timeout": "ReasmTimeout",
        "reassemblies required": "ReasmReqds", "packets reassembled ok": "ReasmOKs", "packet reassembles failed": "ReasmFails",
        "packet reassemblies failed": "ReasmFails", "fragments received ok": "FragOKs", "fragments failed": "FragFails",
        "fragments created": "FragCreates", "incoming multicast packets": "InMcastPkts", "outgoing multicast packets": "OutMcastPkts"},
    "Icmp": {
        "ICMP messages received": "InMsgs", "input ICMP message failed": "InErrors", "ICMP messages sent": "OutMsgs",
        "ICMP messages failed": "OutErrors"},
    "Tcp": {
        "active connection openings": "ActiveOpens", "active connections openings": "ActiveOpens", "active opens": "ActiveOpens",
        "passive connection openings": "PassiveOpens", "passive opens": "PassiveOpens", "failed connection attempts": "AttemptFails",
        "connection resets received": "EstabResets", "connections established": "CurrEstab", "segments received": "InSegs",
        "segments sent out": "OutSegs", "segments send out": "OutSegs", "segments retransmitted": "RetransSegs",
        "segments retransmited": "RetransSegs", "bad segments received": "InErrs", "resets sent": "OutRsts"},
    "Udp": {
        "packets received": "InDatagrams", "packets to unknown port received": "NoPorts", "packet receive errors": "InErrors",
        "packets sent": "OutDatagrams", "packets send": "OutDatagrams", "receive buffer errors": "RcvbufErrors",
        "send buffer errors": "SndbufErrors"},
    "TcpExt": {
        "SYN cookies sent": "SyncookiesSent", "SYN cookies received": "SyncookiesRecv", "invalid SYN cookies received": "SyncookiesFailed",
        "resets received for embryonic SYN_RECV sockets": "EmbryonicRsts",
        "packets pruned from receive queue because of socket buffer overrun": "PruneCalled",
        "packets pruned from receive queue": "RcvPruned",
        "packets dropped from out-of-order queue because of socket buffer overrun": "OfoPruned",
        "ICMP packets dropped because they were out-of-window": "OutOfWindowIcmps",
        "ICMP packets dropped because socket was locked": "LockDroppedIcmps", "TCP sockets finished time wait in fast timer": "TW",
        "time wait sockets recycled by time stamp": "TWRecycled", "TCP sockets finished time wait in slow timer": "TWKilled",
        "passive connections rejected because of time stamp": "PAWSPassive",
        "active connections rejected because of time stamp": "PAWSActive",
        "packets rejects in established connections because of timestamp": "PAWSEstab",
        "packets rejected in established connections because of timestamp": "PAWSEstab",
        "packetes rejected in established connections because of timestamp": "PAWSEstab",
        "delayed acks sent": "DelayedACKs", "delayed acks further delayed because of locked socket": "DelayedACKLocked",
        "times the listen queue of a socket overflowed": "ListenOverflows", "SYNs to LISTEN sockets dropped": "ListenDrops",
        "SYNs to LISTEN sockets ignored": "ListenDrops", "packets directly queued to recvmsg prequeue": "TCPPrequeued",
        "packets directly received from backlog": "TCPDirectCopyFromBacklog",
        "packets directly received from prequeue": "TCPDirectCopyFromPrequeue", "packets dropped from prequeue": "TCPPrequeueDropped",
        "packet headers predicted": "TCPHPHits", "packets header predicted and directly queued to user": "TCPHPHitsToUser",
        "acknowledgments not containing data received": "TCPPureAcks",
        "acknowledgments not containing data payload received": "TCPPureAcks", "predicted acknowledgments": "TCPHPAcks",
        "times recovered from packet loss due to fast retransmit": "TCPRenoRecovery",
        "times recovered from packet loss due to SACK data": "TCPSackRecovery",
        "times recovered from packet loss by selective acknowledgements": "TCPSackRecovery", "bad SACKs received": "TCPSACKReneging",
        "bad SACK blocks received": "TCPSACKReneging", "congestion windows fully recovered": "TCPFullUndo",
        "congestion windows fully recovered without slow start": "TCPFullUndo",
        "congestion windows recovered after partial ack": "TCPLossUndo",
        "congestion windows partially recovered using Hoe heuristic": "TCPPartialUndo",
        "congestion windows recovered without slow start by DSACK": "TCPDSACKUndo",
        "congestion windows recovered without slow start after partial ack": "TCPLossUndo",
        "TCP data loss events": "TCPLoss", "retransmits lost": "TCPLostRetransmit",
        "timeouts after reno fast retransmit": "TCPRenoFailures", "timeouts after SACK recovery": "TCPSackFailures",
        "timeouts in loss state": "TCPLossFailures", "fast retransmits": "TCPFastRetrans", "forward retransmits": "TCPForwardRetrans",
        "retransmits in slow start": "TCPSlowStartRetrans", "other TCP timeouts": "TCPTimeouts",
        "classic Reno fast retransmits failed": "TCPRenoRecoveryFail", "SACK retransmits failed": "TCPSackRecoveryFail",
        "sack retransmits failed": "TCPSackRecoveryFail", "times receiver scheduled too late for direct processing": "TCPSchedulerFailed",
        "packets collapsed in receive queue due to low socket buffer": "TCPRcvCollapsed",
        "DSACKs sent for old packets": "TCPDSACKOldSent", "DSACKs sent for out of order packets": "TCPDSACKOfoSent",
        "DSACKs received": "TCPDSACKRecv", "DSACKs for out of order packets received": "TCPDSACKOfoRecv",
        "connections reset due to unexpected SYN": "TCPAbortOnSyn", "connections reset due to unexpected data": "TCPAbortOnData",
        "connections reset due to early user close": "TCPAbortOnClose", "connections aborted due to memory pressure": "TCPAbortOnMemory",
        "connections aborted due to timeout": "TCPAbortOnTimeout", "connections aborted after user close in linger timeout":
        "TCPAbortOnLinger", "times unable to send RST due to no memory": "TCPAbortFailed",
        "TCP ran low on memory": "TCPMemoryPressures"},
}
AROUND = {                          # sentences with their number in the middle
    "TcpExt": (
        (re.compile(r"Quick ack mode was activated (\d{1,20}) times?"), "DelayedACKLost"),
        (re.compile(r"Detected reordering (\d{1,20}) times using FACK"), "TCPFACKReorder"),
        (re.compile(r"Detected reordering (\d{1,20}) times using SACK"), "TCPSACKReorder"),
        (re.compile(r"Detected reordering (\d{1,20}) times using time stamp"), "TCPTSReorder"),
        (re.compile(r"Detected reordering (\d{1,20}) times using reno fast retransmit"), "TCPRenoReorder"),
        (re.compile(r"TCP ran low on memory (\d{1,20}) times?"), "TCPMemoryPressures")),
}
WORDS = {                           # of histograms of ICMP and settings, which are no counters of loss
    "Icmp": re.compile(r"ICMP (?:input|output) histogram:$|[a-z][a-z ]+: \d+$"),
    "Ip": re.compile(r"Forwarding is \w+$|Default TTL is \d+$"), "Tcp": re.compile(r"RTO algorithm is "),
    "Icmp6": re.compile(r"ICMP (?:input|output) histogram:$|[a-z][a-z ]+: \d+$"),
}
HEADING = re.compile(r"\s*((?:Ip|Icmp|Tcp|Udp)(?:6|Ext|Msg|Lite6?)?|MPTcpExt|Sctp|[A-Z][A-Za-z]+Ext):$")
RAW = re.compile(r"([A-Za-z][A-Za-z0-9]+): (-?\d{1,20})$")
SENTENCE = re.compile(r"(\d{1,20}) (.+?)\.?$")


def _one(group: str, text: str) -> tuple[str, int] | bool | None:
    """(name, value) of a line of a group; True: a line that is no counter; None: nobody knows it."""
    if raw := RAW.match(text):
        return raw[1], int(raw[2])
    if group in WORDS and WORDS[group].match(text):
        return True
    for pattern, around in AROUND.get(group, ()):
        if match := pattern.match(text):
            return around, int(match[1])
    match = SENTENCE.match(text)
    base = group.removesuffix("6").removesuffix("Lite")
    name = SENTENCES.get(base, {}).get(match[2]) if match else None
    return (name, int(match[1])) if match and name else None


def netstat_s(block: Block) -> list[Record]:
    """One Snmp for each group.  A group with a line that could not be read (another language, another version) promises nothing about what
    it leaves out."""
    def heading(line: Line) -> str | None:
        match = HEADING.match(line.text)
        return match[1] if match else None

    return [made for part in block.parts(heading) for made in _netstat_s(part, block)]


def _netstat_s(part: list[Line], block: Block) -> list[Record]:
    groups: dict[str, dict[str, int]] = {}
    lines: dict[str, list[Line]] = {}
    unsure: set[str] = set()
    group = ""
    for line in part:
        text = line.text.strip()
        if heading := HEADING.match(text):
            group = heading[1]
            groups.setdefault(group, {})
            lines.setdefault(group, []).append(line)
            continue
        found = _one(group, text) if group else None
        if found is None:
            block.odd(line, "no sentence of netstat -s that is known (in English: LC_ALL=C netstat -s)" if group else
                      "belongs to a group whose heading is missing")
            unsure.add(group)
            continue
        lines[group].append(line)
        if not isinstance(found, bool):
            groups[group][found[0]] = found[1]
    return [Snmp({g: values}, absent_is_zero=g not in unsure, tool="netstat -s", source=block.source_of(lines[g]))
            for g, values in groups.items()]


NSTAT_ROW = re.compile(r"(\w+)\s+(-?\d{1,20})(?:\s+\d+[.,]\d+)?$")


def nstat(block: Block) -> list[Record]:
    """A row for each counter; `#kernel` above.  Without -a (no option that says so, and rows that are missing) the values are increases."""
    groups: dict[str, dict[str, int]] = {}
    for line in block:
        match = NSTAT_ROW.match(line.text.strip())
        where = group_and_name(match[1]) if match else None
        if match and where:
            groups.setdefault(where[0], {})[where[1]] = int(match[2])
        elif not line.text.lstrip().startswith("#"):
            block.odd(line)
    return [_of_nstat(groups, block)] if groups else []


def nstat_json(data: Mapping[str, object], block: Block) -> list[Record]:
    """{"kernel": {"IpInReceives": 12064, ...}}"""
    groups: dict[str, dict[str, int]] = {}
    kernel = data.get("kernel")
    for name, value in kernel.items() if isinstance(kernel, dict) else ():
        where = group_and_name(name)
        if where and isinstance(value, int):
            groups.setdefault(where[0], {})[where[1]] = value
    return [_of_nstat(groups, block)] if groups else []


def _of_nstat(groups: dict[str, dict[str, int]], block: Block) -> Snmp:
    """-z prints zeros; a text without any, whose command is not known, is taken as increases, unless it says more than moves in a while."""
    options = set("".join(re.findall(r"\s-(\w+)", block.command)))
    absolute = "a" in options if options else any(0 in values.values() for values in groups.values())
    return Snmp(groups, absent_is_zero=absolute and "z" not in options, increase=not absolute, tool="nstat",
                source=block.source)


# ---------------------------------------------------------------- devices
IFCONFIG = re.compile(r"\s*([^\s:]+(?::\d+)?): flags=\d+<|([^\s]+)\s+Link encap:")
OLD_RX = re.compile(r"\s*(RX|TX) packets[: ](\d{1,20})(?:\s+errors[: ](\d{1,20}) dropped[: ](\d{1,20}) overruns[: ](\d{1,20}) "
                    r"(?:frame|carrier)[: ](\d{1,20}))?")
DOTTED = r"\d{1,3}(?:\.\d{1,3}){3}"
NEW_ERRORS = re.compile(r"\s*(RX|TX) errors (\d{1,20})\s+dropped (\d{1,20})\s+overruns (\d{1,20})\s+(?:frame|carrier) (\d{1,20})")
OF_IFCONFIG = re.compile(r"\s*(inet6? |ether |loop |unspec |tunnel |infiniband |device |HWaddr |inet addr|UP |BROADCAST |LOOPBACK |"
                         r"Interrupt|Memory|collisions|POINTOPOINT|MTU:|\[NO FLAGS\]|DOWN |prefixlen|Base address|Link encap|"
                         r"txqueuelen|.*\bMTU:\d)")


def _counts(side: str) -> tuple[str, ...]:
    """What ifconfig prints of a direction, in its order."""
    return tuple(f"{side}_{n}" for n in ("packets", "errs", "drop", "fifo", "frame" if side == "rx" else "carrier"))


def ifconfig(block: Block) -> list[Record]:
    """Old (RX packets:1 errors:0 dropped:0 overruns:0 frame:0) and new; the names are those of /proc/net/dev, which it reads."""
    devices: dict[str, dict[str, int]] = {}
    made: dict[str, list[Record]] = {}
    now: dict[str, int] = {}
    device = ""
    for line in block:
        text = line.text
        if match := IFCONFIG.match(text):
            device = match[1] or match[2]
            now = devices.setdefault(device, {})
            made[device] = [Link(device=device, source=block.source_of([line]))]
        if device:
            _ifconfig_settings(text, made[device])
        if match:
            continue
        if match := OLD_RX.match(text):
            side = match[1].lower()
            now.update((n, int(v)) for n, v in zip(_counts(side), match.groups()[1:], strict=True) if v is not None)
            if octets := re.search(r"bytes (\d{1,20})", text):
                now[f"{side}_bytes"] = int(octets[1])
        elif match := NEW_ERRORS.match(text):
            now.update((n, int(v)) for n, v in zip(_counts(match[1].lower())[1:], match.groups()[1:], strict=True))
        elif match := re.match(r"\s*RX bytes:(\d{1,20}).*TX bytes:(\d{1,20})", text):
            now.update(rx_bytes=int(match[1]), tx_bytes=int(match[2]))
        elif not OF_IFCONFIG.match(text):
            block.odd(line)
    devices = {name: values for name, values in devices.items() if values}
    return [*([NetDev(devices, source=block.source)] if devices else []), *(r for records in made.values() for r in records)]


def _ifconfig_settings(text: str, made: list[Record]) -> None:
    """Flags, MTU, hardware address and addresses of a device, whose Link is the first of `made`."""
    link = made[0]
    assert isinstance(link, Link)
    if match := re.search(r"(?:flags=\d+<([A-Z,]*)>\s+mtu (\d{1,9})|^\s*((?:[A-Z]+ )+) *MTU:(\d{1,9}))", text):
        flags = (match[1] or "").split(",") if match[1] is not None else (match[3] or "").split()
        link = replace(link, flags=tuple(flags), mtu=int(match[2] or match[4]))
    if match := re.search(r"(?:ether|HWaddr) ((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})", text):
        link = replace(link, address=match[1].lower())
    made[0] = link
    if match := re.match(rf"\s*inet (?:addr:)?({DOTTED})\b.*(?:netmask |Mask:)({DOTTED})", text):
        bits = "".join(f"{int(part):08b}" for part in match[2].split(".") if int(part) < 256)
        if re.fullmatch(r"1*0*", bits) and len(bits) == 32:
            made.append(Address(device=link.device, address=match[1], prefix=bits.count("1")))


NETSTAT_I = {"RX-OK": "rx_packets", "RX-ERR": "rx_errs", "RX-DRP": "rx_drop", "RX-OVR": "rx_fifo", "TX-OK": "tx_packets",
             "TX-ERR": "tx_errs", "TX-DRP": "tx_drop", "TX-OVR": "tx_fifo"}


def netstat_i(block: Block) -> list[Record]:
    """Columns by their header."""
    devices: dict[str, dict[str, int]] = {}
    header: list[str] = []
    for line in block:
        words = line.text.split()
        if words[0] == "Iface":
            header = words
        elif words[0] == "Kernel":
            continue
        elif len(words) == len(header) and all(number(w) is not None for w in words[1:-1]):
            devices[words[0]] = {NETSTAT_I[n]: int(w) for n, w in zip(header, words, strict=True) if n in NETSTAT_I}
        else:
            block.odd(line)
    return [NetDev(devices, source=block.source)] if devices else []


PROTO_ROW = re.compile(r"(tcp|udp|udplite|raw)(6?)\s+(\d{1,20})\s+(\d{1,20})\s+(\S+)\s+(\S+)(?:\s+([A-Z][A-Z_0-9]*))?(?:\s+(.*))?$")


def netstat_sockets(block: Block) -> list[Record]:
    """netstat -anu, -tuln: Proto Recv-Q Send-Q Local Foreign State."""
    udp: list[UdpSocket] = []
    tcp: list[TcpSocket] = []
    for line in block:
        match = PROTO_ROW.match(line.text.strip())
        if match is None:
            if not line.text.lstrip().startswith(("Active", "Proto", "unix", "(")):
                block.odd(line)
            continue
        address, _, port = match[5].rpartition(":")
        peer, _, peer_port = match[6].rpartition(":")
        if number(port) is None and port != "*":
            block.odd(line, "a port by its name: netstat -n shows its number")
            continue
        family = 6 if match[2] or ":" in address else 4
        common = (family, address, number(port) or 0, peer, number(peer_port) or 0, match[7] or "", int(match[3]), int(match[4]))
        if match[1] == "tcp":
            tcp.append(TcpSocket(*common))
        elif match[1] == "udp":
            udp.append(UdpSocket(*common))
    result: list[Record] = []
    if udp:
        result.append(UdpSockets(tuple(udp), source=block.source))
    if tcp:
        result.append(TcpSockets(tuple(tcp), source=block.source))
    return result


