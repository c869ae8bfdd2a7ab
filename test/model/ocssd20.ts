import fc from 'fast-check';
import { DSM_DEALLOCATE, dsmRange } from '../../src/spec/identify.ts';
import { pack } from '../../src/spec/layout.ts';
import { ChunkState } from '../../src/spec/ocssd12.ts';
import { LogPage20 } from '../../src/spec/ocssd20.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import type { Arena } from '../driver/arena.ts';
import { blocksSqe } from '../driver/blocks.ts';
import type { DmaBuffer } from '../driver/dma-buffer.ts';
import type { Sqe } from '../driver/entries.ts';
import { prpsFor } from '../driver/prp.ts';
import { chunkDisk, type Rig } from '../driver/rig.ts';
import { vectorCommand } from '../driver/vector.ts';
import { type Dialect, hasFailed, type Op, type SurveyDesk, type Tools, words, wordsOf } from './dialect.ts';
import { flush } from './flush.ts';
import { BLANK, ZEROS } from './ink.ts';

const GROUPS = 2;
const CHUNKS_PER_PU = 3;
const CHUNKS = GROUPS * CHUNKS_PER_PU;
const CHUNK_SECS = 16;
const WS_MIN = 2;
const MW_CUNITS = 4;
const SEC = 512;
const OOB = 16;
const UNREAD = 'failed';
const NOTHING = `${ZEROS}.${ZEROS}`;

/** Chunks count group by group, as in the chunk information log. */
interface Chunk {
  readonly offline: boolean;
  readonly resets: number;
  /** "data.oob" of each sector below the write pointer. */
  readonly secs: readonly string[];
  /** Sectors that have left the cache because the power was away. */
  readonly settled: number;
}
export type Chunks = readonly Chunk[];

interface Sector {
  readonly chunk: number;
  readonly sec: number;
}

export interface Recipe20 {
  readonly do: 'write' | 'two' | 'read' | 'reset' | 'copy' | 'log' | 'flush' | 'powerless';
  readonly chunk: number;
  readonly count: number;
  readonly shift: number;
  readonly flag: boolean;
  readonly scalar: boolean;
}

export interface Options20 {
  /** Resets that a chunk stands. */
  readonly peCycles: number;
  readonly mccap: number;
}

// What the model says -----------------------------------------------------------------------------------

function stateOf({ offline, secs }: Chunk): number {
  if (offline) return ChunkState.offline;
  if (secs.length === 0) return ChunkState.free;
  return secs.length === CHUNK_SECS ? ChunkState.closed : ChunkState.open;
}

/** Sectors that can be read: all of a closed chunk; of an open one those that have left the cache. */
function readable(chunk: Chunk): number {
  const { secs, settled } = chunk;
  if (chunk.offline) return 0;
  return secs.length === CHUNK_SECS ? CHUNK_SECS : Math.max(0, secs.length - MW_CUNITS, settled);
}

/** Every status with which a write may be refused; empty: it is carried out. */
function writeProblems(state: Chunks, sectors: readonly Sector[]): Set<number> {
  const problems = new Set<number>();
  const pointers = state.map(({ secs }) => secs.length);
  let run = 0;
  sectors.forEach(({ chunk, sec }, i) => {
    const target = state[chunk] as Chunk;
    const first = i === 0 || (sectors[i - 1] as Sector).chunk !== chunk;
    if (first) run = 0;
    run++;
    const last = i === sectors.length - 1 || (sectors[i + 1] as Sector).chunk !== chunk;
    if (last && run % WS_MIN !== 0) problems.add(Status.invalidField);
    const pointer = pointers[chunk] as number;
    if (target.offline || target.secs.length === CHUNK_SECS || pointer >= CHUNK_SECS || sec >= CHUNK_SECS)
      problems.add(Status.writeFault);
    if (sec !== pointer) problems.add(Status.outOfOrderWrite);
    pointers[chunk] = pointer + 1;
  });
  return problems;
}

function write(state: Chunks, sectors: readonly Sector[], names: readonly string[]): Chunks {
  let chunks = state;
  sectors.forEach(({ chunk }, i) => {
    const target = chunks[chunk] as Chunk;
    const secs = [...target.secs, names[i] as string];
    // Settled sectors count as long as the chunk is open.
    const settled = secs.length === CHUNK_SECS ? 0 : target.settled;
    chunks = chunks.with(chunk, { ...target, secs, settled });
  });
  return chunks;
}

