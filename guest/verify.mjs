// SPDX-License-Identifier: MIT
// node guest/verify.mjs [dir]: checks the files the page serves against their
// manifest. One sentence per problem; exit code 1 if there is any.
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const LIMIT = 7_000_000; // bzImage and initramfs, as served
const dir = process.argv[2] ?? fileURLToPath(new URL('../public/guest', import.meta.url));
const problems = [];

function list(below = '') {
  return readdirSync(join(dir, below), { withFileTypes: true }).flatMap((entry) => {
    const name = posix.join(below, entry.name);
    return entry.isDirectory() ? list(name) : [name];
  });
}

function readManifest() {
  try {
    const manifest = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8'));
    if (manifest.format !== 1)
      problems.push(`manifest.json has format ${manifest.format}; this script knows format 1.`);
    else if (!Array.isArray(manifest.files)) problems.push('manifest.json has no list of files.');
    else return manifest;
  } catch (error) {
    problems.push(`${join(dir, 'manifest.json')} cannot be read: ${error.message}.`);
  }
  return null;
}

const manifest = readManifest();
let total = 0;
if (manifest) {
  const known = new Set(['manifest.json']);
  for (const { name, size, sha256, role } of manifest.files) {
    if (known.has(name)) problems.push(`${name} is in the manifest twice.`);
    known.add(name);
    let bytes;
    try {
      if (!lstatSync(join(dir, name)).isFile()) throw new Error('not a regular file');
      bytes = readFileSync(join(dir, name));
    } catch {
      problems.push(`${name} is in the manifest, but not in ${dir}.`);
      continue;
    }
    if (bytes.length !== size) problems.push(`${name} has ${bytes.length} bytes; the manifest says ${size}.`);
    else if (createHash('sha256').update(bytes).digest('hex') !== sha256)
      problems.push(`${name} is not the file of the manifest: its SHA-256 differs.`);
    if (role === 'kernel' || role === 'initramfs') total += bytes.length;
  }
  for (const name of list())
    if (!known.has(name)) problems.push(`${name} is in ${dir}, but not in the manifest.`);
  for (const role of ['kernel', 'initramfs', 'bios', 'vga-bios'])
    if (!manifest.files.some((file) => file.role === role))
      problems.push(`The manifest names no file with the role ${role}.`);
  if (total > LIMIT)
    problems.push(`Kernel and initramfs have ${total} bytes together; the limit is ${LIMIT}.`);
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(
  `${manifest.files.length} files match the manifest; kernel and initramfs: ${total} bytes of ${LIMIT}.`,
);
