"""The commands of a checkout, `b2b demo` and `b2b sandbox`."""
