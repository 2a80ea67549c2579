"""Copy this file into your application and install PyJWT and cryptography (Debian: python3-jwt python3-cryptography).

WSGI:    application = IdentityMiddleware(application, IdentityVerifier(ISSUER, AUDIENCE))   # then environ["gateway.identity"]
         (Flask: the same with app.wsgi_app, then request.environ["gateway.identity"])
Others:  identity = verifier.verify(all_values_of_the_header)   # may fetch keys: not on an event loop's thread
"""
import base64
import json
import logging
import re
import threading
import time
import urllib.request
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

LEEWAY_SECONDS = 30  # how far the two machines' clocks may be apart
MAX_LIFETIME_SECONDS = 300  # the gateway never gives longer
MAX_TOKEN_LENGTH = 8192

MAX_KEY_SET_LENGTH = 65_536
FETCH_TIMEOUT_SECONDS = 5
SECONDS_BETWEEN_FETCHES = 60  # a key that we don't know makes us look again, but not at any caller's pace
SECONDS_AFTER_FAILURE = 5
MAX_STALE_SECONDS = 3600  # so long old keys serve while new ones can't be had

# They would bring a key, or rules, of their own (RFC 7515 §4.1, RFC 7797). The key comes from the gateway's address alone.
REFUSED_HEADER_MEMBERS = ("crit", "b64", "jwk", "jku", "x5u", "x5c")
TEXTS = ("sub", "jti", "tenant", "tenant_name", "user", "name", "role", "department", "instance", "access")
NEVER_EMPTY = ("sub", "jti", "tenant", "user", "access")
# As WSGI names headers.
ASSERTION_VARIABLE = "HTTP_X_IDENTITY_ASSERTION"
PLAIN_VARIABLES = tuple(f"HTTP_X_IDENTITY_{name}" for name in ("TENANT", "USER", "NAME", "ROLE", "DEPARTMENT", "INSTANCE", "ACCESS"))

log = logging.getLogger("gateway_identity")


class Identity(NamedTuple):
    """`subject` is stable and unique over all tenants; store that."""
    subject: str
    tenant: str
    tenant_name: str
    user: str
    name: str
    role: str
    department: str
    instance: str
    access: str
    expires_at: int


class IdentityRefused(Exception):
    """The reason is for the log; whoever asks learns nothing but 401."""

    def __init__(self, reason):
        super().__init__(f"identity refused: {reason}")
        self.reason = reason


class KeysUnavailable(Exception):
    """Nobody's fault in the request: the gateway's keys can't be had. Answer 503."""


class IdentityVerifier:
    """One for the whole process: it keeps the keys. Safe to use from several threads."""

    def __init__(self, issuer, audience, jwks_url=None, now=time.time):
        """
        :param issuer: the gateway's public origin
        :param audience: your appId
        :param now: epoch seconds, for tests
        """
        if not issuer or not audience:
            raise ValueError("issuer and audience are needed: without them a token for anybody would do")
        self._issuer, self._audience, self._now = issuer, audience, now
        self._keys = KeyLookup(jwks_url or f"{issuer}/_gate/jwks.json", now)

    def verify(self, values):
        """The identity in the values of the header x-identity-assertion (as many as came)."""
        if not values:
            raise IdentityRefused("missing")
        if len(values) > 1:
            raise IdentityRefused("malformed")
        token = values[0]
        if len(token) > MAX_TOKEN_LENGTH or not re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", token):
            raise IdentityRefused("malformed")
        key = self._keys.key_for(_judge_header(token))
        # 64 bytes, spelled in the one way that leaves the unused bits zero.
        if not re.fullmatch(r"[A-Za-z0-9_-]{85}[AQgw]", token.rpartition(".")[2]):
            raise IdentityRefused("signature")
        try:
            payload = jwt.PyJWS().decode(token, key, algorithms=["ES256"])
        except jwt.InvalidTokenError:
            raise IdentityRefused("signature") from None
        return _judge_claims(_parse_object(payload), self._issuer, self._audience, self._now())


def _parse_object(text):
    try:
        value = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise IdentityRefused("malformed") from None
    if not isinstance(value, dict):
        raise IdentityRefused("malformed")
    return value


def _decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _judge_header(token):
    try:
        text = _decode(token.partition(".")[0])
    except ValueError:
        raise IdentityRefused("malformed") from None
    header = _parse_object(text)
    if any(name in header for name in REFUSED_HEADER_MEMBERS):
        raise IdentityRefused("header")
    if header.get("alg") != "ES256":
        raise IdentityRefused("alg")
    if header.get("typ") != "gateway-identity+jwt":
        raise IdentityRefused("typ")
    if not isinstance(header.get("kid"), str):
        raise IdentityRefused("kid")
    return header["kid"]


