"""Alerts through `B2B_ALERT_WEBHOOK_URL`: messages are stored first, and sent until the webhook takes them."""
