#!/bin/bash
# npm install of a small package from the registry, and running what it installed.
. "$(dirname "$0")/lib.sh"
need node nodejs
need npm npm
LIMIT=150

probe() { timeout 30 npm ping --fetch-retries=0 --fetch-timeout=15000; }
if ! clean_env "$T" bash -c "mkdir -p '$T/home' '$T/tmp'; $(declare -f probe); probe" >"$T/ping.log" 2>&1; then
	skip "the npm registry does not answer: $(grep -i error "$T/ping.log" | head -1)"
fi

setup_npm() { mkdir app && printf '{ "name": "app", "version": "1.0.0", "private": true }\n' >app/package.json; }
cmd_npm() {
	export npm_config_update_notifier=false
	cd app && npm install --no-audit --no-fund --no-update-notifier --loglevel=error semver@7.5.4 left-pad@1.3.0 >../npm.log 2>&1 || { cat ../npm.log; exit 1; }
	ls node_modules && node_modules/.bin/semver -i minor 1.2.3 && node -e 'console.log(require("left-pad")("x", 5, "."))' &&
		npm ls --offline && npm pkg get dependencies && npm uninstall --offline --no-audit --no-fund left-pad >/dev/null && ls node_modules
}
SEAL_FLAGS="-e home/.npm -e home/.cache -e tmp/* -e npm.log"
both npm setup_npm cmd_npm
finish
