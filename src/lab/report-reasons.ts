/** Why a target fails or is not safe, in one sentence with what works instead. */
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
  adviseWrites,
  type CreateTrial,
} from './report-advice.ts';
import type { PblkAnswer } from './report-pblk.ts';
import { readableBytes } from './size.ts';

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

/** What the parts of the disk are called in its specification. */
export function termsOf(trial: CreateTrial): { readonly lun: string; readonly channel: string } {
  return trial.writeRules === undefined
    ? { lun: 'LUN', channel: 'channel' }
    : { lun: 'parallel unit', channel: 'group' };
}

/** One sentence out of a problem and the first advice that works. */
export function sentence(
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

export function reasonFor(trial: CreateTrial, answer: PblkAnswer): string {
  return answer.failure === undefined ? dangerReason(trial, answer) : failureReason(trial, answer);
}

function failureReason(trial: CreateTrial, answer: PblkAnswer): string {
  const { geometry } = trial;
  const memory = `the guest's ${readableBytes(trial.memoryBytes)} of memory`;
  const luns = rangeWords(trial);
  const terms = termsOf(trial);
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
        `${luns} takes more ${terms.lun}s from one ${terms.channel} than from another ("unbalanced LUN config.")`,
        trial,
        [],
      );
    case 'bad-block-table':
      return sentence(
        `The bad-block table of a LUN has ${64 + geometry.numChk * geometry.numPln} bytes and does not fit in one transfer with mdts=${trial.mdts} ("get bad block table failed")`,
        trial,
        [adviseMdts],
      );
    case 'all-bad':
      return sentence(
        `No line of ${luns} has the ${answer.minLuns} good chunks that pblk needs ("too many bad blocks prevent for sane instance")`,
        trial,
        [adviseRange],
        'fewer bad chunks are needed',
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
  if (geometry.oobSizeBytes < 16 && (trial.writeRules?.wsOpt ?? geometry.secsPerPg * geometry.numPln) === 1) {
    return sentence(
      `With less than 16 bytes of metadata (${trial.writeRules === undefined ? 'lmetasize' : 'ms'}) pblk keeps one of the sectors written together for itself, and here only one is (${said})`,
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
  const terms = termsOf(trial);
  const destroys = (unit: string): string =>
    `${luns} covers a number of ${unit}s that is no power of two, for which Linux says "supports only power-of-two ${unit} config.", goes on with one address for every sector and destroys data`;
  switch (answer.danger) {
    case undefined:
      return '';
    case 'overruns-channel':
      return sentence(
        `${luns} begins inside a ${terms.channel} and goes on in the next, for which Linux writes past its own LUN map`,
        trial,
        [],
      );
    case 'channels-not-power-of-two':
      return sentence(destroys('channel'), trial, []);
    case 'luns-not-power-of-two':
      return sentence(destroys('LUN'), trial, []);
    case 'requests-too-large':
      return `pblk sends up to 64 sectors in one command, of which lmax_sec_per_rq=${trial.maxSecsPerRq} refuses the larger, so that reads and writes fail: lmax_sec_per_rq=64 works.`;
    case 'ragged-chunks':
      return sentence(
        `The optimal write of ${trial.writeRules?.wsOpt ?? 0} sectors does not divide a chunk of ${trial.geometry.numPg * trial.geometry.secsPerPg}, so that pblk addresses sectors behind the chunks' ends and its writes there fail`,
        trial,
        [adviseWrites],
      );
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
    case 'line-in-buffer':
      return sentence(
        `Lines of ${answer.lineSecs} sectors are smaller than pblk's write buffer of ${answer.bufferEntries}, which holds on to lines that garbage collection takes, so that free lines can run out ("no free lines") and writes and nvme lnvm remove wait for ever`,
        trial,
        [adviseLargerChunks, adviseLargerBoth],
      );
  }
}

function rangeWords(trial: CreateTrial): string {
  return trial.lunBegin === -1
    ? `the range of all ${termsOf(trial).lun}s`
    : `-b ${trial.lunBegin} -e ${trial.lunEnd}`;
}
