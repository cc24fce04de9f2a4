"""Bulk work: which pictures become which files, the processes that convert them, and what became of each."""
