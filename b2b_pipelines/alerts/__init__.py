"""Alerts through `B2B_ALERT_WEBHOOK_URL`.

Messages are stored first, then sent until the webhook takes them.
"""
