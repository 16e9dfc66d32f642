"""A capture as the traffic of a run: its records go onto the cable, in pieces, at the times that the file, a speed or a rate gives them.

    capture = Capture("first.pcap", receiver=infer_receiver("first.pcap"), speed=10)
    capture.attach(net)
    while capture.load():                       # frames onto the cable, until it is full or the bytes are used up
        run(net, capture.until, 0)              # virtual time until then
        capture.consume()                       # the NIC has them all: their memory may be filled again
    print(capture.notes())

Memory does not depend on the capture's length.  Nothing is read ahead that is not needed: a pipe works."""
import ipaddress
import os
from collections.abc import Sequence
from typing import Any

from ..abi.capture import NAME_BYTES, NAME_WORDS, NLEFT, Problem, Scan
from ..abi.net import Net
from ..abi.nic import frame_place
from ..abi.survey import NLOCAL
from .feed import feed_consume, feed_waiting
from .reading import FRAMES, Reading
from .receiver import Card, Receiver
from .scan import ETH_OVERHEAD, capture_scan
from .source import CaptureError, Source
from .split import split_above
from .wire import left_slot

PIECE = 8192                                    # records for one call of the scanner
SPEED_UNIT = 10_000
LEFT_SHOWN = 5                                  # sources whose checksums were left to their card, in the notes
HOUR = 3_600_000_000_000
MAX_GAP = 10 * 24 * HOUR                        # what the arithmetic of record_time() can scale


