#!/bin/sh
# Publish from the command line. Run it where the server runs, or set HOOKFERRY_URL and
# HOOKFERRY_API_KEY.
#
#     sh examples/publish_cli.sh order.paid '{"order": 17}'
set -eu

hookferry trigger "$1" --data "$2"
