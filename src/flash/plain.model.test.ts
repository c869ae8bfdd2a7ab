import { expect, it } from 'vitest';
import { pattern, seeded } from '../../test/driver/pattern.ts';
import { FakeStore, settle, type StoreMode } from '../../test/fakes/fake-store.ts';
import { FakeTransfer } from '../../test/fakes/fake-transfer.ts';
import { Status } from '../spec/status.ts';
import { PLAIN_UNIT_BYTES, PlainMedium } from './plain.ts';
import { UnitStore } from './unit-store.ts';

const SIZE = 12 * PLAIN_UNIT_BYTES;
const STEPS = 1500;

async function open(store: FakeStore): Promise<PlainMedium> {
  const units = new UnitStore(store, PLAIN_UNIT_BYTES);
  // A neighbour before it: its units and shards must not be touched.
  const medium = new PlainMedium({ sizeBytes: SIZE, secSizeBytes: 512 }, units, { firstUnit: 3, index: 1 });
  medium.load(await units.loadShards());
  return medium;
}

/** Logical blocks as an array: their bytes, whether they were written, whether they are marked. */
class Model {
  data = new Uint8Array(SIZE);
  written = new Set<number>();
  marked = new Set<number>();
  size = 512;

  each(lba: number, secs: number, visit: (lba: number) => void): void {
    for (let i = lba; i < lba + secs; i++) visit(i);
  }
  put(lba: number, bytes: Uint8Array): void {
    this.data.set(bytes, lba * this.size);
    this.each(lba, bytes.byteLength / this.size, (b) => (this.written.add(b), this.marked.delete(b)));
  }
  blank(lba: number, secs: number, written: boolean): void {
    this.data.fill(0, lba * this.size, (lba + secs) * this.size);
    this.each(lba, secs, (b) => (written ? this.written.add(b) : this.written.delete(b)));
  }
  read(lba: number, secs: number, dulbe: boolean): number {
    const blocks = Array.from({ length: secs }, (_, i) => lba + i);
    // Unit by unit, as the device looks; in one unit a mark counts before a hole.
    const perUnit = PLAIN_UNIT_BYTES / this.size;
    for (let unit = Math.floor(lba / perUnit); unit * perUnit < lba + secs; unit++) {
      const here = blocks.filter((b) => Math.floor(b / perUnit) === unit);
      if (here.some((b) => this.marked.has(b))) return Status.eccFailure;
      if (dulbe && here.some((b) => !this.written.has(b))) return Status.unwrittenBlock;
    }
    return Status.success;
  }
}

it.each([
  [1, 'sync'],
  [2, 'soon'],
] as [number, StoreMode][])(
  'agrees with an array of blocks, across crashes (seed %i, %s)',
  { timeout: 30_000 },
  async (seed, mode) => {
    const random = seeded(seed);
    let store = new FakeStore(mode);
    store.units.set(2, pattern(PLAIN_UNIT_BYTES, 99));
    let medium = await open(store);
    const model = new Model();
    const ended = async (start: (done: (status: number) => void) => void): Promise<number> => {
      let status = -1;
      start((s) => (status = s));
      for (let i = 0; i < 200 && status < 0; i++) await settle();
      return status;
    };
    const seen = new Map<string, number>();
    for (let step = 0; step < STEPS; step++) {
      const { totalSecs, secSizeBytes: size } = medium;
      const lba = random(totalSecs);
      const most = random(3) === 0 ? totalSecs - lba : Math.min(totalSecs - lba, 20);
      const secs = 1 + random(most);
      const what = random(100);
      const text = `step ${step}: ${what} at ${lba}, ${secs}`;
      const note = (key: string) => seen.set(key, (seen.get(key) ?? 0) + 1);
      if (what < 30) {
        const data = pattern(secs * size, step);
        expect(await ended((d) => medium.write(lba, secs, new FakeTransfer(data), d)), text).toBe(0);
        model.put(lba, data);
      } else if (what < 40) {
        const deallocate = random(2) === 0;
        const t = new FakeTransfer(new Uint8Array());
        expect(await ended((d) => medium.writeZeroes(lba, secs, t, d, { deallocate })), text).toBe(0);
        model.blank(lba, secs, !deallocate);
        model.each(lba, secs, (b) => model.marked.delete(b));
      } else if (what < 50) {
        const runs = [{ lba, secs }];
        const other = random(totalSecs);
        runs.push({ lba: other, secs: 1 + random(Math.min(70, totalSecs - other)) });
        const t = new FakeTransfer(new Uint8Array());
        expect(await ended((d) => medium.deallocate(runs, t, d)), text).toBe(0);
        for (const run of runs) model.blank(run.lba, run.secs, false);
      } else if (what < 54) {
        const few = Math.min(secs, 5);
        expect(await ended((d) => medium.writeUncorrectable(lba, few, d)), text).toBe(0);
        model.each(lba, few, (b) => model.marked.add(b));
      } else if (what < 90) {
        const dulbe = random(3) === 0;
        const t = new FakeTransfer(new Uint8Array(secs * size).fill(0xee));
        const status = await ended((d) => medium.read(lba, secs, t, d, dulbe));
        expect(status, text).toBe(model.read(lba, secs, dulbe));
        note(`read ${status}`);
        const want = model.data.subarray(lba * size, (lba + secs) * size);
        if (status === 0) expect(Buffer.compare(t.data, want), text).toBe(0);
      } else if (what < 97) {
        const data = model.data.slice(lba * size, (lba + secs) * size);
        const spoiled = random(2) === 0;
        const at = random(data.byteLength);
        if (spoiled) data[at] = (data[at] as number) ^ 1;
        const status = await ended((d) => medium.compare(lba, secs, new FakeTransfer(data), d));
        const readable = model.read(lba, secs, false);
        // The device compares before it reaches a marked block far behind; both are failures then.
        if (readable === 0) expect(status, text).toBe(spoiled ? Status.compareFailed : 0);
        else expect(status, text).not.toBe(0);
        note(`compare ${status}`);
      } else if (what < 99) {
        store = store.reopened();
        medium = await open(store);
        note('crash');
      } else {
        model.size = 512 * 2 ** random(4);
        expect(await ended((d) => medium.format(model.size, d)), text).toBe(0);
        model.data.fill(0);
        model.written.clear();
        model.marked.clear();
        note('format');
      }
      expect(medium.secSizeBytes).toBe(model.size);
    }
    for (const key of [
      'read 0',
      `read ${Status.eccFailure}`,
      `read ${Status.unwrittenBlock}`,
      'crash',
      'format',
    ])
      expect(seen.get(key) ?? 0, key).toBeGreaterThan(5);
    expect(store.units.get(2)).toEqual(pattern(PLAIN_UNIT_BYTES, 99));
    // Units that hold no written block are not stored.
    const perUnit = PLAIN_UNIT_BYTES / model.size;
    for (const unit of store.units.keys()) {
      if (unit < 3) continue;
      const blocks = Array.from({ length: perUnit }, (_, i) => (unit - 3) * perUnit + i);
      expect(
        blocks.some((b) => model.written.has(b)),
        `unit ${unit}`,
      ).toBe(true);
    }
  },
);
