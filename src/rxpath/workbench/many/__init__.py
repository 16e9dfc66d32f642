"""Many runs of one capture: sweep.py runs a grid of settings (grid.py, resume.py), headroom.py searches a speed (search.py, limits.py)."""
