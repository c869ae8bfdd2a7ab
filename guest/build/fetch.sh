# Sourced by build.sh and sources.sh: fetch SHA256 SIZE PATH puts one file of
# sources.lock into $dl, from $SOURCES_DIR or $DEBIAN_MIRROR.
fetch() {
  local sum=$1 size=$2 path=$3 name=${3##*/}
  local file=$dl/$name
  if [ -f "$file" ] && echo "$sum  $file" | sha256sum -c --status; then return 0; fi
  if [ -n "${SOURCES_DIR:-}" ] && [ -f "$SOURCES_DIR/$name" ]; then
    cp "$SOURCES_DIR/$name" "$file"
  elif ! curl -fsSL --retry 3 -o "$file.part" "$DEBIAN_MIRROR/$path"; then
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
  printf '%s is not on %s: get it elsewhere and point SOURCES_DIR at its folder\n' "$1" "$DEBIAN_MIRROR" >&2
}
