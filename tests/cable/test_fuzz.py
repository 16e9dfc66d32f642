"""Whatever the bytes: no crash, no hang, the books balance (Read checks), and compiled and plain agree.  The scanner reads only inside
its buffer: the plain twin would raise."""
import pathlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxpath.cable.receiver import infer_receiver
from rxpath.cable.source import CaptureError

from ..frames import udp_frame
from .captures import Read, epb, idb, option, pcap, shb

F = udp_frame(b"hello")
SEEDS = [pcap([(1000 * i, F, len(F)) for i in range(4)]), pcap([(1000 * i, F, len(F)) for i in range(4)], order=">", nano=False),
         pcap([(5, F[14:], 90)] * 3, linktype=101), pcap([(5, b"\0\0\0\1\0\6abcdef\0\0\x08\0" + F[14:], 90)] * 3, linktype=113),
         shb() + idb(options=option(9, b"\x09") + option(14, bytes(8))) + epb(1000, F) + epb(2000, F, options=option(2, b"\1\0\0\0")),
         shb(">") + idb(order=">") + idb(113, order=">") + epb(7, F, order=">") + epb(9, F, face=1, order=">")]
edits = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["set", "word", "cut", "drop", "insert"]),
                           st.integers(0, 0xFFFFFFFF)), max_size=4)


def mutated(seed: bytes, changes: list[tuple[int, str, int]]) -> bytes:
    b = bytearray(seed)
    for at, what, value in changes:
        at = at % (len(b) + 1)
        if what == "set":
            b[at:at + 1] = bytes([value & 255])
        elif what == "word":
            b[at:at + 4] = value.to_bytes(4, "little")
        elif what == "cut":
            del b[at:]
        elif what == "drop":
            del b[at:at + value % 9]
        else:
            b[at:at] = value.to_bytes(4, "big")
    return bytes(b)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(SEEDS), changes=edits)
def test_damaged_captures(tmp_path: pathlib.Path, seed: bytes, changes: list[tuple[int, str, int]]) -> None:
    (tmp_path / "x").write_bytes(mutated(seed, changes))

    def story(plain: bool) -> object:
        try:
            r = infer_receiver(tmp_path / "x", plain=plain)
            got = Read(tmp_path / "x", plain=plain, receiver=r)
        except CaptureError as e:
            return str(e)
        return r, got.frames, got.counts, got.notes
    assert story(False) == story(True)