const read = (state: Chunks, { chunk, sec }: Sector): string | undefined => {
  const target = state[chunk] as Chunk;
  return sec < readable(target) ? target.secs[sec] : undefined;
};

export class Dialect20 implements Dialect<Chunks, Recipe20> {
  readonly name = 'open-channel 2.0';
  readonly namespaces;
  readonly initial: Chunks = Array.from({ length: CHUNKS }, () => ({
    offline: false,
    resets: 0,
    secs: [],
    settled: 0,
  }));
  readonly hasDulbe = true;
  readonly recipe = fc.record<Recipe20>({
    do: fc.constantFrom(
      ...(['write', 'write', 'write', 'write', 'two', 'read', 'read', 'reset'] as const),
      ...(['copy', 'copy', 'log', 'flush', 'powerless'] as const),
    ),
    // A few chunks oftener, so that they fill up and wear out.
    chunk: fc.oneof(fc.nat(1), fc.nat(CHUNKS - 1)),
    count: fc.integer({ min: 1, max: 10 }),
    shift: fc.integer({ min: -2, max: 9 }),
    flag: fc.boolean(),
    scalar: fc.boolean(),
  });
  private readonly options: Options20;
  private bits = { pu: 0, chk: 0, sec: 0 };

  constructor(options: Options20) {
    this.options = options;
    this.namespaces = [
      chunkDisk(
        {
          numCh: GROUPS,
          numLun: 1,
          numChk: CHUNKS_PER_PU,
          numPg: 4,
          secsPerPg: 4,
          secSizeBytes: SEC,
          oobSizeBytes: OOB,
        },
        {
          writeRules: { wsMin: WS_MIN, wsOpt: 4, mwCunits: MW_CUNITS },
          peCycles: options.peCycles,
          mccap: options.mccap,
        },
      ),
    ];
  }

  aim(recipe: Recipe20, at: Recipe20): Recipe20 {
    return { ...recipe, chunk: at.chunk };
  }

  /** The drive's capacitors have emptied its cache. */
  afterPower(state: Chunks): Chunks {
    return state.map((chunk) => ({
      ...chunk,
      settled: stateOf(chunk) === ChunkState.open ? chunk.secs.length : 0,
    }));
  }

  atRest(state: Chunks): Chunks {
    return state;
  }

  async attach(rig: Rig): Promise<void> {
    const bytes = await rig.driver.adminRead(4096, (prps) => admin.geometry(1, prps));
    const [, pu = 0, chk = 0, sec = 0] = bytes.subarray(8, 12);
    this.bits = { pu, chk, sec };
  }

  private lba({ chunk, sec }: Sector): number {
    const { pu, chk, sec: secBits } = this.bits;
    const grp = Math.floor(chunk / CHUNKS_PER_PU);
    return (grp * 2 ** (pu + chk) + (chunk % CHUNKS_PER_PU)) * 2 ** secBits + sec;
  }

