import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  BOOT_STATES,
  type BootStateEntry,
  bootStateList,
  loadBootState,
  loadBootStateList,
  loadSavedGuest,
  unpackBootState,
} from './boot-state.ts';
import type { PieceListener } from './guest-images.ts';

const state = new Uint8Array(300_000).map((_, i) => (i * i) >> 7);
const packed = new Uint8Array(gzipSync(state));
const entry: BootStateEntry = {
  name: 'booted-128-x.gz',
  size: packed.length,
  sha256: createHash('sha256').update(packed).digest('hex'),
  memoryMiB: 128,
  version: 'v86 1, machine 2',
  savedAtMs: 12.5,
  unpackedSize: state.length,
  consoles: ['hello\r\n# ', '# '],
};

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

function site(files: Record<string, Uint8Array<ArrayBuffer>>) {
  return {
    read: async (name: string, { piece }: PieceListener) => {
      const bytes = files[name];
      if (bytes === undefined) throw new Error('the server answered 404');
      piece(bytes.subarray(0, bytes.length >> 1));
      piece(bytes.subarray(bytes.length >> 1));
      return bytes;
    },
  };
}

/** Loads the state for 128 MiB of a site with this entry and file. */
async function load(change: Partial<BootStateEntry> = {}, file: Uint8Array<ArrayBuffer> = packed) {
  const one = { ...entry, ...change };
  const source = site({ [BOOT_STATES]: json(bootStateList([one])), [one.name]: file });
  const progress: number[][] = [];
  const loaded = await loadBootState(source, await loadBootStateList(source), 128, (...bytes) =>
    progress.push(bytes.slice(0, 2) as number[]),
  );
  return { progress, saved: loaded && (await unpackBootState(loaded)) };
}

describe('a saved guest', () => {
  it('comes with progress in bytes, checked and unpacked', async () => {
    const { saved, progress } = await load();
    expect(saved).toEqual({
      machine: { version: entry.version, savedAtMs: 12.5, memoryBytes: 128 * 2 ** 20, bytes: state },
      consoles: entry.consoles,
    });
    expect(progress).toEqual([
      [packed.length >> 1, packed.length],
      [packed.length, packed.length],
    ]);
  });

  it('is not there for every RAM size', async () => {
    expect((await load({ memoryMiB: 256 })).saved).toBeUndefined();
  });

  it.each<[string, Partial<BootStateEntry>, Uint8Array<ArrayBuffer>, string]>([
    [
      'cut short',
      {},
      packed.slice(0, -9),
      `is damaged (${packed.length - 9} bytes instead of ${packed.length})`,
    ],
    ['changed', {}, packed.map((b, i) => (i === 5000 ? b ^ 1 : b)), 'is damaged (wrong checksum)'],
    ['longer than it says', { unpackedSize: 5 }, packed, 'cannot be unpacked'],
    ['shorter than it says', { unpackedSize: state.length + 1 }, packed, 'cannot be unpacked'],
  ])('that is %s is refused', async (_what, change, file, sentence) => {
    await expect(load(change, file)).rejects.toThrow(sentence);
  });

  it('is refused by the checksum of gzip too, where the browser has no other', async () => {
    const damaged = packed.map((b, i) => (i === packed.length - 6 ? b ^ 1 : b));
    await expect(unpackBootState({ entry, packed: damaged })).rejects.toThrow('cannot be unpacked');
    const short = packed.slice(0, 1000);
    await expect(unpackBootState({ entry, packed: short })).rejects.toThrow('cannot be unpacked');
  });

  it('is unpacked while it comes, also when it comes once more', async () => {
    const file = { [BOOT_STATES]: json(bootStateList([entry])), [entry.name]: packed };
    const usual = site(file);
    const source = {
      read(name: string, listener: PieceListener) {
        if (name === entry.name) {
          listener.piece(packed.slice(0, 1000));
          listener.again();
        }
        return usual.read(name, listener);
      },
    };
    const doneBytes: number[] = [];
    const list = await loadBootStateList(source);
    const loaded = await loadSavedGuest(source, list, 128, (done) => doneBytes.push(done));
    expect(loaded?.guest.machine.bytes).toEqual(state);
    expect(loaded?.state).toEqual({ entry, packed });
    expect(doneBytes).toEqual([1000, 0, packed.length >> 1, packed.length]);
    expect(await loadSavedGuest(source, list, 256, () => {})).toBeUndefined();
  });

  it.each<[string, Partial<BootStateEntry>, Uint8Array<ArrayBuffer>, string]>([
    ['cut short', {}, packed.slice(0, -9), 'is damaged'],
    ['changed', {}, packed.map((b, i) => (i === 5000 ? b ^ 1 : b)), 'is damaged (wrong checksum)'],
    ['longer than it says', { unpackedSize: 5 }, packed, 'cannot be unpacked'],
  ])('that is %s is refused while it comes', async (_what, change, bytes, sentence) => {
    const one = { ...entry, ...change };
    const source = site({ [BOOT_STATES]: json(bootStateList([one])), [one.name]: bytes });
    const list = await loadBootStateList(source);
    await expect(loadSavedGuest(source, list, 128, () => {})).rejects.toThrow(sentence);
  });

  it('that is missing is told with the reason', async () => {
    const source = site({ [BOOT_STATES]: json(bootStateList([entry])) });
    const list = await loadBootStateList(source);
    await expect(loadBootState(source, list, 128, () => {})).rejects.toThrow(
      'file booted-128-x.gz could not be loaded (the server answered 404)',
    );
    await expect(loadBootStateList(site({}))).rejects.toThrow('instant.json could not be loaded');
  });
});

describe('the list', () => {
  it('may name the packed emulator', async () => {
    const emulator = { name: 'v86.gz', size: 1, sha256: 'a', unpackedSize: 2 };
    const list = await loadBootStateList(site({ [BOOT_STATES]: json(bootStateList([], emulator)) }));
    expect(list).toEqual({ format: 1, states: [], emulator });
  });

  it.each([
    ['no JSON', new TextEncoder().encode('<html>')],
    ['null', json(null)],
    ['another format', json({ format: 2, states: [] })],
    ['no states', json({ format: 1 })],
    ['an entry that is none', json({ format: 1, states: [null] })],
    ['a name with a path', json({ format: 1, states: [{ ...entry, name: '../x' }] })],
    ['one console', json({ format: 1, states: [{ ...entry, consoles: ['#'] }] })],
    ['a size that is none', json({ format: 1, states: [{ ...entry, size: -1 }] })],
    ['memory nobody has', json({ format: 1, states: [{ ...entry, unpackedSize: 2 ** 40 }] })],
  ])('is refused with %s', async (_what, bytes) => {
    const files = { [BOOT_STATES]: bytes as Uint8Array<ArrayBuffer> };
    await expect(loadBootStateList(site(files))).rejects.toThrow('cannot be read');
  });
});
