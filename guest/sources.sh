#!/bin/bash
# One archive with the complete corresponding source of what public/guest
# serves, to be hosted beside it (GPL-2 section 3, LGPL).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/versions"
DEBIAN_MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
work=$here/../.cache/guest
archive=

usage() {
  cat << 'EOF'
usage: guest/sources.sh [--work DIR] [--output FILE] [--partial]

Writes guest-sources.tar (about 170 MB; default: in DIR, .cache/guest): the
source packages of everything in the guest, our patches, configuration and
scripts. Each file is checked against guest/sources.lock. Files that are not on
DEBIAN_MIRROR are looked for in SOURCES_DIR and in DEBIAN_ARCHIVES (Debian's own). Without a complete set there is no
archive, unless --partial is given: then what is missing is listed in its file
MISSING, and it is not enough to host the binaries with.
EOF
}
partial=0
while [ $# -gt 0 ]; do
  case $1 in
    --work) work=${2:?--work needs a folder}; shift ;;
    --output) archive=${2:?--output needs a file}; shift ;;
    --partial) partial=1 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; printf 'sources.sh: unknown option %s\n' "$1" >&2; exit 1 ;;
  esac
  shift
done
mkdir -p "$work/dl"
work=$(cd "$work" && pwd)
dl=$work/dl
archive=${archive:-$work/guest-sources.tar}

. "$here/build/fetch.sh"
tree=$work/guest-sources
rm -rf "$tree"
mkdir -p "$tree/debian"
bad=0
while read -r sum size role path; do
  case $role in source | both) ;; *) continue ;; esac
  printf '[sources] %s\n' "${path##*/}"
  if fetch "$sum" "$size" "$path"; then
    ln "$dl/${path##*/}" "$tree/debian/" 2> /dev/null || cp "$dl/${path##*/}" "$tree/debian/"
  else
    bad=1
    printf '%s  %s\n' "$sum" "${path##*/}" >> "$tree/MISSING"
  fi
done < <(grep -v '^#' "$here/sources.lock")
if [ $bad = 1 ] && [ $partial = 0 ]; then
  rm -rf "$tree"
  echo 'sources.sh: no archive: it would not be the complete source' >&2
  exit 1
fi
if [ $bad = 1 ]; then
  # Not enough to host the binaries with: whoever unpacks it has to be told.
  archive=${archive%.tar}-partial.tar
  echo 'sources.sh: files in MISSING are not in this archive: it is not the complete source' >&2
fi
cp -r "$here" "$tree/guest"
cp "$here/../public/guest/kernel.config" "$tree/guest/kernel.config.full"
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r-w \
  --format=gnu -C "$work" -cf "$archive.part" guest-sources
mv "$archive.part" "$archive"
rm -rf "$tree"
printf '[sources] %s: %s bytes, sha256 %s\n' "$archive" "$(stat -c %s "$archive")" "$(sha256sum "$archive" | cut -d' ' -f1)"
