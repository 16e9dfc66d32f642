"""Read by Python when it starts, because `rxpath run` has put this folder first in PYTHONPATH: the live host comes up before the program
does, and the program's `import socket` gives the host's sockets.  Whatever sitecustomize the machine has of its own is read afterwards."""
import importlib
import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != _here]
if os.environ.get("RXPATH_RUN"):
    if importlib.util.find_spec("rxpath") is None:   # another Python than the one that rxpath is installed in: it needs nothing else
        sys.path.append(os.environ["RXPATH_RUN_ROOT"])
    importlib.import_module("rxpath.workbench.live.started").start(_here)
_own = sys.modules.pop("sitecustomize")
try:
    importlib.import_module("sitecustomize")          # the machine's own
except ImportError:
    sys.modules["sitecustomize"] = _own              # whoever imports us looks there
