#!/bin/bash
# Runs inside the build chroot: /build/src/* -> /build/root (the file tree of
# the initramfs). Everything is 32-bit, linked against the chroot's glibc, and
# stripped.
set -euo pipefail

guest=/build/guest
src=/build/src
root=/build/root
. "$guest/versions"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
jobs=$(nproc)

# -Os: the whole tree is downloaded and unpacked before the first prompt.
# -march=i686: what v86 has. No position-independent programs: on i386 they
# are larger and slower, and nobody attacks this guest. No build-id.
cflags='-Os -march=i686 -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -fno-stack-protector'
pic='-fno-pie'
ldflags='-Wl,--gc-sections -Wl,--build-id=none -Wl,--hash-style=gnu -Wl,-O1 -Wl,--as-needed'
nopie='-no-pie -Wl,-z,norelro'

# Staged, not installed, so that nothing finds a second copy: util-linux's
# libraries, a static libaio, and libm.a without its libm.so, which would be a
# megabyte for the handful of functions that fio and busybox use.
stage=/build/stage
stage_c="-I$stage/usr/include" stage_l="-L$stage/usr/lib"
rm -rf "$stage"
mkdir -p "$stage"/usr/include/{uuid,blkid} "$stage/usr/lib/pkgconfig"
ln -s /usr/lib/i386-linux-gnu/libm.a "$stage/usr/lib/"
export PKG_CONFIG_SYSROOT_DIR=$stage PKG_CONFIG_PATH=$stage/usr/lib/pkgconfig

step() { printf '  [userland] %s\n' "$*"; }

rm -rf "$root"
mkdir -p "$root"/{bin,sbin,lib,etc,root,proc,sys,dev,run,tmp,mnt,host,usr/bin,usr/sbin,usr/lib}

step "busybox $BUSYBOX_VERSION"
(
  cd "$src/busybox"
  # The banner carries the time of the build; the package's version is of use.
  export KCONFIG_NOTIMESTAMP=1
  sed -i "s|\" (\"BB_BUILD_TAG\")\"|\" (Debian $BUSYBOX_VERSION)\"|" libbb/messages.c
  grep -qF "(Debian $BUSYBOX_VERSION)" libbb/messages.c
  make -s mrproper > /dev/null
  make -s defconfig > /dev/null
  # The last line for a symbol wins only if earlier ones are gone.
  while IFS= read -r line; do
    case $line in CONFIG_*) ;; *) continue ;; esac
    name=${line%%=*}
    sed -i -E "/^(# )?${name}[ =]/d" .config
    case $line in
      *=n) echo "# $name is not set" >> .config ;;
      *) echo "$line" >> .config ;;
    esac
  done < "$guest/busybox.config"
  { yes '' || true; } | make -s oldconfig > /dev/null 2>&1
  while IFS= read -r line; do
    case $line in
      CONFIG_*=n) ! grep -q "^${line%=n}=" .config || echo "userland.sh: busybox keeps ${line%=n}" >&2 ;;
      CONFIG_*) grep -qxF "$line" .config || echo "userland.sh: busybox drops $line" >&2 ;;
    esac
  done < "$guest/busybox.config"
  make -s -j"$jobs" CONFIG_EXTRA_CFLAGS="$cflags $pic" CONFIG_EXTRA_LDFLAGS="$ldflags $nopie $stage_l" \
    CONFIG_EXTRA_LDLIBS='' > /build/log/busybox.log 2>&1
  install -m 755 busybox "$root/bin/busybox"
  # A list of links, made by the program itself: --list-full needs a run.
  ./busybox --list-full > /build/out/busybox.links
)

