/**
 * Status codes as a completion carries them in DW3 bits 17 to 31: SC in bits 0 to 7, SCT in bits 8 to 10,
 * DNR in bit 14 (the phase bit is not part of it). Names and values agree with the enum that begins at
 * NVME_SC_SUCCESS in Linux 5.10 include/linux/nvme.h, the vector ones with NVM_RSP_* in
 * include/linux/lightnvm.h.
 */

import type { Rule } from './rules.ts';

/** "Do not retry". Without it Linux' NVMe core sends the command again. */
export const DNR = 0x4000;

export const Status = {
  success: 0x0,

  // Generic command status (SCT 0).
  invalidOpcode: 0x1 | DNR,
  invalidField: 0x2 | DNR,
  commandIdConflict: 0x3 | DNR,
  dataTransferError: 0x4 | DNR,
  internalError: 0x6 | DNR,
  abortedByRequest: 0x7 | DNR,
  abortedSqDeletion: 0x8 | DNR,
  invalidNamespace: 0xb | DNR,
  commandSequenceError: 0xc | DNR,
  prpOffsetInvalid: 0x13 | DNR,
  lbaOutOfRange: 0x80 | DNR,
  capacityExceeded: 0x81 | DNR,
  namespaceNotReady: 0x82 | DNR,
  /** NVME_SC_FORMAT_IN_PROGRESS of later kernels' include/linux/nvme.h */
  formatInProgress: 0x84 | DNR,

  // Command specific (SCT 1).
  completionQueueInvalid: 0x100 | DNR,
  invalidQueueId: 0x101 | DNR,
  invalidQueueSize: 0x102 | DNR,
  abortLimitExceeded: 0x103 | DNR,
  asyncEventLimitExceeded: 0x105 | DNR,
  invalidInterruptVector: 0x108 | DNR,
  invalidLogPage: 0x109 | DNR,
  invalidFormat: 0x10a | DNR,
  invalidQueueDeletion: 0x10c | DNR,
  featureNotSaveable: 0x10d | DNR,
  featureNotChangeable: 0x10e | DNR,
  featureNotNamespaceSpecific: 0x10f | DNR,
  /** Plain writes to the raw namespace of an open-channel device. */
  writeToReadOnlyRange: 0x182 | DNR,

  // Media errors (SCT 2), as pblk reads them.
  /** NVM_RSP_ERR_FAILWRITE */
  writeFailure: 0x40ff,
  /** NVM_RSP_ERR_EMPTYPAGE */
  emptyPage: 0x42ff,
  /** NVM_RSP_ERR_FAILECC */
  eccFailure: 0x4281,
  /** NVM_RSP_ERR_FAILCRC */
  crcFailure: 0x4004,
  /** NVM_RSP_WARN_HIGHECC: data is good */
  highEcc: 0x4700,
  // Media errors as NVMe and open-channel 2.0 have them.
  /** NVME_SC_WRITE_FAULT; in 2.0 a write to a chunk that takes none */
  writeFault: 0x280 | DNR,
  /** NVME_SC_COMPARE_FAILED */
  compareFailed: 0x285 | DNR,
  /** NVME_SC_UNWRITTEN_BLOCK */
  unwrittenBlock: 0x287 | DNR,
  offlineChunk: 0x2c0 | DNR,
  invalidReset: 0x2c1 | DNR,
  /** SPDK_OCSSD_SC_WRITE_FAIL_CHUNK_EARLY_CLOSE */
  chunkEarlyClose: 0x2f1 | DNR,
  outOfOrderWrite: 0x2f2 | DNR,
} as const;

/** A status field. */
export type StatusCode = number;

/** crcFailure shares its number with dataTransferError: the name listed first, which is NVMe's own, is the one said. */
const names = new Map<number, string>(
  Object.entries(Status)
    .reverse()
    .map(([name, code]) => [code, name]),
);

/** The status in words, for the log: its name here, else its two numbers. */
export function statusName(status: StatusCode): string {
  return (
    names.get(status) ??
    names.get(status | DNR) ??
    `SCT ${(status >> 8) & 7} SC ${(status & 0xff).toString(16).padStart(2, '0')}h`
  );
}