class Capture:
    """speed: time between frames is divided by it.  rate: frames a second at equal distances instead.  loop: read so many times, time and
    record numbers going on.  first, last: records of each reading, from 1.  max_gap_ns: longer pauses are shortened to it.
    line_rate: bits a second; frames come no closer than they fit on the wire.  start_ns: when the first frame comes.  plain: by the
    Python twin.  fresh: each reading but the first comes from other source addresses.  arrival_dice: frames come at a random moment within
    the resolution of their timestamps, by dice in this state; 0: at their timestamps."""

    def __init__(self, path: str | os.PathLike[str] | Source, *, speed: float = 1.0, rate: float | None = None, loop: int = 1,
                 receiver: Receiver | None = None, first: int = 1, last: int | None = None, max_gap_ns: int = HOUR,
                 line_rate: float | None = None, start_ns: int = 0, plain: bool = False, fresh: bool = False,
                 arrival_dice: int = 0) -> None:
        self._check(speed, rate, loop, first, last, max_gap_ns, line_rate)
        self.reading = Reading(path if isinstance(path, Source) else Source(path))
        self.loop, self.plain, self.passes, self.fresh, self.speed = loop, plain, 1, fresh, speed
        self.net: Net | None = None
        self.piece = (1, 0)                     # the first frame that the last load() may have put onto the cable: record, segment
        self.reached = 0                        # the record after which the last load() stopped, being told to: 0, it did not
        self._changes = sorted({c.record for c in receiver.changes}) if receiver is not None else []
        self._stops = [record for record in self._changes if record]
        self.until = start_ns + 1               # run virtual time until then
        self._end = self._ended = False
        self._start = start_ns
        s = self.reading.s
        s.clock = s.rate_t = start_ns
        s.last_t = start_ns - 1
        s.first, s.last, s.max_gap = first, 1 << 62 if last is None else last, max_gap_ns
        s.arrival_rng = arrival_dice
        s.speed_num, s.speed_den = round(speed * SPEED_UNIT), SPEED_UNIT
        if s.speed_num == s.speed_den:
            s.speed_num = s.speed_den = 1
        if rate is not None:
            s.rate_num, s.rate_den = 1_000_000_000_000, round(rate * 1000)
        if line_rate is not None:
            s.line_num = round(8_000_000_000 * 1024 / line_rate)
        if receiver is not None:
            s.mac, s.own_by = receiver.mac, receiver.own_by
            for version, hi, lo in receiver.keys()[:NLOCAL]:
                s.addr_version[s.naddr], s.addr_hi[s.naddr], s.addr_lo[s.naddr] = version, hi, lo
                s.naddr += 1
            for source, kinds in list(receiver.left.items())[:NLEFT]:
                address = int(ipaddress.IPv4Address(source))
                at = self._call(left_slot)(s, address)
                s.left_addr[at], s.left_kinds[at], s.nleft = address, kinds, s.nleft + 1

    @staticmethod
    def _check(speed: float, rate: float | None, loop: int, first: int, last: int | None, max_gap_ns: int, line_rate: float | None) -> None:
        """What is allowed, in words: these come from the command line."""
        if not 0.0001 <= speed <= 1_000_000:
            raise CaptureError(f"speed {speed:g}: from 0.0001 to 1000000")
        if rate is not None and not 0.001 <= rate <= 1e9:
            raise CaptureError(f"rate {rate:g} frames/s: from 0.001 to 1e9")
        if not 1 <= loop <= 1_000_000_000:
            raise CaptureError(f"loop {loop}: from 1 to 1000000000")
        if first < 1 or (last is not None and last < first):
            raise CaptureError(f"records {first} to {last}: the first is 1, the last not before the first")
        if not 0 < max_gap_ns <= MAX_GAP:
            raise CaptureError(f"longest gap {max_gap_ns} ns: up to {MAX_GAP} (10 days)")
        if line_rate is not None and not 1e3 <= line_rate <= 1e12:
            raise CaptureError(f"line rate {line_rate:g} bit/s: from 1e3 to 1e12")

    def cards(self, cards: Sequence[Card]) -> None:
        """The host has several.  An interface of the file goes to the card of its name, else by its order."""
        s = self.reading.s
        s.ncard = len(cards)
        for i, card in enumerate(cards):
            s.card_mac[i] = card.mac
            name = card.name.encode().ljust(NAME_WORDS * NAME_BYTES, b"\0")
            for word in range(NAME_WORDS):
                s.card_name[i][word] = int.from_bytes(name[word * NAME_BYTES:(word + 1) * NAME_BYTES], "big")

    def attach(self, net: Net) -> None:
        """This capture's bytes are the cable's memory from now on."""
        self.net = net
        net.feed_addr, net.made_at = self.reading.addr, FRAMES

    def _call(self, f: Any) -> Any:
        return f.plain if self.plain and hasattr(f, "plain") else f

    # ------------------------------------------------------------ the run
    def load(self) -> bool:
        """Frames onto the cable.  True: run until `self.until`, consume(), and ask again.  False: all were handed out."""
        if self._ended:
            return False
        s, net = self.reading.s, self.net
        assert net is not None, "attach() first"
        self.reached, self.piece = 0, frame_place(s.frame) if s.pending else (s.rec, s.split_next) if s.split_count else (s.rec + 1, 0)
        if not s.pending or s.rec_at < s.split_room:
            s.split_used = 0                    # what was made there has been pulled in
        s.split_above = s.split_above or split_above(net, s.ncard)
        while True:
            most = min(PIECE, self._stops[0] - s.rec) if self._stops else PIECE
            why = Scan.END if self._end else self._call(capture_scan)(net, s, most)
            if self._stops and s.rec >= self._stops[0]:
                self.reached = self._stops.pop(0)
                break
            if why == Scan.FULL or why == Scan.LIMIT:
                break
            if why == Scan.MORE and not (self.reading.must_move() and self._call(feed_waiting)(net)):
                if self.reading.more():
                    continue
                if self.reading.source.dry:
                    break
                why = Scan.END
                self.reading.ended(Scan.MORE)
            elif why == Scan.MORE:
                break
            if not self._next_pass(why):
                break
            if self._changes:                   # the first, too: what they changed is put back before it
                self._stops = [s.rec_base + record for record in sorted({1, *self._changes}) if record]
        self.until = s.pending_t if s.pending else s.last_t + 1
        return True

    def _next_pass(self, why: int) -> bool:
        """The end of one reading.  False: let the frames that are on the cable run first, or it was the last."""
        s, net = self.reading.s, self.net
        if why == Scan.BAD:
            self.reading.ended(why)
        self._end = True
        if self.passes == 1:
            self.reading.check_useful(s.offered + s.own)
        n = s.rec - s.rec_base
        if self.passes >= self.loop or n == 0 or (why == Scan.BAD and s.problem == Problem.TIME_END):
            self._ended = True
            return False
        if self.reading.must_move() and self._call(feed_waiting)(net):
            return False
        if self.passes == 1:
            self._pause = max((s.clock - self._start) // max(n - 1, 1), 1000)           # between readings: as between records, on average
        self.passes += 1
        s.clock += self._pause
        self.reading.again()
        s.fresh = self.passes - 1 if self.fresh else 0
        self._end = False
        return True

    # ------------------------------------------------------------ a capture that goes on while it is read
    def not_before(self, t: int) -> None:
        """Virtual time has come to t without a frame: the next one comes after it."""
        s = self.reading.s
        s.last_t = max(s.last_t, t)

    def skip(self, on: bool) -> None:
        """Records are read and not offered from now on, or offered again."""
        s = self.reading.s
        s.first = 1 << 62 if on else 1

    @property
    def clock(self) -> tuple[int, int]:
        """(virtual time, ns since the epoch) of one moment; (0, 0): no record has been read."""
        s = self.reading.s
        return (int(s.clock), int(s.last_ts)) if s.started else (0, 0)

    @property
    def base(self) -> int:
        """The record before the present reading's first."""
        return int(self.reading.s.rec_base)

    @property
    def reached_t(self) -> int:
        """When the record that load() stopped after comes; that of a record that is not offered lies behind all that are."""
        s = self.reading.s
        if s.pending or s.last_rec == s.rec:
            return int(s.pending_t if s.pending else s.last_t)
        return int(max(s.last_t + 1, 0 if s.rate_den else s.clock))

    def consume(self) -> None:
        """All frames until `self.until` have been pulled in; call it when virtual time is there."""
        self._call(feed_consume)(self.net, self.until - 1)

    def progress(self) -> tuple[float, int]:
        """(share of the whole that has been read, 0 if not known; frames offered)."""
        src = self.reading.source
        share = (self.passes - 1 + (src.raw_bytes / src.total if src.total else 0)) / self.loop
        return min(share, 1.0), self.reading.s.offered

    def close(self) -> None:
        self.reading.close()

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ what it met
    @property
    def first_ts(self) -> int:
        """The first record's time, ns since the epoch."""
        return int(self.reading.s.first_ts)

    @property
    def last_t(self) -> int:
        """Virtual time of the last frame on the cable."""
        return int(self.reading.s.last_t)

    def wire_ns(self, length: int) -> int:
        """How long the line carries a frame of so many bytes; 0: it has no rate."""
        return (max(length, 60) + ETH_OVERHEAD) * int(self.reading.s.line_num) >> 10

    def handed_out(self, record: int) -> bool:
        """Is this record no longer to come?"""
        s = self.reading.s
        return record < s.rec or (record == s.rec and not s.pending and not s.split_count)

    @property
    def view(self) -> memoryview:
        """The memory that frames on the cable lie in."""
        return self.reading.view

    def counts(self) -> dict[str, int]:
        """Records and what became of them: records - merged + segments = offered + not_offered."""
        s = self.reading.s
        left_out = {"own": s.own, "link_type": s.unsupported, "no_interface": s.no_interface, "no_link_header": s.headless,
                    "not_selected": s.unselected}
        return {"records": s.rec, "merged": s.merged, "segments": s.segments, "offered": s.offered,
                "not_offered": sum(left_out.values()), **left_out, "cut": s.cut, "longer_than_said": s.longer,
                "absurd_length": s.absurd_len, "time_back": s.back, "clock_set_back": s.set_back,
                "gaps_shortened": s.gaps, "bytes": s.bytes}

    def left(self) -> dict[str, int]:
        """Sources whose checksums were left to their card, and the frames of each that were taken as good; most first."""
        s = self.reading.s
        found = {str(ipaddress.IPv4Address(s.left_addr[i])): int(s.left_frames[i]) for i in range(NLEFT * 2) if s.left_frames[i]} \
            if s.nleft else {}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def record_number(self, frame: int) -> tuple[int, int]:
        """(record as Wireshark numbers it, reading) of a frame's id."""
        n = self.reading.s.rec - self.reading.s.rec_base if self.passes > 1 else 0
        return ((frame - 1) % n + 1, (frame - 1) // n + 1) if n else (frame, 1)

    def notes(self) -> list[str]:
        """What a reader of the results must know about the input, a sentence each."""
        s, c = self.reading.s, self.counts()
        left_out = s.gap_ns * 1024 / 1e9
        said = [(c["own"], "frame was", "frames were", "sent by the receiver itself: not offered"),
                (c["link_type"], "record", "records", f"of link type {', '.join(self.reading.unsupported())}: not offered"),
                (c["no_interface"], "record", "records", "of an interface that the file does not describe: not offered"),
                (c["no_link_header"], "record is", "records are", "too short for the link header: not offered"),
                (c["cut"], "frame was", "frames were", "cut by a snap length: filled with zeros, checksums taken as good"),
                (c["longer_than_said"], "record holds", "records hold", "more bytes than the frame had by its own length: taken as it is"),
                (c["absurd_length"], "record has", "records have", "an absurd frame length: taken as 10 MiB"),
                (c["time_back"], "record is", "records are", "earlier than the one before: put right after it"),
                (c["clock_set_back"], "time", "times", "the file's clock was set back: time goes on from there"),
                (c["gaps_shortened"], "pause is", "pauses are",
                 f"longer than {s.max_gap / 1e9:g} s: shortened to that ({left_out:,.0f} s left out)")]
        notes = [f"{n:,} {one if n == 1 else more} {text}" for n, one, more, text in said if n]
        if s.merged:
            notes.append(f"{s.merged:,} merged frame{'s' * (s.merged != 1)} split into {s.segments:,} segments, as the wire had them: GRO "
                         "merged them before the capture, or the sender's card cut them after it (TSO)")
        left = self.left()
        for source, n in list(left.items())[:LEFT_SHOWN]:
            notes.append(f"checksums of {source} were left to its card: {n:,} frame{'s' * (n != 1)} taken as good")
        if len(left) > LEFT_SHOWN:
            rest = list(left.values())[LEFT_SHOWN:]
            notes.append(f"checksums of {len(rest)} more sources were left to their cards: {sum(rest):,} frames taken as good")
        if self.reading.problem:
            notes.insert(0, self.reading.problem)
        if s.rec == 0:
            notes.insert(0, "the capture has no records")
        return notes
