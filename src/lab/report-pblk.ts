/**
 * What pblk of Linux 5.10 on i386 does when a target is created on a fresh disk: drivers/lightnvm/core.c
 * (nvm_create_tgt) and pblk-init.c (pblk_init), in the kernel's order and in its integer widths, for devices of
 * specification 1.2 and 2.0. Structure sizes were taken from the built kernel.
 */
import { addressFormat, bitsFor } from '../flash/address.ts';
import type { ChunkWriteRules } from '../flash/chunk-options.ts';
import type { Geometry } from '../flash/geometry.ts';
import {
  bitmapBytes,
  bufferEntriesFor,
  lineMeta,
  MAX_OP,
  maxTransferBytes,
  MIN_OP,
  minChks,
  NVM_MAX_VLBA,
  PBLK_DATA_LINES,
  PBLK_DEFAULT_OP,
  provision,
  SIZE_OF,
} from './report-lines.ts';
import type { FactoryChunks } from './report-factory.ts';
import { isPowerOfTwo, type LunRange } from './report-luns.ts';
import { KernelMemory } from './report-memory.ts';

/** Everything that create depends on. */
export interface PblkQuestion {
  readonly geometry: Geometry;
  /** What a device of 2.0 says of writes; undefined for 1.2. */
  readonly writeRules?: ChunkWriteRules | undefined;
  /** Bad chunks of the disk; undefined for none. */
  readonly factory?: FactoryChunks | undefined;
  readonly range: LunRange;
  /** Identify Controller MDTS, in powers of two of 4 KiB; 0 is no limit. */
  readonly mdts: number;
  /** Sectors that the device takes in one vector command. */
  readonly maxSecsPerRq: number;
  /** `-o` of `nvme lnvm create`, percent; undefined for pblk's default. */
  readonly op: number | undefined;
  readonly memoryBytes: number;
}

/** Where create ends when it fails. */
export type PblkFailure =
  | 'op-out-of-range' // nvm: invalid over provisioning value
  | 'metadata-too-big' // lines so odd that pblk_line_meta_init never ends
  | 'too-few-luns' // config. not supported. Min. LUN in line
  | 'line-memory' // could not initialize lines
  | 'unbalanced' // unbalanced LUN config.
  | 'bad-block-table' // get bad block table failed
  | 'all-bad' // too many bad blocks prevent for sane instance
  | 'op-too-small' // OP too small to create a sane instance
  | 'buffer-memory' // could not initialize write buffer
  | 'l2p-memory' // failed to allocate L2P
  | 'l2p-wraps' // the L2P size wrapped in 32 bits: the kernel writes past its table
  | 'first-line' // the first line's smeta is more than one transfer: the kernel faults (seen)
  | 'same-address'; // every sector of the first line's smeta has the same address: the device refuses it

/** Why a target that is created is not to be used. */
export type PblkDanger =
  | 'overruns-channel'
  | 'channels-not-power-of-two'
  | 'luns-not-power-of-two'
  | 'requests-too-large'
  | 'ragged-chunks' // ws_opt does not divide a chunk: sectors behind its end are addressed
  | 'writes-hang' // the rate limiter's upper threshold is negative
  | 'gc-too-late' // … or is reached only when no free line is left
  | 'line-in-buffer'; // the write buffer holds whole lines, of which garbage collection cannot let go: writes and remove hang

/** Numbers as the kernel would print them; those of steps that were not reached are 0. */
export interface PblkAnswer {
  readonly failure: PblkFailure | undefined;
  readonly danger: PblkDanger | undefined;
  readonly capacitySecs: number;
  readonly opPercent: number;
  /** Chunks that pblk keeps back at least. */
  readonly minChunks: number;
  /** Chunks left for the user once those and the metadata are taken off; 0 or less is no room at all. */
  readonly roomChunks: number;
  /** LUNs that a line needs at least. */
  readonly minLuns: number;
  readonly bufferEntries: number;
  readonly bufferBytes: number;
  /** Sectors of a line. */
  readonly lineSecs: number;
  /** Bytes asked for the L2P table: a size_t, so modulo 2^32. */
  readonly l2pBytes: number;
  readonly scanReads: number;
  /** Bytes of the chunk log that 2.0 reads instead. */
  readonly chunkLogBytes: number;
}

