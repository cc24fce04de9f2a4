"""Letters: fonts by name, the direction of text, its shaping into glyphs, its lines, and the masks of both."""
