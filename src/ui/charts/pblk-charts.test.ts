import { describe, expect, it } from 'vitest';
import { lineSizes } from '../../trace/pblk-books.ts';
import type { TraceShape } from '../../trace/record.ts';
import { newLine, newTarget, TargetLayout, type Target } from '../../trace/target.ts';
import { amplification, barParts, lineStrips } from './pblk-lines.ts';
import { distance, gaugePoint, ringArcs, ringPointers, unwound } from './pblk-ring.ts';

const buffer = {
  entries: 256,
  mem: 10,
  subm: 250,
  sync: 240,
  l2pUpdate: 200,
  flushPoint: 4,
  waiting: 16,
  space: 229,
  flushing: 10,
  queued: 0,
};

describe('the ring of the write buffer', () => {
  it('goes on over its end', () => {
    expect(ringArcs(buffer, 40, 50).map(({ part, sectors }) => [part, sectors])).toEqual([
      ['cached', 40],
      ['underWay', 10],
      ['waiting', 16],
    ]);
    expect(distance(250, 10, 256)).toBe(16);
    expect(ringArcs({ ...buffer, mem: 0, subm: 0, sync: 0, l2pUpdate: 0 }, 40, 50)).toEqual([]);
  });

  it('has a pointer for a flush only while somebody waits', () => {
    expect(ringPointers(buffer).map(({ name }) => name)).toEqual(['mem', 'subm', 'sync', 'l2p', 'flush']);
    expect(ringPointers({ ...buffer, flushPoint: undefined })).toHaveLength(4);
    expect(ringPointers({ ...buffer, mem: 64 })[0]?.degrees).toBe(90);
  });

  it('turns pointers the shorter way', () => {
    expect(unwound(10, 350)).toBe(370);
    expect(unwound(350, 10)).toBe(-10);
    expect(unwound(10, 730)).toBe(730);
    expect(unwound(90, 45)).toBe(90);
  });

  it('places a gauge from left to right', () => {
    expect(gaugePoint(0, 10).x).toBeCloseTo(-10);
    expect(gaugePoint(0.5, 10).y).toBeCloseTo(-10);
    expect(gaugePoint(7, 10).x).toBeCloseTo(10);
  });
});

describe('lines', () => {
  const shape: TraceShape = {
    kind: 'ocssd12',
    numCh: 1,
    numLun: 4,
    numPln: 1,
    numChk: 8,
    numPg: 32,
    secsPerPg: 4,
    secSizeBytes: 4096,
    oobSizeBytes: 16,
    wsOpt: 4,
  };

  function target(): Target {
    const sizes = lineSizes(128, 4, 4, 4096);
    const layout = sizes && TargetLayout.from(shape, 0, 0, 4);
    if (!layout) throw new Error('no layout');
    const smeta = { uuid: 'u', line: 0, prevLine: 0, seqNr: 1, luns: 4 };
    return newTarget(smeta, layout);
  }

  it('stand in the lists of garbage collection, most garbage first', () => {
    const made = target();
    const ends = { smetaStart: 0, emetaStart: 508 };
    const put = (id: number, more: object) => (made.lines[id] = { ...newLine(id, 0, ends), ...more });
    put(0, { state: 'closed', dataSecs: 504, validSecs: 100 });
    put(1, { state: 'closed', dataSecs: 504, validSecs: 20 });
    put(2, { state: 'open', dataSecs: 10, validSecs: 10 });
    put(3, { state: 'closed', dataSecs: 504, validSecs: 504 });
    put(4, { state: 'collecting', dataSecs: 504, validSecs: 4 });
    put(5, { state: 'closed', dataSecs: 500, validSecs: 500, paddingSecs: 4 });
    const strips = Object.fromEntries(
      lineStrips(made, 8).map(({ group, bars }) => [group, bars.map(({ id }) => id)]),
    );
    expect(strips).toEqual({
      open: [2],
      collecting: [4],
      full: [],
      high: [1, 0],
      mid: [],
      low: [5],
      empty: [3],
      free: [6, 7],
    });
  });

  it('are drawn from the foot upwards, and nothing is lost', () => {
    const parts = barParts(
      { id: 0, group: 'low', valid: 0.5, stale: 0.25, padding: 0.001, meta: 0.05, validSecs: 1 },
      40,
    );
    expect(parts.map(({ kind }) => kind)).toEqual(['meta', 'valid', 'stale', 'padding']);
    expect(parts.at(-1)?.h).toBe(1);
    for (const { y, h } of parts) expect(y >= 0 && y + h <= 40).toBe(true);
  });

  it('amplify what users write', () => {
    const made = target();
    expect(amplification(made)).toEqual({ data: undefined, all: undefined });
    Object.assign(made, { userSecs: 100, gcSecs: 20, paddingSecs: 5, metaSecs: 3 });
    expect(amplification(made)).toEqual({ data: 1.25, all: 1.28 });
  });
});
