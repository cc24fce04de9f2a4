"""Work on pixels that several operations share."""
