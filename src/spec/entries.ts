import { struct, u16, u32, u64, u8 } from './layout.ts';

/** Submission queue entry: struct nvme_common_command (64 bytes) of Linux 5.10 include/linux/nvme.h. */
export const submissionEntry = struct(64, {
  opcode: u8(0),
  /** Fused operation in bits 0 and 1, PRP or SGL in bits 6 and 7. */
  flags: u8(1),
  cid: u16(2),
  nsid: u32(4),
  cdw2: u32(8),
  cdw3: u32(12),
  metadata: u64(16),
  prp1: u64(24),
  prp2: u64(32),
  cdw10: u32(40),
  cdw11: u32(44),
  cdw12: u32(48),
  cdw13: u32(52),
  cdw14: u32(56),
  cdw15: u32(60),
});

/** Completion queue entry: struct nvme_completion (16 bytes) of the same file. */
export const completionEntry = struct(16, {
  /** Command-specific result, dwords 0 and 1; for vector commands the map of the sectors that failed. */
  result0: u32(0),
  result1: u32(4),
  sqHead: u16(8),
  sqId: u16(10),
  cid: u16(12),
  /** Phase in bit 0, the status field above it. */
  status: u16(14),
});
