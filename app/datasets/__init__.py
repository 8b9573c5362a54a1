"""Data in: CSV, JSON, NPZ, Parquet and Arrow become one memory-mapped Arrow file, named by its content."""
