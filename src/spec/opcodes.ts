/**
 * Opcodes. Admin and I/O agree with enum nvme_admin_opcode and enum nvme_opcode in Linux 5.10
 * include/linux/nvme.h; the open-channel ones with enum nvme_nvm_admin_opcode and nvme_nvm_opcode in
 * drivers/nvme/host/lightnvm.c and NVM_OP_* in include/linux/lightnvm.h.
 */
export const AdminOpcode = {
  deleteSq: 0x00,
  createSq: 0x01,
  getLogPage: 0x02,
  deleteCq: 0x04,
  createCq: 0x05,
  identify: 0x06,
  abort: 0x08,
  setFeatures: 0x09,
  getFeatures: 0x0a,
  asyncEventRequest: 0x0c,
  formatNvm: 0x80,
  /** Open-channel: device geometry (1.2 "Device Identification"). */
  geometry: 0xe2,
  /** Open-channel 1.2: set and get bad-block table. */
  setBadBlockTable: 0xf1,
  getBadBlockTable: 0xf2,
} as const;

export const IoOpcode = {
  flush: 0x00,
  write: 0x01,
  read: 0x02,
  writeUncorrectable: 0x04,
  compare: 0x05,
  writeZeroes: 0x08,
  datasetManagement: 0x09,
  /** Open-channel: erase (1.2) or reset (2.0). */
  vectorErase: 0x90,
  vectorWrite: 0x91,
  vectorRead: 0x92,
  /** Open-channel 2.0. */
  vectorCopy: 0x93,
  /** Open-channel 1.2, optional: without the device's error correction (struct nvme_nvm_ph_rw's raw forms). */
  rawWrite: 0x95,
  rawRead: 0x96,
} as const;

const adminNames = new Map<number, string>(Object.entries(AdminOpcode).map(([name, code]) => [code, name]));
const ioNames = new Map<number, string>(Object.entries(IoOpcode).map(([name, code]) => [code, name]));

/** An opcode in words: its name, else its number. Queue 0 is the admin queue. */
export function opcodeName(queueId: number, opcode: number): string {
  return (
    (queueId === 0 ? adminNames : ioNames).get(opcode) ?? `opcode ${opcode.toString(16).padStart(2, '0')}h`
  );
}
