"""The commands that list what there is to use: operations and fonts."""
