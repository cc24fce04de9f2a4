"""Commands for a running instance, over its control socket."""
