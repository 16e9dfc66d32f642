"""What a Python program on the simulated host sees: sockets, options, select, poll and epoll like the standard library's.

One implementation for all drivers of time: they differ in how a call waits (process.py), and in nothing else."""
