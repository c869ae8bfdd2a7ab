/**
 * What pblk of Linux 5.10 on i386 does when a target is created on a fresh disk: drivers/lightnvm/core.c
 * (nvm_create_tgt) and pblk-init.c (pblk_init), in the kernel's order and in its integer widths, for a
 * device of specification 1.2. Structure sizes were taken from the built kernel.
 */
import { addressFormat, bitsFor } from '../flash/address.ts';
import type { Geometry } from '../flash/geometry.ts';
import { isPowerOfTwo, type LunRange } from './report-luns.ts';
import { KernelMemory } from './report-memory.ts';

/** Everything that create depends on. */
export interface PblkQuestion {
  readonly geometry: Geometry;
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
  | 'writes-hang' // the rate limiter's upper threshold is negative
  | 'gc-too-late'; // … or is reached only when no free line is left

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
  /** Bytes asked for the L2P table: a size_t, so modulo 2^32. */
  readonly l2pBytes: number;
  readonly scanReads: number;
}

/** pblk.h PBLK_DEFAULT_OP; lightnvm.h NVM_TARGET_MIN_OP, NVM_TARGET_MAX_OP, NVM_MAX_VLBA. */
const PBLK_DEFAULT_OP = 11;
export const MIN_OP = 3;
export const MAX_OP = 80;
const NVM_MAX_VLBA = 64;
const PBLK_DATA_LINES = 4;

/** sizeof on i386, from the built kernel's objects or, for wire structures, from pblk.h. */
const SIZE_OF = {
  pblkSecMeta: 16,
  lineSmeta: 60,
  lineEmeta: 72,
  waCounters: 24,
  nvmChkMeta: 32,
  pblkLun: 20,
  pblkLine: 124,
  pblkWErrGc: 12,
  pblkRbEntry: 48,
  bbTableHeader: 64,
} as const;

/** pci.c NVME_MAX_KB_SZ: what the driver transfers at most, in sectors of 512 bytes. */
const DRIVER_MAX_HW_SECTORS = 4096 << 1;

const u32 = (n: number): number => n >>> 0;
const mul = (a: number, b: number): number => Math.imul(a, b) >>> 0;
/** DIV_ROUND_UP in 32 bits, where the addition can wrap. */
const divRoundUp = (n: number, d: number): number => Math.floor(u32(n + d - 1) / d);
/** include/linux/bitops.h get_count_order. */
const countOrder = (n: number): number => (u32(n) === 0 ? -1 : 32 - Math.clz32(u32(n) - 1));
/** BITS_TO_LONGS(n) * sizeof(long). */
const bitmapBytes = (bits: number): number => Math.ceil(bits / 32) * 4;

/** Largest transfer in bytes (core.c nvme_init_identify, pci.c nvme_reset_work, blk_queue_max_hw_sectors). */
function maxTransferBytes(mdts: number): number {
  const sectors = mdts === 0 ? DRIVER_MAX_HW_SECTORS : Math.min(DRIVER_MAX_HW_SECTORS, u32(1 << (mdts + 3)));
  return Math.max(8, sectors) * 512;
}

interface LineMeta {
  readonly secPerLine: number;
  readonly smetaSec: number;
  readonly emetaSec: number;
  readonly minBlkLine: number;
}

/**
 * pblk_line_meta_init and calc_emeta_len. The list of valid-sector counts takes no room: its length is
 * computed from l_mg->nr_lines, which pblk_line_mg_init sets only afterwards (seen in a running kernel).
 * Undefined when the loop would not end.
 */
function lineMeta(clba: number, allLuns: number, wsOpt: number, csecs: number): LineMeta | undefined {
  const secPerLine = mul(clba, allLuns);
  const lunBitmapLen = bitmapBytes(allLuns);
  const smetaSec = Math.ceil((SIZE_OF.lineSmeta + lunBitmapLen) / (wsOpt * csecs)) * wsOpt;
  const header = divRoundUp(SIZE_OF.lineEmeta + lunBitmapLen + SIZE_OF.waCounters, csecs);
  for (let emetaSec = wsOpt; emetaSec < 2 ** 26; emetaSec += wsOpt) {
    const dsecPerLine = u32(secPerLine - emetaSec);
    const lbas = divRoundUp(mul(dsecPerLine, 8), csecs);
    const needed = u32(mul(header, csecs) + mul(lbas, csecs));
    if (needed <= mul(emetaSec, csecs)) {
      const minBlkLine = 1 + (allLuns > 1 ? divRoundUp(smetaSec + emetaSec, clba) : 0);
      return { secPerLine, smetaSec, emetaSec, minBlkLine };
    }
  }
  return undefined;
}

/** pblk-rb.c pblk_rb_calculate_size, with the arguments of pblk_rwb_init. */
function bufferEntriesFor(mwCunits: number, wsOpt: number, allLuns: number): number {
  const threshold = mul(mwCunits, allLuns);
  const pgsInBuffer = mul(Math.max(mwCunits, wsOpt) + wsOpt, allLuns);
  const thrSz = 2 ** countOrder(threshold + NVM_MAX_VLBA);
  const maxSz = Math.max(thrSz, pgsInBuffer);
  const maxIo = 2 ** Math.max(countOrder(maxSz), countOrder(NVM_MAX_VLBA << 1));
  return threshold + NVM_MAX_VLBA >= maxIo ? maxIo * 2 : maxIo;
}

/** pblk.h pblk_get_min_chks. */
const minChks = (op: number, blkPerLine: number): number => mul(divRoundUp(100, op), blkPerLine);

