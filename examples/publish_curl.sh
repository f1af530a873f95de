#!/bin/sh
# Publish over HTTP with curl.
#
#     URL=http://127.0.0.1:8080 KEY=hf_... sh examples/publish_curl.sh order.paid '{"order": 17}'
set -eu

# The key makes a repeat of this very publish harmless: the first answer comes again.
curl --silent --show-error --fail-with-body "$URL/api/v1/events" \
  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \
  -H "Idempotency-Key: ${IDEMPOTENCY_KEY:-$(date +%s)-$$}" \
  -d "{\"type\": \"$1\", \"data\": $2}"
