# Sourced by build.sh and sources.sh: fetch SHA256 SIZE PATH puts one file of
# sources.lock into $dl, from $SOURCES_DIR, $DEBIAN_MIRROR or one of Debian's
# archives: a mirror drops releases, and single files of them, after some years.
# Whoever sends a file, its checksum decides.
DEBIAN_ARCHIVES=${DEBIAN_ARCHIVES-http://archive.debian.org/debian http://snapshot.debian.org/archive/debian/20240901T000000Z}
download() {
  local name=$1 path=$2 archive
  if curl -fsSL --retry 3 -o "$dl/$name.part" "$DEBIAN_MIRROR/$path"; then return 0; fi
  for archive in $DEBIAN_ARCHIVES; do
    printf '%s is not on %s: trying %s\n' "$name" "$DEBIAN_MIRROR" "$archive" >&2
    if curl -fsSL --retry 1 --connect-timeout 15 -o "$dl/$name.part" "$archive/$path"; then return 0; fi
  done
  return 1
}
fetch() {
  local sum=$1 size=$2 path=$3 name=${3##*/}
  local file=$dl/$name
  if [ -f "$file" ] && echo "$sum  $file" | sha256sum -c --status; then return 0; fi
  if [ -n "${SOURCES_DIR:-}" ] && [ -f "$SOURCES_DIR/$name" ]; then
    cp "$SOURCES_DIR/$name" "$file"
  elif ! download "$name" "$path"; then
    rm -f "$file.part"
    missing "$name"
    return 1
  else
    mv "$file.part" "$file"
  fi
  if ! echo "$sum  $file" | sha256sum -c --status; then
    rm -f "$file"
    printf '%s: wrong checksum (expected %s, %s bytes)\n' "$name" "$sum" "$size" >&2
    return 1
  fi
}
missing() {
  printf '%s is neither on %s nor in the archives: get it elsewhere and point SOURCES_DIR at its folder\n' "$1" "$DEBIAN_MIRROR" >&2
}
