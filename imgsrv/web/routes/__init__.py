"""The routes: one class for each, grouped by what they answer."""
