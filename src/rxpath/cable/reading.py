"""One reading of a capture file, from its first byte to its last, in memory of a fixed size: what capture.py (replay) and receiver.py
(census) share.  The compiled scanner walks the bytes; this fills them and says in words what was wrong."""
from .._compile import forget, give_back, new, pages, region
from ..abi.capture import MAX_BLOCK, MAX_CAPLEN, MAX_TIME, SPLIT_BYTES, Link, Problem, Scan, scan_t
from ..abi.limits import MADE_BYTES
from .linktypes import describe, supported
from .pcapng import link_kind
from .source import CaptureError, Source

CHUNK = 1 << 20                         # bytes for one read: with the rest before it, what the processor's cache holds
REST = MAX_BLOCK + 4096                 # the longest record that can be cut by the end of a chunk
FRAMES = REST + CHUNK + SPLIT_BYTES     # where frames on the cable lie
PCAPNG = 0x0A0D0D0A
MAGICS = {0xA1B2C3D4: (0, 16), 0xA1B23C4D: (1, 16), 0xA1B2CD34: (0, 24)}        # nanoseconds?, bytes of a record header
TEXTS = {
    Problem.CAPLEN: f"a record that says it holds more bytes than its block, or than {MAX_CAPLEN}",
    Problem.BLOCK_LENGTH: "a block with an impossible length",
    Problem.BLOCK_TRAILER: "a block whose two lengths differ",
    Problem.BLOCK_HUGE: f"a block of more than {MAX_BLOCK} bytes",
    Problem.BYTE_ORDER: "a section without byte order",
    Problem.VERSION: "a section of an unknown version",
    Problem.INTERFACES: "more interfaces than a section may have here",
    Problem.NO_SECTION: "a block before the first section",
    Problem.TIME_END: f"virtual time ends after {MAX_TIME / 86400e9:.0f} days",
    Problem.TRUNCATED: "the file ends in the middle of a record",
}


class Reading:
    """Bytes and scanner.  `memory` holds them; `s` says how far they are read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.memory = pages(FRAMES + MADE_BYTES)
        self.view = memoryview(self.memory)[:FRAMES]
        self.addr = region(self.memory)
        self.s = new(scan_t)
        self.problem = ""                       # the first one, in words
        s = self.s
        s.mac, s.first, s.last, s.last_t, s.max_gap = -1, 1, 1 << 62, -1, 3_600_000_000_000
        s.speed_num = s.speed_den = 1
        s.at = s.end = REST
        s.split_room = REST + CHUNK
        try:
            self.open()
        except CaptureError:
            self.close()
            raise

    def forget(self) -> None:
        """The memory is not the path's any more."""
        forget(self.addr)

    def close(self) -> None:
        self.forget()
        self.source.close()
        give_back(self.memory)

    # ------------------------------------------------------------ bytes
    def more(self) -> bool:
        """At least one more byte behind s.end; False: there are no more.  May move the rest: nothing else may need the old bytes."""
        s = self.s
        if s.end == REST + CHUNK:
            rest = max(s.end - s.at, 0)
            self.view[REST - rest:REST] = self.view[s.end - rest:s.end]
            moved = s.end - REST
            s.at, s.end, s.file_at = s.at - moved, REST, s.file_at + moved
        n = self.source.read_into(self.view[s.end:REST + CHUNK])
        s.end += n
        return n > 0

    def must_move(self) -> bool:
        """more() would overwrite bytes that were read."""
        return self.s.end == REST + CHUNK

    # ------------------------------------------------------------ the file's head
    def open(self) -> None:
        """Read the head of the file, from s.at on; CaptureError if there is no capture."""
        s, name = self.s, self.source.name
        s.file_at = -s.at
        while s.end - s.at < 24 and self.more():
            pass
        head = bytes(self.view[s.at:min(s.end, s.at + 24)])
        if not head:
            raise CaptureError(f"{name}: {self.source.problem or 'the file is empty'}")
        big, little = int.from_bytes(head[:4], "big"), int.from_bytes(head[:4], "little")
        s.pcapng = int(big == PCAPNG)
        if s.pcapng:
            if len(head) < 24:
                raise CaptureError(f"{name}: the file ends in its first {len(head)} bytes, before the pcapng section header does")
            s.in_section = s.ninterface = 0
            return
        if (big not in MAGICS and little not in MAGICS) or len(head) < 4:
            raise CaptureError(f"{name}: neither pcap nor pcapng: it starts with {head[:4].hex(' ')}")
        if len(head) < 24:
            raise CaptureError(f"{name}: the file ends after {len(head)} bytes; the header of a pcap file alone has 24")
        s.big = int(big in MAGICS)
        s.nano, s.header = MAGICS[big if s.big else little]
        order: str = "big" if s.big else "little"
        word = int.from_bytes(head[20:24], order)                               # type: ignore[arg-type]
        minor = int.from_bytes(head[6:8], order)                                # type: ignore[arg-type]
        s.old_lengths = int(int.from_bytes(head[4:6], order) == 2 and minor <= 3)   # type: ignore[arg-type]
        face = s.interfaces[0]
        face.linktype = word & 0x03FFFFFF
        face.link = self.kind(face.linktype)
        face.fcs = (word >> 28) * 2 if word & 0x04000000 else 0                 # in units of 16 bits, if bit 26 says so
        if face.link == Link.UNSUPPORTED:
            raise CaptureError(f"{name}: link type {describe(face.linktype)} is not supported; supported are {supported()}")
        s.ninterface = 1
        s.at += 24

    @staticmethod
    def kind(linktype: int) -> int:
        return int(getattr(link_kind, "plain", link_kind)(linktype))

    def again(self) -> None:
        """From the start once more; record numbers and time go on."""
        s = self.s
        if not self.source.rewind():
            raise CaptureError(f"{self.source.name}: a pipe cannot be read twice: save it to a file")
        if s.end == REST + CHUNK:
            s.end = REST
        s.at, s.started, s.problem = s.end, 0, 0
        s.rec_base = s.rec
        self.open()

    # ------------------------------------------------------------ its end
    def ended(self, why: int) -> None:
        """No more records: say so if that was not a proper end."""
        s = self.s
        if why == Scan.BAD:
            text = TEXTS.get(Problem(s.problem), "") or Problem(s.problem).name
        elif self.source.problem:
            text = self.source.problem
        elif why == Scan.MORE and s.at != s.end:
            s.problem, text = Problem.TRUNCATED, TEXTS[Problem.TRUNCATED]
        else:
            return
        if not self.problem:
            n = s.rec - s.rec_base
            after = f"after record {n}" if n else "before the first record"
            self.problem = f"{after}, at byte {s.at + s.file_at:,}: {text}" + ("; read up to there" if n else "")

    def unsupported(self) -> list[str]:
        """Link types of the last section's interfaces that cannot be replayed."""
        kinds = {f.linktype for f in (self.s.interfaces[i] for i in range(self.s.ninterface)) if f.link == Link.UNSUPPORTED}
        return [describe(k) for k in sorted(kinds)]

    def check_useful(self, frames: int) -> None:
        """CaptureError if the whole capture gave nothing, and why."""
        s, name = self.s, self.source.name
        if s.rec == 0 and self.problem:
            raise CaptureError(f"{name}: {self.problem}")
        if frames == 0 and s.unsupported and s.unsupported == s.rec - s.rec_base:
            raise CaptureError(f"{name}: no record can be replayed: link type {', '.join(self.unsupported()) or 'unknown'} "
                               f"is not supported; supported are {supported()}")
