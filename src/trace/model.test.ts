import { describe, expect, it } from 'vitest';
import { CellKind, CellOwner } from './cells.ts';
import { OWNER_MASK } from './known-flash.ts';
import { packModel, unpackModel } from './model-state.ts';
import { TraceModel } from './model.ts';
import { books, LineWriter, SHAPE, UUID } from './test-line.ts';

function bench() {
  const model = new TraceModel(SHAPE);
  return { model, pblk: new LineWriter(model, model) };
}
const kindsOf = (model: TraceModel, block: number) =>
  Array.from({ length: model.secsPerBlk }, (_, sec) => model.kindOf(block, sec));

describe('what the wire tells of pblk', () => {
  it('a line: head, data, padding, end', () => {
    const { model, pblk } = bench();
    pblk.open(3);
    expect(pblk.target).toMatchObject({ uuid: UUID, openLine: 3, live: true });
    expect([pblk.target.layout.begin, pblk.target.layout.end]).toEqual([0, 1]);
    pblk.write([10, 11, 12, null]);
    // Positions 0 to 3 are in LUN 0, 4 to 7 in LUN 1.
    expect(kindsOf(model, 6).slice(0, 5)).toEqual([4, 4, 4, 4, CellKind.free]);
    expect(kindsOf(model, 7).slice(0, 5)).toEqual([1, 1, 1, CellKind.padding, CellKind.free]);
    for (let unit = 0; unit < 5; unit++) pblk.write([20, 21, 22, 23].map((lba) => lba + 4 * unit));
    pblk.close();
    const line = pblk.target.lines[3];
    expect(line).toMatchObject({ state: 'closed', dataSecs: 23, validSecs: 23, paddingSecs: 1 });
    expect(kindsOf(model, 7).slice(12)).toEqual([5, 5, 5, 5]);
    // What stood in the out-of-band bytes of the end is no logical block.
    expect(model.find(pblk.target, 7)).toBeUndefined();
    expect(model.findings).toEqual([]);
    expect(pblk.target).toMatchObject({ userSecs: 23, gcSecs: 0, paddingSecs: 1, metaSecs: 8, openLine: -1 });
  });

  it('an overwrite makes the old copy stale', () => {
    const { model, pblk } = bench();
    pblk.open(0);
    pblk.write([1, 2, 3, 4]);
    pblk.write([2, 5, 6, 7]);
    expect(model.kindOf(1, 1)).toBe(CellKind.stale);
    expect(model.find(pblk.target, 2)).toEqual({ block: 0, sec: 4 });
    expect(model.copiesOf(pblk.target, 2)).toEqual([
      { block: 0, sec: 4 },
      { block: 1, sec: 1 },
    ]);
    expect(pblk.target.lines[0]).toMatchObject({ dataSecs: 8, validSecs: 7 });
  });

  it('garbage collection is told from a process by what it reads before, and by its data', () => {
    const { model, pblk } = bench();
    pblk.open(0);
    for (let unit = 0; unit < 6; unit++) pblk.write([0, 1, 2, 3].map((lba) => lba + 4 * unit));
    pblk.close();
    pblk.open(1);
    pblk.read(0, 4);
    pblk.write([0, 50, 51, 52], true);
    expect(pblk.target.gcSecs).toBe(0);
    // pblk reads the end of a line, then its valid sectors.
    pblk.read(0, 28);
    expect(pblk.target.lines[0]?.state).toBe('collecting');
    pblk.read(0, 4);
    pblk.write([1, 60, 61, 62], true);
    pblk.write([2, 63, 64, 65], false);
    expect(pblk.target.gcSecs).toBe(1);
    const { block, sec } = model.find(pblk.target, 1) ?? { block: -1, sec: 0 };
    expect((model.cellsOf(block)?.owner[sec] ?? 0) & OWNER_MASK).toBe(CellOwner.gc);
    expect(pblk.target.lines[0]?.validSecs).toBe(21);
  });

  it("what was collected is garbage collection's too when its line is erased before it is written", () => {
    const { model, pblk } = bench();
    pblk.open(0);
    for (let unit = 0; unit < 6; unit++) pblk.write([0, 1, 2, 3].map((lba) => lba + 4 * unit));
    pblk.close();
    pblk.open(1);
    pblk.read(0, 28);
    for (const position of [4, 8, 12]) pblk.read(0, position);
    pblk.erase(0);
    expect([...pblk.target.held.keys()].sort((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
    const snapshot = model.snapshot();
    const unpacked = unpackModel(packModel(model)).targets[0];
    expect(unpacked?.held).toEqual(pblk.target.held);
    // Other data is a process's: pblk drops what it held of that block.
    pblk.write([0, 1, 2, 3], true);
    pblk.write([4, 5, 6, 7], false);
    pblk.write([4, 50, 51, 52], true);
    expect(pblk.target).toMatchObject({ gcSecs: 4, userSecs: 24 + 8 });
    expect([...pblk.target.held.keys()]).toEqual([8, 9, 10, 11]);
    model.discard(pblk.target, 8, 2);
    model.power('off');
    expect(pblk.target.held.size).toBe(0);
    expect(snapshot.targets[0]?.held.size).toBe(12);
  });

  it('what pblk counted otherwise is a finding', () => {
    const { model, pblk } = bench();
    pblk.open(0);
    for (let unit = 0; unit < 6; unit++) pblk.write([0, 1, 2, 3].map((lba) => lba + 4 * unit));
    model.content(1, 12, books(0, 1, { nrValidLbas: 9 }), true);
    expect(model.findings).toMatchObject([{ line: 0, pblkSecs: 9, wireSecs: 24 }]);
  });

  it('an erase takes everything; the count goes on', () => {
    const { model, pblk } = bench();
    pblk.open(0);
    pblk.write([1, 2, 3, 4]);
    pblk.erase(0);
    expect(kindsOf(model, 1)).toEqual(new Array(16).fill(CellKind.free));
    expect(model.find(pblk.target, 1)).toBeUndefined();
    expect(pblk.target.lines[0]).toMatchObject({ state: 'free', dataSecs: 0, validSecs: 0 });
    expect([model.eraseCount[0], model.freeBlocks]).toEqual([1, 16]);
  });

  it('a new instance over the same LUNs makes everything of the old one stale', () => {
    const { model, pblk } = bench();
    pblk.open(0);
    pblk.write([1, 2, 3, 4]);
    const other = books(2, 1);
    other[8] = 0xff;
    model.write(4, 0, 4, new Uint32Array(4).fill(0xffff_fffe), new Uint8Array(4));
    model.content(4, 0, other, true);
    expect(model.targets).toHaveLength(1);
    expect(model.kindOf(1, 0)).toBe(CellKind.stale);
  });

  it('what pblk reads after a power cut teaches what was there before', () => {
    const { model: first, pblk } = bench();
    pblk.open(0);
    for (let unit = 0; unit < 6; unit++) pblk.write([0, 1, 2, 3].map((lba) => lba + 4 * unit));
    pblk.close();
    pblk.open(1);
    pblk.write([3, 100, null, null]);
    const model = new TraceModel(SHAPE, first);
    expect(model.kindOf(0, 0)).toBe(CellKind.unknown);
    model.content(0, 0, books(0, 1), false);
    model.content(2, 0, books(1, 2), false);
    const [target] = model.targets;
    if (!target) throw new Error('no target');
    model.content(1, 12, books(0, 1, { nrValidLbas: 24 }), false);
    // The list of addresses, the second sector of the end: 64 bits for each position.
    const list = new Uint8Array(4096).fill(0xff);
    const view = new DataView(list.buffer);
    for (let position = 4; position < 28; position++)
      view.setBigUint64(position * 8, BigInt(position - 4), true);
    model.content(1, 13, list, false);
    model.learn(3, 0, 4, Uint32Array.of(3, 100, 0xffff_fffe, 0xffff_fffe));
    expect(model.find(target, 3)).toEqual({ block: 3, sec: 0 });
    expect(model.find(target, 4)).toEqual(first.find(pblk.target, 4));
    expect(kindsOf(model, 3).slice(0, 5)).toEqual([1, 1, 3, 3, CellKind.free]);
    expect(target.lines[0]).toMatchObject({ state: 'closed', dataSecs: 24, validSecs: 23 });
    expect(kindsOf(model, 1).slice(12)).toEqual([5, 5, 5, 5]);
  });

  it('a snapshot stays what it was', () => {
    const { model, pblk } = bench();
    pblk.open(0);
    pblk.write([1, 2, 3, 4]);
    const before = model.snapshot();
    pblk.write([1, 5, 6, 7]);
    pblk.erase(0);
    expect(before.kindOf(1, 0)).toBe(CellKind.valid);
    expect(before.targets[0]?.lines[0]).toMatchObject({ dataSecs: 4, state: 'open' });
    expect(before.targets[0] && before.find(before.targets[0], 1)).toEqual({ block: 1, sec: 0 });
  });

  it('addresses outside the device change nothing', () => {
    const { model } = bench();
    const lbas = new Uint32Array(4);
    for (const [block, sec] of [
      [-1, 0],
      [16, 0],
      [0, 14],
    ] as const) {
      model.write(block, sec, 4, lbas, new Uint8Array(4));
      model.learn(block, sec, 4, lbas);
      model.content(block, sec + 3, new Uint8Array(4096), true);
    }
    model.erase(99);
    model.entry(99, 1, 0, 0);
    expect(model.freeBlocks).toBe(16);
  });
});
