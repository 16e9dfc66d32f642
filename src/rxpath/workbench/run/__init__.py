"""One run: a Host written into the path's tables (assemble.py, sockets.py), virtual time (simulation.py), what came of it (books.py)."""
