"""A project of Django REST framework as documented, over an existing database."""

from collections.abc import Callable
from typing import Any

import django
from django.conf import settings
from sqlalchemy.engine import make_url


def application(database_url: str, urls: str, declare: Callable[[], None]) -> Any:
    """Return the ASGI application with the `urlpatterns` of `urls`, over that database.

    `declare` makes models, serializers and views; they can only be declared once Django is set up.
    """
    parts = make_url(database_url)
    settings.configure(
        SECRET_KEY="benchmark",
        ROOT_URLCONF=urls,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # sets the length of an answer
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.database,
                "USER": parts.username or "",
                "HOST": parts.query.get("host") or parts.host or "",
                "PORT": parts.port or parts.query.get("port") or "",
                "CONN_MAX_AGE": None,
            }
        },
        REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
        LOGGING_CONFIG=None,
    )
    django.setup()
    declare()
    from django.core.asgi import get_asgi_application

    return get_asgi_application()
