import { blockIndex } from '../../src/flash/address.ts';
import { ChunkFlash } from '../../src/flash/chunk-flash.ts';
import type { ChunkOptions } from '../../src/flash/chunk-options.ts';
import type { Geometry } from '../../src/flash/geometry.ts';
import { SectorVector } from '../../src/flash/transfer.ts';
import { FakeStore, settle, type StoreMode } from './fake-store.ts';
import { FakeTelemetry } from './fake-telemetry.ts';
import { FakeTransfer } from './fake-transfer.ts';

/** Sectors of one chunk in a row; `outside` is an address that leads nowhere. */
export interface ChunkRun {
  readonly grp?: number;
  readonly pu?: number;
  readonly chk?: number;
  readonly sec?: number;
  readonly secs?: number;
  readonly outside?: boolean;
}

export interface ChunkOutcome {
  readonly transfer: FakeTransfer;
  readonly vector: SectorVector;
  status: number | undefined;
}

/** 2 groups × 2 units × 6 chunks × 32 sectors of 512 bytes; ws_min 4, ws_opt 8, mw_cunits 8. */
export const BENCH_GEOMETRY: Geometry = {
  numCh: 2,
  numLun: 2,
  numPln: 1,
  numChk: 6,
  numPg: 4,
  secsPerPg: 8,
  secSizeBytes: 512,
  oobSizeBytes: 16,
};

export const BENCH_OPTIONS: ChunkOptions = {
  geometry: BENCH_GEOMETRY,
  writeRules: { wsMin: 4, wsOpt: 8, mwCunits: 8 },
  mccap: 0,
  peCycles: 1000,
  wearIndexThreshold: 10,
  maxOpenChunks: 0,
  maxOpenChunksPerPu: 0,
  earlyReset: true,
  deallocatedReads: 1,
  faults: { writes: [], resets: [] },
  initialChunks: [],
};

/** A 2.0 flash over a fake store, for tests without a controller. */
export class ChunkBench {
  readonly store: FakeStore;
  readonly flash: ChunkFlash;
  readonly telemetry: FakeTelemetry;
  private readonly options: Partial<ChunkOptions>;

  private constructor(
    flash: ChunkFlash,
    store: FakeStore,
    telemetry: FakeTelemetry,
    options: Partial<ChunkOptions>,
  ) {
    this.flash = flash;
    this.store = store;
    this.telemetry = telemetry;
    this.options = options;
  }

  static async open(
    options: Partial<ChunkOptions> = {},
    mode: StoreMode | FakeStore = 'sync',
  ): Promise<ChunkBench> {
    const store = mode instanceof FakeStore ? mode : new FakeStore(mode);
    const telemetry = new FakeTelemetry();
    const flash = await ChunkFlash.open({ ...BENCH_OPTIONS, ...options }, store, telemetry);
    return new ChunkBench(flash, store, telemetry, options);
  }

  /** What another run of the program finds after this one died. */
  async crashed(): Promise<ChunkBench> {
    return ChunkBench.open(this.options, this.store.reopened());
  }

  block({ grp = 0, pu = 0, chk = 0 }: ChunkRun = {}): number {
    return blockIndex(this.flash.geometry, grp, pu, chk, 0);
  }

  private vector(runs: readonly ChunkRun[]): SectorVector {
    const vector = new SectorVector(runs.reduce((secs, run) => secs + (run.secs ?? 1), 0));
    for (const run of runs)
      for (let i = 0; i < (run.secs ?? 1); i++)
        vector.push(run.outside ? -1 : this.block(run), (run.sec ?? 0) + i);
    return vector;
  }

  private transferFor(vector: SectorVector, fill: number): FakeTransfer {
    const { secSizeBytes, oobSizeBytes } = this.flash.geometry;
    const oob = new Uint8Array(vector.count * oobSizeBytes).fill(fill);
    return new FakeTransfer(new Uint8Array(vector.count * secSizeBytes).fill(fill), oob);
  }

  /** Each sector is filled with `value` plus its position among those written, its OOB likewise plus 1. */
  write(runs: ChunkRun | readonly ChunkRun[], value = 1): ChunkOutcome {
    const vector = this.vector(listOf(runs));
    const transfer = this.transferFor(vector, 0);
    const { secSizeBytes, oobSizeBytes } = this.flash.geometry;
    for (let i = 0; i < vector.count; i++) {
      transfer.data.fill(value + i, i * secSizeBytes, (i + 1) * secSizeBytes);
      transfer.oob?.fill(value + i + 1, i * oobSizeBytes, (i + 1) * oobSizeBytes);
    }
    const outcome: ChunkOutcome = { vector, transfer, status: undefined };
    this.flash.write(vector, transfer, (status) => (outcome.status = status));
    return outcome;
  }

  read(runs: ChunkRun | readonly ChunkRun[], dulbe = false): ChunkOutcome {
    const vector = this.vector(listOf(runs));
    const outcome: ChunkOutcome = { vector, transfer: this.transferFor(vector, 0xee), status: undefined };
    this.flash.read(vector, outcome.transfer, dulbe, (status) => (outcome.status = status));
    return outcome;
  }

  reset(runs: ChunkRun | readonly ChunkRun[]): ChunkOutcome {
    const vector = this.vector(listOf(runs));
    const outcome: ChunkOutcome = {
      vector,
      transfer: new FakeTransfer(new Uint8Array(0)),
      status: undefined,
    };
    this.flash.reset(vector, outcome.transfer, (status) => (outcome.status = status));
    return outcome;
  }

  copy(from: ChunkRun, to: ChunkRun, dulbe = false): ChunkOutcome {
    const vector = this.vector([to]);
    const outcome: ChunkOutcome = {
      vector,
      transfer: new FakeTransfer(new Uint8Array(0)),
      status: undefined,
    };
    const done = (status: number) => (outcome.status = status);
    this.flash.copy(this.vector([from]), vector, outcome.transfer, dulbe, done);
    return outcome;
  }

  async finished(outcome: ChunkOutcome): Promise<ChunkOutcome> {
    for (let i = 0; i < 200 && outcome.status === undefined; i++) await settle();
    return outcome;
  }

  /** State and write pointer of a chunk. */
  chunk(run: ChunkRun): { state: number | undefined; wp: number } {
    const block = this.block(run);
    return { state: this.flash.table.state[block], wp: this.flash.table.written(block) };
  }
}

const listOf = (runs: ChunkRun | readonly ChunkRun[]): readonly ChunkRun[] =>
  Array.isArray(runs) ? (runs as readonly ChunkRun[]) : [runs as ChunkRun];
