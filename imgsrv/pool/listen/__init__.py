"""Listening sockets: bound by the master, accepted from by the workers."""
