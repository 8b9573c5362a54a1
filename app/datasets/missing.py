"""The words for "no value" in a CSV's numeric columns; in its categorical ones only the empty cell is."""

WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")

# Arrow compares cells with these before it trims, so the spaces of "1, NA, 2" are part of them.
MISSING = frozenset(left + word + right for word in WORDS for left in ("", " ") for right in ("", " "))
