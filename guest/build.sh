#!/bin/bash
# Builds the guest (kernel, initramfs, BIOS) inside a fresh Debian bullseye.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/versions"
DEBIAN_MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
SOURCES_DIR=${SOURCES_DIR:-}
LINUX_SOURCE_TARBALL=${LINUX_SOURCE_TARBALL:-}
work=$here/../.cache/guest
dest=$here/../public/guest
check=0

usage() {
  cat << 'EOF'
usage: guest/build.sh [options]          (as root; about 10 minutes, 5 GB)

Builds bzImage, initramfs.cpio.zst, the BIOS images, the manifest and the
licence texts into public/guest, inside a Debian bullseye made for it.

  --work DIR     where to build (default: .cache/guest)
  --dest DIR     where the files go (default: public/guest)
  --check        build in DIR/check from nothing and compare with --dest,
                 byte for byte; --dest is left alone
  --keep-chroot  use the chroot of the last run instead of making a new one
  --help         this text

environment:
  DEBIAN_MIRROR         default http://deb.debian.org/debian
  SOURCES_DIR           a folder searched first for any file of sources.lock
  LINUX_SOURCE_TARBALL  a local linux-source-5.10.tar.xz instead of the package

Every file is checked against guest/sources.lock, every package of the chroot
against guest/chroot.lock.
EOF
}
say() { printf '[guest] %s\n' "$*"; }
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

keep=0
while [ $# -gt 0 ]; do
  case $1 in
    --work) work=${2:?--work needs a folder}; shift ;;
    --dest) dest=${2:?--dest needs a folder}; shift ;;
    --check) check=1 ;;
    --keep-chroot) keep=1 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; die "unknown option $1" ;;
  esac
  shift
done

[ "$(id -u)" = 0 ] || die 'debootstrap and chroot need root: run it as root, or in a throw-away container'
for tool in debootstrap curl node sha256sum unshare setarch dpkg-deb; do
  command -v "$tool" > /dev/null || die "$tool is not installed"
done
mkdir -p "$work"
work=$(cd "$work" && pwd)
dl=$work/dl
if [ $check = 1 ]; then
  [ -f "$dest/manifest.json" ] || die "nothing to compare with: $dest has no manifest.json"
  built=$dest
  work=$work/check dest=$work/check/dest
  rm -rf "$work"
  mkdir -p "$work"
fi
chroot=$work/chroot
mkdir -p "$dl" "$dest"

# --- the source files
. "$here/build/fetch.sh"
say "source files from $DEBIAN_MIRROR"
if [ -n "$LINUX_SOURCE_TARBALL" ]; then
  cp "$LINUX_SOURCE_TARBALL" "$dl/linux-source-5.10.tar.xz"
fi
while read -r sum size role path; do
  case $role in build | both) ;; *) continue ;; esac
  case $path in */linux-source-5.10_*) [ -z "$LINUX_SOURCE_TARBALL" ] || continue ;; esac
  fetch "$sum" "$size" "$path"
done < <(grep -v '^#' "$here/sources.lock")
if [ -z "$LINUX_SOURCE_TARBALL" ]; then
  # The package holds one file of interest; the mirror holds the package.
  dpkg-deb --fsys-tarfile "$dl/linux-source-5.10_${LINUX_VERSION}_all.deb" |
    tar -xO ./usr/src/linux-source-5.10.tar.xz > "$dl/linux-source-5.10.tar.xz"
fi
echo "$LINUX_TARBALL_SHA256  $dl/linux-source-5.10.tar.xz" | sha256sum -c --quiet ||
  die "linux-source-5.10.tar.xz is not the one of $LINUX_VERSION"

# --- the chroot: an i386 system, so that nothing is cross-compiled
if [ $keep = 0 ] || [ ! -e "$chroot/etc/debian_version" ]; then
  say "debootstrap $DEBIAN_SUITE (log: $work/chroot.log)"
  rm -rf "$chroot"
  debootstrap --arch=i386 --variant=minbase "$DEBIAN_SUITE" "$chroot" "$DEBIAN_MIRROR" \
    > "$work/chroot.log" 2>&1 || die "debootstrap failed, see $work/chroot.log"
  echo "deb $DEBIAN_MIRROR $DEBIAN_SUITE main" > "$chroot/etc/apt/sources.list"
  {
    chroot "$chroot" apt-get update
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive chroot "$chroot" apt-get install -y --no-install-recommends $CHROOT_PACKAGES
  } >> "$work/chroot.log" 2>&1 || die "apt-get failed, see $work/chroot.log"
fi
# shellcheck disable=SC2016 # dpkg-query's own variables
chroot "$chroot" dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' | LC_ALL=C sort > "$work/packages"
if ! diff -u "$here/chroot.lock" "$work/packages" > "$work/packages.diff"; then
  cat "$work/packages.diff" >&2
  [ "${ALLOW_OTHER_PACKAGES:-0}" = 1 ] ||
    die 'the chroot differs from guest/chroot.lock; the result would too (ALLOW_OTHER_PACKAGES=1 builds anyway)'
fi

# --- the build
rm -rf "$chroot/build"
mkdir -p "$chroot/build/dl"
cp -r "$here" "$chroot/build/guest"
while read -r _ _ role path; do
  case $role in build | both) ;; *) continue ;; esac
  case $path in */linux-source-5.10_*) continue ;; esac
  ln "$dl/${path##*/}" "$chroot/build/dl/" 2> /dev/null || cp "$dl/${path##*/}" "$chroot/build/dl/"
done < <(grep -v '^#' "$here/sources.lock")
ln "$dl/linux-source-5.10.tar.xz" "$chroot/build/dl/" 2> /dev/null ||
  cp "$dl/linux-source-5.10.tar.xz" "$chroot/build/dl/"

# A mount namespace of its own: /proc goes away with it, whatever happens.
# setarch: configure scripts must not see the 64-bit kernel of the builder.
# shellcheck disable=SC2016 # expanded by the inner shell
unshare --mount --propagation private sh -c '
  mount -t proc proc "$1/proc"
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin SOURCE_DATE_EPOCH="$2" \
    setarch i386 chroot "$1" /bin/bash /build/guest/build/inside.sh
' sh "$chroot" "$SOURCE_DATE_EPOCH" || die "the build failed; logs are in $chroot/build/log"

# --- the result
out=$chroot/build/out
rm -rf "$dest/licences"
cp -r "$out/licences" "$dest/licences"
for f in bzImage initramfs.cpio.zst seabios.bin vgabios.bin kernel.config build-packages.txt; do
  install -m 644 "$out/$f" "$dest/$f"
done
node "$here/build/manifest.mjs" "$dest" "$out" "$here"
node "$here/verify.mjs" "$dest"

if [ $check = 1 ]; then
  diff -r "$built" "$dest" || die "not the same bytes as in $built"
  say "the same bytes as in $built"
fi
