// A receiver of every profile on Node alone: each check by hand.
//
//     node examples/receivers/node_receiver.mjs 9000 secrets.json
//
// secrets.json says for each profile what to verify with, as in {"superoffice": "Something Secret"};
// a webhook's target is then http://127.0.0.1:9000/superoffice.

import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [port, file] = process.argv.slice(2);
const secrets = JSON.parse(readFileSync(file, "utf8"));
const MAX_BODY = 2 * 1024 * 1024;

function same(right, given = "") {
  const [a, b] = [Buffer.from(right), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

// HMAC-SHA256 of id, time and body, not older than five minutes; several may be listed.
function standard(secret, headers, body) {
  const time = headers["webhook-timestamp"];
  if (!(Math.abs(Date.now() / 1000 - Number(time)) <= 300)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const hmac = createHmac("sha256", key).update(`${headers["webhook-id"]}.${time}.`).update(body);
  const right = "v1," + hmac.digest("base64");
  return (headers["webhook-signature"] ?? "").split(" ").some((given) => same(right, given));
}

const checks = {
  standard,
  raw: standard,
  cloudevents: standard,
  superoffice: (secret, headers, body) =>
    same(createHmac("sha256", secret).update(body).digest("base64"), headers["x-superoffice-signature"]),
  happyfox: (secret, headers, body) =>
    same("sha1=" + createHmac("sha1", secret).update(body).digest("hex"), headers["x-webhook-signature"]),
  hornbill: (secret, headers) =>
    same("Basic " + Buffer.from(secret).toString("base64"), headers.authorization),
};

const server = createServer(async (request, response) => {
  const profile = request.url.slice(1);
  if (request.method === "OPTIONS") {
    // Agree to be sent CloudEvents.
    return response.writeHead(200, { "WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*" }).end();
  }
  if (request.method !== "POST" || !Object.hasOwn(secrets, profile)) return response.writeHead(404).end();
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY) return response.writeHead(413).end();
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  if (!checks[profile](secrets[profile], request.headers, body)) return response.writeHead(401).end();
  console.log("received", profile, body.toString()); // keep it, then answer
  response.writeHead(200).end();
});

server.listen(Number(port), "127.0.0.1", () => console.log("Running on port", server.address().port));
