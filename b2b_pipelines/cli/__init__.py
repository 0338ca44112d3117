"""The commands. One file a noun; what they share is in `console`."""
