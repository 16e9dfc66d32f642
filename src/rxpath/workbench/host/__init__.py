"""The machine that receives: host files in and out (file.py, text.py), its model, the sysctls, firewall rules (iptables/)."""
