"""One reader for each format that datasets arrive in; each turns a file into a `Source` of blocks."""
