import type { NamespaceConfig } from '../../src/device/config.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { CQE_BYTES } from '../../src/spec/registers.ts';
import type { DmaBuffer } from '../driver/dma-buffer.ts';
import type { Completion, Sqe } from '../driver/entries.ts';
import type { Prps } from '../driver/prp.ts';
import { chunkDisk, openChannel, plainDisk, type Rig, type RigOptions, startRig } from '../driver/rig.ts';
import { vectorCommand } from '../driver/vector.ts';
import type { Range } from '../fakes/fake-memory.ts';
import type { StoreMode } from '../fakes/fake-store.ts';

export const SEC = 4096;

/** A kind of disk that the hostile cases run on: what its first sectors are read and written with. */
export interface Disk {
  readonly name: string;
  readonly namespaces: readonly NamespaceConfig[];
  /** Whether `vectorRead` and the like exist. */
  readonly hasVectors: boolean;
  /** Addresses from here on are outside, for a command that names a run. */
  readonly addressEnd: number;
  /** Reads `secs` sectors from the first address on. */
  read(secs: number, prps: Prps): Sqe;
  /** Writes the sectors that a new disk takes first. */
  write(rig: Rig, data: DmaBuffer, oob?: number): Sqe;
}

const run = (opcode: number, secs: number, prps: Prps, lba = 0): Sqe => ({
  opcode,
  nsid: 1,
  ...prps,
  cdw10: lba % 2 ** 32,
  cdw11: Math.floor(lba / 2 ** 32),
  cdw12: secs - 1,
});
const read = (secs: number, prps: Prps): Sqe => run(IoOpcode.read, secs, prps);

/** Writes sectors 0, 1, 2 … of the first block; in 1.2 and 2.0 their addresses are 0, 1, 2 …, page by page. */
function vectorWrite(rig: Rig, data: DmaBuffer, oob?: number): Sqe {
  const addresses = Array.from({ length: data.length / SEC }, (_, i) => i);
  const { sqe } = vectorCommand(rig.driver.arena, {
    opcode: IoOpcode.vectorWrite,
    addresses,
    data,
    ...(oob !== undefined && { oobBytes: oob }),
  });
  return sqe;
}

/** One plane, so that addresses of the first block follow each other. */
const ocssd12 = openChannel({ numPln: 1, secsPerPg: 8, numPg: 16 });
export const plain: Disk = {
  name: 'plain',
  namespaces: [plainDisk(4096)],
  hasVectors: false,
  addressEnd: 4096,
  read,
  write: (_rig, data) => run(IoOpcode.write, data.length / SEC, { prp1: data.pages[0] as number, prp2: 0 }),
};
export const openChannel12: Disk = {
  name: 'open-channel 1.2',
  namespaces: [ocssd12],
  hasVectors: true,
  addressEnd: 4 * 8 * 16 * 8,
  read,
  write: vectorWrite,
};
export const openChannel20: Disk = {
  name: 'open-channel 2.0',
  namespaces: [chunkDisk()],
  hasVectors: true,
  addressEnd: 2 * 2 * 8 * 64,
  read,
  write: vectorWrite,
};
export const disks: readonly Disk[] = [plain, openChannel12, openChannel20];
export const storeModes: readonly StoreMode[] = ['sync', 'soon'];

export function startDisk(disk: Disk, options: RigOptions = {}): Promise<Rig> {
  return startRig({ namespaces: disk.namespaces, ...options });
}

/** The entries that the device may write for its completions. */
export function completionRanges(rig: Rig): Range[] {
  return [...rig.driver.cqs.values()].map((cq) => ({
    address: cq.pages[0] as number,
    length: cq.size * CQE_BYTES,
  }));
}

/** Sends one command; answers with its completion, what it wrote besides completions, and checks that it has one. */
export async function sendAlone(
  rig: Rig,
  queue: number,
  sqe: Sqe,
): Promise<Completion & { readonly written: readonly Range[] }> {
  rig.memory.forget();
  const completion = await rig.driver.command(queue, sqe);
  if (rig.driver.unexpected.length > 0) throw new Error('more than one completion');
  return { ...completion, written: rig.memory.writesOutside(completionRanges(rig)) };
}
