"""The mathematics: arrays in, arrays out. NumPy and the standard library, nothing else."""
