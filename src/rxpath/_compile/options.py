"""How the core is built: read once from the environment.  Part of the name of every compiled core."""
import os

CPU = os.environ.get("RXPATH_CPU", "x86-64")            # plain x86-64 ships; native gained nothing at 64 bytes
OPT = int(os.environ.get("RXPATH_OPT", "3"))
BOUNDS = os.environ.get("RXPATH_BOUNDS") == "1"         # check every index; a fault raises in the entry: the fuzz lane
WHOLE = os.environ.get("RXPATH_WHOLE", "1") == "1"      # optimise as one program; 0: an edit is cheap, the code half as fast
PLAIN = os.environ.get("RXPATH_PLAIN") == "1"           # run the Python that you read
BUILDING = os.environ.get("RXPATH_BUILDING") == "1"     # set by the loader for the process that compiles
VERBOSE = bool(os.environ.get("RXPATH_VERBOSE"))
BUILD_OPTIONS = f"{CPU} {OPT} {BOUNDS} {WHOLE}"
