import { describe, expect, it } from 'vitest';
import { CellKind } from '../../trace/cells.ts';
import { TraceModel } from '../../trace/model.ts';
import { Code, dotCode, layerContext, sectorCodes, SHARES, wearTopOf } from './flash-map-codes.ts';
import { watchChanges } from './flash-map-changes.ts';
import { marksOf } from './flash-map-marks.ts';
import { ProfileMaker, stack } from './flash-map-profile.ts';
import { sampleSmall, SMALL_SHAPE } from './flash-map-sample.ts';
import { mapSource, targetsByUnit } from './flash-map-source.ts';
import { ageCounts, MapTally } from './flash-map-tally.ts';

function sampled() {
  const model = new TraceModel(SMALL_SHAPE);
  sampleSmall(model);
  return { model, source: mapSource(model) };
}

const blockAt = (lun: number, chk: number, pln = 0) => (chk * 4 + lun) * 2 + pln;
const chunkAt = (lun: number, chk: number) => chk * 4 + lun;

describe('the sample device', () => {
  it('has what the pictures are to show', () => {
    const { model } = sampled();
    expect(model.targets.map(({ openLine }) => openLine)).toEqual([3, 5]);
    const [a] = model.targets;
    expect(a?.lines.map((line) => line?.state)).toEqual(['collecting', 'closed', 'closed', 'open']);
    expect([...targetsByUnit(mapSource(model))]).toEqual([0, 0, 1, 1]);
    const tally = new MapTally(mapSource(model));
    expect(tally.refresh(true, 1000)).toBe(true);
    const totals = tally.totals();
    for (const kind of ['valid', 'validGc', 'stale', 'padding', 'smeta', 'emeta', 'unknown'] as const)
      expect(totals[kind], kind).toBeGreaterThan(0);
    expect(totals.offline).toBe(1);
    expect(totals.valid + totals.stale + totals.padding).toBeGreaterThan(totals.unknown);
  });
});

describe('codes of sectors', () => {
  it('say what each sector holds', () => {
    const { model, source } = sampled();
    const out = new Uint8Array(source.secsPerBlk);
    sectorCodes(layerContext(source, 'validity', 5), blockAt(0, 0), out);
    expect(out[0]).toBe(Code.smeta);
    for (const [sec, code] of out.entries())
      if (code === Code.stale) expect(model.kindOf(blockAt(0, 0), sec)).toBe(CellKind.stale);
    expect(out).toContain(Code.stale);
    sectorCodes(layerContext(source, 'validity', 5), blockAt(1, 0, 1), out);
    expect(out.at(-1)).toBe(Code.emeta);
    sectorCodes(layerContext(source, 'validity', 5), blockAt(0, 3), out);
    expect(out).toContain(Code.validGc);
    expect(out.at(-1)).toBe(Code.unwritten);
    sectorCodes(layerContext(source, 'validity', 5), blockAt(2, 9), out);
    expect(new Set(out)).toEqual(new Set([Code.offline]));
    sectorCodes(layerContext(source, 'owner', 5), blockAt(2, 4), out);
    expect(out).toContain(Code.user + 1);
    sectorCodes(layerContext(source, 'age', 5), blockAt(1, 22), out);
    expect(new Set(out)).toEqual(new Set([Code.ageBefore]));
  });

  it('sum a chunk up as a dot', () => {
    const { source } = sampled();
    const validity = layerContext(source, 'validity', 50);
    const whole = dotCode(validity, chunkAt(0, 1));
    const overwritten = dotCode(validity, chunkAt(0, 0));
    expect(whole).toBeLessThan(Code.share + SHARES);
    expect(overwritten).toBeLessThan(whole);
    expect(dotCode(validity, chunkAt(0, 15))).toBe(Code.free);
    expect(dotCode(validity, chunkAt(2, 9))).toBe(Code.offline);
    expect(dotCode(layerContext(source, 'wear', 50), chunkAt(0, 2))).toBeGreaterThan(Code.wear + 16);
    expect(dotCode(layerContext(source, 'owner', 50), chunkAt(3, 4))).toBe(Code.user + 1);
  });

  it('end the wear scale with a round number', () => {
    expect(wearTopOf(Uint32Array.of(0, 0))).toBe(5);
    expect(wearTopOf(Uint32Array.of(0, 38))).toBe(50);
    expect(wearTopOf(Uint32Array.of(1001))).toBe(2000);
  });
});