  make(recipe: Recipe20, guess: Chunks, tools: Tools): Op<Chunks> | undefined {
    const { chunk, count, shift, flag, scalar } = recipe;
    const pointerOf = (c: number) => (guess[c] as Chunk).secs.length;
    const from = Math.max(0, pointerOf(chunk) + (shift < 0 ? shift : shift > 7 ? shift - 7 : 0));
    // Mostly whole units of ws_min.
    const even = shift === 0 ? count : 2 * Math.ceil(count / 2);
    const run = (c: number, start: number, n: number): Sector[] =>
      Array.from({ length: n }, (_, i) => ({ chunk: c, sec: start + i }));
    switch (recipe.do) {
      case 'write': {
        const full = flag && shift > 4 ? CHUNK_SECS - from : even;
        // What is beyond the last sector of a chunk has no address of its own.
        const secs = run(chunk, from % CHUNK_SECS, full).filter(({ sec }) => sec < CHUNK_SECS);
        return secs.length > 0 ? this.write(secs, flag, scalar, tools) : undefined;
      }
      case 'two': {
        const other = (chunk + 1 + (count % 2)) % CHUNKS;
        const secs = [...run(chunk, from, 2), ...run(other, pointerOf(other), even)];
        return this.write(
          secs.filter(({ sec }) => sec < CHUNK_SECS),
          flag,
          false,
          tools,
        );
      }
      case 'read': {
        const start = shift > 3 ? 0 : Math.max(0, from - count);
        const secs = run(chunk, start, count + 3).filter(({ sec }) => sec < CHUNK_SECS);
        return this.read(secs, scalar, tools);
      }
      case 'reset': {
        const named = Array.from({ length: 1 + (count % 2) }, (_, i) => (chunk + (flag ? i : 0)) % CHUNKS);
        return this.reset(named, scalar);
      }
      case 'copy': {
        const target = (chunk + 1 + (count % 3)) % CHUNKS;
        const start = pointerOf(target);
        const n = Math.min(even, CHUNK_SECS - start);
        const source = run(chunk, shift > 4 ? 0 : Math.max(0, shift), n).filter(
          ({ sec }) => sec < CHUNK_SECS,
        );
        if (flag) source.reverse();
        return source.length === 0 ? undefined : this.copy(source, run(target, start, source.length), tools);
      }
      case 'log':
        return this.log();
      case 'flush':
        return flush<Chunks>(1);
      case 'powerless':
        // An address between two chunks that are there: three of four.
        return this.nowhere(flag, tools);
    }
  }

  // Commands -----------------------------------------------------------------------------------------

  private rw(
    arena: Arena,
    opcodes: { scalar: number; vector: number },
    sectors: readonly Sector[],
    scalar: boolean,
    data: DmaBuffer,
    oob: Uint8Array | undefined,
  ): { sqe: Sqe; oobAt: number } {
    const addresses = sectors.map((s) => this.lba(s));
    if (!scalar) {
      const { sqe, metadata } = vectorCommand(arena, {
        opcode: opcodes.vector,
        addresses,
        data,
        ...(oob && { oobBytes: OOB, oob }),
      });
      return { sqe, oobAt: metadata.address };
    }
    const oobAt = arena.pages();
    if (oob) arena.memory.put(oobAt, oob);
    const sqe = blocksSqe(opcodes.scalar, 1, addresses[0] as number, sectors.length);
    return { sqe: { ...sqe, ...prpsFor(arena, data), metadata: oob ? oobAt : 0 }, oobAt };
  }

  /** A failure map only in the answer of vector commands. */
  private refused(status: number, count: number, scalar: boolean): string {
    return scalar || status === 0
      ? words(status)
      : words(
          status,
          Array.from({ length: count }, () => true),
        );
  }

  private write(
    sectors: readonly Sector[],
    withOob: boolean,
    scalar: boolean,
    { ink }: Tools,
  ): Op<Chunks> | undefined {
    if (sectors.length === 0) return undefined;
    const count = sectors.length;
    const data = sectors.map(() => ink.fresh(SEC));
    const oob = sectors.map(() => ink.fresh(OOB));
    const names = sectors.map((_, i) => `${data[i]?.name}.${withOob ? oob[i]?.name : ZEROS}`);
    return {
      label: `write ${sectors.map(({ chunk, sec }) => `${chunk}/${sec}`).join(' ')}${scalar ? ' scalar' : ''}`,
      queue: 1,
      changes: true,
      counts: 'write',
      dataBytes: count * SEC,
      send: (arena) => {
        const buffer = arena.buffer(count * SEC).fill(Buffer.concat(data.map(({ bytes }) => bytes)));
        const opcodes = { scalar: IoOpcode.write, vector: IoOpcode.vectorWrite };
        const oobBytes = withOob ? Buffer.concat(oob.map(({ bytes }) => bytes)) : undefined;
        return { sqe: this.rw(arena, opcodes, sectors, scalar, buffer, oobBytes).sqe, observe: wordsOf };
      },
      step: (state) => {
        const problems = [...writeProblems(state, sectors)];
        if (problems.length > 0)
          return { state, ended: problems.map((status) => this.refused(status, count, scalar)) };
        return { state: write(state, sectors, names), ended: [words(0)] };
      },
    };
  }

