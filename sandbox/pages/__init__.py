"""Server-rendered pages of the stand-ins that have no page of their own, and of the demo."""