/** What the statuses of {@link Status} mean, each in a sentence. */
const meanings: Readonly<Record<keyof typeof Status, string>> = {
  success: 'The command was carried out.',
  invalidOpcode: 'The controller has no such command.',
  invalidField: 'A field of the command holds a value that it cannot have.',
  commandIdConflict: 'The command identifier is in use.',
  dataTransferError: 'The data could not be moved from or to memory.',
  internalError: 'The device failed to carry the command out.',
  abortedByRequest: 'The command was aborted as asked.',
  abortedSqDeletion: 'The command was aborted because its queue was deleted.',
  invalidNamespace: 'The namespace does not exist, or cannot be used for this.',
  commandSequenceError: 'The command came at a time when it is not allowed.',
  prpOffsetInvalid: 'A data pointer is not aligned as it has to be.',
  lbaOutOfRange: 'An address is outside the device.',
  capacityExceeded: 'The namespace has no room left.',
  namespaceNotReady: 'The namespace cannot be used at this moment.',
  formatInProgress: 'The namespace was formatted while the command was waiting.',
  completionQueueInvalid: 'The completion queue does not exist.',
  invalidQueueId: 'The queue identifier cannot be used.',
  invalidQueueSize: 'The queue has too few or too many entries.',
  abortLimitExceeded: 'More abort commands than the controller takes.',
  asyncEventLimitExceeded: 'More asynchronous event requests than the controller holds.',
  invalidInterruptVector: 'The controller has no such interrupt vector.',
  invalidLogPage: 'The controller keeps no such log page.',
  invalidFormat: 'The namespace cannot be formatted that way.',
  invalidQueueDeletion: 'The completion queue still has submission queues.',
  featureNotSaveable: 'The feature cannot be saved.',
  featureNotChangeable: 'The feature cannot be changed.',
  featureNotNamespaceSpecific: 'The feature is one of the controller, not of a namespace.',
  writeToReadOnlyRange: 'These blocks cannot be written this way.',
  writeFailure: 'The flash refused to be written (or erased).',
  emptyPage: 'A page that was never written was read.',
  eccFailure: 'The data could not be read back.',
  crcFailure: 'The data came back damaged.',
  highEcc: 'The data is good, but many bits had to be corrected.',
  writeFault: 'The flash refused to be written.',
  compareFailed: 'The data on the medium differs from the data of the command.',
  unwrittenBlock: 'A sector that was never written, or was given back, was read.',
  offlineChunk: 'The chunk is out of order for ever.',
  invalidReset: 'The chunk cannot be reset in its state.',
  chunkEarlyClose: 'The write failed and closed its chunk; what lies below the write pointer can be read.',
  outOfOrderWrite: "The write was not at its chunk's write pointer.",
};

/** What a status means, in a sentence. */
export function statusMeaning(status: StatusCode): string {
  const name = statusName(status);
  return name in meanings
    ? meanings[name as keyof typeof Status]
    : 'A status that this device does not give.';
}

/** The rule that a status alone tells to be broken, where nothing more exact was said. */
const statusRules: ReadonlyMap<StatusCode, Rule> = new Map<StatusCode, Rule>([
  [Status.invalidOpcode, 'opcode'],
  [Status.invalidField, 'field'],
  [Status.commandIdConflict, 'command-id'],
  [Status.dataTransferError, 'prp'],
  [Status.internalError, 'internal'],
  [Status.invalidNamespace, 'namespace'],
  [Status.commandSequenceError, 'queue'],
  [Status.prpOffsetInvalid, 'prp'],
  [Status.lbaOutOfRange, 'range'],
  [Status.capacityExceeded, 'range'],
  [Status.completionQueueInvalid, 'queue'],
  [Status.invalidQueueId, 'queue'],
  [Status.invalidQueueSize, 'queue'],
  [Status.invalidInterruptVector, 'queue'],
  [Status.invalidQueueDeletion, 'queue'],
  [Status.abortLimitExceeded, 'abort-limit'],
  [Status.asyncEventLimitExceeded, 'event-limit'],
  [Status.invalidLogPage, 'log-page'],
  [Status.featureNotSaveable, 'feature'],
  [Status.featureNotChangeable, 'feature'],
  [Status.featureNotNamespaceSpecific, 'feature'],
  [Status.writeToReadOnlyRange, 'read-only'],
  [Status.emptyPage, 'unwritten-read'],
  [Status.unwrittenBlock, 'unwritten-read'],
  [Status.eccFailure, 'storage'],
  [Status.compareFailed, 'compare-differs'],
  [Status.offlineChunk, 'bad-block'],
  [Status.invalidReset, 'reset-state'],
  [Status.outOfOrderWrite, 'write-pointer'],
]);

/** The rule of {@link statusRules}; undefined for a status that breaks none, or any of several. */
export function statusRule(status: StatusCode): Rule | undefined {
  return statusRules.get(status) ?? statusRules.get(status | DNR);
}
