"""Jobs: what a front asks of an engine, and what the engine does."""
