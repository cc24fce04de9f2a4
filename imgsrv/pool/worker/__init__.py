"""One worker process: its front, its engine and what joins them."""
