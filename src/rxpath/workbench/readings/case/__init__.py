"""A case as readings: what `rxpath record` kept raw becomes the records that pasted texts become, too.
recorded.py is the face; samples.py reads the stream of counters, programs.py who held which sockets;
make.py makes a case of files, texts.py its moments."""
from .recorded import Recorded, open_recorded
from .samples import Sample

__all__ = ["Recorded", "Sample", "open_recorded"]
