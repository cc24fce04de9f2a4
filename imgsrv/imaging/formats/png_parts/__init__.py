"""What PNG is read with: the chunks that count, and samples of 16 bits."""
