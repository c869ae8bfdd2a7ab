import fc from 'fast-check';
import { BadBlock, badBlockTable, badBlockValues } from '../../src/spec/ocssd12.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { prpsFor } from '../driver/prp.ts';
import { flashOf, openChannel, type Rig } from '../driver/rig.ts';
import { vectorCommand } from '../driver/vector.ts';
import { type Dialect, hasFailed, type Op, type SurveyDesk, type Tools, words, wordsOf } from './dialect.ts';
import { flush } from './flush.ts';
import { BLANK, ZEROS } from './ink.ts';

const LUNS = 2;
const PLANES = 2;
const CHUNKS = 3;
const PAGES = 2;
const PAGE_SECS = 2;
const BLOCK_SECS = PAGES * PAGE_SECS;
const BLOCKS = LUNS * CHUNKS * PLANES;
const SEC = 512;
const OOB = 16;
const EMPTY = 'empty';

/** One plane of one chunk. Blocks count LUN by LUN, in each chunk by chunk, in each plane by plane. */
interface Block {
  readonly bad: number;
  readonly erases: number;
  /** "data.oob" of each sector written, in order. */
  readonly secs: readonly string[];
}
export type Blocks = readonly Block[];

interface Sector {
  readonly block: number;
  readonly sec: number;
}

export interface Recipe12 {
  readonly do: 'write' | 'scatter' | 'read' | 'erase' | 'mark' | 'flush' | 'raw' | 'outside';
  readonly block: number;
  readonly count: number;
  readonly shift: number;
  readonly flag: boolean;
}

const isBad = ({ bad }: Block): boolean => bad === BadBlock.factory || bad === BadBlock.grown;
const replaced = (blocks: Blocks, at: number, block: Block): Blocks => blocks.with(at, block);

// What the model says -----------------------------------------------------------------------------------

/** Each sector is written if its block takes it; those ahead of the write pointer wait for the others of the command. */
function write(state: Blocks, sectors: readonly Sector[], names: readonly string[]) {
  let blocks = state;
  const failed = sectors.map(() => false);
  let left = sectors.map((_, i) => i);
  for (let before = -1; before !== left.length;) {
    before = left.length;
    left = left.filter((i) => {
      const { block, sec } = sectors[i] as Sector;
      const target = blocks[block] as Block;
      if (!isBad(target) && sec > target.secs.length) return true;
      if (isBad(target) || sec < target.secs.length) failed[i] = true;
      else blocks = replaced(blocks, block, { ...target, secs: [...target.secs, names[i] as string] });
      return false;
    });
  }
  for (const i of left) failed[i] = true;
  return { blocks, failed };
}

function erase(state: Blocks, named: readonly number[], planes: number) {
  let blocks = state;
  const done = new Map<number, boolean>();
  const failed = named.map((block) => {
    const first = block - (block % planes);
    const group = Array.from({ length: planes }, (_, i) => first + i);
    const good = done.get(first) ?? !group.some((b) => isBad(blocks[b] as Block));
    if (good && !done.has(first))
      for (const b of group) {
        const { bad, erases } = blocks[b] as Block;
        blocks = replaced(blocks, b, { bad, erases: erases + 1, secs: [] });
      }
    done.set(first, good);
    return !good;
  });
  return { blocks, failed };
}

// The device's side -----------------------------------------------------------------------------------

const fields = ['ch', 'lun', 'pln', 'blk', 'pg', 'sec'] as const;

export class Dialect12 implements Dialect<Blocks, Recipe12> {
  readonly name = 'open-channel 1.2';
  readonly namespaces = [
    openChannel({
      numLun: LUNS,
      numPln: PLANES,
      numChk: CHUNKS,
      numPg: PAGES,
      secsPerPg: PAGE_SECS,
      secSizeBytes: SEC,
      oobSizeBytes: OOB,
    }),
  ];
  readonly initial: Blocks = Array.from({ length: BLOCKS }, () => ({ bad: 0, erases: 0, secs: [] }));
  readonly hasDulbe = false;
  readonly recipe = fc.record<Recipe12>({
    do: fc.constantFrom(
      ...(['write', 'write', 'write', 'write', 'scatter', 'read', 'read', 'erase', 'erase'] as const),
      ...(['mark', 'flush', 'raw', 'outside'] as const),
    ),
    block: fc.nat(BLOCKS - 1),
    count: fc.integer({ min: 1, max: 8 }),
    shift: fc.integer({ min: -2, max: 9 }),
    flag: fc.boolean(),
  });
  private offsets = new Map<string, number>();

