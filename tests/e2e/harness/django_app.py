"""An application as the first users of Tollgate have it: Django REST framework, whose router has all its paths end with a slash,
and Django's own redirect for those who forget it. To be run: it says on which port of loopback it listens, and serves."""

from __future__ import annotations

import sys
from socketserver import ThreadingMixIn
from types import SimpleNamespace
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

settings.configure(
    ALLOWED_HOSTS=["*"],
    APPEND_SLASH=True,
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
django.setup()

from rest_framework.authentication import BaseAuthentication, get_authorization_header  # noqa: E402
from rest_framework.exceptions import AuthenticationFailed  # noqa: E402
from rest_framework.permissions import BasePermission  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.routers import DefaultRouter  # noqa: E402
from rest_framework.viewsets import ViewSet  # noqa: E402


class Token(BaseAuthentication):
    """As DRF's own, with all tokens but those that are made up."""

    def authenticate(self, request):
        scheme, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "token":
            return None
        if token.startswith("made-up"):
            raise AuthenticationFailed("Invalid token.")
        return SimpleNamespace(is_authenticated=True), token

    def authenticate_header(self, _request):
        return "Token"


class IsKnown(BasePermission):
    def has_permission(self, request, _view):
        return bool(request.user)


class Jobs(ViewSet):
    authentication_classes = [Token]
    permission_classes = [IsKnown]

    def list(self, _request):
        return Response({"results": [{"id": 1}]})

    def create(self, _request):
        return Response({"id": 2}, status=201)


router = DefaultRouter()
router.register("jobs", Jobs, basename="job")
urlpatterns = [path("api/v2/", include(router.urls))]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Handler(WSGIRequestHandler):
    def log_message(self, *_args) -> None:
        """Envoy's log is the one that matters."""


if __name__ == "__main__":
    with make_server("127.0.0.1", 0, get_wsgi_application(), Server, Handler) as server:
        print(server.server_port, flush=True)
        sys.stdout.close()
        server.serve_forever()
