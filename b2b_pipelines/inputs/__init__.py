"""Values that come in from outside, each read by one function: texts, times, slugs, and files with line numbers."""
