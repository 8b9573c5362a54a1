"""The web side: the only room with FastAPI."""
