#!/bin/bash
# Runs inside the build chroot: the licence texts and copyright statements of
# everything that is shipped -> /build/out/licences.
set -euo pipefail

out=/build/out/licences
rm -rf "$out"
mkdir -p "$out"
common=/usr/share/common-licenses
for name in GPL-2 GPL-3 LGPL-2 LGPL-2.1 LGPL-3; do
  cp "$common/$name" "$out/$name.txt"
done
for name in BSD-2-Clause BSD-3-Clause MIT; do
  cp "/build/linux/LICENSES/preferred/$name" "$out/$name.txt"
done
cp /build/linux/COPYING "$out/copyright-linux.txt"
for p in busybox util-linux e2fsprogs f2fs-tools fio libaio; do
  cp "/build/src/$p/debian/copyright" "$out/copyright-$p.txt"
done
cp /build/nvme-cli/usr/share/doc/nvme-cli/copyright "$out/copyright-nvme-cli.txt"
cp /usr/share/doc/libc6/copyright "$out/copyright-glibc.txt"
{
  cat /build/src/seabios/README
  printf '\nSeaBIOS is under the GNU LGPL, version 3 (COPYING.LESSER and COPYING of its source).\n'
} > "$out/copyright-seabios.txt"
