"""The live reading: this host's settings and counters as records, by /proc, /sys, netlink and ethtool's ioctl, with the standard library
alone."""
