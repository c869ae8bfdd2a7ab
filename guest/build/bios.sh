#!/bin/bash
# Runs inside the build chroot: SeaBIOS and its VGA BIOS -> /build/out. 128 KiB
# with the drivers this machine has no use for left out (v86 hands Linux over
# through the option ROM of its own loader).
set -euo pipefail

. /build/guest/versions
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH
cd /build/src/seabios
log=/build/log/seabios.log
# The version string would otherwise carry date and host name.
seabios_make() { make PYTHON=python3 EXTRAVERSION=-lightnvm-lab "$@" >> "$log" 2>&1; }

: > "$log"
{
  echo CONFIG_QEMU=y
  echo CONFIG_ROM_SIZE=128
  for off in XEN USE_SMM TCGBIOS USB NVME SDCARD MEGASAS PVSCSI MPT_SCSI ESP_SCSI LSI_SCSI \
    AHCI VIRTIO_BLK VIRTIO_SCSI SERCON LPT BOOTSPLASH; do
    echo "CONFIG_$off=n"
  done
} > .config
seabios_make olddefconfig
seabios_make -j"$(nproc)"
install -m 644 out/bios.bin /build/out/seabios.bin

seabios_make clean
printf 'CONFIG_QEMU=y\nCONFIG_VGA_BOCHS=y\nCONFIG_VGA_BOCHS_STDVGA=y\nCONFIG_BUILD_VGABIOS=y\n' > .config
seabios_make olddefconfig
seabios_make -j"$(nproc)" out/vgabios.bin
install -m 644 out/vgabios.bin /build/out/vgabios.bin
