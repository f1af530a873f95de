"""A receiver of every profile on Django, in one file.

    python examples/receivers/django_receiver.py 9000 secrets.json

secrets.json says for each profile what to verify with, as in {"superoffice": "Something Secret"};
a webhook's target is then http://127.0.0.1:9000/superoffice.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from wsgiref.simple_server import make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from hookferry import VerificationFailed, verify

secrets = json.loads(Path(sys.argv[2]).read_text())


@csrf_exempt  # the signature is the protection
def receive(request: HttpRequest, profile: str) -> HttpResponse:
    """Take one message, or agree to be sent CloudEvents."""
    if request.method == "OPTIONS":
        return HttpResponse(headers={"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"})
    if request.method != "POST" or profile not in secrets:
        return HttpResponse(status=404)
    body = request.body
    try:
        message = verify(profile, secrets[profile], request.headers, body)
    except VerificationFailed as problem:
        return HttpResponse(problem.reason, status=401)
    print(f"received {profile} {message.id} {body.decode()}", flush=True)  # keep it, then answer
    return HttpResponse(status=200)


urlpatterns = [path("<profile>", receive)]

if __name__ == "__main__":
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"])
    server = make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application())
    print("Running on port", server.server_port, flush=True)
    server.serve_forever()
