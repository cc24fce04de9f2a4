"""Jobs: what a front asks of an engine, and how the engine does it."""
