"""Measurements on pixels."""