  aim(recipe: Recipe12, at: Recipe12): Recipe12 {
    return { ...recipe, block: at.block };
  }

  afterPower(state: Blocks): Blocks {
    return state;
  }

  atRest(state: Blocks): Blocks {
    return state;
  }

  async attach(rig: Rig): Promise<void> {
    const id = await rig.driver.adminRead(4096, (prps) => admin.geometry(1, prps));
    // struct nvme_nvm_id12_addrf: offset and length of each part, from byte 12.
    fields.forEach((name, i) => this.offsets.set(name, id[12 + 2 * i] as number));
  }

  private address({ block, sec }: Sector): number {
    const part = (name: string, value: number) => value * 2 ** (this.offsets.get(name) ?? 0);
    const lun = Math.floor(block / (CHUNKS * PLANES));
    const chk = Math.floor(block / PLANES) % CHUNKS;
    return (
      part('lun', lun) +
      part('blk', chk) +
      part('pln', block % PLANES) +
      part('pg', Math.floor(sec / PAGE_SECS)) +
      part('sec', sec % PAGE_SECS)
    );
  }

  make(recipe: Recipe12, guess: Blocks, tools: Tools): Op<Blocks> {
    const { block, count, shift, flag } = recipe;
    const target = guess[block] as Block;
    // Mostly at the write pointer, now and then behind or ahead of it.
    const from = Math.max(0, target.secs.length + (shift < 0 ? shift : shift > 7 ? shift - 7 : 0));
    const inBlock = (start: number, n: number): Sector[] =>
      Array.from({ length: n }, (_, i) => ({ block, sec: start + i })).filter(({ sec }) => sec < BLOCK_SECS);
    switch (recipe.do) {
      case 'write': {
        const run = inBlock(from, Math.min(count, 4));
        return this.write(run.length > 0 ? run : [{ block, sec: from % BLOCK_SECS }], flag, tools);
      }
      case 'scatter': {
        // Across both planes and the next chunk, in an order that is not that of the sectors.
        const secs = Array.from({ length: count }, (_, i) => {
          const other = (block + (i % 3)) % BLOCKS;
          const at = (guess[other] as Block).secs.length + Math.floor(i / 3) + (shift > 8 ? 1 : 0);
          return { block: other, sec: at % BLOCK_SECS };
        });
        return this.write(shift % 2 === 0 ? secs.reverse() : secs, flag, tools);
      }
      case 'read': {
        if (flag && target.secs.length > 0) return this.read(inBlock(0, target.secs.length), tools);
        const all = Array.from({ length: count + 4 }, (_, i) => ({
          block: (block + Math.floor(i / BLOCK_SECS)) % BLOCKS,
          sec: (i + shift + 2) % BLOCK_SECS,
        }));
        return this.read(all, tools);
      }
      case 'erase':
        return this.erase(
          Array.from({ length: 1 + (count % 3) }, (_, i) => (block + i * (shift > 5 ? 1 : 0)) % BLOCKS),
          flag ? PLANES : 1,
        );
      case 'mark':
        return this.mark(
          Array.from({ length: 1 + (count % 2) }, (_, i) => (block + i) % BLOCKS),
          // Often good again, or all blocks would be bad in the end.
          flag ? 0 : (badBlockValues[(shift + 2) % badBlockValues.length] as number),
        );
      case 'flush':
        return flush<Blocks>(1);
      case 'raw':
        return this.raw((block * count) % (BLOCKS * BLOCK_SECS - 16), count + 8, tools);
      case 'outside':
        return this.outside();
    }
  }

