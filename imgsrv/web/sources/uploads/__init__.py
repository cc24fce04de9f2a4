"""`upload:` sources: pictures that a client has sent before, in a folder of one machine or a store of several."""
