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
  lbaf: raw(128, 64),
  /** First vendor byte: 1 makes Linux register the namespace with LightNVM (nvme_nvm_ioctl quirk). */
  vs0: u8(384),
});

/** One LBA format, struct nvme_lbaf (4 bytes). */
export const lbaFormat = struct(4, { ms: u16(0), ds: u8(2), rp: u8(3) });

/** Identify CNS values: NVME_ID_CNS_NS, _CTRL, _NS_ACTIVE_LIST. */
export const Cns = { namespace: 0x00, controller: 0x01, activeNamespaces: 0x02 } as const;
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

/** Error log entry: 64 bytes, of which nothing is filled while no error was logged. */
export const ERROR_LOG_ENTRY_BYTES = 64;

export const LogPage = { error: 0x01, smart: 0x02, firmware: 0x03 } as const;

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
