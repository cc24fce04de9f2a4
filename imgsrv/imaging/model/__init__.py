"""The values that the rest of imaging works with."""
