"""GET /citebox-token of a FastAPI host: `token-endpoint="/citebox-token"`. pip install fastapi pyjwt"""

import os
import time
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, Response

SECONDS = 600
app = FastAPI()


def signed_in() -> tuple[str, list[str]]:
    """Your sign-on goes here: name and groups come from the session, never from what the page sends."""
    raise HTTPException(401)


@app.get("/citebox-token")
def citebox_token(user: Annotated[tuple[str, list[str]], Depends(signed_in)], response: Response) -> dict:
    response.headers["Cache-Control"] = "no-store"
    claims = {"sub": user[0], "groups": user[1], "aud": "citebox", "exp": int(time.time()) + SECONDS}
    return {"token": jwt.encode(claims, os.environ["RAG_TOKEN_SECRET"], "HS256"), "expires_in": SECONDS}
