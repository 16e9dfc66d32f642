"""What many/tune.py is made of: space.py, what may be set; target.py, what is wanted; ask.py, what to try next; runs.py, what came of it;
answer.py, the smallest change and what each part of it does."""
