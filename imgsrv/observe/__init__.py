"""What the server tells about itself: logs, the scoreboard, metrics.  Knows no image words."""
