"""Telling people through `B2B_ALERT_WEBHOOK_URL`: what is to be told is kept first, and sent until it was taken."""
