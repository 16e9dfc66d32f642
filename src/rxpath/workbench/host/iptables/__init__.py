"""Firewall rules as iptables-save prints them: read.py and match.py read them, flat.py lays them out for the path."""
