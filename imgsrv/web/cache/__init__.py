"""The result cache: results that were computed once, kept where every worker, or every machine, finds them."""
