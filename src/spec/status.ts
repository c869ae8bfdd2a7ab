/**
 * Status codes as a completion carries them in DW3 bits 17 to 31: SC in bits 0 to 7, SCT in bits 8 to 10,
 * DNR in bit 14 (the phase bit is not part of it). Names and values agree with the enum that begins at
 * NVME_SC_SUCCESS in Linux 5.10 include/linux/nvme.h, the vector ones with NVM_RSP_* in
 * include/linux/lightnvm.h.
 */

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

  // Command specific (SCT 1).
  completionQueueInvalid: 0x100 | DNR,
  invalidQueueId: 0x101 | DNR,
  invalidQueueSize: 0x102 | DNR,
  abortLimitExceeded: 0x103 | DNR,
  asyncEventLimitExceeded: 0x105 | DNR,
  invalidInterruptVector: 0x108 | DNR,
  invalidLogPage: 0x109 | DNR,
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
