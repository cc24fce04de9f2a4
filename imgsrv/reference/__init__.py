"""Views generated from the tables in imaging/, errors and config: nothing here says a fact of its own."""
