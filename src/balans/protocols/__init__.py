"""Wire formats, sans-IO: bytes in, events out. No clock, no socket, no file."""
