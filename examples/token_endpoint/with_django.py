"""A view of a Django host: path("citebox-token", citebox_token) in urls.py. pip install django pyjwt"""

import os
import time

import jwt
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

SECONDS = 600


@require_GET
@never_cache
def citebox_token(request: HttpRequest) -> JsonResponse:
    if not request.user.is_authenticated:
        return JsonResponse({"detail": "sign in first"}, status=401)
    user = request.user.get_username(), ["everyone", *request.user.groups.values_list("name", flat=True)]
    claims = {"sub": user[0], "groups": user[1], "aud": "citebox", "exp": int(time.time()) + SECONDS}
    token = jwt.encode(claims, os.environ["RAG_TOKEN_SECRET"], "HS256")
    return JsonResponse({"token": token, "expires_in": SECONDS})
