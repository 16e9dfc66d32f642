"""A case that may be shown to others: addresses and names replaced by pseudonyms, payload by zeros (`rxpath case --hide`).

addresses.py makes pseudonyms from a key; texts.py rewrites texts word by word: known_words.py says which words anybody may see, and
every other one is replaced; frames.py rewrites a frame where it lies, capture.py all of a capture; whole.py does each member of a case,
and what none of these knows is left out."""
