"""What `import rxpath` gives: results that print themselves, over what the other rooms do."""