# Before the others: its libuuid and libblkid serve them too.
step "util-linux $UTIL_LINUX_VERSION (lsblk, libuuid, libblkid)"
(
  cd "$src/util-linux"
  # Debian's patches touch configure.ac; the programs built here don't need
  # what they change, and autoreconf of this tree wants gettext and gtk-doc.
  touch aclocal.m4 && sleep 1 && touch configure config.h.in Makefile.in && sleep 1
  rm -rf obj && mkdir obj && cd obj
  CFLAGS="$cflags" LDFLAGS="$ldflags" ../configure --prefix=/usr --libdir=/usr/lib \
    --enable-shared --disable-static --disable-nls --disable-bash-completion \
    --without-python --without-udev --without-systemd --without-ncurses --without-tinfo \
    --without-readline --without-selinux --without-cap-ng --without-user \
    --without-cryptsetup > /build/log/util-linux.log 2>&1
  # Programs are taken from the build folder: no path of it may stay in them.
  sed -i 's/^hardcode_libdir_flag_spec=.*/hardcode_libdir_flag_spec=""/; s/^runpath_var=.*/runpath_var=NO_RPATH/' libtool
  # --disable-all-programs cannot be told to keep lsblk: make just these.
  make -j"$jobs" lsblk libuuid.la libblkid.la libmount.la libsmartcols.la \
    libuuid/uuid.pc libblkid/blkid.pc \
    >> /build/log/util-linux.log 2>&1
  install -m 755 .libs/lsblk "$root/usr/bin/lsblk"
  for lib in libuuid.so.1 libblkid.so.1 libsmartcols.so.1 libmount.so.1; do
    install -m 644 "$(readlink -f .libs/$lib)" "$root/usr/lib/$lib"
  done
  cp ../libuuid/src/uuid.h "$stage/usr/include/uuid/"
  cp libblkid/src/blkid.h "$stage/usr/include/blkid/"
  cp libuuid/uuid.pc libblkid/blkid.pc "$stage/usr/lib/pkgconfig/"
  cp -a .libs/lib{uuid,blkid}.so* "$stage/usr/lib/"
)

step "e2fsprogs $E2FSPROGS_VERSION"
(
  cd "$src/e2fsprogs"
  rm -rf obj && mkdir obj && cd obj
  CFLAGS="$cflags $stage_c" LDFLAGS="$ldflags $stage_l" ../configure --prefix=/usr --sysconfdir=/etc \
    --enable-elf-shlibs --disable-nls --disable-fuse2fs --disable-uuidd \
    --disable-libuuid --disable-libblkid --disable-e2initrd-helper --disable-imager \
    --disable-resizer --disable-defrag --disable-tdb --disable-backtrace \
    > /build/log/e2fsprogs.log 2>&1
  make -j"$jobs" >> /build/log/e2fsprogs.log 2>&1
  for lib in libext2fs.so.2 libe2p.so.2 libcom_err.so.2 libss.so.2; do
    install -m 644 "$(readlink -f lib/$lib)" "$root/usr/lib/$lib"
  done
  install -m 755 misc/mke2fs misc/tune2fs misc/dumpe2fs misc/badblocks e2fsck/e2fsck \
    debugfs/debugfs "$root/usr/sbin/"
  install -m 755 misc/filefrag misc/lsattr misc/chattr "$root/usr/bin/"
  for n in mkfs.ext2 mkfs.ext4; do ln -s mke2fs "$root/usr/sbin/$n"; done
  for n in fsck.ext2 fsck.ext4; do ln -s e2fsck "$root/usr/sbin/$n"; done
  ln -s tune2fs "$root/usr/sbin/e2label"
  install -m 644 misc/mke2fs.conf "$root/etc/mke2fs.conf"
)

