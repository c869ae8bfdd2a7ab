/** Which `-o` a target was made with, told by its size: pblk shows the number nowhere. */
import type { ControllerConfig } from '../../device/config.ts';
import { DEFAULT_MEMORY_BYTES, geometryReport } from '../report.ts';
import { MAX_OP, MIN_OP } from '../report-lines.ts';

/** Enough that no target fails on paper for want of it. */
const MEMORY_BYTES = 8 * DEFAULT_MEMORY_BYTES;

/**
 * The `-o` that gives a new disk a target of this size; undefined for pblk's default, and where no number does (more
 * chunks have gone bad since the disk was new): then the default is the best guess.
 */
export function overProvisioning(
  config: ControllerConfig,
  begin: number,
  end: number,
  sizeBytes: number,
): number | undefined {
  const bytesWith = (op: number | undefined) =>
    geometryReport(config, begin, end, { memoryBytes: MEMORY_BYTES }, { op }).usableBytes;
  if (bytesWith(undefined) === sizeBytes) return undefined;
  for (let op = MIN_OP; op <= MAX_OP; op++) if (bytesWith(op) === sizeBytes) return op;
  return undefined;
}
