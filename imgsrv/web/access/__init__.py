"""Who may ask for what, and how often: keys, signed URLs, presets, CORS and limits, before a body is read."""
