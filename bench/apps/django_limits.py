"""Limiters of Django: Django REST framework's throttles, and django-ratelimit.

Paths: `/LIMITER/quota`, `/LIMITER/plenty`, and without a limit `/drf/none` and `/django/none`.
"""

from __future__ import annotations

import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

from bench.apps.job import QUOTAS, WINDOW

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=["rest_framework"],
    APPEND_SLASH=False,
    USE_TZ=True,
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}},
        "redis": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": os.environ["BENCH_REDIS"]},
    },
    REST_FRAMEWORK={
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
        # Behind one proxy, which says who its clients are.
        "NUM_PROXIES": 1,
    },
    # It refuses caches that processes do not share.
    RATELIMIT_USE_CACHE="redis",
    RATELIMIT_IP_META_KEY="HTTP_X_FORWARDED_FOR",
)
django.setup()

from django.core.cache import caches  # noqa: E402
from django_ratelimit.decorators import ratelimit  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.throttling import AnonRateThrottle  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


def throttled(cache: str, name: str, quota: int) -> type[APIView]:
    class Throttle(AnonRateThrottle):
        scope = f"{cache}-{name}"
        rate = "of the job"

        def parse_rate(self, _rate):
            # Its rates are by the second, minute, hour or day, and know no ten seconds.
            return quota, WINDOW

    Throttle.cache = caches[cache]

    class Limited(Plain):
        throttle_classes = [Throttle]

    return Limited


class Plain(APIView):
    authentication_classes = []
    permission_classes = []

    def get(self, _request):
        return Response({})


def plain(_request):
    return JsonResponse({})


def limited(name: str, quota: int):
    return ratelimit(group=name, key="ip", rate=f"{quota}/{WINDOW}s", block=True)(plain)


def handler403(_request, exception):  # noqa: ARG001  (Django names it)
    """As its documentation shows it."""
    return JsonResponse({}, status=429)


urlpatterns = [path("drf/none", Plain.as_view()), path("django/none", plain)]
for name, quota in QUOTAS.items():
    urlpatterns += [
        path(f"drf-memory/{name}", throttled("default", name, quota).as_view()),
        path(f"drf-redis/{name}", throttled("redis", name, quota).as_view()),
        path(f"django-ratelimit-redis/{name}", limited(name, quota)),
    ]
application = get_wsgi_application()
