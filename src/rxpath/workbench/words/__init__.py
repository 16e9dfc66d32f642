"""Words at the face: units and addresses as people write them (units.py), mistakes as one line (mistakes.py)."""