  private write(sectors: readonly Sector[], withOob: boolean, { ink }: Tools): Op<Blocks> {
    const data = sectors.map(() => ink.fresh(SEC));
    const oob = sectors.map(() => ink.fresh(OOB));
    const names = sectors.map(
      (_, i) =>
        `${(data[i] as { name: string }).name}.${withOob ? (oob[i] as { name: string }).name : ZEROS}`,
    );
    return {
      label: `write ${sectors.map(({ block, sec }) => `${block}/${sec}`).join(' ')}`,
      queue: 1,
      changes: true,
      counts: 'write',
      dataBytes: sectors.length * SEC,
      send: (arena) => ({
        sqe: vectorCommand(arena, {
          opcode: IoOpcode.vectorWrite,
          addresses: sectors.map((s) => this.address(s)),
          data: arena.buffer(sectors.length * SEC).fill(Buffer.concat(data.map(({ bytes }) => bytes))),
          ...(withOob && { oobBytes: OOB, oob: Buffer.concat(oob.map(({ bytes }) => bytes)) }),
        }).sqe,
        observe: wordsOf,
      }),
      step: (state) => {
        const { blocks, failed } = write(state, sectors, names);
        const status = failed.includes(true) ? Status.writeFailure : 0;
        return { state: blocks, ended: [words(status, failed)] };
      },
    };
  }

  private read(sectors: readonly Sector[], { ink }: Tools): Op<Blocks> {
    const count = sectors.length;
    const at = ({ block, sec }: Sector, state: Blocks): string => state[block]?.secs[sec] ?? EMPTY;
    return {
      label: `read ${sectors.map(({ block, sec }) => `${block}/${sec}`).join(' ')}`,
      queue: 1,
      changes: false,
      counts: 'read',
      dataBytes: count * SEC,
      send: (arena) => {
        const data = arena.buffer(count * SEC).fill(new Uint8Array(count * SEC).fill(BLANK));
        const { sqe, metadata } = vectorCommand(arena, {
          opcode: IoOpcode.vectorRead,
          addresses: sectors.map((s) => this.address(s)),
          data,
          oobBytes: OOB,
          oob: new Uint8Array(count * OOB).fill(BLANK),
        });
        const observe: ReturnType<Op<Blocks>['send']>['observe'] = (completion) => {
          const bytes = data.read();
          const oob = arena.memory.bytes(metadata.address, count * OOB);
          const cells = sectors.map((_, i) =>
            hasFailed(completion, i)
              ? EMPTY
              : `${ink.nameOf(bytes.subarray(i * SEC, (i + 1) * SEC))}.${ink.nameOf(oob.subarray(i * OOB, (i + 1) * OOB))}`,
          );
          return `${wordsOf(completion)} ${cells.join(' ')}`;
        };
        return { sqe, observe };
      },
      step: (state) => {
        const cells = sectors.map((s) => at(s, state));
        const failed = cells.map((cell) => cell === EMPTY);
        const status = failed.includes(true) ? Status.emptyPage : 0;
        return { state, ended: [`${words(status, failed)} ${cells.join(' ')}`] };
      },
    };
  }

  /** The raw namespace in the order LUN, chunk, page, plane, sector; unwritten sectors are zeros. */
  private raw(lba: number, secs: number, { ink }: Tools): Op<Blocks> {
    return {
      label: `raw ${lba}+${secs}`,
      queue: 1,
      changes: false,
      counts: 'read',
      dataBytes: secs * SEC,
      send: (arena) => {
        const data = arena.buffer(secs * SEC).fill(new Uint8Array(secs * SEC).fill(BLANK));
        const sqe = { opcode: IoOpcode.read, nsid: 1, ...prpsFor(arena, data), cdw10: lba, cdw12: secs - 1 };
        return {
          sqe,
          observe: (completion) => {
            const bytes = data.read();
            const cells = Array.from({ length: secs }, (_, i) =>
              ink.nameOf(bytes.subarray(i * SEC, (i + 1) * SEC)),
            );
            return `${wordsOf(completion)} ${cells.join(' ')}`;
          },
        };
      },
      step: (state) => {
        const cells = Array.from({ length: secs }, (_, i) => {
          const perPage = PAGE_SECS * PLANES;
          const page = Math.floor((lba + i) / perPage);
          const inPage = (lba + i) % perPage;
          const block = Math.floor(page / PAGES) * PLANES + Math.floor(inPage / PAGE_SECS);
          const cell = state[block]?.secs[(page % PAGES) * PAGE_SECS + (inPage % PAGE_SECS)];
          return cell?.split('.')[0] ?? ZEROS;
        });
        return { state, ended: [`${words(0)} ${cells.join(' ')}`] };
      },
    };
  }

