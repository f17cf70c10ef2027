"""The worker: what the server does by itself, without hubs or people waiting for it."""
