import { dsmRange } from '../../src/spec/identify.ts';
import { pack } from '../../src/spec/layout.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import type { Completion, Sqe } from './entries.ts';
import { prpsFor } from './prp.ts';
import type { Rig } from './rig.ts';

/** Commands on logical blocks, as a host builds them (Linux struct nvme_rw_command, nvme_dsm_cmd). */
export interface BlockDisk {
  readonly rig: Rig;
  readonly nsid: number;
  readonly secSizeBytes: number;
}

/** An entry that names `secs` blocks from `lba`; NLB is zero-based, the control bits are above it. */
export function blocksSqe(opcode: number, nsid: number, lba: number, secs: number, control = 0): Sqe {
  return {
    opcode,
    nsid,
    cdw10: lba % 2 ** 32,
    cdw11: Math.floor(lba / 2 ** 32),
    cdw12: (((control << 16) >>> 0) + secs - 1) >>> 0,
  };
}

/** A command that takes `data` (write, compare). */
export async function sendBlocks(
  disk: BlockDisk,
  opcode: number,
  lba: number,
  data: Uint8Array,
): Promise<Completion> {
  const { driver } = disk.rig;
  const mark = driver.arena.mark;
  const buffer = driver.arena.buffer(data.byteLength).fill(data);
  const sqe = blocksSqe(opcode, disk.nsid, lba, data.byteLength / disk.secSizeBytes);
  const completion = await driver.command(1, { ...sqe, ...prpsFor(driver.arena, buffer) });
  driver.arena.rewind(mark);
  return completion;
}

export const writeBlocks = (disk: BlockDisk, lba: number, data: Uint8Array): Promise<Completion> =>
  sendBlocks(disk, IoOpcode.write, lba, data);

export async function readBlocks(
  disk: BlockDisk,
  lba: number,
  secs: number,
): Promise<{ status: number; data: Uint8Array }> {
  const { driver } = disk.rig;
  const mark = driver.arena.mark;
  const buffer = driver.arena.buffer(secs * disk.secSizeBytes);
  const sqe = blocksSqe(IoOpcode.read, disk.nsid, lba, secs);
  const { status } = await driver.command(1, { ...sqe, ...prpsFor(driver.arena, buffer) });
  const data = buffer.read();
  driver.arena.rewind(mark);
  return { status, data };
}

/** Dataset Management; attributes 4 deallocates. */
export async function manageBlocks(
  disk: BlockDisk,
  runs: readonly { lba: number; secs: number }[],
  attributes = 4,
): Promise<Completion> {
  const { driver } = disk.rig;
  const list = driver.arena.buffer(runs.length * dsmRange.sizeBytes);
  const bytes = new Uint8Array(list.length);
  runs.forEach(({ lba, secs }, i) =>
    bytes.set(pack(dsmRange, { blocks: secs, lba }), i * dsmRange.sizeBytes),
  );
  list.fill(bytes);
  return driver.command(1, {
    opcode: IoOpcode.datasetManagement,
    nsid: disk.nsid,
    cdw10: runs.length - 1,
    cdw11: attributes,
    ...prpsFor(driver.arena, list),
  });
}
