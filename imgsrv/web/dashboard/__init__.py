"""The dashboard: what the server does now, as events for a browser, and who may see them."""
