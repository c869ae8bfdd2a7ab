import type { ChunkOptions } from '../flash/chunk-options.ts';
import type { Geometry } from '../flash/geometry.ts';

/**
 * What a controller is built from. src/lab turns qemu-nvme's option line into this; nothing here is
 * text, and everything was validated before.
 */
export interface ControllerConfig {
  /** PCI ids; 1d1d:1f1f carries Linux' LightNVM quirk (drivers/nvme/host/pci.c, nvme_id_table). */
  readonly vendorId: number;
  readonly deviceId: number;
  /** Identify Controller SN: ASCII, at most 20 characters. */
  readonly serial: string;
  /** Largest queue as CAP.MQES says it: entries minus one. */
  readonly maxQueueEntriesZ: number;
  /** I/O queue pairs offered (Set Features 07h answers with at most this). */
  readonly ioQueuePairs: number;
  /** CAP.DSTRD: doorbells are 4 << doorbellStride bytes apart. */
  readonly doorbellStride: number;
  /** CAP.CQR. */
  readonly contiguousQueuesRequired: boolean;
  /** CAP.MPSMIN / MPSMAX: 2^(12 + n) bytes. */
  readonly mpsMin: number;
  readonly mpsMax: number;
  /** Identify Controller MDTS: 2^n minimum pages; 0 is no limit. */
  readonly mdts: number;
  /** Upper nibble (max) of SQES and CQES; the required size (6, 4) is the lower. */
  readonly maxSqes: number;
  readonly maxCqes: number;
  /** Identify Controller ONCS and OACS bits that the options switch off or on (`oncs`, `oacs`) of those implemented. */
  readonly oncs: number;
  readonly oacs: number;
  /** Volatile write cache present (`vwc`): feature 06h can switch it. */
  readonly volatileWriteCache: boolean;
  /** Asynchronous Event Requests held at once, zero-based (AERL), abort limit (ACL), error log entries (ELPE): zero-based. */
  readonly aerlZ: number;
  readonly aclZ: number;
  readonly elpeZ: number;
  readonly namespaces: readonly NamespaceConfig[];
}

export type NamespaceConfig = OpenChannelNamespaceConfig | ChunkNamespaceConfig | PlainNamespaceConfig;

/** A namespace that speaks Open-Channel 1.2 (qemu-nvme `lver=1`). */
export interface OpenChannelNamespaceConfig {
  readonly kind: 'ocssd12';
  readonly geometry: Geometry;
  /** Vector commands carry at most this many addresses (`lmax_sec_per_rq`, at most 64). */
  readonly maxSecsPerRq: number;
  /** Identify 1.2 group: media type and flash type (`lmtype`, `lfmtype`). */
  readonly mediaType: number;
  readonly flashMediaType: number;
  /** Programs to fail, as qemu-nvme's `lb_err_write` (every N sectors written) and `ln_err_write` (so many). 0: none. */
  readonly failWriteEverySecs: number;
  readonly failWriteSecs: number;
  /** Of a new disk, each n-th block of a LUN is bad from the factory (`lbbfrequency`). 0: none. */
  readonly badBlockEvery: number;
  /**
   * Of a new disk, its bad-block table as qemu-nvme's `lbbtable` file has it: one byte a block, in the order
   * LUN, chunk, plane. Undefined: all good.
   */
  readonly initialBadBlocks?: Uint8Array;
}

/** A namespace that speaks Open-Channel 2.0. */
export interface ChunkNamespaceConfig extends ChunkOptions {
  readonly kind: 'ocssd20';
  /** Wear-level index delta threshold (WIT) of the geometry. */
  readonly wearIndexThreshold: number;
}

/** An ordinary NVMe namespace (`lver=0`). */
export interface PlainNamespaceConfig {
  readonly kind: 'plain';
  /** Bytes of a logical block of a new disk, 512 to 4096; Format NVM may choose another. */
  readonly secSizeBytes: number;
  /** Size in bytes: a multiple of every block size offered. */
  readonly sizeBytes: number;
}
