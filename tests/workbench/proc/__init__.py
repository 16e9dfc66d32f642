"""Tests of the kernel's own formats."""