/** Creates the target on paper. Pure. */
export function createTarget(question: PblkQuestion): PblkAnswer {
  const { geometry: g, range, mdts, op: givenOp } = question;
  const memory = new KernelMemory(question.memoryBytes);
  const luns = range.allLuns;
  const lines = g.numChk;
  const is20 = question.writeRules !== undefined;
  const { wsOpt, mwCunits } = question.writeRules ?? rules12(g);
  const clba = g.secsPerPg * g.numPln * g.numPg;
  const csecs = g.secSizeBytes;
  const transferBytes = maxTransferBytes(mdts);
  const packed = g.oobSizeBytes < SIZE_OF.pblkSecMeta;
  const wsData = packed ? wsOpt - 1 : wsOpt;

  const danger = dangerOfRange(question);
  const bufferEntries = bufferEntriesFor(mwCunits, wsOpt, luns);
  const bufferBytes = bufferEntries * 4096;
  let answer: PblkAnswer = {
    failure: undefined,
    danger,
    capacitySecs: 0,
    opPercent: givenOp ?? PBLK_DEFAULT_OP,
    minChunks: 0,
    roomChunks: 0,
    minLuns: 1,
    bufferEntries,
    bufferBytes,
    lineSecs: 0,
    l2pBytes: 0,
    scanReads: 0,
    chunkLogBytes: is20 ? luns * lines * SIZE_OF.nvmChkMeta : 0,
  };
  const fails = (failure: PblkFailure): PblkAnswer => ({ ...answer, failure });

  if (givenOp !== undefined && !(Number.isInteger(givenOp) && givenOp >= MIN_OP && givenOp <= MAX_OP)) {
    return fails('op-out-of-range');
  }

  const meta = lineMeta(clba, luns, wsOpt, csecs);
  if (meta === undefined) return fails('metadata-too-big');
  answer = { ...answer, minLuns: meta.minBlkLine, minChunks: minChks(givenOp ?? PBLK_DEFAULT_OP, luns) };
  if (meta.minBlkLine > luns) return fails('too-few-luns');

  // pblk_line_mg_init
  const secBitmapLen = bitmapBytes(meta.secPerLine);
  const lineMemory =
    memory.kmalloc(lines * 4) &&
    memory.kmalloc(secBitmapLen, 2 + 2 * PBLK_DATA_LINES) &&
    memory.kmalloc(meta.smetaSec * csecs, PBLK_DATA_LINES) &&
    memory.vmalloc(meta.emetaSec * csecs * PBLK_DATA_LINES);
  if (!lineMemory) return fails('line-memory');

  // pblk_luns_init, then the scan: with 1.2 F2h and one sense read for each good chunk, with 2.0 the chunk log.
  if (range.numLun < 0) return fails('unbalanced');
  const chunkMetaBytes = luns * lines * SIZE_OF.nvmChkMeta;
  if (!memory.kmalloc(luns * SIZE_OF.pblkLun) || !memory.vmalloc(chunkMetaBytes)) return fails('line-memory');
  if (!is20 && SIZE_OF.bbTableHeader + lines * g.numPln > transferBytes) return fails('bad-block-table');
  const whole = { freeChunks: luns * lines, freeLines: lines, goodChunks: luns * lines };
  const usable = question.factory?.usable(g, range, meta.minBlkLine) ?? whole;
  answer = { ...answer, scanReads: is20 ? 0 : usable.goodChunks };

  const lunBitmapLen = bitmapBytes(luns);
  const perLine =
    memory.kmalloc(lines * SIZE_OF.pblkLine) &&
    memory.kmalloc(lunBitmapLen, 2 * lines) &&
    memory.kmalloc(luns * SIZE_OF.nvmChkMeta, lines) &&
    memory.kmalloc(SIZE_OF.pblkWErrGc, lines);
  if (!perLine) return fails('line-memory');

  if (usable.freeChunks === 0) return fails('all-bad');
  const provisioned = provision(
    usable.freeChunks,
    luns,
    usable.freeLines,
    meta,
    clba,
    wsOpt,
    wsData,
    givenOp,
  );
  if (provisioned === undefined) return fails('op-too-small');
  memory.vfree(chunkMetaBytes);
  answer = { ...answer, opPercent: provisioned.op, roomChunks: provisioned.room };

  // pblk_rb_init: the entries, then the data in blocks of order 10 or one smaller block.
  const buffer = memory.vmalloc(bufferEntries * SIZE_OF.pblkRbEntry) && takeBuffer(memory, bufferBytes);
  if (!buffer) return fails('buffer-memory');

  // pblk_l2p_init: a size_t of 32 bits.
  const entryBytes = addressBits(question) < 32 ? 4 : 8;
  const mapBytes = BigInt(entryBytes) * provisioned.capacity;
  const l2pBytes = Number(BigInt.asUintN(32, mapBytes));
  answer = { ...answer, l2pBytes };
  if (!memory.vmalloc(l2pBytes)) return fails('l2p-memory');
  if (BigInt(l2pBytes) !== mapBytes) return fails('l2p-wraps');

  // pblk_line_get_first_data: smeta goes out as one request (blk_rq_map_kern).
  if (meta.smetaSec * csecs > transferBytes) return fails('first-line');

  // Without masks every address is the first one, and flash takes no sector twice (pblk_line_smeta_write).
  if (collapses(danger) && meta.smetaSec > 1) return fails('same-address');

  // pblk_rl_init: high is unsigned there; a negative one is beyond all blocks.
  const high = provisioned.opBlks - provisioned.blkMeta - luns;
  const limiter = high < 0 ? 'writes-hang' : high <= luns ? 'gc-too-late' : undefined;
  // An entry of the buffer keeps a reference to its line until another one takes its place (pblk_map_page_data,
  // __pblk_rb_update_l2p); it is not given up sooner. With a buffer larger than a line, a line can be overwritten whole
  // and go to garbage collection while entries of it remain. It is then not freed, pipeline_gc stays above 0, and
  // pblk_gc_reader_ts waits for that: pblk_exit stops it (pblk_gc_exit) before it lets go of the buffer (pblk_tear_down,
  // pblk_rb_sync_l2p), so that remove never returns. Seen with lines of 2048 and a buffer of 4096; where both are alike,
  // filling, collecting and removing went well (test/pblk-matrix.guest.test.ts). With lines of 128 and a buffer of 256,
  // two processes that overwrote two targets ended once in "no free lines" and "could not setup write request: -28" (and
  // twice before, most likely, in ten runs in all): pblk has no line to write to then, and no write is ever answered. That
  // lines which the buffer holds are what it lacks is inferred from its state then: 8 in collection, none of them freed.
  const removal = meta.secPerLine < bufferEntries ? 'line-in-buffer' : undefined;
  return {
    ...answer,
    danger: danger ?? limiter ?? removal,
    lineSecs: meta.secPerLine,
    capacitySecs: Number(provisioned.capacity),
  };
}

