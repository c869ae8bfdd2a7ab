import { DSM_DEALLOCATE, dsmRange, FORCE_UNIT_ACCESS } from '../../src/spec/identify.ts';
import { pack } from '../../src/spec/layout.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { blocksSqe, readBlocks } from '../driver/blocks.ts';
import type { DmaBuffer } from '../driver/dma-buffer.ts';
import { prpsFor } from '../driver/prp.ts';
import { plainDisk, type Rig } from '../driver/rig.ts';
import type { Random } from '../fuzz/random.ts';
import { type CrashHost, type Deed, FLUSH, SEC, stamp } from './crash-host.ts';
import type { Seen } from './ledger.ts';

const BLOCKS = 320;
/** Two units of 64 blocks, so that some runs cover a whole one. */
const MOST_BLOCKS = 128;

interface Run {
  readonly lba: number;
  readonly secs: number;
}

/**
 * A host like a file system on a plain disk: writes runs of blocks anywhere, some over others, some with FUA,
 * gives blocks back or zeroes them, reads, flushes. Runs that are under way do not overlap.
 */
export class PlainHost implements CrashHost {
  readonly name = 'plain';
  readonly namespaces = [plainDisk(BLOCKS, SEC)];
  /** Versions of each block that were sent. */
  private readonly sent = new Array<number>(BLOCKS).fill(0);
  /** The version that was answered last. */
  private readonly kept = new Array<number>(BLOCKS).fill(0);
  /** Versions of each block that are zeros. */
  private zeros: number[][] = Array.from({ length: BLOCKS }, () => [0]);
  private readonly busy = new Set<number>();
  private seen = new Map<number, number>();

  async attach(rig: Rig, reopened: boolean): Promise<void> {
    await this.inspect(rig);
    this.busy.clear();
    for (const [lba, version] of this.seen) {
      this.kept[lba] = version;
      // What was sent and is not there will not come any more, but its number is used up.
      this.sent[lba] = Math.max(version, this.sent[lba] ?? 0);
      if (reopened) this.zeros[lba] = this.zeros[lba]?.includes(version) ? [version] : [];
    }
  }

  next(random: Random): Deed | undefined {
    if (random.oneIn(20)) return FLUSH;
    const secs = 1 + random.below(random.oneIn(3) ? MOST_BLOCKS : 8);
    const run = { lba: random.below(BLOCKS - secs), secs };
    if (random.oneIn(6)) return this.read(run);
    for (let i = 0; i < secs; i++) if (this.busy.has(run.lba + i)) return undefined;
    if (random.oneIn(6)) return this.blank(run, random.oneIn(2));
    return this.write(run, random.oneIn(8));
  }

  /** A new version of each block of a run. */
  private change({ lba, secs }: Run, toZeros: boolean) {
    const moves = Array.from({ length: secs }, (_, i) => {
      const to = (this.sent[lba + i] ?? 0) + 1;
      this.sent[lba + i] = to;
      this.busy.add(lba + i);
      if (toZeros) this.zeros[lba + i]?.push(to);
      return { cell: lba + i, to };
    });
    const answered = ({ status }: { readonly status: number }) => {
      for (const { cell, to } of moves) {
        this.busy.delete(cell);
        if (status === 0) this.kept[cell] = to;
      }
    };
    return { moves, answered };
  }

  private write(run: Run, isForced: boolean): Deed {
    const { moves, answered } = this.change(run, false);
    const { lba, secs } = run;
    return {
      label: `write${isForced ? ' (FUA)' : ''} of blocks ${lba} to ${lba + secs - 1}`,
      moves,
      isForced,
      changes: true,
      answered,
      sqe: (arena) => {
        const bytes = new Uint8Array(secs * SEC);
        moves.forEach(({ cell, to }, i) => bytes.set(stamp(SEC, cell, to), i * SEC));
        const data = arena.buffer(secs * SEC).fill(bytes);
        const sqe = { ...blocksSqe(IoOpcode.write, 1, lba, secs), ...prpsFor(arena, data) };
        return isForced ? { ...sqe, cdw12: secs - 1 + FORCE_UNIT_ACCESS } : sqe;
      },
    };
  }

  private blank(run: Run, deallocate: boolean): Deed {
    const { moves, answered } = this.change(run, true);
    const { lba, secs } = run;
    return {
      label: `${deallocate ? 'deallocation' : 'write of zeroes'} of blocks ${lba} to ${lba + secs - 1}`,
      moves,
      changes: true,
      answered,
      sqe: (arena) => {
        if (!deallocate) return blocksSqe(IoOpcode.writeZeroes, 1, lba, secs);
        const list = arena.buffer(dsmRange.sizeBytes).fill(pack(dsmRange, { blocks: secs, lba }));
        const prps = prpsFor(arena, list);
        return { opcode: IoOpcode.datasetManagement, nsid: 1, cdw10: 0, cdw11: DSM_DEALLOCATE, ...prps };
      },
    };
  }

  private read({ lba, secs }: Run): Deed {
    const before = Array.from({ length: secs }, (_, i) => this.sent[lba + i]);
    const quiet = before.every((version, i) => version === this.kept[lba + i]);
    let buffer: DmaBuffer | undefined;
    return {
      label: `read of blocks ${lba} to ${lba + secs - 1}`,
      moves: [],
      changes: false,
      sqe: (arena) => {
        buffer = arena.buffer(secs * SEC);
        return { ...blocksSqe(IoOpcode.read, 1, lba, secs), ...prpsFor(arena, buffer) };
      },
      answered: ({ status }) => {
        // Only where nothing was under way is it known what has to be there.
        if (status !== 0 || !quiet || !buffer) return;
        const data = buffer.read();
        before.forEach((version = 0, i) => {
          if (this.sent[lba + i] !== version) return;
          const { least, most } = this.versionOf(lba + i, data.subarray(i * SEC, (i + 1) * SEC));
          if (version < least || version > most)
            throw new Error(`block ${lba + i} reads as version ${least}`);
        });
      },
    };
  }

  /** Which version of a block bytes are. */
  private versionOf(lba: number, bytes: Uint8Array): Seen {
    if (bytes.every((byte) => byte === 0)) {
      const versions = this.zeros[lba] ?? [];
      if (versions.length === 0) throw new Error(`block ${lba} is zeros, which it never was`);
      return { least: Math.min(...versions), most: Math.max(...versions) };
    }
    const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
    if (Buffer.compare(bytes, stamp(SEC, lba, version)) !== 0)
      throw new Error(`block ${lba} holds what was never written to it`);
    return { least: version, most: version };
  }

  heir(): CrashHost {
    return new PlainHost();
  }

  found(): ReadonlyMap<number, number> {
    return this.seen;
  }

  async inspect(rig: Rig): Promise<(cell: number) => Seen> {
    const seen: Seen[] = [];
    for (let lba = 0; lba < BLOCKS; lba += MOST_BLOCKS) {
      const secs = Math.min(MOST_BLOCKS, BLOCKS - lba);
      const { status, data } = await readBlocks({ rig, nsid: 1, secSizeBytes: SEC }, lba, secs);
      if (status !== 0) throw new Error(`blocks from ${lba} cannot be read (${status.toString(16)})`);
      for (let i = 0; i < secs; i++)
        seen.push(this.versionOf(lba + i, data.subarray(i * SEC, (i + 1) * SEC)));
    }
    this.seen = new Map(seen.map(({ most }, lba) => [lba, most]));
    return (cell) => seen[cell] ?? { least: 0, most: 0 };
  }
}
