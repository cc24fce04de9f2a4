"""Parts of the PNG reader: the chunks that count, and samples of 16 bits."""
