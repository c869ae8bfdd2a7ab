import { raw, struct, u16, u32, u64, u8 } from './layout.ts';

/**
 * Open-Channel SSD 1.2 on the wire. Agrees with Linux 5.10 drivers/nvme/host/lightnvm.c: struct
 * nvme_nvm_id12 (4096 bytes), nvme_nvm_id12_addrf (at 12), nvme_nvm_id12_grp (at 256), nvme_nvm_bb_tbl.
 */
export const identify12 = struct(4096, {
  verId: u8(0),
  vmnt: u8(1),
  /** Configuration groups; Linux takes exactly one. */
  cgrps: u8(2),
  cap: u32(4),
  /** Device operating mode; bit 0 is hybrid mode, which pblk refuses. */
  dom: u32(8),
  // struct nvme_nvm_id12_addrf: bit offset and length of each part of an address.
  chOffset: u8(12),
  chLen: u8(13),
  lunOffset: u8(14),
  lunLen: u8(15),
  plnOffset: u8(16),
  plnLen: u8(17),
  blkOffset: u8(18),
  blkLen: u8(19),
  pgOffset: u8(20),
  pgLen: u8(21),
  secOffset: u8(22),
  secLen: u8(23),
  // struct nvme_nvm_id12_grp, from 256.
  mtype: u8(256),
  fmtype: u8(257),
  numCh: u8(260),
  numLun: u8(261),
  numPln: u8(262),
  numChk: u16(264),
  numPg: u16(266),
  /** Flash page in bytes: all sectors of one plane's page. */
  fpgSz: u16(268),
  /** Sector size and its out-of-band bytes. */
  csecs: u16(270),
  sos: u16(272),
  // Typical and maximum times in nanoseconds: read, program, erase.
  trdt: u32(276),
  trdm: u32(280),
  tprt: u32(284),
  tprm: u32(288),
  tbet: u32(292),
  tbem: u32(296),
  /** Multi-plane operations supported, see {@link planeModes}. */
  mpos: u32(300),
  mccap: u32(304),
  /** Channel parallelism. */
  cpar: u16(308),
});

/** cap: NVM_ID_DCAP_BBLKMGMT (F1h and F2h work), NVM_UD_DCAP_ECC (the drive corrects) of lightnvm.h. */
export const Capability12 = { badBlockTable: 0x1, ecc: 0x2 } as const;
/** mccap: NVM_ID_CAP_SLC, _CMD_SUSPEND, _SCRAMBLE, _ENCRYPT of lightnvm.h: which control bits are understood. */
export const MediaCapability12 = { slc: 0x1, suspend: 0x2, scramble: 0x4, encrypt: 0x8 } as const;
/** fmtype: NVM_ID_FMTYPE_SLC of lightnvm.h. */
export const FLASH_MEDIA_SLC = 0;

/**
 * mpos: bit 0 single, bit 1 dual, bit 2 quad plane, for read in byte 0, write in byte 1, erase in byte 2. One
 * mode only is announced: nvme_nvm_setup_12 tests for dual (0x020202) before quad (0x040404), so a quad-plane
 * drive that announced both would be used as a dual-plane one.
 */
export const planeModes: Readonly<Record<number, number>> = { 1: 0x010101, 2: 0x020202, 4: 0x040404 };

/** Bad-block table as F2h returns it: 64 bytes, then one byte a block (index = block × planes + plane). */
export const badBlockTable = struct(64, {
  tblid: raw(0, 4),
  verid: u16(4),
  revid: u16(6),
  rvsd1: u32(8),
  /** Blocks in the table: chunks × planes of one LUN. */
  tblks: u32(12),
  /** Bad from the factory, grown bad, reserved by the device, by the host. */
  tfact: u32(16),
  tgrown: u32(20),
  tdresv: u32(24),
  thresv: u32(28),
});
export const BAD_BLOCK_TABLE_ID = Uint8Array.of(0x42, 0x42, 0x4c, 0x54); // "BBLT"

/** Values in the table: NVM_BLK_T_FREE, _BAD, _GRWN_BAD, _DEV, _HOST (include/linux/lightnvm.h). */
export const BadBlock = { good: 0x0, factory: 0x1, grown: 0x2, device: 0x4, host: 0x8 } as const;
export const badBlockValues: readonly number[] = Object.values(BadBlock);

/** Vector command (struct nvme_nvm_ph_rw, nvme_nvm_erase_blk): field offsets in the 64 bytes. */
export const vectorCommand = struct(64, {
  opcode: u8(0),
  flags: u8(1),
  cid: u16(2),
  nsid: u32(4),
  metadata: u64(16),
  prp1: u64(24),
  prp2: u64(32),
  /** One address when length is 0, else where the list of addresses is. */
  spba: u64(40),
  /** Addresses, zero-based. */
  length: u16(48),
  control: u16(50),
});

/** Control bits: NVM_IO_DUAL_ACCESS, _QUAD_ACCESS in bits 0 and 1; suspend, SLC, scramble above. */
export const VectorControl = { planeMask: 0x3, suspend: 0x80, slc: 0x100, scramble: 0x200 } as const;

/** A vector command names at most 64 sectors: the completion's failure map has 64 bits. */
export const MAX_VECTOR = 64;
/** Bytes of one address in a list. */
export const ADDRESS_BYTES = 8;

/** Chunk states, with the numbers of Open-Channel 2.0 chunk descriptors (NVM_CHK_ST_*). */
export const ChunkState = { free: 1, closed: 2, open: 4, offline: 8 } as const;
