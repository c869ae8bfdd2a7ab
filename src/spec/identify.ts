import { ascii, raw, struct, u16, u32, u64, u8 } from './layout.ts';

/** Identify Controller: Linux 5.10 include/linux/nvme.h, struct nvme_id_ctrl (4096 bytes). */
export const identifyController = struct(4096, {
  vid: u16(0),
  ssvid: u16(2),
  sn: ascii(4, 20),
  mn: ascii(24, 40),
  fr: ascii(64, 8),
  /** Recommended arbitration burst, 2^n. */
  rab: u8(72),
  ieee: raw(73, 3),
  cmic: u8(76),
  /** 2^n minimum pages; 0 is no limit. */
  mdts: u8(77),
  cntlid: u16(78),
  ver: u32(80),
  oaes: u32(92),
  oacs: u16(256),
  /** Zero-based, like AERL and ELPE below. */
  acl: u8(258),
  aerl: u8(259),
  frmw: u8(260),
  lpa: u8(261),
  elpe: u8(262),
  npss: u8(263),
  /** Kelvin. */
  wctemp: u16(266),
  cctemp: u16(268),
  sqes: u8(512),
  cqes: u8(513),
  maxcmd: u16(514),
  nn: u32(516),
  oncs: u16(520),
  fuses: u16(522),
  fna: u8(524),
  vwc: u8(525),
  awun: u16(526),
  awupf: u16(528),
  /** Power state 0, struct nvme_id_power_state: maximum power in centiwatts first. */
  psd0MaxPower: u16(2048),
});

/** Identify Namespace: struct nvme_id_ns (4096 bytes). LBA formats follow at 128, four bytes each. */
export const identifyNamespace = struct(4096, {
  nsze: u64(0),
  ncap: u64(8),
  nuse: u64(16),
  nsfeat: u8(24),
  /** Number of LBA formats, zero-based. */
  nlbaf: u8(25),
  flbas: u8(26),
  mc: u8(27),
  dpc: u8(28),
  dps: u8(29),
  dlfeat: u8(33),
  lbaf: raw(128, 64),
  /** First vendor byte: 1 makes Linux register the namespace with LightNVM (nvme_nvm_ioctl quirk). */
  vs0: u8(384),
});

/** One LBA format, struct nvme_lbaf (4 bytes). */
export const lbaFormat = struct(4, { ms: u16(0), ds: u8(2), rp: u8(3) });

/** Identify CNS values: NVME_ID_CNS_NS, _CTRL, _NS_ACTIVE_LIST, _NS_DESC_LIST, _NS_PRESENT_LIST, _NS_PRESENT. */
export const Cns = {
  namespace: 0x00,
  controller: 0x01,
  activeNamespaces: 0x02,
  namespaceDescriptors: 0x03,
  allocatedNamespaces: 0x10,
  allocatedNamespace: 0x11,
} as const;
/** A descriptor of CNS 03h: struct nvme_ns_id_desc, then `length` bytes; NVME_NIDT_UUID and NVME_NIDT_UUID_LEN. */
export const descriptor = struct(4, { type: u8(0), length: u8(1) });
export const NIDT_UUID = 0x03;
export const UUID_BYTES = 16;

/** Optional NVM commands: NVME_CTRL_ONCS_* (save and select: bit 4, QEMU's NVME_ONCS_FEATURES). */
export const Oncs = {
  compare: 1 << 0,
  writeUncorrectable: 1 << 1,
  datasetManagement: 1 << 2,
  writeZeroes: 1 << 3,
  select: 1 << 4,
} as const;
/** Optional admin commands: NVME_CTRL_OACS_*; format is bit 1 (QEMU's NVME_OACS_FORMAT). */
export const Oacs = { format: 1 << 1 } as const;
/** Log page attributes: NVME_CTRL_LPA_CMD_EFFECTS_LOG; bit 2 is the extended data (offset, 32-bit length). */
export const Lpa = { effects: 1 << 1, extended: 1 << 2 } as const;
/** Optional asynchronous events, and the bits of feature 0Bh: NVME_AEN_CFG_NS_ATTR. */
export const Oaes = { namespaceAttributes: 1 << 8 } as const;
/** Namespace features: NVME_NS_FEAT_*; bit 2 says that deallocated reads can be made to fail (DULBE). */
export const Nsfeat = { deallocatedError: 1 << 2 } as const;
/** DLFEAT: NVME_NS_DLFEAT_*: deallocated blocks read as zeros; Write Zeroes has its deallocate bit. */
export const Dlfeat = { zeros: 1, writeZeroes: 1 << 3 } as const;
export const IDENTIFY_BYTES = 4096;