step "f2fs-tools $F2FS_TOOLS_VERSION"
(
  cd "$src/f2fs-tools"
  [ -x configure ] || autoreconf -fi > /build/log/f2fs-tools.log 2>&1
  rm -rf obj && mkdir obj && cd obj
  CFLAGS="$cflags $pic $stage_c" LDFLAGS="$ldflags $nopie $stage_l" ../configure --prefix=/usr \
    --disable-shared --without-selinux >> /build/log/f2fs-tools.log 2>&1
  # Only the two programs: the tools/ folder has no use here.
  make -C lib -j"$jobs" >> /build/log/f2fs-tools.log 2>&1
  make -C mkfs mkfs.f2fs >> /build/log/f2fs-tools.log 2>&1
  make -C fsck -j"$jobs" fsck.f2fs >> /build/log/f2fs-tools.log 2>&1
  install -m 755 mkfs/mkfs.f2fs fsck/fsck.f2fs "$root/usr/sbin/"
  ln -s fsck.f2fs "$root/usr/sbin/dump.f2fs"
)

step "fio $FIO_VERSION, libaio $LIBAIO_VERSION"
(
  cd "$src/libaio"
  make -C src CFLAGS="-Wall -I. $cflags $pic" libaio.a > /build/log/libaio.log 2>&1
  cp src/libaio.a "$stage/usr/lib/"
  cp src/libaio.h "$stage/usr/include/"
)
(
  cd "$src/fio"
  make -s clean > /dev/null 2>&1 || true
  # fio asks git for its version when it is in a git tree; it is not.
  LDFLAGS="$ldflags $nopie $stage_l" ./configure --extra-cflags="$cflags $pic $stage_c" --disable-numa --disable-rdma --disable-rados \
    --disable-rbd --disable-http --disable-gfapi --disable-libnfs --disable-lex \
    --disable-shm --disable-pmem --disable-native --disable-xnvme --disable-libzbc \
    --disable-tcmalloc --disable-dfs > /build/log/fio.log 2>&1
  grep -q CONFIG_LIBAIO config-host.h
  # Only the program: the default target also links a dozen self-tests.
  make -j"$jobs" fio >> /build/log/fio.log 2>&1
  install -m 755 fio "$root/usr/bin/"
)

step "labd, watchd, init"
for program in sbin/labd sbin/watchd init; do
  # shellcheck disable=SC2086 # flags are words
  gcc -std=gnu11 -Wall -Wextra -Werror -Wno-sign-compare $cflags $pic $ldflags $nopie \
    -o "$root/$program" "$guest/labd/${program##*/}.c"
done

step "nvme-cli $NVME_CLI_VERSION"
dpkg-deb -x "/build/dl/nvme-cli_${NVME_CLI_VERSION}_i386.deb" /build/nvme-cli
perl "$guest/patches/nvme-cli/zero-reserved-field.pl" /build/nvme-cli/usr/sbin/nvme "$root/usr/sbin/nvme"
chmod 755 "$root/usr/sbin/nvme"

step "glibc, file tree"
libdir=/lib/i386-linux-gnu
# Only what some program asks for; add the libraries' own needs by repeating.
install -m 755 /lib/ld-linux.so.2 "$root/lib/ld-linux.so.2"
while :; do
  added=0
  while read -r lib; do
    [ ! -e "$root/usr/lib/$lib" ] && [ ! -e "$root/lib/$lib" ] || continue
    install -m 644 "$libdir/$lib" "$root/lib/$lib"
    added=1
  done < <(find "$root" -type f -exec objdump -p {} + 2> /dev/null | awk '$1 == "NEEDED" { print $2 }' | sort -u)
  [ $added = 1 ] || break
done
find "$root" -type f \( -perm /111 -o -name '*.so*' \) -exec strip --strip-unneeded -R .comment -R .note.gnu.build-id {} + 2> /dev/null || true

# Our own files first: a link to BusyBox never replaces a file that is there.
cp -a "$guest/rootfs/." "$root/"
sed 's,^/,,' /build/out/busybox.links | while read -r link; do
  [ -e "$root/$link" ] || [ -L "$root/$link" ] || { mkdir -p "$root/${link%/*}"; ln -s /bin/busybox "$root/$link"; }
done

# Nothing of the build folder may be left in what is shipped.
if grep -rlaF /build/ "$root"; then
  echo 'userland.sh: these files name the build folder' >&2
  exit 1
fi
