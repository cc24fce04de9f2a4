"""Colour profiles and curves."""
