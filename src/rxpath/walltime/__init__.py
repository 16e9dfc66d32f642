"""Real time: the same stations and loops; nobody is ever earlier (horizon NEVER), nothing costs anything, the clock is set from outside.

burst.py drives a queue from frames that are already in memory: what the path benchmark measures.  Real devices come later."""
