"""Formats that are only read: a header that is read here, and pixels that a helper decodes."""
