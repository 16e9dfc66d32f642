"""The live reading: this host's settings and counters as records, by /proc, /sys, netlink and ethtool's ioctl, with the standard library
alone.  host.py reads all settings once; proc.py reads counters again and again."""
