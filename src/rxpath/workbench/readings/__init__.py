"""Readings: what a real host's tools and files say, as data.  The readers of texts are here, one file for each family; each gives records
(records/) that no longer show how the text looked, and says which lines it could not read."""
from .archive import read_path, read_stdin
from .counters import Difference, difference
from .losses import losses, standard
from .sniff import moments, read_text

__all__ = ["Difference", "difference", "losses", "moments", "read_path", "read_stdin", "read_text", "standard"]
