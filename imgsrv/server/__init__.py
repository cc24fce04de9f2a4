"""Composes settings, imaging, web and pool into a running server."""
