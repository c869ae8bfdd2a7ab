// SPDX-License-Identifier: MIT
// node manifest.mjs DEST OUT GUEST: writes DEST/manifest.json.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [dest, out, guest] = process.argv.slice(2);
const versions = Object.fromEntries(
  [...readFileSync(join(guest, 'versions'), 'utf8').matchAll(/^([A-Z_0-9]+)=([^\s']\S*)/gm)].map((m) => [
    m[1],
    m[2],
  ]),
);
const pkg = (name, key, licence) => ({ name, version: versions[`${key}_VERSION`], licence });
const packages = {
  linux: pkg('linux', 'LINUX', 'GPL-2.0-only WITH Linux-syscall-note'),
  busybox: pkg('busybox', 'BUSYBOX', 'GPL-2.0-only'),
  glibc: pkg('glibc', 'GLIBC', 'LGPL-2.1-or-later'),
  'util-linux': pkg('util-linux', 'UTIL_LINUX', 'GPL-2.0-or-later AND LGPL-2.1-or-later AND BSD-3-Clause'),
  e2fsprogs: pkg('e2fsprogs', 'E2FSPROGS', 'GPL-2.0-only AND LGPL-2.0-only AND MIT'),
  'f2fs-tools': pkg('f2fs-tools', 'F2FS_TOOLS', 'GPL-2.0-only AND LGPL-2.1-only'),
  fio: pkg('fio', 'FIO', 'GPL-2.0-only'),
  libaio: pkg('libaio', 'LIBAIO', 'LGPL-2.1-or-later'),
  'nvme-cli': pkg('nvme-cli', 'NVME_CLI', 'GPL-2.0-only'),
  seabios: pkg('seabios', 'SEABIOS', 'LGPL-3.0-only'),
  labd: { name: 'labd', version: '2', licence: 'MIT' },
  watchd: { name: 'watchd', version: '1', licence: 'MIT' },
};
const userland = [
  'busybox',
  'glibc',
  'util-linux',
  'e2fsprogs',
  'f2fs-tools',
  'fio',
  'libaio',
  'nvme-cli',
  'labd',
  'watchd',
];

function file(name, role, from, licence, more = {}) {
  const bytes = readFileSync(join(dest, name));
  return {
    name,
    role,
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    packages: from.map((p) => `${packages[p].name} ${packages[p].version}`),
    licence,
    ...more,
  };
}
const cpio = readFileSync(join(out, 'initramfs.cpio'));
const files = [
  file('bzImage', 'kernel', ['linux'], packages.linux.licence, {
    compression: 'lz4',
    uncompressedSize: statSync(join(out, 'vmlinux.bin')).size,
  }),
  file(
    'initramfs.cpio.zst',
    'initramfs',
    userland,
    'GPL-2.0-only AND GPL-2.0-or-later AND LGPL-2.0-only AND LGPL-2.1-only AND LGPL-2.1-or-later AND BSD-3-Clause AND MIT',
    {
      compression: 'zstd',
      uncompressedSize: cpio.length,
      uncompressedSha256: createHash('sha256').update(cpio).digest('hex'),
    },
  ),
  file('seabios.bin', 'bios', ['seabios'], packages.seabios.licence),
  file('vgabios.bin', 'vga-bios', ['seabios'], packages.seabios.licence),
  file('kernel.config', 'info', ['linux'], packages.linux.licence),
  file('build-packages.txt', 'info', [], 'CC0-1.0'),
  ...readdirSync(join(dest, 'licences'))
    .sort()
    .map((name) => file(`licences/${name}`, 'licence', [], 'NOASSERTION')),
];
const sources = readFileSync(join(guest, 'sources.lock'), 'utf8')
  .split('\n')
  .filter((line) => line && !line.startsWith('#'))
  .map((line) => {
    const [sha256, size, role, path] = line.split(' ');
    return { file: path, size: Number(size), sha256, role };
  });
const manifest = {
  format: 1,
  kernelVersion: readFileSync(join(out, 'kernelrelease'), 'utf8').trim(),
  cmdline: 'console=ttyS0 tsc=reliable mitigations=off random.trust_cpu=on nowatchdog',
  protocolVersion: 2,
  sourceDateEpoch: Number(versions.SOURCE_DATE_EPOCH),
  buildPackages: 'build-packages.txt',
  files,
  packages: Object.values(packages),
  sources,
};
writeFileSync(join(dest, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
