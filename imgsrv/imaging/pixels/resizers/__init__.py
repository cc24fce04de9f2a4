"""The two ways to resize, which have the same functions; `resample` takes the fast one where its wheel is installed."""
