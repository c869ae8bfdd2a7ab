import { describe, expect, it } from 'vitest';
import { CHUNK_STATE, FlashMapData, summarize } from './flash-map-data.ts';
import type { MapDims } from './flash-map-layout.ts';

const DIMS: MapDims = { numCh: 1, numLun: 2, numPln: 2, numChk: 3, numPg: 4, secsPerPg: 2 };
const WORDS = { free: 'free', open: 'open', closed: 'closed', offline: 'offline' };

function frame(rows: readonly (readonly [block: number, state: number, written?: number, op?: number])[]) {
  return {
    block: Uint32Array.from(rows, (r) => r[0]),
    state: Uint8Array.from(rows, (r) => r[1]),
    writtenSecs: Uint32Array.from(rows, (r) => r[2] ?? 0),
    eraseCount: Uint32Array.from(rows, () => 0),
    lastOp: Uint8Array.from(rows, (r) => r[3] ?? 0),
  };
}

function allFree(): FlashMapData {
  const data = new FlashMapData(DIMS);
  data.apply(frame(Array.from({ length: 12 }, (_, block) => [block, CHUNK_STATE.free] as const)));
  return data;
}

describe('data of the flash map', () => {
  it('knows nothing before the first frame', () => {
    const data = new FlashMapData(DIMS);
    expect(data.totals()).toEqual({ free: 0, open: 0, closed: 0, offline: 0 });
    expect(data.stateOf({ ch: 0, lun: 0, chk: 0 })).toBe('unknown');
  });

  it('counts chunks, not blocks', () => {
    expect(allFree().countsOfLun(0, 1)).toEqual({ free: 3, open: 0, closed: 0, offline: 0 });
  });

  it('calls a chunk open until every plane is closed, and offline if one plane is', () => {
    const data = allFree();
    data.apply(frame([[0, CHUNK_STATE.closed, 8]]));
    expect(data.stateOf({ ch: 0, lun: 0, chk: 0 })).toBe('open');
    data.apply(frame([[1, CHUNK_STATE.closed, 8]]));
    expect(data.stateOf({ ch: 0, lun: 0, chk: 0 })).toBe('closed');
    expect(data.writtenOf({ ch: 0, lun: 0, chk: 0 })).toBe(16);
    data.apply(frame([[1, CHUNK_STATE.offline]]));
    expect(data.totals()).toEqual({ free: 5, open: 0, closed: 0, offline: 1 });
  });

  it('says what was done to which chunk', () => {
    expect(allFree().apply(frame([[5, CHUNK_STATE.open, 2, 2]]))).toEqual([{ chunk: 2, op: 2 }]);
  });

  it('passes over blocks of another shape', () => {
    const data = allFree();
    expect(data.apply(frame([[999, CHUNK_STATE.open, 1, 2]]))).toEqual([]);
    expect(data.totals().free).toBe(6);
  });

  it('sums up in words, LUN by LUN', () => {
    const data = allFree();
    data.apply(frame([[0, CHUNK_STATE.open, 1]]));
    expect(summarize(data, WORDS)).toEqual(['LUN 0: 1 open, 2 free', 'LUN 1: 3 free']);
  });
});