describe('the picture of a chunk', () => {
  it('stacks shares and never drops what is there', () => {
    const counts = new Uint32Array(256);
    counts[Code.valid] = 500;
    counts[Code.stale] = 1;
    const out = new Uint8Array(16);
    stack(counts, 501, out);
    expect([...out]).toEqual([...new Array<number>(15).fill(Code.valid), Code.stale]);
    counts[Code.stale] = 500;
    stack(counts, 1000, out);
    expect(out.filter((code) => code === Code.valid)).toHaveLength(8);
  });

  it('goes from the front to the write pointer', () => {
    const { source } = sampled();
    const profile = new ProfileMaker().make(layerContext(source, 'validity', 5), chunkAt(0, 3), 16, 8);
    expect(profile.hasSmeta).toBe(true);
    expect(profile.hasEmeta).toBe(false);
    expect(profile.codes[0]).not.toBe(Code.unwritten);
    expect([...profile.codes.subarray(15 * 8)]).toEqual(new Array<number>(8).fill(Code.unwritten));
  });
});

describe('changes', () => {
  it('are dealt to every reader', () => {
    const { model, source } = sampled();
    const [first, second] = [watchChanges(source), watchChanges(source)];
    first.take();
    second.take();
    model.erase(7);
    expect(first.take()).toContain(7);
    expect(first.take()).toEqual([]);
    expect(second.take()).toContain(7);
    second.stop();
    model.erase(8);
    expect(first.take()).toEqual([8]);
    expect(second.take()).toEqual([]);
  });

  it('reach the counts', () => {
    const { model, source } = sampled();
    const tally = new MapTally(source);
    tally.refresh(true, 1000);
    const before = tally.totals();
    model.erase(blockAt(0, 1));
    model.erase(blockAt(0, 1, 1));
    tally.refresh(true, 1000);
    const after = tally.totals();
    expect(after.free).toBe(before.free + 1);
    expect(after.erases).toBe(before.erases + 2);
    expect(after.valid).toBeLessThan(before.valid);
    expect(after.unwritten - before.unwritten).toBe(2 * source.secsPerBlk);
    const ages = ageCounts(source).reduce((sum, n) => sum + n, 0);
    expect(ages + after.unwritten).toBe(source.blocks * source.secsPerBlk);
  });
});

describe('marks', () => {
  it('lead from a cell to the other copies of its logical block', () => {
    const { model, source } = sampled();
    const [a] = model.targets;
    if (!a) throw new Error('no target');
    const newest = model.find(a, 50);
    const marks = marksOf(source, { kind: 'lba', uuid: a.uuid, lba: 50 });
    expect(marks.areCopies).toBe(true);
    expect(marks.cells[0]).toMatchObject({ ...newest, isOld: false });
    expect(marks.cells.slice(1).every(({ isOld }) => isOld)).toBe(true);
    expect(marks.cells.length).toBeGreaterThan(1);
    const old = marks.cells[1];
    if (!old) throw new Error('no old copy');
    expect(marksOf(source, { kind: 'cell', block: old.block, sec: old.sec }).cells).toEqual(marks.cells);
  });

  it('find what a command wrote, a line, a chunk', () => {
    const { model, source } = sampled();
    const number = model.cellsOf(blockAt(0, 2))?.command[4] ?? 0;
    expect(number).toBeGreaterThan(0);
    const { cells } = marksOf(source, { kind: 'command', number });
    expect(cells).toHaveLength(SMALL_SHAPE.wsOpt);
    expect(marksOf(source, { kind: 'chunk', block: 9 }).chunks).toEqual([4]);
    const uuid = model.targets[1]?.uuid ?? '';
    expect(marksOf(source, { kind: 'line', uuid, line: 5 }).lines).toHaveLength(1);
    expect(marksOf(source, undefined).cells).toEqual([]);
  });
});
