"""Shapes and numbers of the path, no decisions: every other room imports them.

limits numbers reasons mib kernels      numbers
skbuff nic softnet sock netfilter fib frag engine      structs, one file for each owner
net      struct net: every table, in one struct"""
