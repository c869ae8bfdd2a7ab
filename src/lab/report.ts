/** What a disk will do when a pblk target is created on it, told before anyone boots. */
import type { ControllerConfig } from '../device/config.ts';
import {
  adviseLarger,
  adviseLargerBoth,
  adviseLargerChunks,
  adviseMdts,
  adviseMemory,
  adviseOob,
  adviseOp,
  adviseRange,
  adviseRangeAndSize,
  adviseSmaller,
  type CreateTrial,
  tryCreate,
} from './report-advice.ts';
import { lunRange } from './report-luns.ts';
import { DEFAULT_MEMORY_BYTES } from './report-memory.ts';
import type { PblkAnswer, PblkFailure } from './report-pblk.ts';
import { readableBytes } from './size.ts';
import type { GeometryReport } from './types.ts';

export { formatReport } from './report-text.ts';
export { DEFAULT_MEMORY_BYTES, GUEST_OWN_BYTES } from './report-memory.ts';

/**
 * Predicts `nvme lnvm create -t pblk -b lunBegin -e lunEnd` of Linux 5.10 (i386) on a fresh disk; -1 and
 * -1 are all LUNs. Pure; never throws.
 * @param machine.memoryBytes memory of the guest; 128 MiB when absent. What the guest itself uses is an estimate.
 * @param create.op percent of over-provisioning (`-o`); pblk's default when absent.
 */
export function geometryReport(
  config: ControllerConfig,
  lunBegin: number,
  lunEnd: number,
  machine: { readonly memoryBytes?: number | undefined } = {},
  create: { readonly op?: number | undefined } = {},
): GeometryReport {
  const namespace = config.namespaces[0];
  if (namespace?.kind !== 'ocssd12') {
    return refused(
      lunBegin,
      lunEnd,
      'A plain NVMe disk has no LUNs, so nvme lnvm create does not apply: a device line with lver=1 works.',
    );
  }
  const { geometry } = namespace;
  const trial: CreateTrial = {
    geometry,
    mdts: config.mdts,
    maxSecsPerRq: namespace.maxSecsPerRq,
    lunBegin,
    lunEnd,
    op: create.op,
    memoryBytes: machine.memoryBytes ?? DEFAULT_MEMORY_BYTES,
  };
  const range = lunRange(geometry.numCh, geometry.numLun, lunBegin, lunEnd);
  const answer = tryCreate(trial);
  const chunkBytes = geometry.secsPerPg * geometry.numPln * geometry.numPg * geometry.secSizeBytes;
  if (range === undefined || answer === undefined) {
    const total = geometry.numCh * geometry.numLun;
    const problem = `The disk has the LUNs 0 to ${total - 1}, so -b ${lunBegin} -e ${lunEnd} is out of bounds`;
    return {
      ...refused(lunBegin, lunEnd, sentence(problem, trial, [], `-b 0 -e ${total - 1} are all of them`)),
      lines: geometry.numChk,
      chunkBytes,
    };
  }
  const createSucceeds = answer.failure === undefined;
  const usableSectors = createSucceeds ? answer.capacitySecs : 0;
  return {
    lunBegin: range.begin,
    lunEnd: range.end,
    createSucceeds,
    safe: isSafe(answer),
    reason: reasonFor(trial, answer),
    lines: geometry.numChk,
    chunkBytes,
    rawBytes: range.allLuns * geometry.numChk * chunkBytes,
    usableSectors,
    usableBytes: usableSectors * geometry.secSizeBytes,
    opPercent: answer.opPercent,
    bufferEntries: answer.bufferEntries,
    bufferBytes: answer.bufferBytes,
    l2pBytes: answer.l2pBytes,
    scanReads: answer.scanReads,
  };
}

/** A create that fails can do harm as well: it writes to chunks, past the kernel's own tables, or faults. */
function isSafe(answer: PblkAnswer): boolean {
  if (answer.failure === undefined) return answer.danger === undefined;
  const harmful: readonly PblkFailure[] = ['l2p-wraps', 'same-address', 'first-line'];
  return answer.danger !== 'overruns-channel' && !harmful.includes(answer.failure);
}

function refused(lunBegin: number, lunEnd: number, reason: string): GeometryReport {
  return {
    lunBegin,
    lunEnd,
    createSucceeds: false,
    safe: true,
    reason,
    lines: 0,
    chunkBytes: 0,
    rawBytes: 0,
    usableSectors: 0,
    usableBytes: 0,
    opPercent: 0,
    bufferEntries: 0,
    bufferBytes: 0,
    l2pBytes: 0,
    scanReads: 0,
  };
}

/** One way to make it work. */
type Advice = (trial: CreateTrial) => string | undefined;

/** Tried in this order when nothing more fitting worked. */
const OTHER_ADVICE: readonly Advice[] = [
  adviseRange,
  adviseLarger,
  adviseLargerChunks,
  adviseRangeAndSize,
  adviseLargerBoth,
  adviseMemory,
  adviseSmaller,
  adviseOob,
];

/** One sentence out of a problem and the first advice that works. */
function sentence(
  problem: string,
  trial: CreateTrial,
  preferred: readonly Advice[],
  otherwise = 'another geometry is needed, such as that of a preset',
): string {
  for (const advice of [...preferred, ...OTHER_ADVICE]) {
    const text = advice(trial);
    if (text !== undefined) return `${problem}: ${text}.`;
  }
  return `${problem}: ${otherwise}.`;
}

