"""Frames before the NIC: capture files, generators; later live devices."""
