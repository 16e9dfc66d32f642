"""A case replayed: what the host really lost beside what the model loses, class by class and over time, before anything is advised.

classes.py says which counters of Linux and which reasons of ours are the same loss; truth.py reads the one from the case's samples, ours.py
the other from a run; reader.py takes from the samples how quick the programs were and when they stood still, fit.py finds what no file
says, explain.py finds words for what differs; beside.py joins them into a result.py."""
