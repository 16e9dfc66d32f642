"""Numbers of frames as a reader knows them: the record of the capture, from 1 as Wireshark counts, and of a merged frame that was split
(cable/split.py) which of its segments; what the traffic did not bring (segments of clients, or sent again) is counted by itself."""
from rxpath.abi.nic import FIRST_MADE, frame_place


def record(frame: int) -> int:
    """The capture's record; of a made frame its own number."""
    return frame if frame >= FIRST_MADE else frame_place(frame)[0]


def segment(frame: int) -> int:
    """Which segment of its record, from 1; 0: the record is whole, or this is its first."""
    n = 0 if frame >= FIRST_MADE else frame_place(frame)[1]
    return n + 1 if n else 0


def numbers(frame: int) -> dict[str, int]:
    """For --json."""
    return {"frame": record(frame), **({"segment": segment(frame)} if segment(frame) else {})}


def called(frame: int) -> str:
    """For a text."""
    if frame >= FIRST_MADE:
        return f"made frame {frame - FIRST_MADE}"
    return f"frame {record(frame)}" + (f", segment {segment(frame)}" if segment(frame) else "")
