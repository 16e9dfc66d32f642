"""The workbench: what a person holds.  Command line, host files, firewall rules, reports.

It writes the path's tables and reads its results; nothing in the path imports it."""
