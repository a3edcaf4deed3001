"""A provider of OpenID Connect that answers by ``form_post``, and browsers that keep cookies as SameSite says."""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from authlib.integrations.starlette_client import OAuth
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SITE = "https://shop.example"
ISSUER = "https://id.example"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, auto_kid=False)


class Provider:
    """Signs anybody in who asks, as the user they name. It takes a code more than once: that is for us to refuse."""

    def __init__(self) -> None:
        """Begin without codes."""
        self.codes: dict[str, dict[str, str]] = {}
        self.asked = 0
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", self._jwks),
            ]
        )

    def answer(self, location: str, user: str) -> dict[str, str]:
        """Return the form that the browser posts back after *user* has signed in at *location*."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert query["response_mode"] == "form_post"
        code = secrets.token_hex(8)
        self.codes[code] = {**query, "user": user}
        return {"code": code, "state": query["state"]}

    def client(self) -> OAuth:
        """Return Authlib's client of this provider, as an application registers it."""
        oauth = OAuth()
        oauth.register(
            "acme",
            client_id="shop",
            client_secret="hush",
            server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
            authorize_params={"response_mode": "form_post"},
            client_kwargs={
                "scope": "openid",
                "code_challenge_method": "S256",
                "transport": httpx2.ASGITransport(app=self.app),
            },
        )
        return oauth

    async def _metadata(self, _request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "jwks_uri": f"{ISSUER}/jwks",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def _token(self, request: Request) -> JSONResponse:
        self.asked += 1
        form = await request.form()
        asked = self.codes[str(form["code"])]
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        assert asked["code_challenge"] == urlsafe_b64encode(digest).rstrip(b"=").decode()
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": asked["user"], "aud": "shop", "iat": now, "exp": now + 60}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, "nonce": asked["nonce"]}, KEY)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": token})

    async def _jwks(self, _request: Request) -> JSONResponse:
        return JSONResponse({"keys": [KEY.as_dict(private=False)]})


class Browser:
    """A browser with a jar: a POST from another site carries only cookies that are ``SameSite=None``."""

    def __init__(self, app: Any) -> None:
        """Begin with an empty jar."""
        self._client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=SITE)
        self.jar: dict[str, tuple[str, str]] = {}
        self.set: dict[str, str] = {}

    async def go(
        self, method: str, path: str, *, of: str | None = SITE, form: dict[str, str] | None = None
    ) -> httpx2.Response:
        """Send a request from a page *of* a site."""
        cross = of != SITE
        sent = {
            name: value for name, (value, same) in self.jar.items() if not cross or same == "None" or method == "GET"
        }
        headers = {"sec-fetch-site": "cross-site" if cross else "same-origin", "accept": "application/json"}
        if method == "POST":
            headers["origin"] = of or "null"
        if sent:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())
        answer = await self._client.request(method, path, headers=headers, data=form)
        self.set = {}
        for line in answer.headers.get_list("set-cookie"):
            self._keep(line)
        return answer

    def _keep(self, line: str) -> None:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        said = dict(each.partition("=")[::2] for each in attributes)
        self.set[name] = line
        if said.get("Max-Age") == "0":
            self.jar.pop(name, None)
        else:
            self.jar[name] = (value, said["SameSite"])

    async def close(self) -> None:
        """Close it."""
        await self._client.aclose()
