"""Pictures in, pictures out: decode, operations, encode.  No HTTP, no process, no socket, no setting."""
