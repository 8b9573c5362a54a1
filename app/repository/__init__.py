"""Versions, cards and aliases on disk, and the bounded cache of loaded models."""
