import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../flash/media-store.ts';
import { seal, SEAL_BYTES } from '../checksum.ts';
import { decodeJournal, encodeJournal, journalBytes, recordIn, type JournalRecord } from './journal.ts';

const record: JournalRecord = {
  commits: 2 ** 33 + 7,
  epoch: 3,
  pieces: 2 ** 35 + 1,
  unitsStored: 12,
  unitsOwn: 5,
  erased: [
    { first: 0, count: 100 },
    { first: 99, count: 1 },
  ],
  inPieces: [3, 1, 2],
  byThemselves: [50],
  shards: [
    [7, Uint8Array.of(1, 2, 3)],
    [2 ** 31, new Uint8Array(0)],
    [8, Uint8Array.of(9)],
  ],
};
const TOTAL = 100;
const bytesOf = ({ shards }: JournalRecord) => shards.map(([, bytes]) => ({ bytes }));

describe('a record of the journal', () => {
  it('is read as it was written, and as long as foretold', () => {
    const sealed = encodeJournal(record);
    // What was erased twice was erased.
    expect(decodeJournal(sealed, record.commits, TOTAL)).toEqual({
      ...record,
      erased: [{ first: 0, count: 100 }],
    });
    expect(sealed).toHaveLength(journalBytes(record, bytesOf(record)));
  });

  it('is found at the beginning of a piece, and nothing else is', () => {
    const sealed = encodeJournal(record);
    const piece = Uint8Array.from([...sealed, ...sealed, 1, 2, 3]);
    expect(recordIn(piece)).toEqual(sealed);
    expect(recordIn(sealed)).toEqual(sealed);
    const long = sealed.slice();
    new DataView(long.buffer).setUint32(36, 2 ** 32 - 1, true);
    for (const bad of [undefined, 'x', sealed.subarray(1), sealed.subarray(0, 60), sealed.slice(0, -1), long])
      expect(() => recordIn(bad)).toThrow(StoreError);
  });

  it('does not say thousands of times that a whole disk is erased', () => {
    const erased = Array.from({ length: 8000 }, () => ({ first: 0, count: TOTAL }));
    const sealed = encodeJournal({ ...record, erased });
    expect(decodeJournal(sealed, record.commits, TOTAL).erased).toEqual([{ first: 0, count: TOTAL }]);
    const apart = Array.from({ length: 8000 }, (_, i) => ({ first: 16000 - 2 * i, count: 1 }));
    expect(
      decodeJournal(encodeJournal({ ...record, erased: apart }), record.commits, 20_000).erased,
    ).toHaveLength(8000);
  });

  it('that is no such thing is corrupt', () => {
    const good = encodeJournal(record);
    const damaged = good.slice();
    damaged[60] = 255;
    for (const bad of [undefined, null, 'x', {}, new Uint8Array(3), seal(new Uint8Array(10)), damaged])
      expect(() => decodeJournal(bad, record.commits, TOTAL)).toThrow(StoreError);
    expect(() => decodeJournal(good, record.commits + 1, TOTAL)).toThrow(StoreError);
    expect(() => decodeJournal(good, record.commits, TOTAL - 1)).toThrow(StoreError);
  });

  it('from a stranger, with a good seal, is read or corrupt, and takes no endless memory', () => {
    const good = encodeJournal(record).slice(0, -SEAL_BYTES);
    const change = fc.record({ at: fc.nat(good.length / 4 - 1), value: fc.nat(2 ** 32 - 1) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(8), (changes, cut) => {
        const bytes = good.slice(0, good.length - cut);
        const view = new DataView(bytes.buffer);
        for (const { at, value } of changes)
          if (at * 4 + 4 <= bytes.length) view.setUint32(at * 4, value, true);
        try {
          const read = decodeJournal(seal(bytes), record.commits, TOTAL);
          const units = [...read.inPieces, ...read.byThemselves];
          expect(units.every((unit) => unit < TOTAL)).toBe(true);
          expect(read.erased.every(({ first, count }) => first + count <= TOTAL)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ name: 'StoreError', code: 'corrupt' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});
