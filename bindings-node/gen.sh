#!/usr/bin/env bash
# lib/layout.ts, from the constants of src/layout.rs.
set -euo pipefail
exec node "$(dirname "$0")/scripts/layout.js"
