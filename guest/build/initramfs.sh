#!/bin/bash
# Runs inside the build chroot: /build/root -> /build/out/initramfs.cpio.zst.
# The kernel's own gen_init_cpio writes the archive from a sorted list: owner,
# mode, time and inode numbers come from here and not from the file system.
set -euo pipefail

guest=/build/guest
root=/build/root
out=/build/out
. "$guest/versions"
export LC_ALL=C TZ=UTC

gcc -O1 -o /build/gen_init_cpio /build/linux/usr/gen_init_cpio.c
{
  cd "$root"
  find . -mindepth 1 | sort | while IFS= read -r path; do
    name=${path#.}
    if [ -L "$path" ]; then
      echo "slink $name $(readlink "$path") 777 0 0"
    elif [ -d "$path" ]; then
      echo "dir $name 755 0 0"
    elif [ -x "$path" ]; then
      echo "file $name $root$name 755 0 0"
    else
      echo "file $name $root$name 644 0 0"
    fi
  done
  # The kernel opens this before /init runs.
  echo 'nod /dev/console 600 0 0 c 5 1'
} > /build/initramfs.list
# -t is for what has no file behind it; files keep their own time.
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
/build/gen_init_cpio -t "$SOURCE_DATE_EPOCH" /build/initramfs.list > "$out/initramfs.cpio"
# One thread: with more, zstd's output may depend on their number.
zstd -q --ultra -22 --single-thread --no-progress -f "$out/initramfs.cpio" -o "$out/initramfs.cpio.zst"
