"""What Tollgate replaces: the default policy in Django REST framework's own throttles, on Redis.

It is as lean as such an application can be: no database, no session, one middleware. A credential is believed as it
stands, so that no time goes into looking it up.
"""

from __future__ import annotations

import os
from types import SimpleNamespace

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=["rest_framework"],
    USE_TZ=True,
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": os.environ["BENCH_REDIS"],
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_THROTTLE_RATES": {"anon": "60/min", "user": "300/min", "worker": "30/min"},
    },
)
django.setup()

from rest_framework.authentication import BaseAuthentication, get_authorization_header  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Believe(BaseAuthentication):
    """Whoever presents a token is who it says."""

    def authenticate(self, request):
        scheme, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "token":
            return None
        return SimpleNamespace(pk=token, is_authenticated=True), token


class WorkerRateThrottle(SimpleRateThrottle):
    """Polls for jobs."""

    scope = "worker"

    def get_cache_key(self, request, view):
        query = request.query_params
        if not (query.get("ids_only") or query.get("incomplete_only")):
            return None
        ident = request.user.pk if request.user else query.get("processing_service_name")
        return self.cache_format % {"scope": self.scope, "ident": ident}


class Anonymous(AnonRateThrottle):
    def get_cache_key(self, request, view):
        return None if request.user else super().get_cache_key(request, view)


class Jobs(APIView):
    authentication_classes = [Believe]
    permission_classes = []
    throttle_classes = [Anonymous, UserRateThrottle, WorkerRateThrottle]

    def get(self, request):
        return Response({"results": []})


urlpatterns = [path("api/v2/jobs/", Jobs.as_view())]
application = get_wsgi_application()
