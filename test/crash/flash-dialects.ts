import { blockIndex } from '../../src/flash/address.ts';
import type { BlockTable } from '../../src/flash/block-table.ts';
import type { NamespaceConfig } from '../../src/device/config.ts';
import { ChunkState } from '../../src/spec/ocssd12.ts';
import { Mccap } from '../../src/spec/ocssd20.ts';
import { ChunkDiskHost } from '../driver/chunk-disk.ts';
import { chunkDisk, chunkFlashOf, flashOf, openChannel, type Rig } from '../driver/rig.ts';
import { OOB, SEC } from './crash-host.ts';

/** What of an open-channel disk is another with each specification. LUNs are counted across channels. */
export interface FlashDialect {
  readonly name: string;
  readonly namespaces: readonly NamespaceConfig[];
  readonly lanes: number;
  readonly lines: number;
  /** Of one chunk, all planes. */
  readonly chunkSecs: number;
  /** Sectors that are written together. */
  readonly writeSecs: number;
  readonly planeMode: number;
  readonly canCopy: boolean;
  /** Of so many sectors that were written in a chunk, those that can be read. */
  readable(written: number): number;
  attach(rig: Rig): Promise<void>;
  addresses(lane: number, line: number, sec: number, secs: number): number[];
  /** How often a chunk was reset and how far it is written. Throws when its planes do not agree. */
  look(rig: Rig, lane: number, line: number): { resets: number; secs: number };
  /** What the device tells of its chunks agrees with itself. */
  checkReport(rig: Rig): Promise<void>;
}

const LUNS = 4;
const LINES = 6;
const PLANES = 2;
const PAGES = 4;
const PAGE_SECS = 4;

/** No command of 1.2 tells erase counts and write pointers: the block table is looked at. */
export class Dialect12 implements FlashDialect {
  readonly name = 'open-channel 1.2';
  readonly namespaces = [
    openChannel({
      numLun: LUNS,
      numPln: PLANES,
      numChk: LINES,
      numPg: PAGES,
      secsPerPg: PAGE_SECS,
      secSizeBytes: SEC,
      oobSizeBytes: OOB,
    }),
  ];
  readonly lanes = LUNS;
  readonly lines = LINES;
  readonly chunkSecs = PLANES * PAGES * PAGE_SECS;
  readonly writeSecs = PLANES * PAGE_SECS;
  readonly planeMode = PLANES - 1;
  readonly canCopy = false;
  private rig!: Rig;

  readable(written: number): number {
    return written;
  }

  async attach(rig: Rig): Promise<void> {
    this.rig = rig;
  }

  addresses(lane: number, line: number, sec: number, secs: number): number[] {
    const { address } = flashOf(this.rig);
    return Array.from({ length: secs }, (_, i) => {
      const page = Math.floor((sec + i) / (PLANES * PAGE_SECS));
      const inPage = (sec + i) % (PLANES * PAGE_SECS);
      const pln = Math.floor(inPage / PAGE_SECS);
      return address.encode({ ch: 0, lun: lane, chk: line, pln, pg: page, sec: inPage % PAGE_SECS });
    });
  }

  look(rig: Rig, lane: number, line: number) {
    const { table, geometry } = flashOf(rig);
    const planes = Array.from({ length: PLANES }, (_, pln) => blockIndex(geometry, 0, lane, line, pln));
    const resets = agreed(planes.map((block) => table.eraseCount[block] as number));
    return { resets, secs: PLANES * agreed(planes.map((block) => table.written(block))) };
  }

  async checkReport(rig: Rig): Promise<void> {
    const { table } = flashOf(rig);
    for (let block = 0; block < table.totalBlks; block++) checkState(table, block, PAGES * PAGE_SECS);
  }
}

const GROUPS = 2;
const CHUNK_SECS = 32;
const MW_CUNITS = 8;

export class Dialect20 implements FlashDialect {
  readonly name = 'open-channel 2.0';
  readonly namespaces = [
    chunkDisk(
      {
        numCh: GROUPS,
        numLun: LUNS / GROUPS,
        numChk: LINES,
        numPg: CHUNK_SECS / 8,
        secsPerPg: 8,
        secSizeBytes: SEC,
        oobSizeBytes: OOB,
      },
      { writeRules: { wsMin: 4, wsOpt: 8, mwCunits: MW_CUNITS }, peCycles: 0, mccap: Mccap.vectorCopy },
    ),
  ];
  readonly lanes = LUNS;
  readonly lines = LINES;
  readonly chunkSecs = CHUNK_SECS;
  readonly writeSecs = 8;
  readonly planeMode = 0;
  readonly canCopy = true;
  private host!: ChunkDiskHost;

  readable(written: number): number {
    return written === CHUNK_SECS ? CHUNK_SECS : Math.max(0, written - MW_CUNITS);
  }

  async attach(rig: Rig): Promise<void> {
    const { arena } = rig.driver;
    const mark = arena.mark;
    this.host = await ChunkDiskHost.attach(rig);
    arena.rewind(mark);
  }

  addresses(lane: number, line: number, sec: number, secs: number): number[] {
    const at = { grp: Math.floor(lane / GROUPS), pu: lane % GROUPS, chk: line };
    return Array.from({ length: secs }, (_, i) => this.host.lba({ ...at, sec: sec + i }));
  }

  look(rig: Rig, lane: number, line: number) {
    const { table, geometry } = chunkFlashOf(rig);
    const block = blockIndex(geometry, Math.floor(lane / GROUPS), lane % GROUPS, line, 0);
    return { resets: table.eraseCount[block] as number, secs: table.written(block) };
  }

  async checkReport(rig: Rig): Promise<void> {
    const chunks = await this.host.chunks();
    chunks.forEach(({ state, slba, wp, cnlb }, i) => {
      const lane = Math.floor(i / LINES);
      const [first = 0] = this.addresses(lane, i % LINES, 0, 1);
      const written = this.look(rig, lane, i % LINES).secs;
      const expected =
        written === 0 ? ChunkState.free : written === CHUNK_SECS ? ChunkState.closed : ChunkState.open;
      if (slba !== first || cnlb !== CHUNK_SECS || state !== expected || Number(wp) !== written)
        throw new Error(
          `chunk ${i}: state ${state} with write pointer ${wp}, and ${written} sectors are written`,
        );
    });
  }
}

function agreed(values: readonly number[]): number {
  const [first = 0] = values;
  if (values.some((value) => value !== first))
    throw new Error(`planes of one chunk say ${values.join(' and ')}`);
  return first;
}

function checkState(table: BlockTable, block: number, blockSecs: number): void {
  const written = table.written(block);
  const expected =
    written === 0 ? ChunkState.free : written === blockSecs ? ChunkState.closed : ChunkState.open;
  if (table.state[block] !== expected)
    throw new Error(`block ${block}: state ${table.state[block]} with ${written} sectors written`);
}
