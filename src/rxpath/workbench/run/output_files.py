"""What leaves a run as bytes while it goes: pcaps of taps and of the frames that the host sent, lines of LOG rules.

The driver of time tells of them in the order of time; here they go to their files.
A file that cannot be written is bad input, said before the run."""
from __future__ import annotations

from typing import BinaryIO

from rxpath import outputs
from rxpath.abi.numbers import ETH_P_ALL, ETH_P_ARP, ETH_P_IP, NO_DEV, Out
from rxpath.link.setup import PcapWriter, add_tap
from rxpath.network.nf_log import log_line
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.words.mistakes import BadInput, writing

LINES_KEPT = 1000                                           # of LOG rules; more are counted
PROTOS = {"all": ETH_P_ALL, "ip": ETH_P_IP, "arp": ETH_P_ARP}


class Leaving:
    """Opened before the first frame; close() at the end."""

    def __init__(self, m: Machine) -> None:
        self.machine = m
        self.writers: list[PcapWriter] = []
        self.lines: list[str] = []
        self.more_lines = 0
        self.epoch_ns = 0
        logs = m.rules is not None and any(r.target_name == "LOG" for r in m.rules.rules)
        host = m.host
        self.wanted = bool(host.taps or host.tx.pcap or logs)
        if not self.wanted:
            return

        m.time.add_sink(self.take)
        try:
            for tap in host.taps:
                dev = next((card.index for card in m.boot.netdevs if card.name == tap.dev), NO_DEV)
                number = add_tap(m.boot, dev, tap.snaplen, PROTOS[tap.proto])
                self.writers.append(PcapWriter(_open(tap.file), tap.snaplen, arg=number))
            if host.tx.pcap:
                self.writers.append(PcapWriter(_open(host.tx.pcap), kind=Out.TX))
        except BadInput:
            self.close()
            raise

    def take(self, out: outputs.Output) -> None:
        """Something has left."""
        if out.kind == Out.LOG:
            self._log(out)
            return
        for writer in self.writers:
            with writing(writer.file.name):
                writer.write(out)

    def _log(self, out: outputs.Output) -> None:
        if len(self.lines) >= LINES_KEPT:
            self.more_lines += 1
            return
        rules = self.machine.rules
        assert rules is not None
        line = log_line(rules, out.arg, out.data, self.machine.host.nic.name)
        self.lines.append(f"[{out.t // 1_000_000_000:5}.{out.t // 1000 % 1_000_000:06}] {line}")

    def epoch(self, ns: int) -> None:
        """Virtual time 0 in ns since 1970, for the files' time stamps."""
        self.epoch_ns = ns
        for writer in self.writers:
            writer.epoch_ns = ns

    def lost(self) -> int:
        """Frames that found no room on their way out: none, or we did not drain."""
        return sum(self.machine.net.cpu[c].out_lost for c in range(self.machine.host.cpus)) if self.wanted else 0

    def close(self) -> None:
        for writer in self.writers:
            with writing(writer.file.name):
                writer.file.close()


def _open(name: str) -> BinaryIO:
    with writing(name):
        return open(name, "wb", buffering=1 << 20)
