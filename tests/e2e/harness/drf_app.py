"""A real Django REST framework with a database: users, sessions, tokens. To be run, with the names of its authentication classes
(`token`, `session`, `basic`) in the order in which it tries them: it says in one line of JSON on which port of loopback it listens
and what its user's credentials are, and serves.

- `/` is a page of Django, public: no view there looks at a credential that nobody has asked for.
- `/api/v2/public/` may be read by everybody, as DRF's `AllowAny` has it.
- `/api/v2/me/` is for users.

A token is found whatever the case of its letters, as in a database whose collation ignores it (MySQL's does).
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

folder = tempfile.TemporaryDirectory()
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder.name) / "db.sqlite3")}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework",
        "rest_framework.authtoken",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
    ROOT_URLCONF=__name__,
    SECRET_KEY="of this test",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from rest_framework.authentication import (  # noqa: E402
    BasicAuthentication,
    SessionAuthentication,
    TokenAuthentication,
)
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.permissions import AllowAny, IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class AnyCase(TokenAuthentication):
    def authenticate_credentials(self, key):
        return super().authenticate_credentials(key.lower())


CLASSES = {"token": AnyCase, "session": SessionAuthentication, "basic": BasicAuthentication}


class Public(APIView):
    authentication_classes = [CLASSES[name] for name in sys.argv[1:]]
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"user": request.user.username})


class Me(Public):
    permission_classes = [IsAuthenticated]


def page(_request):
    return JsonResponse({})


urlpatterns = [path("", page), path("api/v2/public/", Public.as_view()), path("api/v2/me/", Me.as_view())]


def user() -> dict[str, str]:
    """A user, and what shows that it is that user."""
    alice = User.objects.create_user("alice", password="of alice")
    session = SessionStore()
    session["_auth_user_id"] = str(alice.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = alice.get_session_auth_hash()
    session.save()
    basic = base64.b64encode(b"alice:of alice").decode()
    return {"token": Token.objects.create(user=alice).key, "session": session.session_key, "basic": basic}


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Handler(WSGIRequestHandler):
    def log_message(self, *_args) -> None:
        """Envoy's log is the one that matters."""


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    with folder, make_server("127.0.0.1", 0, get_wsgi_application(), Server, Handler) as server:
        print(json.dumps({"port": server.server_port} | user()), flush=True)
        sys.stdout.close()
        server.serve_forever()
