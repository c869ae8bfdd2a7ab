/** What a disk will do when a pblk target is created on it, told before anyone boots. */
import type { ControllerConfig } from '../device/config.ts';
import { type CreateTrial, tryCreate } from './report-advice.ts';
import { FactoryChunks } from './report-factory.ts';
import { lunRange } from './report-luns.ts';
import { DEFAULT_MEMORY_BYTES } from './report-memory.ts';
import type { PblkAnswer, PblkFailure } from './report-pblk.ts';
import { reasonFor, sentence, termsOf } from './report-reasons.ts';
import { warningFor } from './report-warning.ts';
import type { GeometryReport } from './types.ts';

export { formatReport } from './report-text.ts';
export type { GeometryReport } from './types.ts';
export { DEFAULT_MEMORY_BYTES, GUEST_OWN_BYTES } from './report-memory.ts';

/** Addresses in one vector command of 2.0 (lightnvm.h, NVM_MAX_VLBA). */
const MAX_SECS_PER_RQ = 64;

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
  if (namespace === undefined || namespace.kind === 'plain') {
    return refused(
      lunBegin,
      lunEnd,
      'A plain NVMe disk has no LUNs, so nvme lnvm create does not apply: a line with lver=1, or one of open-channel 2.0, works.',
    );
  }
  const { geometry } = namespace;
  const trial: CreateTrial = {
    geometry,
    writeRules: namespace.kind === 'ocssd20' ? namespace.writeRules : undefined,
    factory: new FactoryChunks(namespace),
    mdts: config.mdts,
    maxSecsPerRq: namespace.kind === 'ocssd12' ? namespace.maxSecsPerRq : MAX_SECS_PER_RQ,
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
    const problem = `The disk has the ${termsOf(trial).lun}s 0 to ${total - 1}, so -b ${lunBegin} -e ${lunEnd} is out of bounds`;
    return {
      ...refused(lunBegin, lunEnd, sentence(problem, trial, [], `-b 0 -e ${total - 1} are all of them`)),
      lines: geometry.numChk,
      chunkBytes,
    };
  }
  const createSucceeds = answer.failure === undefined;
  const safe = isSafe(answer);
  const warning = createSucceeds && safe ? warningFor(geometry, trial.writeRules !== undefined) : undefined;
  const usableSectors = createSucceeds ? answer.capacitySecs : 0;
  return {
    lunBegin: range.begin,
    lunEnd: range.end,
    createSucceeds,
    safe,
    reason: reasonFor(trial, answer),
    ...(warning !== undefined && { warning }),
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
    chunkLogBytes: answer.chunkLogBytes,
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
    chunkLogBytes: 0,
  };
}
