"""What is sent: a capture as it is (capture.py), a spec (spec.py), files that are made of either (generate.py, merge.py)."""
