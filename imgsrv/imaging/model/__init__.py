"""The types that the rest of imaging shares."""
