"""A sample application on WSGI."""
import json
import logging
import os
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from gateway_identity import IdentityMiddleware, IdentityVerifier


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def application(environ, start_response):
    plain = [name for name in environ if name.startswith("HTTP_X_IDENTITY_") and name != "HTTP_X_IDENTITY_ASSERTION"]
    identity = environ["gateway.identity"]
    members = {"subject": identity.subject, "tenant": identity.tenant, "tenantName": identity.tenant_name, "user": identity.user,
               "name": identity.name, "role": identity.role, "department": identity.department, "instance": identity.instance,
               "access": identity.access, "expiresAt": identity.expires_at, "plain": plain}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(members).encode()]


def now_from_file():
    with open(os.environ["CLOCK_FILE"], encoding="utf-8") as file:
        return float(file.read())


logging.basicConfig(format="%(message)s")
# Only for tests: the time stands in a file.
clock = {"now": now_from_file} if "CLOCK_FILE" in os.environ else {}
verifier = IdentityVerifier(os.environ["GATEWAY_ISSUER"], os.environ["GATEWAY_AUDIENCE"], os.environ.get("GATEWAY_JWKS_URL"), **clock)
server = make_server("127.0.0.1", int(os.environ.get("PORT", "3000")), IdentityMiddleware(application, verifier), Server, Handler)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
