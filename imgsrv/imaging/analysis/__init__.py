"""What can be said of pixels."""
