import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silent } from '../device/telemetry.ts';
import { BlockTable } from '../flash/block-table.ts';
import { deriveGeometry } from '../flash/geometry.ts';
import { SectorVector } from '../flash/transfer.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Lba, type TraceShape } from '../trace/record.ts';
import { books, SHAPE } from '../trace/test-line.ts';
import type { GuestEventSource } from './guest-trace/told-queue.ts';
import { TraceBatch } from './trace-batch.ts';
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

describe('what is noted and recorded later', () => {
  const G = deriveGeometry(SHAPE);
  const UNIT_SECS = G.secsPerUnit;
  const UNITS = G.numPg * SHAPE.numLun;
  /** Of eight units of a line, the first is its head and the last its end. */
  const END = UNITS - 1;
  /** A command is 26 of them, a write 10. */
  const FEW_WORDS = 50;

  interface Cell {
    readonly lba: number;
    readonly data: number;
  }

  /** pblk at work, as a tap sees it; `settled`: everything is asked for at once. */
  class Pblk {
    readonly tap: TraceTap;
    private nowMs = 1;
    private readonly isSettled: boolean;
    private readonly lines = new Map<number, (readonly Cell[])[]>();
    private open = 0;
    private seqNr = 0;
    private writes = 0;

    constructor(isSettled: boolean, batch?: TraceBatch) {
      this.isSettled = isSettled;
      const clock = { lastMs: 1, nowMs: () => ++this.nowMs };
      const table = new BlockTable(G);
      this.tap = new TraceTap(SHAPE, table, silent, clock, batch);
      this.start();
    }

    /** New data for some blocks. */
    user(lbas: readonly number[]): void {
      this.write(lbas.map((lba) => ({ lba, data: ++this.writes })));
    }

    /** @param meanwhile is done while that command is under way */
    read(line: number, position: number, meanwhile?: () => void): void {
      const cells = this.lines.get(line)?.[position];
      if (!cells) return;
      this.cells('read', line, position, cells);
      meanwhile?.();
      this.command(IoOpcode.vectorRead, line, position);
    }

    /** The same, and the line is erased while what was read is in the write buffer. */
    collectLate(line: number): void {
      const units = this.lines.get(line);
      if (line === this.open || units?.length !== UNITS) return;
      this.read(line, END);
      for (let position = 1; position < END; position++) this.read(line, position);
      this.erase(line);
      for (const cells of units.slice(1, END)) this.write(cells);
    }

    /** Garbage collection: it reads the end of a line and its data, writes that elsewhere, and erases the line. */
    collect(line: number, meanwhile?: () => void): void {
      const units = this.lines.get(line);
      if (line === this.open || units?.length !== UNITS) return;
      this.read(line, END, meanwhile);
      for (let position = 1; position < END; position++) {
        this.read(line, position);
        this.write(units[position] ?? []);
      }
      this.erase(line);
    }

    told(source: GuestEventSource, number: number): void {
      this.tap.told(source, number, ++this.nowMs);
      this.settle();
    }

    private start(): void {
      const empty = Array<Cell>(UNIT_SECS).fill({ lba: Lba.empty, data: 0 });
      this.lines.set(this.open, []);
      this.put(empty, books(this.open, ++this.seqNr));
    }

    private write(cells: readonly Cell[]): void {
      this.put(cells);
      if (this.lines.get(this.open)?.length !== END) return;
      const nrValidLbas = (END - 1) * UNIT_SECS;
      this.put(
        cells.map(() => ({ lba: Lba.empty, data: 0 })),
        books(this.open, this.seqNr, { nrValidLbas }),
      );
      this.open = (this.open + 1) % SHAPE.numChk;
      if (this.lines.has(this.open)) this.erase(this.open);
      this.start();
    }

    private put(cells: readonly Cell[], head?: Uint8Array): void {
      const units = this.lines.get(this.open) ?? [];
      const position = units.length;
      units.push(cells);
      this.cells('write', this.open, position, cells, head);
      this.command(IoOpcode.vectorWrite, this.open, position);
    }

    private erase(line: number): void {
      this.lines.delete(line);
      for (let lun = 0; lun < SHAPE.numLun; lun++)
        this.tap.flash('erase', line * SHAPE.numLun + lun, 0, G.secsPerBlk);
      this.settle();
    }

    private cells(
      operation: 'read' | 'write',
      line: number,
      position: number,
      cells: readonly Cell[],
      head?: Uint8Array,
    ): void {
      const bytes = new Uint8Array(G.unitBytes);
      const view = new DataView(bytes.buffer);
      for (const [i, { lba, data }] of cells.entries()) {
        bytes.fill(data & 0xff, i * SECTOR, (i + 1) * SECTOR);
        view.setUint32(i * SECTOR + 64, data, true);
        const oob = G.unitOobOffset + i * G.oobSizeBytes + 8;
        view.setBigUint64(oob, lba === Lba.empty ? 0xffff_ffff_ffff_ffffn : BigInt(lba), true);
      }
      if (head) bytes.set(head);
      const { block, page } = this.place(line, position);
      this.tap.cells(operation, block * G.numPg + page, 0, UNIT_SECS, bytes);
      this.settle();
    }

    private command(opcode: number, line: number, position: number): void {
      const { block, page } = this.place(line, position);
      const vector = new SectorVector(UNIT_SECS);
      for (let i = 0; i < UNIT_SECS; i++) vector.push(block, page * UNIT_SECS + i);
      const words = Uint32Array.of(opcode, 1, ...new Uint32Array(14));
      this.tap.command({
        ...{ queueId: 1, cid: 0, opcode, nsid: 1, status: 0, dw0: 0, dw1: 0, fetchedMs: this.nowMs - 1 },
        ...{ bytes: new Uint8Array(words.buffer), words, dataBytes: UNIT_SECS * SECTOR, vector },
        ...{ rule: undefined, why: '', data: { runs: 0, addressOf: () => 0, lengthOf: () => 0 } },
      });
      this.settle();
    }

    private place(line: number, position: number): { block: number; page: number } {
      const { numLun } = SHAPE;
      return { block: line * numLun + (position % numLun), page: Math.floor(position / numLun) };
    }

    private settle(): void {
      if (this.isSettled) void this.tap.model;
    }
  }

  const lba = fc.nat(60);
  const line = fc.nat(SHAPE.numChk - 1);
  const lineAndUnit = fc.record({ line, read: fc.nat(END) });
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ user: fc.tuple(lba, lba, lba, lba) }) },
    { weight: 3, arbitrary: lineAndUnit },
    {
      weight: 2,
      arbitrary: fc.record({ collect: line, beside: fc.option(lineAndUnit, { nil: undefined }) }),
    },
    { weight: 1, arbitrary: fc.record({ late: line }) },
    { weight: 1, arbitrary: fc.record({ pid: fc.nat(99) }) },
  );
  const source: GuestEventSource = {
    take: (pid) => ({
      ...{ kind: 'bio', atMs: 5, pid, comm: 'fio', dev: { major: 252, minor: 0 } },
      ...{ sector: 8, sectors: 8, rwbs: 'W' },
    }),
  };

  it('knows what was collected by its data, also when its line was erased before it was written', () => {
    const pblk = new Pblk(false);
    const lbas = Array.from({ length: (END - 1) * UNIT_SECS }, (_, i) => i);
    for (let i = 0; i < lbas.length; i += UNIT_SECS) pblk.user(lbas.slice(i, i + UNIT_SECS));
    pblk.collectLate(0);
    expect(pblk.tap.model.targets[0]).toMatchObject({ userSecs: lbas.length, gcSecs: lbas.length });
    expect(pblk.tap.model.targets[0]?.held.size).toBe(0);
    pblk.user([0, 1, 2, 3]);
    expect(pblk.tap.model.targets[0]).toMatchObject({ userSecs: lbas.length + 4, gcSecs: lbas.length });
  });

  it('is what would have been recorded at once, also of reads and of garbage collection', () => {
    let moved = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 120 }), (steps) => {
        const [at, later] = [new Pblk(true), new Pblk(false)];
        // Full in the middle of anything.
        const often = new Pblk(false, new TraceBatch(SHAPE.secsPerPg, FEW_WORDS));
        for (const pblk of [at, later, often])
          for (const s of steps) {
            if ('user' in s) pblk.user(s.user);
            else if ('read' in s) pblk.read(s.line, s.read);
            else if ('late' in s) pblk.collectLate(s.late);
            else if ('pid' in s) pblk.told(source, s.pid);
            else {
              const { beside } = s;
              pblk.collect(s.collect, beside && (() => pblk.read(beside.line, beside.read)));
            }
          }
        moved += later.tap.model.targets[0]?.gcSecs ?? 0;
        const bytes = at.tap.take()?.bytes;
        expect(later.tap.take()?.bytes).toEqual(bytes);
        expect(often.tap.take()?.bytes).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
    // Otherwise the sums of what was read were never compared.
    expect(moved).toBeGreaterThan(100);
  });
});