function reasonFor(trial: CreateTrial, answer: PblkAnswer): string {
  return answer.failure === undefined ? dangerReason(trial, answer) : failureReason(trial, answer);
}

function failureReason(trial: CreateTrial, answer: PblkAnswer): string {
  const { geometry } = trial;
  const memory = `the guest's ${readableBytes(trial.memoryBytes)} of memory`;
  const luns = rangeWords(trial);
  switch (answer.failure) {
    case undefined:
      return '';
    case 'op-out-of-range':
      return sentence(`-o ${trial.op ?? ''} is not possible because Linux takes 3 to 80 percent`, trial, [
        adviseOp,
      ]);
    case 'metadata-too-big':
    case 'too-few-luns':
      return sentence(
        `The chunks are so small that a line needs ${answer.minLuns} of them for data and pblk's own metadata, which ${luns} does not have ("config. not supported")`,
        trial,
        [adviseRange, adviseLargerChunks],
      );
    case 'line-memory':
      return sentence(
        `pblk's tables for ${geometry.numChk} lines do not fit in ${memory} ("could not initialize lines")`,
        trial,
        [adviseLargerChunks, adviseSmaller, adviseRange],
      );
    case 'unbalanced':
      return sentence(
        `${luns} takes more LUNs from one channel than from another ("unbalanced LUN config.")`,
        trial,
        [],
      );
    case 'bad-block-table':
      return sentence(
        `The bad-block table of a LUN has ${64 + geometry.numChk * geometry.numPln} bytes and does not fit in one transfer with mdts=${trial.mdts} ("get bad block table failed")`,
        trial,
        [adviseMdts],
      );
    case 'op-too-small':
      return sentence(
        `-o ${trial.op ?? ''} keeps back fewer than the ${answer.minChunks} chunks that pblk needs at that percentage ("OP too small to create a sane instance")`,
        trial,
        [adviseOp, adviseLarger],
      );
    case 'buffer-memory':
      return sentence(
        `pblk's write buffer of ${readableBytes(answer.bufferBytes)} in contiguous blocks does not fit in ${memory} ("could not initialize write buffer")`,
        trial,
        [],
      );
    case 'l2p-memory':
    case 'l2p-wraps':
      return l2pReason(trial, answer, memory);
    case 'same-address':
      return dangerReason(trial, answer);
    case 'first-line':
      return sentence(
        `With mdts=${trial.mdts} a transfer is smaller than what pblk writes together, at which Linux faults ("BUG: kernel NULL pointer dereference")`,
        trial,
        [adviseMdts],
      );
  }
}

function l2pReason(trial: CreateTrial, answer: PblkAnswer, memory: string): string {
  const { geometry } = trial;
  const said = `"failed to allocate L2P (need ${answer.l2pBytes} of memory)"`;
  if (geometry.oobSizeBytes < 16 && geometry.secsPerPg * geometry.numPln === 1) {
    return sentence(
      `With lmetasize below 16 pblk keeps one of the sectors written together for itself, and here only one is (${said})`,
      trial,
      [adviseOob],
    );
  }
  if (answer.roomChunks > 0) {
    return sentence(
      `The table of logical addresses needs ${readableBytes(answer.l2pBytes)}, which do not fit in ${memory} (${said})`,
      trial,
      [adviseRange, adviseSmaller],
    );
  }
  const effect =
    answer.failure === 'l2p-wraps'
      ? 'the size of its table wraps in 32 bits and the kernel writes past it'
      : said;
  return sentence(
    `The target has ${geometry.numChk} lines, but pblk keeps 10 back at its default and needs room for metadata as well (${effect})`,
    trial,
    [adviseLarger],
  );
}

function dangerReason(trial: CreateTrial, answer: PblkAnswer): string {
  const luns = rangeWords(trial);
  const destroys = (unit: string): string =>
    `${luns} covers a number of ${unit}s that is no power of two, for which Linux says "supports only power-of-two ${unit} config.", goes on with one address for every sector and destroys data`;
  switch (answer.danger) {
    case undefined:
      return '';
    case 'overruns-channel':
      return sentence(
        `${luns} begins inside a channel and goes on in the next, for which Linux writes past its own LUN map`,
        trial,
        [],
      );
    case 'channels-not-power-of-two':
      return sentence(destroys('channel'), trial, []);
    case 'luns-not-power-of-two':
      return sentence(destroys('LUN'), trial, []);
    case 'requests-too-large':
      return `pblk sends up to 64 sectors in one command, of which lmax_sec_per_rq=${trial.maxSecsPerRq} refuses the larger, so that reads and writes fail: lmax_sec_per_rq=64 works.`;
    case 'writes-hang':
      return sentence(
        `pblk's metadata of ${trial.geometry.numChk} small lines takes all that it keeps back, so that every write would wait for ever`,
        trial,
        [adviseLargerChunks, adviseSmaller],
      );
    case 'gc-too-late':
      return sentence(
        `pblk's metadata of ${trial.geometry.numChk} small lines leaves so little of what it keeps back that garbage collection would begin too late`,
        trial,
        [adviseLargerChunks, adviseSmaller],
      );
  }
}

function rangeWords(trial: CreateTrial): string {
  return trial.lunBegin === -1 ? 'the range of all LUNs' : `-b ${trial.lunBegin} -e ${trial.lunEnd}`;
}
