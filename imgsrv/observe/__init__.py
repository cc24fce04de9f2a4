"""What the server reports about itself: logs, metrics, traces, crash reports.  It knows nothing of images."""
