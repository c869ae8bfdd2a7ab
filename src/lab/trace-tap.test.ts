import { describe, expect, it } from 'vitest';
import { silent } from '../device/telemetry.ts';
import { Lba, type TraceShape } from '../trace/record.ts';
import { TraceTap } from './trace-tap.ts';

const SECTOR = 4096;
/** Two planes of four sectors, and no room out of band: pblk writes eight sectors, the last one its list. */
const shape: TraceShape = {
  kind: 'ocssd12',
  numCh: 1,
  numLun: 1,
  numPln: 2,
  numChk: 2,
  numPg: 4,
  secsPerPg: 4,
  secSizeBytes: SECTOR,
  oobSizeBytes: 0,
  wsOpt: 8,
};

/** A unit with random-looking data; sector `at` is a list of `lbas`, the rest of it empty; undefined leaves zeros. */
function unit(lists: Record<number, readonly number[]>, zeros: readonly number[] = []): Uint8Array {
  const bytes = Uint8Array.from({ length: 8 * SECTOR }, (_, i) => (((i * 31) ^ (i >> 5)) & 0xff) | 1);
  for (const sec of zeros) bytes.fill(0, sec * SECTOR, (sec + 1) * SECTOR);
  const view = new DataView(bytes.buffer);
  for (const [sec, lbas] of Object.entries(lists)) {
    bytes.fill(0, Number(sec) * SECTOR, (Number(sec) + 1) * SECTOR);
    for (let i = 0; i < 8; i++) {
      const at = Number(sec) * SECTOR + i * 16 + 8;
      view.setBigUint64(at, i < lbas.length ? BigInt(lbas[i] ?? 0) : 0xffff_ffff_ffff_ffffn, true);
    }
  }
  return bytes;
}

/** What the model takes for the logical addresses of the unit's sectors; its last pages were neighbours in memory. */
function lbasOf(bytes: Uint8Array, lastPages = 1): number[] {
  const tap = new TraceTap(shape, undefined, silent, { lastMs: 1, nowMs: () => 1 });
  tap.cells('write', 0, 0, 8, bytes, lastPages * SECTOR);
  return [0, 1].flatMap((block) => [...(tap.model.cellsOf(block)?.lba ?? []).slice(0, 4)]);
}

const { empty, unknown } = Lba;

describe('logical addresses in the data', () => {
  it('are in the last sector', () => {
    expect(lbasOf(unit({ 7: [5, 0, 7, 8, 9, 10, 11] }))).toEqual([5, 0, 7, 8, 9, 10, 11, empty]);
    expect(lbasOf(unit({ 7: [5] }))).toEqual([5, ...Array<number>(7).fill(empty)]);
  });

  it('are in an earlier one where pblk took the first of several pages for the last', () => {
    const named = [5, 6, ...Array<number>(6).fill(empty)];
    for (const at of [2, 5, 6]) {
      // What is in the last page then: nothing yet, what padded a line, or the list of an earlier write.
      for (const last of [{ 7: [] }, { 7: [1, 2, 3] }])
        expect(lbasOf(unit({ ...last, [at]: [5, 6] }), 8 - at)).toEqual(named);
      expect(lbasOf(unit({ [at]: [5, 6] }, [7]), 8 - at)).toEqual(named);
    }
    // Nor is an old list taken for one in a page that is not the first of the last ones.
    expect(lbasOf(unit({ 5: [1, 2, 3], 7: [5, 6] }))).toEqual(named);
    expect(lbasOf(unit({ 5: [1, 2, 3], 6: [5, 6] }), 2)).toEqual(named);
  });

  it('are nowhere in padding, and not known where there is no list', () => {
    expect(lbasOf(new Uint8Array(8 * SECTOR))).toEqual(Array<number>(8).fill(empty));
    expect(lbasOf(unit({ 7: [] }))).toEqual(Array<number>(8).fill(empty));
    expect(lbasOf(unit({}))).toEqual(Array<number>(8).fill(unknown));
  });
});
