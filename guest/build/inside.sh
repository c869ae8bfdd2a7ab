#!/bin/bash
# The part of build.sh that runs inside the chroot. /build holds guest/ (this
# folder), dl/ (the source files) and, afterwards, out/.
set -euo pipefail

guest=/build/guest
. "$guest/versions"
export LC_ALL=C TZ=UTC HOME=/build SOURCE_DATE_EPOCH
umask 022
cd /build
mkdir -p src log out

unpack() { # package version: the Debian source with Debian's patches, as src/package
  rm -rf "src/$1"
  dpkg-source --no-check -x "dl/$1_${2#*:}.dsc" "src/$1" > "log/unpack-$1.log" 2>&1
}

echo '[guest] unpack the sources'
rm -rf linux
tar -xf dl/linux-source-5.10.tar.xz
mv linux-source-5.10 linux
unpack busybox "$BUSYBOX_VERSION"
unpack util-linux "$UTIL_LINUX_VERSION"
unpack e2fsprogs "$E2FSPROGS_VERSION"
unpack f2fs-tools "$F2FS_TOOLS_VERSION"
unpack fio "$FIO_VERSION"
unpack libaio "$LIBAIO_VERSION"
# SeaBIOS is built as upstream released it, without Debian's patches.
rm -rf src/seabios
mkdir src/seabios
tar -xf "dl/seabios_${SEABIOS_VERSION%-*}.orig.tar.gz" -C src/seabios --strip-components=1
for patch in "$guest"/patches/linux/*.patch; do
  echo "[guest] linux: ${patch##*/}"
  patch -s -d linux -p1 < "$patch"
done

echo '[guest] kernel (about 4 minutes on two cores)'
bash "$guest/build/kernel.sh"
echo '[guest] userland'
bash "$guest/build/userland.sh"
echo '[guest] initramfs'
bash "$guest/build/initramfs.sh"

echo '[guest] BIOS'
bash "$guest/build/bios.sh"
# shellcheck disable=SC2016 # dpkg-query's own variables
dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' | sort > out/build-packages.txt

bash "$guest/build/licences.sh"
