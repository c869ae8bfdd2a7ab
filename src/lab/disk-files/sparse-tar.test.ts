import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixedSpan, type ImageContent } from './image-content.ts';
import { noise } from './image-test-kit.ts';
import { sparseTar } from './sparse-tar.ts';

const hasTar = (() => {
  try {
    return execFileSync('tar', ['--version']).toString().includes('GNU tar');
  } catch {
    return false;
  }
})();

/** A file with data at these places. */
function file(
  sizeBytes: number,
  places: readonly (readonly [offset: number, length: number])[],
): ImageContent {
  return {
    sizeBytes,
    spans: () => places.map(([offset, length]) => fixedSpan(offset, noise(length, offset))),
  };
}

async function archived(contents: Readonly<Record<string, ImageContent>>): Promise<Uint8Array> {
  const entries = Object.entries(contents).map(([name, content]) => ({
    name,
    content,
    pieces: async function* () {
      for (const { offset, make } of content.spans()) yield { offset, bytes: make(new Uint8Array(0)) };
    },
  }));
  const pieces: Uint8Array[] = [];
  for await (const piece of sparseTar(entries)) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

function expected({ sizeBytes, spans }: ImageContent): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (const { offset, make } of spans()) bytes.set(make(new Uint8Array(0)), offset);
  return bytes;
}

const contents: Readonly<Record<string, ImageContent>> = {
  'empty.img': file(10_000_000, []),
  'nothing.img': file(0, []),
  'dense.img': file(5000, [[0, 5000]]),
  'odd.img': file(1_000_003, [
    [3, 5],
    [4095, 2],
    [8000, 100],
    [8200, 10],
    [500_000, 70_000],
    [1_000_000, 3],
  ]),
  'middle.img': file(3_000_000, [[1_000_000, 4096]]),
};

describe('an archive of files with holes', () => {
  it('is a whole number of blocks, with the holes left out', async () => {
    const archive = await archived(contents);
    expect(archive.length % 512).toBe(0);
    expect(archive.length).toBeLessThan(160_000);
    expect(archive.subarray(-1024).every((byte) => byte === 0)).toBe(true);
  });

  it.skipIf(!hasTar)('unpacks with GNU tar to the same files, with holes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lnvm-tar-'));
    try {
      writeFileSync(join(directory, 'a.tar'), await archived(contents));
      const listed = execFileSync('tar', ['-tf', 'a.tar'], { cwd: directory }).toString();
      expect(listed.trim().split('\n')).toEqual(Object.keys(contents));
      execFileSync('tar', ['-xf', 'a.tar'], { cwd: directory });
      for (const [name, content] of Object.entries(contents))
        expect(Buffer.compare(readFileSync(join(directory, name)), expected(content)), name).toBe(0);
      const { blocks } = statSync(join(directory, 'empty.img'));
      expect(blocks * 512).toBeLessThan(100_000);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it.skipIf(!hasTar)('can be far larger than its parts', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lnvm-tar-'));
    try {
      const large = file(2 ** 40, [
        [0, 4096],
        [2 ** 33 + 12_345, 100],
        [2 ** 40 - 10, 10],
      ]);
      writeFileSync(join(directory, 'a.tar'), await archived({ 'large.img': large }));
      const listed = execFileSync('tar', ['-tvf', 'a.tar'], { cwd: directory }).toString();
      expect(listed).toMatch(/1099511627776 .* large.img/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
