"""A host file made of a Reading: what the host is set to in the words of a host file, and as comments what cannot be known or is not
modelled.  compose.py is the whole, draft.py the file while it grows; the other files are its parts."""
