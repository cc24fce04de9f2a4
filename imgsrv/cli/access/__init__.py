"""Commands about who may ask: API keys and signed URLs."""
