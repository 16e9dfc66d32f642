"""Everything that a person sees: reports, tables, the JSON object, pages of docs/.  Results come in as data."""