/** Whether all addresses of the target become the same. */
export function collapses(danger: PblkDanger | undefined): boolean {
  return danger === 'channels-not-power-of-two' || danger === 'luns-not-power-of-two';
}

function takeBuffer(memory: KernelMemory, bufferBytes: number): boolean {
  const blockBytes = Math.min(bufferBytes, 4 * 2 ** 20);
  return memory.kmalloc(blockBytes, bufferBytes / blockBytes);
}

/** nvme_nvm_setup_12: what 1.2 says is unfolded into the terms of 2.0. */
function rules12(g: Geometry): ChunkWriteRules {
  return { wsMin: g.secsPerPg, wsOpt: g.secsPerPg * g.numPln, mwCunits: g.secsPerPg << 3 };
}

/** pblk->addrf_len: bits of an address in the target, or negative when pblk_set_addrf_12 gave up. */
function addressBits({ geometry: g, range, writeRules }: PblkQuestion): number {
  const lunBits = bitsFor(range.numCh) + bitsFor(range.numLun);
  // pblk_set_addrf_20: the device's own widths for chunk and sector.
  if (writeRules !== undefined) return bitsFor(g.numPg * g.secsPerPg) + bitsFor(g.numChk) + lunBits;
  if (!isPowerOfTwo(range.numCh) || !isPowerOfTwo(range.numLun)) return -22;
  const { sec, pln, pg, blk } = addressFormat(g);
  return sec.bits + pln.bits + pg.bits + blk.bits + lunBits;
}

function dangerOfRange(question: PblkQuestion): PblkDanger | undefined {
  const { range, maxSecsPerRq, writeRules, geometry: g } = question;
  if (range.overrunsChannel) return 'overruns-channel';
  if (writeRules !== undefined) {
    // Counts need not be powers of two: addr_to_gen_ppa divides for 2.0 (pblk_set_addrf_20, pblk.h). But it goes
    // round by ws_opt, so that the last round of a line may reach past the chunks' ends.
    return (g.numPg * g.secsPerPg) % writeRules.wsOpt === 0 ? undefined : 'ragged-chunks';
  }
  // pblk_set_addrf_12 prints and returns -EINVAL, and pblk_set_addrf takes that for a length.
  if (!isPowerOfTwo(range.numCh)) return 'channels-not-power-of-two';
  if (range.numLun > 0 && !isPowerOfTwo(range.numLun)) return 'luns-not-power-of-two';
  // Reads and, over enough LUNs, writes go up to 64 sectors whatever the device says.
  if (maxSecsPerRq < NVM_MAX_VLBA) return 'requests-too-large';
  return undefined;
}
