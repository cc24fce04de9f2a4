"""Pictures that a request names instead of sending them: where they may lie, and how they come into the body's file."""
