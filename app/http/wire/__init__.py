"""Predictions as bytes: rows in (`rows.read`), answers out (`answers.write`); no web framework here."""
