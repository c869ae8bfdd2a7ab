import { struct, u16, u32, u64, u8 } from './layout.ts';

/**
 * Open-Channel SSD 2.0 on the wire. Agrees with Linux 5.10 drivers/nvme/host/lightnvm.c: struct nvme_nvm_id20
 * (4096 bytes), nvme_nvm_id20_addrf (at 8), nvme_nvm_chk_meta (32 bytes); what Linux does not use, with SPDK
 * include/spdk/nvme_ocssd_spec.h.
 */
export const geometry20 = struct(4096, {
  mjr: u8(0),
  mnr: u8(1),
  // struct nvme_nvm_id20_addrf: bits of each part of an address, the sector lowest.
  grpLen: u8(8),
  puLen: u8(9),
  chkLen: u8(10),
  lbaLen: u8(11),
  /** Media and controller capabilities, see {@link Mccap}. */
  mccap: u32(16),
  /** Wear-level index delta threshold. */
  wit: u8(32),
  numGrp: u16(64),
  numPu: u16(66),
  numChk: u32(68),
  /** Logical blocks in a chunk. */
  clba: u32(72),
  wsMin: u32(128),
  wsOpt: u32(132),
  mwCunits: u32(136),
  /** Chunks open at once, in all and in one parallel unit; 0 is no limit. */
  maxoc: u32(140),
  maxocpu: u32(144),
  // Typical and maximum times in nanoseconds: read, write, chunk reset.
  trdt: u32(192),
  trdm: u32(196),
  twrt: u32(200),
  twrm: u32(204),
  tcrst: u32(208),
  tcrsm: u32(212),
});

/**
 * Bits of mccap: vec_chk_cpy and multi_reset of SPDK's struct spdk_ocssd_geometry_data. Early reset (a chunk may
 * be reset while it is open) is qemu-nvme's own bit (OCSSD_IDENTITY_MCCAP_EARLY_RESET).
 */
export const Mccap = { vectorCopy: 0x1, multipleResets: 0x2, earlyReset: 0x4 } as const;

/** Log pages: enum spdk_ocssd_log_page; CAh is NVME_NVM_LOG_REPORT_CHUNK in Linux. */
export const LogPage20 = { chunkInformation: 0xca, chunkNotification: 0xd0 } as const;

/** Features: enum spdk_ocssd_feat. */
export const Feature20 = { mediaFeedback: 0xca } as const;

/** Chunk descriptor: struct nvme_nvm_chk_meta. */
export const chunkDescriptor = struct(32, {
  /** ChunkState of ocssd12.ts. */
  state: u8(0),
  type: u8(1),
  wearIndex: u8(2),
  slba: u64(8),
  cnlb: u64(16),
  wp: u64(24),
});
export const CHUNK_DESCRIPTOR_BYTES = chunkDescriptor.sizeBytes;

/** NVM_CHK_TP_W_SEQ of include/linux/lightnvm.h: written in order only. */
export const CHUNK_TYPE_SEQUENTIAL = 0x1;

/** Entry of the chunk notification log: struct spdk_ocssd_chunk_notification_entry (64 bytes). */
export const chunkNotification = struct(64, {
  /** Notification count: the first is 1; 0 marks an entry that was never used. */
  nc: u64(0),
  lba: u64(8),
  nsid: u32(16),
  state: u16(20),
  mask: u8(22),
  /** Logical blocks, zero-based; with {@link ChunkNoticeMask}.logicalBlock only. */
  nlbZ: u16(32),
});

/** What was noticed: error rate low to unrecoverable, refreshed; wear index too far from the average. */
export const ChunkNoticeState = {
  errorRateLow: 0x1,
  errorRateMedium: 0x2,
  errorRateHigh: 0x4,
  unrecoverable: 0x8,
  refreshed: 0x10,
  wearIndex: 0x100,
} as const;
/** What the address of a notice stands for. */
export const ChunkNoticeMask = { logicalBlock: 0x1, chunk: 0x2, parallelUnit: 0x4 } as const;

/** Asynchronous event type of vendors: NVME_AER_VS of include/linux/nvme.h; the notification log's events are that. */
export const VENDOR_EVENT_TYPE = 0x7;
