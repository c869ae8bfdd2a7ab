import fc from 'fast-check';
import { DSM_DEALLOCATE, dsmRange, WRITE_ZEROES_DEALLOCATE } from '../../src/spec/identify.ts';
import { pack } from '../../src/spec/layout.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { blocksSqe } from '../driver/blocks.ts';
import { prpsFor } from '../driver/prp.ts';
import { plainDisk } from '../driver/rig.ts';
import { type Dialect, type Op, type SurveyDesk, type Tools, words, wordsOf } from './dialect.ts';
import { flush } from './flush.ts';
import { BLANK, ZEROS } from './ink.ts';

const KIB = 1024;
const SIZES = [72 * KIB, 48 * KIB];
const FIRST_SIZE = 4096;
const MIN_LBADS = 9;
const ALL = 0xffff_ffff;

/** A logical block: what it reads as, whether it counts as written, whether it is marked uncorrectable. */
interface Cell {
  readonly name: string;
  readonly written: boolean;
  readonly marked: boolean;
}

interface Disk {
  readonly secBytes: number;
  /** Formats: what was sent before one is void after it. */
  readonly formats: number;
  readonly cells: readonly Cell[];
}
export type Disks = readonly Disk[];

const FRESH: Cell = { name: ZEROS, written: false, marked: false };

export interface RecipePlain {
  readonly do:
    'write' | 'read' | 'compare' | 'zeroes' | 'spoil' | 'trim' | 'format' | 'flush' | 'outside' | 'identify';
  readonly ns: number;
  /** Of the namespace, in 64ths. */
  readonly where: number;
  readonly count: number;
  readonly flag: boolean;
  readonly choice: number;
}

interface Run {
  readonly lba: number;
  readonly secs: number;
}

const newDisk = (ns: number, secBytes: number, formats: number): Disk => ({
  secBytes,
  formats,
  cells: Array.from({ length: (SIZES[ns] as number) / secBytes }, () => FRESH),
});

function changed(state: Disks, ns: number, { lba, secs }: Run, to: (cell: Cell, i: number) => Cell): Disks {
  const disk = state[ns] as Disk;
  const cells = disk.cells.map((cell, at) => (at >= lba && at < lba + secs ? to(cell, at - lba) : cell));
  return state.with(ns, { ...disk, cells });
}

/** Every status with which blocks may refuse to be read; empty: they can be. */
function readProblems(cells: readonly Cell[], dulbe: boolean): number[] {
  const problems: number[] = [];
  if (cells.some(({ marked }) => marked)) problems.push(Status.eccFailure);
  if (dulbe && cells.some(({ written }) => !written)) problems.push(Status.unwrittenBlock);
  return problems;
}

