"""Connections to the servers that hold what several machines share.  Nothing here knows what is kept there."""
