"""The words for "no value" in a CSV's numeric columns; in its categorical ones only the empty cell is."""

WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")

# Arrow compares cells with these before it trims, so the space of "1, NA, 2" is part of them. It keeps some
# hundred bytes for each letter and column: spaces after the words would double what a wide table takes.
MISSING = frozenset(space + word for word in WORDS for space in ("", " "))
