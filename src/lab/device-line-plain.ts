/** A plain NVMe disk from its options and its size: one or several namespaces of equal size. */
import type { PlainNamespaceConfig } from '../device/config.ts';
import { PLAIN_UNIT_BYTES } from '../flash/plain.ts';
import { fail, type Values } from './device-line-values.ts';
import { formatSize } from './size.ts';
import type { DeviceLineError } from './types.ts';

/** Linux on i386 takes no blocks larger than its pages. */
const MAX_BLOCK_BYTES = 4096;

/** The block size that `lba_index` chooses, or why it cannot. */
export function blockBytesOf(
  values: Values,
): { readonly ok: true; readonly blockBytes: number } | DeviceLineError {
  const lbaIndex = values.number('lba_index');
  const nlbaf = values.number('nlbaf');
  if (lbaIndex >= nlbaf) {
    return fail(
      `lba_index=${lbaIndex} is not among the nlbaf=${nlbaf} formats, which count from 0: ${nlbaf > 3 ? 'lba_index=3' : `nlbaf=5 with lba_index=3`} would work.`,
      'lba_index',
    );
  }
  const blockBytes = 512 * 2 ** lbaIndex;
  if (blockBytes > MAX_BLOCK_BYTES) {
    return fail(
      `lba_index=${lbaIndex} makes blocks of ${blockBytes} bytes, but Linux on i386 takes at most 4096: lba_index=3 would work.`,
      'lba_index',
    );
  }
  return { ok: true, blockBytes };
}

/** Cuts the disk into its namespaces, each a multiple of what is stored together. */
export function plainNamespaces(
  values: Values,
  sizeBytes: number,
  blockBytes: number,
): { readonly ok: true; readonly namespaces: readonly PlainNamespaceConfig[] } | DeviceLineError {
  const count = values.number('namespaces');
  // A disk of one namespace keeps its last blocks, even where they are less than a unit.
  const grainBytes = count === 1 ? 4096 : PLAIN_UNIT_BYTES;
  const eachBytes = Math.floor(sizeBytes / count / grainBytes) * grainBytes;
  if (eachBytes === 0) {
    return fail(
      `namespaces=${count} leaves each less than the ${formatSize(PLAIN_UNIT_BYTES)} that are the least, of a disk of ${formatSize(sizeBytes)}: namespaces=${Math.max(1, Math.floor(sizeBytes / PLAIN_UNIT_BYTES))} would work.`,
      'namespaces',
    );
  }
  const one: PlainNamespaceConfig = { kind: 'plain', secSizeBytes: blockBytes, sizeBytes: eachBytes };
  return { ok: true, namespaces: Array.from({ length: count }, () => one) };
}

/** An open-channel disk is one namespace; says so when more were asked for. */
export function oneNamespaceOnly(values: Values): DeviceLineError | undefined {
  const count = values.number('namespaces');
  if (count <= 1) return undefined;
  return fail(
    `namespaces=${count} is not possible because an open-channel disk is one namespace here (a plain one can be up to 256): namespaces=1 would work.`,
    'namespaces',
  );
}
