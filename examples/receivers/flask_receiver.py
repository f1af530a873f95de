"""A receiver of every profile on Flask.

    python examples/receivers/flask_receiver.py 9000 secrets.json

secrets.json says for each profile what to verify with, as in {"superoffice": "Something Secret"};
a webhook's target is then http://127.0.0.1:9000/superoffice.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from flask import Flask, Response, request

from hookferry import VerificationFailed, verify

secrets = json.loads(Path(sys.argv[2]).read_text())
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 2 * 1024 * 1024


@app.post("/<profile>", provide_automatic_options=False)
def receive(profile: str) -> Response:
    """Take one message."""
    if profile not in secrets:
        return Response(status=404)
    body = request.get_data()
    try:
        message = verify(profile, secrets[profile], request.headers, body)
    except VerificationFailed as problem:
        return Response(problem.reason, status=401)
    print(f"received {profile} {message.id} {body.decode()}", flush=True)  # keep it, then answer
    return Response(status=200)


@app.route("/<profile>", methods=["OPTIONS"])
def permit(profile: str) -> Response:
    """Agree to be sent CloudEvents."""
    return Response(headers={"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"})


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]))
