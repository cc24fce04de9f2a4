"""Picture files: recognised, checked, decoded and encoded."""
