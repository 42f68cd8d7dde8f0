#!/bin/sh
# Makes plot.min.js from the releases that package.json names, by npm and
# esbuild, and LICENSES.txt from those of the packages that are in it. Run it by
# go generate in bench/html; it needs Node and the network.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cp package.json package-lock.json entry.js licenses.js "$work"
(
	cd "$work"
	npm ci --ignore-scripts --no-audit --no-fund
	npx esbuild entry.js --bundle --minify --format=iife --global-name=Plot --target=es2020 --outfile=out.js --metafile=meta.json
	node licenses.js meta.json >LICENSES.txt
)
mv "$work/LICENSES.txt" .
{ # every page carries the licences, too
	printf '/*!\n'
	cat LICENSES.txt
	printf '*/\n'
	cat "$work/out.js"
} >plot.min.js