  private read(sectors: readonly Sector[], scalar: boolean, { ink, dulbe }: Tools): Op<Chunks> {
    const count = sectors.length;
    return {
      label: `read ${sectors.map(({ chunk, sec }) => `${chunk}/${sec}`).join(' ')}${scalar ? ' scalar' : ''}${dulbe ? ' DULBE' : ''}`,
      queue: 1,
      changes: false,
      counts: 'read',
      dataBytes: count * SEC,
      send: (arena) => {
        const data = arena.buffer(count * SEC).fill(new Uint8Array(count * SEC).fill(BLANK));
        const opcodes = { scalar: IoOpcode.read, vector: IoOpcode.vectorRead };
        const blank = new Uint8Array(count * OOB).fill(BLANK);
        const { sqe, oobAt } = this.rw(arena, opcodes, sectors, scalar, data, blank);
        const observe: ReturnType<Op<Chunks>['send']>['observe'] = (completion) => {
          if (scalar && completion.status !== 0) return wordsOf(completion);
          const bytes = data.read();
          const oob = arena.memory.bytes(oobAt, count * OOB);
          const cells = sectors.map((_, i) =>
            hasFailed(completion, i)
              ? UNREAD
              : `${ink.nameOf(bytes.subarray(i * SEC, (i + 1) * SEC))}.${ink.nameOf(oob.subarray(i * OOB, (i + 1) * OOB))}`,
          );
          return `${wordsOf(completion)} ${cells.join(' ')}`;
        };
        return { sqe, observe };
      },
      step: (state) => {
        const cells = sectors.map((s) => read(state, s) ?? (dulbe ? UNREAD : NOTHING));
        const failed = cells.map((cell) => cell === UNREAD);
        const status = failed.includes(true) ? Status.unwrittenBlock : 0;
        if (scalar && status !== 0) return { state, ended: [words(status)] };
        return { state, ended: [`${words(status, failed)} ${cells.join(' ')}`] };
      },
    };
  }

  private reset(named: readonly number[], scalar: boolean): Op<Chunks> {
    return {
      label: `reset ${named.join(' ')}${scalar ? ' scalar' : ''}`,
      queue: 1,
      changes: true,
      send: (arena) => {
        const addresses = named.map((chunk) => this.lba({ chunk, sec: 0 }));
        if (!scalar)
          return {
            sqe: vectorCommand(arena, { opcode: IoOpcode.vectorErase, addresses }).sqe,
            observe: wordsOf,
          };
        const list = arena.buffer(named.length * dsmRange.sizeBytes);
        list.fill(Buffer.concat(addresses.map((lba) => pack(dsmRange, { blocks: CHUNK_SECS, lba }))));
        const sqe = {
          opcode: IoOpcode.datasetManagement,
          nsid: 1,
          cdw10: named.length - 1,
          cdw11: DSM_DEALLOCATE,
          ...prpsFor(arena, list),
        };
        return { sqe, observe: wordsOf };
      },
      step: (state) => {
        let chunks = state;
        let status = 0;
        const failed = named.map((chunk) => {
          const target = chunks[chunk] as Chunk;
          const again = (this.options.mccap & 2) !== 0;
          const refused = target.offline
            ? Status.offlineChunk
            : target.secs.length === 0 && !again
              ? Status.invalidReset
              : 0;
          if (refused !== 0) {
            status ||= refused;
            return true;
          }
          const resets = target.resets + 1;
          const offline = resets >= this.options.peCycles;
          chunks = chunks.with(chunk, { offline, resets, secs: [], settled: 0 });
          if (offline) status ||= Status.offlineChunk;
          return offline;
        });
        return { state: chunks, ended: [words(status, scalar ? [] : failed)] };
      },
    };
  }

