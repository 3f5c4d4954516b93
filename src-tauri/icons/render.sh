#!/usr/bin/env bash
# Renders the SVG sources beside it to the PNG, ICO and ICNS files that are committed. Needs rsvg-convert
# (librsvg2-bin), icotool (icoutils) and png2icns (icnsutils).
set -euo pipefail
cd "$(dirname "$0")"
png() { rsvg-convert --width "$3" --height "$3" "svg/$1.svg" --output "$2"; }

for state in synced syncing paused offline problem; do
    for size in 16 22 24 32 64; do png "$state" "tray/$state-$size.png" "$size"; done
done

png app 32x32.png 32
png app 64x64.png 64
png app 128x128.png 128
png app 128x128@2x.png 256
png app icon.png 512

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
for size in 16 24 32 48 64 128 256 512; do png app "$work/$size.png" "$size"; done
icotool --create --output icon.ico "$work"/{16,24,32,48,64,128}.png --raw="$work/256.png"
png2icns icon.icns "$work"/{16,32,48,128,256,512}.png >/dev/null
