"""A reload: a trial, the master executed anew with its state, the workers replaced."""