  /** 93h: reads at one moment, writes at a later one. */
  private copy(from: readonly Sector[], to: readonly Sector[], { dulbe }: Tools): Op<Chunks> {
    const count = from.length;
    const list = (arena: Arena, sectors: readonly Sector[]): number => {
      if (count === 1) return this.lba(sectors[0] as Sector);
      const at = arena.pages();
      sectors.forEach((sector, i) => arena.memory.put64(at + 8 * i, this.lba(sector)));
      return at;
    };
    const text = (sectors: readonly Sector[]) => sectors.map(({ chunk, sec }) => `${chunk}/${sec}`).join(' ');
    return {
      label: `copy ${text(from)} to ${text(to)}${dulbe ? ' DULBE' : ''}`,
      queue: 1,
      changes: true,
      send: (arena) => ({
        sqe: {
          opcode: IoOpcode.vectorCopy,
          nsid: 1,
          cdw10: list(arena, from),
          cdw12: count - 1,
          cdw14: list(arena, to),
        },
        observe: wordsOf,
      }),
      step: (state, stage, memo) => {
        if (stage === 0) {
          const cells = from.map((s) => read(state, s) ?? (dulbe ? UNREAD : NOTHING));
          const failed = cells.map((cell) => cell === UNREAD);
          return failed.includes(true)
            ? { state, ended: [words(Status.unwrittenBlock, failed)] }
            : { state, memo: cells.join(' ') };
        }
        const problems = [...writeProblems(state, to)];
        if (problems.length > 0)
          return { state, ended: problems.map((status) => this.refused(status, count, false)) };
        return { state: write(state, to, memo.split(' ')), ended: [words(0)] };
      },
    };
  }

  private log(): Op<Chunks> {
    return {
      label: 'log',
      queue: 0,
      changes: false,
      send: (arena) => {
        const buffer = arena.buffer(CHUNKS * 32);
        const sqe = admin.getLogPage(LogPage20.chunkInformation, buffer.length, prpsFor(arena, buffer), {
          nsid: 1,
        });
        return {
          sqe,
          observe: (completion) => {
            const view = new DataView(buffer.read().buffer);
            const chunks = Array.from({ length: CHUNKS }, (_, i) => {
              const at = 32 * i;
              const [slba, cnlb, wp] = [8, 16, 24].map((offset) => view.getBigInt64(at + offset, true));
              return [view.getUint8(at), view.getUint8(at + 2), slba, cnlb, wp].join();
            });
            return `${wordsOf(completion)} ${chunks.join(' ')}`;
          },
        };
      },
      step: (state) => {
        const chunks = state.map((chunk, i) => {
          // A wear index is the share of the resets that a chunk stands, of 255.
          const wear = Math.min(255, Math.floor((chunk.resets * 255) / this.options.peCycles));
          const pointer = chunk.offline ? -1 : chunk.secs.length;
          return [stateOf(chunk), wear, this.lba({ chunk: i, sec: 0 }), CHUNK_SECS, pointer].join();
        });
        return { state, ended: [`${words(0)} ${chunks.join(' ')}`] };
      },
    };
  }

  /** Reads or writes where no chunk is. */
  private nowhere(writes: boolean, { dulbe }: Tools): Op<Chunks> {
    const unwritten = dulbe ? words(Status.unwrittenBlock, [true, true]) : words(0);
    return {
      label: `nowhere${writes ? ' write' : ''}`,
      queue: 1,
      changes: writes,
      ...(!writes && { counts: 'read' as const, dataBytes: 2 * SEC }),
      send: (arena) => {
        const lba = this.lba({ chunk: CHUNKS_PER_PU - 1, sec: 0 }) + 2 ** this.bits.sec;
        const data = arena.buffer(2 * SEC);
        const opcode = writes ? IoOpcode.vectorWrite : IoOpcode.vectorRead;
        return {
          sqe: vectorCommand(arena, { opcode, addresses: [lba, lba + 1], data }).sqe,
          observe: wordsOf,
        };
      },
      step: (state) => ({
        state,
        ended: [writes ? words(Status.writeFault, [true, true]) : unwritten],
      }),
    };
  }

  /** Nothing that a command needs has changed. */
  revalidate(): Promise<void> {
    return Promise.resolve();
  }

  async survey(desk: SurveyDesk<Chunks>): Promise<void> {
    await desk.ask(this.log());
    const all = Array.from({ length: CHUNKS * CHUNK_SECS }, (_, i) => ({
      chunk: Math.floor(i / CHUNK_SECS),
      sec: i % CHUNK_SECS,
    }));
    for (let i = 0; i < all.length; i += 48)
      await desk.ask(this.read(all.slice(i, i + 48), false, desk.tools));
  }
}
