"""How the core is built: read once from the environment.  Part of the name of every compiled core."""
import os
import pathlib

_package = pathlib.Path(__file__).parent.parent
SOURCE_TREE = _package.parent.name == "src" and (_package.parent.parent / "pyproject.toml").exists()      # somebody edits here

CPU = os.environ.get("RXPATH_CPU", "x86-64")            # plain x86-64 ships; native gained nothing at 64 bytes
OPT = int(os.environ.get("RXPATH_OPT", "3"))
INLINE = int(os.environ.get("RXPATH_INLINE", "1000"))   # LLVM's own is 250: a packet's way is many functions, called once
BOUNDS = os.environ.get("RXPATH_BOUNDS") == "1"         # check every index; a fault raises in the entry: the fuzz lane
WHOLE = os.environ.get("RXPATH_WHOLE", "0" if SOURCE_TREE else "1") == "1"   # optimised as one program; 0: an object for each function
PLAIN = os.environ.get("RXPATH_PLAIN") == "1"           # run the Python that you read
BUILDING = os.environ.get("RXPATH_BUILDING") == "1"     # set by the loader for the process that compiles
VERBOSE = bool(os.environ.get("RXPATH_VERBOSE"))
UNIT_OPTIONS = f"{CPU} {BOUNDS}"                         # what a function's bitcode depends on
BUILD_OPTIONS = f"{UNIT_OPTIONS} {OPT} {INLINE} {WHOLE}"
