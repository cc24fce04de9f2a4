"""From the text of a pipeline to what must be decoded and done."""
