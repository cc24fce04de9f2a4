"""A model of machines behind a balancer, for docs/scaling.md."""