interface Provision {
  readonly op: number;
  readonly opBlks: number;
  readonly blkMeta: number;
  readonly room: number;
  /** sector_t: 64 bits, and wraps when more is reserved than there is. */
  readonly capacity: bigint;
}

/** pblk_set_provision. Undefined for "OP too small to create a sane instance". */
function provision(
  nrFreeChks: number,
  allLuns: number,
  nrLines: number,
  meta: LineMeta,
  clba: number,
  wsOpt: number,
  wsData: number,
  givenOp: number | undefined,
): Provision | undefined {
  let op = givenOp ?? PBLK_DEFAULT_OP;
  const minimum = minChks(op, allLuns);
  let provisioned = Math.floor((nrFreeChks * (100 - op)) / 100);
  if (nrFreeChks - provisioned < minimum) {
    if (givenOp !== undefined) return undefined;
    // int minus unsigned int: 32 bits, then widened without a sign.
    provisioned = u32(nrFreeChks - minimum);
    op = Math.floor(mul(100, minimum) / nrFreeChks);
  }
  const opBlks = (nrFreeChks - provisioned) | 0;
  const secMeta = mul(meta.smetaSec + meta.emetaSec, nrLines);
  const blkMeta = divRoundUp(secMeta, clba) | 0;
  const usable = Math.floor(clba / wsOpt) * wsData;
  const capacity = BigInt.asUintN(64, (BigInt(provisioned) - BigInt(blkMeta)) * BigInt(usable));
  return { op, opBlks, blkMeta, room: nrFreeChks - opBlks - blkMeta, capacity };
}

/** Creates the target on paper. Pure. */
export function createTarget(question: PblkQuestion): PblkAnswer {
  const { geometry: g, range, mdts, op: givenOp } = question;
  const memory = new KernelMemory(question.memoryBytes);
  const luns = range.allLuns;
  const lines = g.numChk;
  // nvme_nvm_setup_12: what 1.2 says is unfolded into the terms of 2.0.
  const wsMin = g.secsPerPg;
  const wsOpt = g.secsPerPg * g.numPln;
  const mwCunits = wsMin << 3;
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
    l2pBytes: 0,
    scanReads: 0,
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

  // pblk_luns_init, then the scan: F2h and one sense read for each chunk.
  if (range.numLun < 0) return fails('unbalanced');
  const chunkMetaBytes = luns * lines * SIZE_OF.nvmChkMeta;
  if (!memory.kmalloc(luns * SIZE_OF.pblkLun) || !memory.vmalloc(chunkMetaBytes)) return fails('line-memory');
  if (SIZE_OF.bbTableHeader + lines * g.numPln > transferBytes) return fails('bad-block-table');
  answer = { ...answer, scanReads: luns * lines };

  const lunBitmapLen = bitmapBytes(luns);
  const perLine =
    memory.kmalloc(lines * SIZE_OF.pblkLine) &&
    memory.kmalloc(lunBitmapLen, 2 * lines) &&
    memory.kmalloc(luns * SIZE_OF.nvmChkMeta, lines) &&
    memory.kmalloc(SIZE_OF.pblkWErrGc, lines);
  if (!perLine) return fails('line-memory');

  const provisioned = provision(luns * lines, luns, lines, meta, clba, wsOpt, wsData, givenOp);
  if (provisioned === undefined) return fails('op-too-small');
  memory.vfree(chunkMetaBytes);
  answer = { ...answer, opPercent: provisioned.op, roomChunks: provisioned.room };

  // pblk_rb_init: the entries, then the data in blocks of order 10 or one smaller block.
  const buffer = memory.vmalloc(bufferEntries * SIZE_OF.pblkRbEntry) && takeBuffer(memory, bufferBytes);
  if (!buffer) return fails('buffer-memory');

  // pblk_l2p_init: a size_t of 32 bits.
  const entryBytes = addressBits(g, range) < 32 ? 4 : 8;
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
  return { ...answer, danger: danger ?? limiter, capacitySecs: Number(provisioned.capacity) };
}

/** Whether all addresses of the target become the same. */
export function collapses(danger: PblkDanger | undefined): boolean {
  return danger === 'channels-not-power-of-two' || danger === 'luns-not-power-of-two';
}

function takeBuffer(memory: KernelMemory, bufferBytes: number): boolean {
  const blockBytes = Math.min(bufferBytes, 4 * 2 ** 20);
  return memory.kmalloc(blockBytes, bufferBytes / blockBytes);
}

/** pblk->addrf_len: bits of an address in the target, or negative when pblk_set_addrf_12 gave up. */
function addressBits(g: Geometry, range: LunRange): number {
  if (!isPowerOfTwo(range.numCh) || !isPowerOfTwo(range.numLun)) return -22;
  const { sec, pln, pg, blk } = addressFormat(g);
  return sec.bits + pln.bits + pg.bits + blk.bits + bitsFor(range.numCh) + bitsFor(range.numLun);
}

function dangerOfRange(question: PblkQuestion): PblkDanger | undefined {
  const { range, maxSecsPerRq } = question;
  if (range.overrunsChannel) return 'overruns-channel';
  // pblk_set_addrf_12 prints and returns -EINVAL, and pblk_set_addrf takes that for a length.
  if (!isPowerOfTwo(range.numCh)) return 'channels-not-power-of-two';
  if (range.numLun > 0 && !isPowerOfTwo(range.numLun)) return 'luns-not-power-of-two';
  // Reads and, over enough LUNs, writes go up to 64 sectors whatever the device says.
  if (maxSecsPerRq < NVM_MAX_VLBA) return 'requests-too-large';
  return undefined;
}
