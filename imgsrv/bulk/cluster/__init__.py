"""The executor of a Ray cluster: a task has a few pictures for one core of one node.

Only names and outcomes travel; the nodes read and write the pictures.  ray is an extra, and is imported when a cluster
is joined.
"""
