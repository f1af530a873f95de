"""A receiver of every profile on FastAPI.

    python examples/receivers/fastapi_receiver.py 9000 secrets.json

secrets.json says for each profile what to verify with, as in {"superoffice": "Something Secret"};
a webhook's target is then http://127.0.0.1:9000/superoffice.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response

from hookferry import VerificationFailed, verify

secrets = json.loads(Path(sys.argv[2]).read_text())
app = FastAPI()


@app.post("/{profile}")
async def receive(profile: str, request: Request) -> Response:
    """Take one message."""
    if profile not in secrets:
        return Response(status_code=404)
    body = await request.body()
    try:
        message = verify(profile, secrets[profile], request.headers, body)
    except VerificationFailed as problem:
        return Response(problem.reason, status_code=401)
    print(f"received {profile} {message.id} {body.decode()}", flush=True)  # keep it, then answer
    return Response(status_code=200)


@app.options("/{profile}")
async def permit(profile: str) -> Response:
    """Agree to be sent CloudEvents."""
    return Response(headers={"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]))
