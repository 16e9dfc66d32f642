"""The twin of a host: its own traffic, mirrored and read only, runs through the simulation of it while it happens.

mirror (where frames come from) -> watch (the loop: frames in, time on, a window after the other) -> windows (what each window says,
the nearest moments), with truth (what the kernel's counters lost meanwhile), lots (the last seconds as a capture), room (head-room,
in a process of its own) and keep (a case of the worst seconds) beside it.  whom: the host and its receiver."""
