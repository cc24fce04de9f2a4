"""Commands for several instances at once: which those are, and what is said of each."""
