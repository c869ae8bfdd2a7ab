/**
 * Controller registers: offsets in BAR0 and the bits inside. Agrees with enum NVME_REG_* and the
 * NVME_CC_*, NVME_CSTS_*, NVME_CAP_* macros of Linux 5.10 include/linux/nvme.h.
 */
export const Register = {
  /** Controller capabilities, 64 bits, read only. */
  cap: 0x00,
  /** Version. */
  vs: 0x08,
  /** Interrupt mask set and clear. */
  intms: 0x0c,
  intmc: 0x10,
  /** Controller configuration. */
  cc: 0x14,
  /** Controller status. */
  csts: 0x1c,
  /** NVM subsystem reset (not supported: reads zero). */
  nssr: 0x20,
  /** Admin queue attributes, submission and completion queue base addresses. */
  aqa: 0x24,
  asq: 0x28,
  acq: 0x30,
  /** Controller memory buffer location and size (none). */
  cmbloc: 0x38,
  cmbsz: 0x3c,
  /** First doorbell: SQ0 tail. */
  doorbells: 0x1000,
} as const;

export const Cc = {
  /** EN. */
  enable: 1 << 0,
  cssShift: 4,
  cssMask: 0x7,
  mpsShift: 7,
  mpsMask: 0xf,
  amsShift: 11,
  amsMask: 0x7,
  shnShift: 14,
  shnMask: 0x3,
  iosqesShift: 16,
  iocqesShift: 20,
  esMask: 0xf,
} as const;

export const Csts = {
  ready: 1 << 0,
  /** CFS: controller fatal status. */
  fatal: 1 << 1,
  shutdownOccurring: 1 << 2,
  shutdownComplete: 2 << 2,
  shutdownMask: 3 << 2,
} as const;

/** NVMe 1.2: the version whose identify and feature sets this controller answers with. */
export const VERSION_1_2 = 0x0001_0200;

/** Bytes of a submission and of a completion queue entry (NVME_NVM_IOSQES 6, NVME_NVM_IOCQES 4). */
export const SQE_BYTES = 64;
export const CQE_BYTES = 16;

/** CAP as two 32-bit halves. */
export function capabilities(c: {
  maxQueueEntriesZ: number;
  contiguousQueuesRequired: boolean;
  doorbellStride: number;
  mpsMin: number;
  mpsMax: number;
}): { low: number; high: number } {
  const timeout500ms = 0x0f;
  const cssNvm = 1 << 5; // CAP bit 37
  return {
    low:
      ((timeout500ms << 24) |
        ((c.contiguousQueuesRequired ? 1 : 0) << 16) |
        (c.maxQueueEntriesZ & 0xffff)) >>>
      0,
    high: ((c.doorbellStride & 0xf) | cssNvm | ((c.mpsMin & 0xf) << 16) | ((c.mpsMax & 0xf) << 20)) >>> 0,
  };
}
