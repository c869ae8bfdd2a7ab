#!/bin/bash
# Runs inside the build chroot: /build/linux -> /build/out/{bzImage,kernel.config}.
# The paths are fixed, so the directory the chroot stands in cannot leak into
# the image.
set -euo pipefail

src=/build/linux
out=/build/out
guest=/build/guest
. "$guest/versions"

# The release banner and gzip headers would otherwise carry date, user and host.
export SOURCE_DATE_EPOCH
KBUILD_BUILD_TIMESTAMP=$(date -u -d "@$SOURCE_DATE_EPOCH")
export KBUILD_BUILD_TIMESTAMP
export KBUILD_BUILD_USER=lightnvm-lab KBUILD_BUILD_HOST=bullseye KBUILD_BUILD_VERSION=1
export ARCH=i386 LC_ALL=C TZ=UTC

mkdir -p "$out"
cd "$src"
make -s tinyconfig > /dev/null
# tinyconfig sets a few of the same symbols; the last one given wins.
cat "$guest/kernel.config" >> .config
make -s olddefconfig 2>&1 | { grep -Ev 'warning: override: ' || true; }

# Kconfig drops a line it does not like without a word. Find out now.
bad=0
while IFS= read -r line; do
  case $line in
    CONFIG_*=n) name=${line%%=*}
      if grep -q "^$name=" .config; then echo "kernel.sh: $name should be off, but is $(grep "^$name=" .config)" >&2; bad=1; fi ;;
    CONFIG_*)
      if ! grep -qxF "$line" .config; then echo "kernel.sh: '$line' did not survive olddefconfig" >&2; bad=1; fi ;;
  esac
done < "$guest/kernel.config"
[ "$bad" = 0 ] || exit 1

make -s -j"$(nproc)" bzImage
install -m 644 arch/x86/boot/bzImage "$out/bzImage"
install -m 644 .config "$out/kernel.config"
make -s kernelrelease > "$out/kernelrelease"
install -m 644 arch/x86/boot/compressed/vmlinux.bin "$out/vmlinux.bin"
