"""The trainer process and the body of a job: from a queued row to a published version."""
