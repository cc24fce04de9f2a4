"""Where allowances are kept: memory that the workers of one machine share, or Redis for several machines."""
