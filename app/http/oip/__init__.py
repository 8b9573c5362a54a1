"""The Open Inference Protocol, version 2, from bytes to bytes; nothing in here knows the web framework."""