  private erase(blocks: readonly number[], planes: number): Op<Blocks> {
    return {
      label: `erase ${blocks.join(' ')} planes ${planes}`,
      queue: 1,
      changes: true,
      send: (arena) => ({
        sqe: vectorCommand(arena, {
          opcode: IoOpcode.vectorErase,
          addresses: blocks.map((block) => this.address({ block, sec: 0 })),
          control: planes - 1,
        }).sqe,
        observe: wordsOf,
      }),
      step: (state) => {
        const { blocks: after, failed } = erase(state, blocks, planes);
        return { state: after, ended: [words(failed.includes(true) ? Status.writeFailure : 0, failed)] };
      },
    };
  }

  /** F1h. */
  private mark(blocks: readonly number[], value: number): Op<Blocks> {
    return {
      label: `mark ${blocks.join(' ')} as ${value}`,
      queue: 0,
      changes: true,
      send: (arena) => {
        const addresses = blocks.map((block) => this.address({ block, sec: 0 }));
        const list = arena.pages();
        addresses.forEach((address, i) => arena.memory.put64(list + 8 * i, address));
        const where = blocks.length === 1 ? (addresses[0] as number) : list;
        return { sqe: admin.setBadBlocks(1, where, value, blocks.length), observe: wordsOf };
      },
      step: (state) => {
        let after = state;
        for (const b of blocks) after = replaced(after, b, { ...(after[b] as Block), bad: value });
        return { state: after, ended: [words(0)] };
      },
    };
  }

  /** F2h of one LUN. */
  private table(lun: number): Op<Blocks> {
    const count = CHUNKS * PLANES;
    const tell = (values: readonly number[]) => {
      const of = (value: number) => values.filter((v) => v === value).length;
      const { factory, grown, device, host } = BadBlock;
      return `${values.join()} counts ${[factory, grown, device, host].map(of).join()}`;
    };
    return {
      label: `table ${lun}`,
      queue: 0,
      changes: false,
      send: (arena) => {
        const buffer = arena.buffer(badBlockTable.sizeBytes + count);
        const address = this.address({ block: lun * count, sec: 0 });
        return {
          sqe: admin.getBadBlocks(1, address, prpsFor(arena, buffer)),
          observe: (completion) => {
            const bytes = buffer.read();
            const view = new DataView(bytes.buffer);
            const counts = [16, 20, 24, 28].map((at) => view.getUint32(at, true));
            const values = [...bytes.subarray(badBlockTable.sizeBytes)];
            return `${wordsOf(completion)} ${values.join()} counts ${counts.join()}`;
          },
        };
      },
      step: (state) => {
        const values = state.slice(lun * count, (lun + 1) * count).map(({ bad }) => bad);
        return { state, ended: [`${words(0)} ${tell(values)}`] };
      },
    };
  }

  /** A chunk that is not there: two bits hold three. */
  private outside(): Op<Blocks> {
    return {
      label: 'outside',
      queue: 1,
      changes: true,
      send: (arena) => {
        const address = this.address({ block: 0, sec: 0 }) + CHUNKS * 2 ** (this.offsets.get('blk') ?? 0);
        const data = arena.buffer(SEC);
        return {
          sqe: vectorCommand(arena, { opcode: IoOpcode.vectorWrite, addresses: [address], data }).sqe,
          observe: wordsOf,
        };
      },
      step: (state) => ({ state, ended: [words(Status.lbaOutOfRange)] }),
    };
  }

  /** Nothing that a command needs has changed. */
  revalidate(): Promise<void> {
    return Promise.resolve();
  }

  async survey(desk: SurveyDesk<Blocks>): Promise<void> {
    const all = Array.from({ length: BLOCKS * BLOCK_SECS }, (_, i) => ({
      block: Math.floor(i / BLOCK_SECS),
      sec: i % BLOCK_SECS,
    }));
    await desk.ask(this.read(all, desk.tools));
    for (let lun = 0; lun < LUNS; lun++) await desk.ask(this.table(lun));
    // No command of 1.2 tells erase counts and write pointers: the block table is looked at.
    const { table, address } = flashOf(desk.rig);
    const seen = Array.from({ length: BLOCKS }, (_, block) => {
      address.decode(this.address({ block, sec: 0 }), 0);
      return `${table.eraseCount[address.block]}:${table.written(address.block)}`;
    });
    desk.observe(
      'erase counts and write pointers',
      (state) => state.map(({ erases, secs }) => `${erases}:${secs.length}`).join(' '),
      seen.join(' '),
    );
  }
}
