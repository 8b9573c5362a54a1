"""The schema's history: one file a step in `versions`, run at start under a lock."""
