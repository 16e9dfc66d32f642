"""Scripts in packetdrill's language (google dialect): read, run in virtual time against the simulated host, and told what did not come out.

script.py is what a script is, scan.py and parse.py read it; wire.py is segments on the cable, compare.py those that leave beside those that
were expected; calls.py makes the system calls, code.py evaluates what stands between %{ and }%, shell.py knows the few shell lines that set
a host up; play.py runs one script, run.py many."""
