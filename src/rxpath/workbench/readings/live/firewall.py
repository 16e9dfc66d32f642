"""Firewall rules: what iptables-save prints, if it is there, and the names of nftables' tables that it does not print.  Root only.

iptables-save lists what exists; it loads no module and creates no table."""
from __future__ import annotations

import shutil
import struct
import subprocess

from rxpath.workbench.readings.live.netlink import Netlink, table, text
from rxpath.workbench.readings.records import Source, Unread
from rxpath.workbench.readings.settings import OtherFirewall

_NETLINK_NETFILTER, _GETTABLE = 12, 10 << 8 | 1             # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_OF_IPTABLES = {("ip", name) for name in ("raw", "mangle", "nat", "filter", "security")}
_SAVE = "iptables-save"
_PATIENCE = 2.0


def saved_rules() -> tuple[str, list[Unread]]:
    """The output of iptables-save with counters, an empty table where it prints nothing; "" and why where there is no answer."""
    program = shutil.which(_SAVE) or shutil.which(_SAVE, path="/usr/sbin:/sbin")
    if program is None:
        return "", [Unread(_SAVE, 0, "", "is not installed")]
    try:
        done = subprocess.run([program, "-c"], capture_output=True, text=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        return "", [Unread(_SAVE, 0, "", f"did not answer ({type(error).__name__})")]
    if done.returncode:
        return "", [Unread(_SAVE, 0, "", (done.stderr.strip().splitlines() or ["failed"])[0])]
    return done.stdout.strip() or "*filter\nCOMMIT", []


def other_tables() -> OtherFirewall:
    """Tables of nftables that are not iptables'.  OSError EPERM: not root."""
    found = []
    with Netlink(_NETLINK_NETFILTER) as netlink:
        for answer in netlink.ask(_GETTABLE, struct.pack("=BBH", 0, 0, 0), dump=True):
            name = (_FAMILIES.get(answer[0], str(answer[0])), text(table(answer, 4).get(1, b"")))
            if name not in _OF_IPTABLES and name[0] not in ("ip6", "arp"):      # those meet no IPv4 packet
                found.append(" ".join(name))
    return OtherFirewall(source=Source("nft list tables"), tables=tuple(found))
