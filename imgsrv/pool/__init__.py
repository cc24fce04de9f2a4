"""The pool: a master, its slots and workers, their sockets, and the exchange between them.

This is the only package with `fork`, signals and `kill`.  The work of a worker is passed in from outside.  Its modules
import downwards:

    master                          the loop
    control/operator                the commands
    reload/                         trial, state, exec, rollout
    shutdown, supervise/            what else acts on workers
    roster                          slots and workers
    child, slot                     one worker process; one slot
    worker/, listen/                the life of a worker; sockets
    events, signals, caller         small parts of all of them
"""
