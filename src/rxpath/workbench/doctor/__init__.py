"""What is being lost on a real host, where, and why: two readings (readings/) become facts (facts.py), facts meet rules (rules.toml), and
verdict.py says which hold, which do not, and what would have to be read to tell.  views/doctor.py shows it; nothing is simulated here."""
