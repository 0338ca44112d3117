"""Definitions that `dg scaffold defs` adds: whatever a file here defines is part of the code location."""
