"""A live Neurona under disturbance: how its processes die, a crowd of clients, and the verdict afterwards."""
