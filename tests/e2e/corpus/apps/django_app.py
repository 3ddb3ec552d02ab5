"""Django REST framework as it comes: a DefaultRouter with its format suffixes, and each kind of credential."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from told import HEADER, METHODS, told, user_of, user_of_jwt

settings.configure(
    ALLOWED_HOSTS=["*"],
    APPEND_SLASH=True,
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=["django_app.Telling", "django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
    ROOT_URLCONF="django_app",
    USE_TZ=True,
)
django.setup()

from rest_framework.authentication import BaseAuthentication, BasicAuthentication, TokenAuthentication  # noqa: E402
from rest_framework.exceptions import AuthenticationFailed  # noqa: E402
from rest_framework.renderers import JSONRenderer  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.routers import DefaultRouter  # noqa: E402
from rest_framework.urlpatterns import format_suffix_patterns  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework.viewsets import ViewSet  # noqa: E402


class Api(JSONRenderer):
    """In the place of the browsable API, which needs templates."""

    format = "api"


def _known(name: str | None):
    if name is None:
        raise AuthenticationFailed()
    return name, None


class Token(TokenAuthentication):
    def authenticate_credentials(self, key):
        return _known(user_of("token", key))


class Jwt(TokenAuthentication):
    keyword = "Bearer"

    def authenticate_credentials(self, key):
        return _known(user_of_jwt(key))


class Basic(BasicAuthentication):
    def authenticate_credentials(self, userid, password, request=None):
        return _known(user_of("basic", f"{userid}:{password}"))


class ApiKey(BaseAuthentication):
    def authenticate(self, request):
        user = user_of("key", request.headers.get("x-api-key"))
        return user and (user, None)


class Session(BaseAuthentication):
    def authenticate(self, request):
        user = user_of("session", request.COOKIES.get("sessionid"))
        return user and (user, None)


class Page:
    authentication_classes = [Token, Jwt, Basic, ApiKey, Session]
    renderer_classes = [JSONRenderer, Api]

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        request._request.reached = self.reached, request.method, request.user

    def answer(self, _request, *_args, **_kwargs):
        return Response({})


class Jobs(Page, ViewSet):
    @property
    def reached(self):
        return "job" if self.detail else "jobs"

    list = create = retrieve = update = partial_update = destroy = Page.answer


def view(name: str):
    methods = {method.lower(): Page.answer for method in METHODS}
    return type(name, (Page, APIView), {"reached": name, **methods}).as_view()


router = DefaultRouter()
router.register("jobs", Jobs, basename="job")
urlpatterns = [
    path("api/v2/", include(router.urls)),
    *format_suffix_patterns([path("api/auth/login", view("login"))]),
    path("search/<str:words>", view("search")),
    path("files/<path:name>", view("files")),
    path("static/<path:name>", view("static")),
    path("public/<path:name>", view("public")),
    path("healthz", view("healthz")),
]


def Telling(get_response):
    def telling(request):
        response = get_response(request)
        route, method, user = getattr(request, "reached", (None, None, None))
        if route:
            response[HEADER] = told(
                route,
                method,
                request.path,
                request.get_host(),
                user,
                parameter=request.GET.get,
                header=request.headers.get,
                cookie=request.COOKIES.get,
            )
        return response

    return telling


wsgi = get_wsgi_application()
asgi = get_asgi_application()
