"""sysctl -a, sysctl.conf and /proc/sys: names and what is written there.  Which of them the path reads is no matter here
(workbench/host/sysctls.py)."""
from __future__ import annotations

import re

from .lines import Block
from .records import Record, Sysctls

TREES = "net|kernel|vm|fs|dev|user|abi|debug|sunrpc|crypto|fscache"
ROW = re.compile(rf"\s*(?:-\s*)?((?:{TREES})[./][\w./*@:-]+?)\s*=\s*(.*)$")
PATH_ROW = re.compile(rf"\s*/proc/sys/((?:{TREES})/[\w./*@:-]+?)(?::|\s*=)\s*(.*)$")          # grep . /proc/sys/net/core/*
COMMENT = re.compile(r"\s*[#;]")
DENIED = re.compile(r"(?:sysctl: |error: )?(?:error: )?(?:permission denied on key|cannot stat|reading key|unable to open directory) "
                    r"[\"'“‘]?([\w./-]+)")


def full_name(text: str) -> str:
    """Dots between the parts.  Where the first separator is a slash, dots and slashes have changed places (sysctl.d(5)): net/ipv4/conf/
    eth0.100/rp_filter and net.ipv4.conf.eth0/100.rp_filter are the same."""
    first = re.search(r"[./]", text)
    return text.translate(str.maketrans("./", "/.")) if first and first[0] == "/" else text


def sysctl(block: Block) -> list[Record]:
    """`name = value`; what could not be read is listed; the last of several wins.  A value ends at the end of its line: sysctl.conf has
    no comments behind values."""
    values: dict[str, str] = {}
    denied: list[str] = []
    for line in block:
        text = line.text
        if match := ROW.match(text):                    # without a value too: net.ipv4.ip_local_reserved_ports, mostly
            values[full_name(match[1])] = " ".join(match[2].split())
        elif match := PATH_ROW.match(text):
            values[full_name(match[1])] = " ".join(match[2].split())
        elif match := DENIED.search(text):
            name = match[1].removeprefix("/proc/sys/").strip(".")
            denied.append(full_name(name))
        elif not COMMENT.match(text) and not re.match(r"\s*(?:[a-z]\w*[.]\w[\w./-]*\s*=|\* Applying )", text):      # other trees; --system
            block.odd(line)
    return [Sysctls(values, tuple(denied), source=block.source)] if values or denied else []


def proc_sys(block: Block) -> list[Record]:
    """A file of /proc/sys, whose name the block's command is."""
    match = re.search(rf"(?:^|/)proc/sys/((?:{TREES})/[\w./@:-]+)$", block.command)
    said = [line for line in block]
    if match is None or len(said) != 1:
        for line in said:
            block.odd(line)
        return []
    return [Sysctls({full_name(match[1]): " ".join(said[0].text.split())}, source=block.source)]