/** SMART / health log: struct nvme_smart_log (512 bytes). Counters are 128-bit; the upper halves stay zero. */
export const smartLog = struct(512, {
  criticalWarning: u8(0),
  /** Kelvin. */
  temperature: u16(1),
  availableSpare: u8(3),
  spareThreshold: u8(4),
  percentUsed: u8(5),
  /** Thousands of 512-byte units, rounded up. */
  dataUnitsRead: u64(32),
  dataUnitsWritten: u64(48),
  hostReads: u64(64),
  hostWrites: u64(80),
  ctrlBusyTimeMinutes: u64(96),
  powerCycles: u64(112),
  powerOnHours: u64(128),
  unsafeShutdowns: u64(144),
  mediaErrors: u64(160),
  numErrLogEntries: u64(176),
});

/** Firmware slot log: struct nvme_fw_slot_info_log (512 bytes). */
export const firmwareLog = struct(512, { afi: u8(0), frs1: ascii(8, 8) });

/** SMART critical warnings: NVME_SMART_CRIT_* (the read-only one is bit 3). They are bits of feature 0Bh as well. */
export const SmartWarning = {
  spare: 1 << 0,
  temperature: 1 << 1,
  reliability: 1 << 2,
  readOnly: 1 << 3,
} as const;

/** Error log entry: nvme-cli nvme.h, struct nvme_error_log_page (64 bytes). */
export const errorLogEntry = struct(64, {
  errorCount: u64(0),
  sqid: u16(8),
  cmdid: u16(10),
  /** As in the completion: the status from bit 1 on. */
  statusField: u16(12),
  /** Byte of the command, and from bit 8 on the bit; FFFFh where it is none. */
  parmErrorLocation: u16(14),
  lba: u64(16),
  nsid: u32(24),
});

/** Commands supported and effects: struct nvme_effects_log (4096 bytes); a dword for each admin and each I/O opcode. */
export const EFFECTS_LOG_BYTES = 4096;
export const EFFECTS_IO_OFFSET = 1024;
/** NVME_CMD_EFFECTS_*; `oneNamespace` is value 1 of the three bits that say what else may run meanwhile. */
export const Effect = {
  supported: 1,
  changesBlocks: 1 << 1,
  changesNamespace: 1 << 2,
  oneNamespace: 1 << 16,
} as const;
/** Changed namespace list: 1,024 identifiers, NVME_MAX_CHANGED_NAMESPACES. */
export const CHANGED_NAMESPACES_BYTES = 4096;

/** Log page identifiers: NVME_LOG_*. */
export const LogPage = {
  error: 0x01,
  smart: 0x02,
  firmware: 0x03,
  changedNamespaces: 0x04,
  effects: 0x05,
} as const;

/** Asynchronous event types and information: NVME_AER_* and QEMU's enum NvmeAsyncEventRequest. */
export const EventType = { error: 0, smart: 1, notice: 2 } as const;
export const EventInfo = {
  invalidDoorbellRegister: 0,
  invalidDoorbellValue: 1,
  reliability: 0,
  temperature: 1,
  namespaceAttributes: 0,
} as const;

/** Format NVM, dword 10: struct nvme_format_cmd's cdw10 as nvme-cli's format fills it. */
export const Format = {
  lbafMask: 0xf,
  mset: 1 << 4,
  piShift: 5,
  piMask: 0x7,
  sesShift: 9,
  sesMask: 0x7,
} as const;

/** A range of Dataset Management: struct nvme_dsm_range; NVME_DSMGMT_AD in dword 11; at most NVME_DSM_MAX_RANGES. */
export const dsmRange = struct(16, { attributes: u32(0), blocks: u32(4), lba: u64(8) });
export const DSM_DEALLOCATE = 1 << 2;
/** Write Zeroes, dword 12: NVME_WZ_DEAC in the control word, which is its upper half. */
export const WRITE_ZEROES_DEALLOCATE = 1 << 25;
/** Reads and writes, dword 12: NVME_RW_FUA in the control word. */
export const FORCE_UNIT_ACCESS = 1 << 30;
/** Error recovery (feature 05h): DULBE; QEMU's NVME_ERR_REC_DULBE takes bit 16. */
export const DULBE = 1 << 16;

/** Feature identifiers: NVME_FEAT_* in include/linux/nvme.h. */
export const Feature = {
  arbitration: 0x01,
  powerManagement: 0x02,
  temperatureThreshold: 0x04,
  errorRecovery: 0x05,
  volatileWriteCache: 0x06,
  numberOfQueues: 0x07,
  interruptCoalescing: 0x08,
  interruptVectorConfig: 0x09,
  writeAtomicity: 0x0a,
  asyncEventConfig: 0x0b,
} as const;