export class DialectPlain implements Dialect<Disks, RecipePlain> {
  readonly name = 'plain';
  readonly namespaces = SIZES.map((bytes) => plainDisk(bytes / FIRST_SIZE, FIRST_SIZE));
  readonly initial: Disks = SIZES.map((_, ns) => newDisk(ns, FIRST_SIZE, 0));
  readonly hasDulbe = true;
  readonly recipe = fc.record<RecipePlain>({
    do: fc.constantFrom(
      ...(['write', 'write', 'write', 'write', 'read', 'read', 'compare', 'zeroes', 'spoil'] as const),
      ...(['trim', 'trim', 'format', 'flush', 'outside', 'identify'] as const),
    ),
    ns: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
    where: fc.oneof(fc.nat(63), fc.constantFrom(0, 28, 57)),
    // A few blocks, or about a unit, or all there are.
    count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 6, max: 80 }), fc.constant(200)),
    flag: fc.boolean(),
    choice: fc.nat(255),
  });

  aim(recipe: RecipePlain, at: RecipePlain): RecipePlain {
    return { ...recipe, ns: at.ns, where: at.where, count: at.count };
  }

  afterPower(state: Disks): Disks {
    return this.atRest(state);
  }

  atRest(state: Disks): Disks {
    return state.map((disk) => ({ ...disk, formats: 0 }));
  }

  attach(): Promise<void> {
    return Promise.resolve();
  }

  make(recipe: RecipePlain, guess: Disks, tools: Tools): Op<Disks> | undefined {
    const { ns, flag, choice } = recipe;
    const disk = guess[ns] as Disk;
    const total = disk.cells.length;
    const lba = Math.floor((recipe.where * total) / 64);
    const run = { lba, secs: Math.min(recipe.count, total - lba) };
    switch (recipe.do) {
      case 'write':
        return this.write(ns, disk, run, tools);
      case 'read':
        return this.read(ns, disk, run, tools);
      case 'compare':
        return this.compare(ns, disk, run, flag, tools);
      case 'zeroes':
        return this.zeroes(ns, disk, run, flag);
      case 'spoil':
        return this.spoil(ns, disk, { lba, secs: Math.min(run.secs, 3) });
      case 'trim': {
        const other = choice % total;
        const second = { lba: other, secs: 1 + (choice % (total - other)) };
        return this.trim(ns, disk, flag ? [run, second] : [run]);
      }
      case 'format':
        // Seldom enough for something to be there.
        return choice % 2 === 0 ? this.format(flag ? ns : undefined, (choice >> 1) % 4) : undefined;
      case 'flush':
        return flush<Disks>(flag ? ns + 1 : ALL);
      case 'outside':
        return this.outside(ns, disk, choice);
      case 'identify':
        return this.identify(ns);
    }
  }

  /** What every command says when the namespace was formatted under its feet. */
  private unless(
    ns: number,
    known: Disk,
    work: (state: Disks, disk: Disk) => ReturnType<Op<Disks>['step']>,
  ): (state: Disks) => ReturnType<Op<Disks>['step']> {
    return (state) => {
      const disk = state[ns] as Disk;
      // The host knew of a format that has not happened yet in this order: so it is not what happened.
      if (disk.formats < known.formats) return { state, ended: ['before its format'] };
      if (disk.formats > known.formats) return { state, ended: [words(Status.formatInProgress)] };
      return work(state, disk);
    };
  }

  private write(ns: number, known: Disk, run: Run, { ink }: Tools): Op<Disks> {
    const data = Array.from({ length: run.secs }, () => ink.fresh(known.secBytes));
    return {
      label: `write ${ns + 1}:${run.lba}+${run.secs} of ${known.secBytes}`,
      queue: 1,
      changes: true,
      counts: 'write',
      dataBytes: run.secs * known.secBytes,
      send: (arena) => {
        const buffer = arena.buffer(run.secs * known.secBytes);
        buffer.fill(Buffer.concat(data.map(({ bytes }) => bytes)));
        const sqe = blocksSqe(IoOpcode.write, ns + 1, run.lba, run.secs);
        return { sqe: { ...sqe, ...prpsFor(arena, buffer) }, observe: wordsOf };
      },
      step: this.unless(ns, known, (state) => ({
        state: changed(state, ns, run, (_, i) => ({
          name: (data[i] as { name: string }).name,
          written: true,
          marked: false,
        })),
        ended: [words(0)],
      })),
    };
  }

  private read(ns: number, known: Disk, run: Run, { ink, dulbe }: Tools): Op<Disks> {
    const size = known.secBytes;
    return {
      label: `read ${ns + 1}:${run.lba}+${run.secs} of ${size}${dulbe ? ' DULBE' : ''}`,
      queue: 1,
      changes: false,
      counts: 'read',
      dataBytes: run.secs * size,
      send: (arena) => {
        const buffer = arena.buffer(run.secs * size).fill(new Uint8Array(run.secs * size).fill(BLANK));
        const sqe = blocksSqe(IoOpcode.read, ns + 1, run.lba, run.secs);
        return {
          sqe: { ...sqe, ...prpsFor(arena, buffer) },
          observe: (completion) => {
            if (completion.status !== 0) return wordsOf(completion);
            const bytes = buffer.read();
            const names = Array.from({ length: run.secs }, (_, i) =>
              ink.nameOf(bytes.subarray(i * size, (i + 1) * size)),
            );
            return `${wordsOf(completion)} ${names.join(' ')}`;
          },
        };
      },
      step: this.unless(ns, known, (state, disk) => {
        const cells = disk.cells.slice(run.lba, run.lba + run.secs);
        const problems = readProblems(cells, dulbe);
        if (problems.length > 0) return { state, ended: problems.map((status) => words(status)) };
        return { state, ended: [`${words(0)} ${cells.map(({ name }) => name).join(' ')}`] };
      }),
    };
  }

  /** With what the host believes to be there, or with one block that differs. */
  private compare(ns: number, known: Disk, run: Run, spoiled: boolean, { ink, dulbe }: Tools): Op<Disks> {
    const names = known.cells.slice(run.lba, run.lba + run.secs).map(({ name }) => name);
    const wrong = ink.fresh(known.secBytes);
    if (spoiled) names[names.length - 1] = wrong.name;
    return {
      label: `compare ${ns + 1}:${run.lba}+${run.secs} of ${known.secBytes}${dulbe ? ' DULBE' : ''}`,
      queue: 1,
      changes: false,
      counts: 'read',
      dataBytes: run.secs * known.secBytes,
      send: (arena) => {
        const buffer = arena.buffer(run.secs * known.secBytes);
        buffer.fill(Buffer.concat(names.map((name) => ink.bytesOf(name, known.secBytes))));
        const sqe = blocksSqe(IoOpcode.compare, ns + 1, run.lba, run.secs);
        return { sqe: { ...sqe, ...prpsFor(arena, buffer) }, observe: wordsOf };
      },
      step: this.unless(ns, known, (state, disk) => {
        const cells = disk.cells.slice(run.lba, run.lba + run.secs);
        const problems = readProblems(cells, dulbe);
        if (cells.some(({ name }, i) => name !== names[i])) problems.push(Status.compareFailed);
        return { state, ended: problems.length > 0 ? problems.map((s) => words(s)) : [words(0)] };
      }),
    };
  }

  private zeroes(ns: number, known: Disk, run: Run, deallocate: boolean): Op<Disks> {
    return {
      label: `zeroes ${ns + 1}:${run.lba}+${run.secs}${deallocate ? ' deallocate' : ''}`,
      queue: 1,
      changes: true,
      send: () => {
        const sqe = blocksSqe(IoOpcode.writeZeroes, ns + 1, run.lba, run.secs);
        const cdw12 = ((sqe.cdw12 ?? 0) | (deallocate ? WRITE_ZEROES_DEALLOCATE : 0)) >>> 0;
        return { sqe: { ...sqe, cdw12 }, observe: wordsOf };
      },
      step: this.unless(ns, known, (state) => ({
        state: changed(state, ns, run, () => ({ name: ZEROS, written: !deallocate, marked: false })),
        ended: [words(0)],
      })),
    };
  }

  private spoil(ns: number, known: Disk, run: Run): Op<Disks> {
    return {
      label: `spoil ${ns + 1}:${run.lba}+${run.secs}`,
      queue: 1,
      changes: true,
      send: () => ({
        sqe: blocksSqe(IoOpcode.writeUncorrectable, ns + 1, run.lba, run.secs),
        observe: wordsOf,
      }),
      step: this.unless(ns, known, (state) => ({
        state: changed(state, ns, run, (cell) => ({ ...cell, marked: true })),
        ended: [words(0)],
      })),
    };
  }

  /** Dataset Management, deallocate: one range after the other. */
  private trim(ns: number, known: Disk, runs: readonly Run[]): Op<Disks> {
    return {
      label: `trim ${ns + 1}:${runs.map(({ lba, secs }) => `${lba}+${secs}`).join(' ')}`,
      queue: 1,
      changes: true,
      send: (arena) => {
        const list = arena.buffer(runs.length * dsmRange.sizeBytes);
        list.fill(Buffer.concat(runs.map(({ lba, secs }) => pack(dsmRange, { blocks: secs, lba }))));
        const sqe = {
          opcode: IoOpcode.datasetManagement,
          nsid: ns + 1,
          cdw10: runs.length - 1,
          cdw11: DSM_DEALLOCATE,
          ...prpsFor(arena, list),
        };
        return { sqe, observe: wordsOf };
      },
      step: (state, stage) =>
        this.unless(ns, known, (here) => ({
          // Who marked blocks did not write them: they stay unreadable.
          state: changed(here, ns, runs[stage] as Run, ({ marked }) => ({ ...FRESH, marked })),
          ...(stage === runs.length - 1 && { ended: [words(0)] }),
        }))(state),
    };
  }

  /** One namespace, or all of them, one after the other. */
  private format(ns: number | undefined, lbaf: number): Op<Disks> {
    return {
      label: `format ${ns === undefined ? 'all' : ns + 1} to ${2 ** (MIN_LBADS + lbaf)}`,
      queue: 0,
      changes: true,
      alone: true,
      send: () => ({ sqe: admin.formatNvm(ns === undefined ? ALL : ns + 1, lbaf), observe: wordsOf }),
      step: (state, stage) => {
        const at = ns ?? stage;
        const disk = newDisk(at, 2 ** (MIN_LBADS + lbaf), (state[at] as Disk).formats + 1);
        const last = ns !== undefined || stage === SIZES.length - 1;
        return { state: state.with(at, disk), barrier: true, ...(last && { ended: [words(0)] }) };
      },
    };
  }

  private outside(ns: number, known: Disk, choice: number): Op<Disks> {
    const total = known.cells.length;
    const beyond = choice % 2 === 0 ? total : 2 ** 40 + (choice % 7);
    return {
      label: `outside ${ns + 1}:${beyond}`,
      queue: 1,
      changes: true,
      send: () => ({ sqe: blocksSqe(IoOpcode.writeZeroes, ns + 1, beyond, 1), observe: wordsOf }),
      step: this.unless(ns, known, (state) => ({ state, ended: [words(Status.lbaOutOfRange)] })),
    };
  }

  /** NSZE and the block size in use. */
  private identify(ns: number): Op<Disks> {
    return {
      label: `identify ${ns + 1}`,
      queue: 0,
      changes: false,
      send: (arena) => {
        const buffer = arena.buffer(4096);
        return {
          sqe: admin.identify(0, ns + 1, prpsFor(arena, buffer)),
          observe: (completion) => {
            const view = new DataView(buffer.read().buffer);
            const lbads = view.getUint8(128 + 4 * (view.getUint8(26) & 0xf) + 2);
            return `${wordsOf(completion)} ${view.getBigUint64(0, true)} of ${2 ** lbads}`;
          },
        };
      },
      step: (state) => {
        const { cells, secBytes } = state[ns] as Disk;
        return { state, ended: [`${words(0)} ${cells.length} of ${secBytes}`] };
      },
    };
  }

  /** The block sizes. */
  async revalidate(desk: SurveyDesk<Disks>): Promise<void> {
    for (let ns = 0; ns < SIZES.length; ns++) await desk.ask(this.identify(ns));
  }

  async survey(desk: SurveyDesk<Disks>): Promise<void> {
    await this.revalidate(desk);
    for (let ns = 0; ns < SIZES.length; ns++)
      await this.surveyRun(desk, ns, { lba: 0, secs: (desk.guess()[ns] as Disk).cells.length });
  }

  /** Where a run cannot be read, its halves are tried: so every block is asked for. */
  private async surveyRun(desk: SurveyDesk<Disks>, ns: number, run: Run): Promise<void> {
    const said = await desk.ask(this.read(ns, desk.guess()[ns] as Disk, run, desk.tools));
    if (said.startsWith('0 ') || run.secs === 1) return;
    const half = Math.floor(run.secs / 2);
    await this.surveyRun(desk, ns, { lba: run.lba, secs: half });
    await this.surveyRun(desk, ns, { lba: run.lba + half, secs: run.secs - half });
  }
}
