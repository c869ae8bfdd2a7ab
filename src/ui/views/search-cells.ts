import type { SectorOfBlock } from '../../trace/address-notation.ts';
import { PagedTable } from '../../trace/cells.ts';
import type { TraceModel } from '../../trace/model.ts';
import type { Target } from '../../trace/target.ts';
import type { DiskExtent } from './search-file.ts';

/** More are not pointed out: the map would be full of them. */
export const MAX_HIGHLIGHTED = 65_536;
/** Logical blocks that are looked up at once. */
const MAX_LOOKED_UP = 1 << 20;

export interface ExtentCells extends DiskExtent {
  /** Blocks of it that have a cell. */
  readonly cells: number;
}

export interface FoundCells {
  readonly cells: readonly SectorOfBlock[];
  readonly extents: readonly ExtentCells[];
  readonly found: number;
  readonly missing: number;
}

/** The newest copies of the logical blocks in some extents. */
export function cellsOf(model: TraceModel, target: Target, extents: readonly DiskExtent[]): FoundCells {
  const cells: SectorOfBlock[] = [];
  const counted: ExtentCells[] = [];
  let found = 0;
  let missing = 0;
  let left = MAX_LOOKED_UP;
  for (const { lba, count } of extents) {
    const last = lba + Math.min(count, left);
    left -= last - lba;
    let here = 0;
    for (let block = lba; block < last; block++) {
      // Not model.find: a million objects for a whole disk would be felt.
      const at = target.map.get(block);
      if (at === PagedTable.none) continue;
      here++;
      if (cells.length === MAX_HIGHLIGHTED) continue;
      const sec = at % model.secsPerBlk;
      cells.push({ block: (at - sec) / model.secsPerBlk, sec });
    }
    counted.push({ lba, count, cells: here });
    found += here;
    missing += last - lba - here;
  }
  return { cells, extents: counted, found, missing };
}

/**
 * The target that a disk of the guest is: by its name when the guest has told it, else by its number of LUNs.
 * Undefined when that fits several, or none.
 */
export function targetOfDisk(targets: readonly Target[], disk: string, luns: number): Target | undefined {
  const named = targets.find((target) => target.disk === disk);
  if (named) return named;
  const nameless = targets.filter((target) => target.disk === '' && target.layout.luns === luns);
  return nameless.length === 1 ? nameless[0] : undefined;
}
