import { ChunkState } from '../spec/ocssd12.ts';
import type { Rule } from '../spec/rules.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { BlockTable } from './block-table.ts';
import { describeChunkSector } from './chunk-address.ts';
import type { ChunkOptions } from './chunk-options.ts';
import type { DerivedGeometry } from './geometry.ts';
import type { OpenChunks } from './open-chunks.ts';
import type { SectorVector } from './transfer.ts';

/** Sectors of one chunk in a row, as entries of a vector. */
export interface WriteRun {
  readonly block: number;
  /** Entries of the vector. */
  readonly first: number;
  readonly count: number;
}

export interface Refusal {
  readonly status: StatusCode;
  readonly rule: Rule;
  readonly why: string;
}

/**
 * The rules of writing chunks: a write is checked as a whole before anything of it is done, so one that is
 * refused has changed nothing. Which status says what agrees with qemu-nvme (ocssd_rw_check_chunk_write) and
 * with what liblightnvm's tests of the write rules expect.
 */
export class ChunkWriteChecker {
  private readonly g: DerivedGeometry;
  private readonly table: BlockTable;
  private readonly options: ChunkOptions;
  private readonly open: OpenChunks;

  constructor(g: DerivedGeometry, table: BlockTable, options: ChunkOptions, open: OpenChunks) {
    this.g = g;
    this.table = table;
    this.options = options;
    this.open = open;
  }

  /** The vector's runs, or why it cannot be written. */
  check(vector: SectorVector): WriteRun[] | Refusal {
    const runs: WriteRun[] = [];
    let first = 0;
    while (first < vector.count) {
      const block = vector.block[first] as number;
      let end = first + 1;
      while (end < vector.count && vector.block[end] === block) {
        const sec = vector.sec[end] as number;
        if (sec !== (vector.sec[end - 1] as number) + 1) return this.outOfOrder(block, sec);
        end++;
      }
      const run = { block, first, count: end - first };
      const refusal = this.checkRun(run, vector.sec[first] as number, runs);
      if (refusal) return refusal;
      runs.push(run);
      first = end;
    }
    return this.checkOpenLimits(runs) ?? runs;
  }

  /** One run at sector `sec`, after the runs before it in the same command. */
  private checkRun(run: WriteRun, sec: number, before: readonly WriteRun[]): Refusal | undefined {
    const { g, table } = this;
    const { wsMin } = this.options.writeRules;
    const { block, count } = run;
    if (block < 0)
      return refusal(Status.writeFault, 'range', 'write outside the device: there is no such chunk');
    const what = `write of ${count} sectors at ${describeChunkSector(g, block, sec)}`;
    const state = table.state[block];
    let pointer = table.written(block);
    for (const other of before) if (other.block === block) pointer += other.count;
    if (state === ChunkState.offline)
      return refusal(Status.writeFault, 'bad-block', `${what}: the chunk is offline`);
    if (state === ChunkState.closed || pointer >= g.secsPerBlk)
      return refusal(Status.writeFault, 'erase-first', `${what}: the chunk is closed until it is reset`);
    if (count > g.secsPerBlk - sec)
      return refusal(Status.writeFault, 'range', `${what}: a chunk ends after ${g.secsPerBlk} sectors`);
    if (count % wsMin !== 0)
      return refusal(Status.invalidField, 'write-size', `${what}: not a multiple of ws_min, ${wsMin}`);
    if (sec !== pointer) return this.outOfOrder(block, sec);
    return undefined;
  }

  private outOfOrder(block: number, sec: number): Refusal {
    if (block < 0)
      return refusal(Status.writeFault, 'range', 'write outside the device: there is no such chunk');
    const pointer = this.table.written(block);
    const why = `write at ${describeChunkSector(this.g, block, sec)}: the chunk's write pointer is at ${pointer}`;
    return refusal(Status.outOfOrderWrite, 'write-pointer', why);
  }

  /**
   * The chunks that the command would open, against MAXOC and MAXOCPU. Those that it also fills still count.
   *
   * No source was found for the status: qemu-nvme has no such limit (birkelund/qemu-nvme 155d671,
   * hw/block/nvme/ocssd.c: ocssd_rw_check_chunk_write), Linux 5.10 and SPDK only show the two numbers, and the
   * status codes that 2.0 adds (include/block/ocssd.h there: C0h, C1h, F0h, F1h, F2h) have none for it. Write Fault
   * (280h) it is because qemu-nvme answers that wherever the state of a chunk forbids a write.
   */
  private checkOpenLimits(runs: readonly WriteRun[]): Refusal | undefined {
    const { maxOpenChunks, maxOpenChunksPerPu } = this.options;
    if (maxOpenChunks === 0 && maxOpenChunksPerPu === 0) return undefined;
    const opening = new Set<number>();
    for (const { block } of runs) if (this.table.state[block] === ChunkState.free) opening.add(block);
    if (opening.size === 0) return undefined;
    if (maxOpenChunks !== 0 && this.open.total + opening.size > maxOpenChunks) {
      const why = `${this.open.total} chunks are open, ${opening.size} more would be opened; at most ${maxOpenChunks} (maxoc)`;
      return refusal(Status.writeFault, 'open-chunks', why);
    }
    if (maxOpenChunksPerPu === 0) return undefined;
    const perPu = new Map<number, number>();
    for (const block of opening) {
      const pu = block % this.g.totalLuns;
      const wanted = (perPu.get(pu) ?? this.open.inPu(pu)) + 1;
      perPu.set(pu, wanted);
      if (wanted > maxOpenChunksPerPu) {
        const why = `write at ${describeChunkSector(this.g, block, 0)}: ${maxOpenChunksPerPu} chunks of this parallel unit are open already (maxocpu)`;
        return refusal(Status.writeFault, 'open-chunks', why);
      }
    }
    return undefined;
  }
}

const refusal = (status: StatusCode, rule: Rule, why: string): Refusal => ({ status, rule, why });
