"""The counters of a run as the kernel and its tools print them: texts of a Moment, to the byte of their shape.

net.py is /proc/net, machine.py the rest of /proc, tools.py what programs print, iptables.py that firewall's list, tree.py a directory that
programs take for /proc."""
