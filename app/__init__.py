"""Neurona's service: rooms around `core` that store, train, serve and answer."""