def _judge_claims(claims, issuer, audience, now):
    if claims.get("iss") != issuer:
        raise IdentityRefused("iss")
    # Only as the gateway writes it: for us alone, no list.
    if claims.get("aud") != audience:
        raise IdentityRefused("aud")
    iat, exp = claims.get("iat"), claims.get("exp")
    nbf = claims.get("nbf", iat)
    # `type`, not `isinstance`: True is an int.
    if any(type(value) is not int for value in (iat, exp, nbf)):
        raise IdentityRefused("time")
    if exp + LEEWAY_SECONDS <= now or max(iat, nbf) > now + LEEWAY_SECONDS or exp - iat > MAX_LIFETIME_SECONDS:
        raise IdentityRefused("time")
    if any(not isinstance(claims.get(name), str) for name in TEXTS) or any(claims[name] == "" for name in NEVER_EMPTY):
        raise IdentityRefused("claims")
    return Identity(claims["sub"], claims["tenant"], claims["tenant_name"], claims["user"], claims["name"], claims["role"],
                    claims["department"], claims["instance"], claims["access"], exp)


class KeyLookup:
    def __init__(self, url, now):
        self._url, self._now = url, now
        # One reference, exchanged whole: who reads without the lock sees keys and their time together.
        self._state = ({}, 0)
        self._may_fetch_at = 0
        self._lock = threading.Lock()

    def key_for(self, kid):
        keys, fresh_until = self._state
        if self._now() >= fresh_until or kid not in keys:
            with self._lock:
                if self._now() >= self._may_fetch_at:
                    self._refresh()
            keys, fresh_until = self._state
        if self._now() >= fresh_until + MAX_STALE_SECONDS:
            raise KeysUnavailable()
        if kid not in keys:
            raise IdentityRefused("kid")
        return keys[kid]

    def _refresh(self):
        self._may_fetch_at = self._now() + SECONDS_AFTER_FAILURE
        try:
            keys, max_age_seconds = _fetch_keys(self._url)
        except Exception as error:  # whatever it is, old keys serve on for a while
            log.warning("the gateway's keys can't be had: %s", error)
            return
        self._state = (keys, self._now() + max_age_seconds)
        self._may_fetch_at = self._now() + SECONDS_BETWEEN_FETCHES


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def _fetch_keys(url):
    with urllib.request.build_opener(_NoRedirect).open(url, timeout=FETCH_TIMEOUT_SECONDS) as answer:
        text = answer.read(MAX_KEY_SET_LENGTH + 1)
        cache_control = answer.headers.get("cache-control") or ""
    if len(text) > MAX_KEY_SET_LENGTH:
        raise ValueError("the key set is too long")
    keys = {}
    for jwk in json.loads(text)["keys"]:
        key = _read_key(jwk)
        if key is not None:
            keys[jwk["kid"]] = key
    if not keys:
        raise ValueError("no ES256 key in the answer")
    max_age = re.search(r"(?:^|[\s,])max-age=([0-9]{1,6})(?:$|[\s,])", cache_control, re.IGNORECASE)
    return keys, min(max(int(max_age[1]) if max_age else 300, 60), 3600)


def _read_key(jwk):
    """None for a key that isn't for this; one bad key must not cost the others."""
    try:
        if (jwk["kty"], jwk["crv"], jwk.get("use", "sig"), jwk.get("alg", "ES256")) != ("EC", "P-256", "sig", "ES256"):
            return None
        if not isinstance(jwk["kid"], str) or jwk["kid"] == "":
            return None
        x, y = (int.from_bytes(_decode(jwk[name]), "big") for name in ("x", "y"))
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()  # refuses a point off the curve
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


class IdentityMiddleware:
    """WSGI: `environ["gateway.identity"]` for the application, 401 for everybody else."""

    def __init__(self, application, verifier, on_refused=lambda reason: log.warning("identity refused: %s", reason)):
        self._application, self._verifier, self._on_refused = application, verifier, on_refused

    def __call__(self, environ, start_response):
        value = environ.get(ASSERTION_VARIABLE)
        try:
            # Servers join a repeated header with a comma, which the pattern refuses.
            environ["gateway.identity"] = self._verifier.verify([] if value is None else [value])
        except (IdentityRefused, KeysUnavailable) as error:
            if isinstance(error, IdentityRefused):
                self._on_refused(error.reason)
            status = "401 Unauthorized" if isinstance(error, IdentityRefused) else "503 Service Unavailable"
            start_response(status, [("WWW-Authenticate", "GatewayIdentity"), ("Cache-Control", "no-store"), ("Content-Length", "0")])
            return []
        # What the assertion tells too, and anybody may have written: after this nobody reads them by mistake.
        for name in PLAIN_VARIABLES:
            environ.pop(name, None)
        return self._application(environ, start_response)
