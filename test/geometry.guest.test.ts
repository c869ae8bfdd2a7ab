import { describe, it } from 'vitest';
import { line12, tutorialLine } from './boot.ts';
import { type LunRange, reportAgrees } from './report-agrees.ts';
import { isMatrix } from './long.ts';

/**
 * The geometry report against the kernel: what it predicts of `nvme lnvm create` (success, over-provisioning,
 * usable sectors, write buffer) must be what the kernel then does.
 */
interface Case {
  readonly line: string;
  readonly sizeMiB: number;
  /** LUN ranges, tried in turn (from the second on with -f: as on a fresh disk), and those that are not safe. */
  readonly ranges: readonly LunRange[];
  /** Only in `npm run test:matrix`. */
  readonly more?: boolean;
}

/** Bytes of the backing file that give `chunks` chunks per LUN, by qemu-nvme's formula, in MiB rounded up. */
const fileFor = (chunks: number, luns: number, secsPerChunk: number) =>
  Math.ceil((chunks * luns * secsPerChunk * 4104) / 2 ** 20);

const cases: readonly Case[] = [
  {
    line: tutorialLine,
    sizeMiB: 8192,
    ranges: [
      [0, 3],
      [0, 15],
      [0, 0],
      [2, 3],
      [4, 20],
      [0, 2, 'unsafe'],
    ],
  },
  {
    line: tutorialLine,
    sizeMiB: 1024,
    ranges: [
      [0, 3],
      [0, 15],
    ],
    more: true,
  },
  { line: tutorialLine, sizeMiB: fileFor(8, 16, 4096), ranges: [[0, 15]] },
  {
    line: tutorialLine,
    sizeMiB: fileFor(9, 16, 4096),
    ranges: [
      [0, 15],
      [0, 3],
    ],
  },
  { line: tutorialLine, sizeMiB: fileFor(11, 16, 4096), ranges: [[0, 15]], more: true },
  { line: tutorialLine, sizeMiB: fileFor(12, 16, 4096), ranges: [[0, 15]] },
  {
    line: line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64'),
    sizeMiB: 513,
    ranges: [
      [0, 3],
      [1, 2],
      [0, 0],
    ],
  },
  {
    line: line12('lnum_lun=4,lnum_pln=1,lsecs_per_pg=4,lpgs_per_blk=32'),
    sizeMiB: fileFor(64, 4, 128),
    ranges: [[0, 3]],
    more: true,
  },
  {
    line: line12('lnum_lun=2,lnum_pln=1,lsecs_per_pg=4,lpgs_per_blk=16'),
    sizeMiB: fileFor(32, 2, 64),
    // A line is smaller than the write buffer.
    ranges: [
      [0, 1, 'unsafe'],
      [0, 0, 'unsafe'],
    ],
  },
  {
    line: line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16'),
    sizeMiB: fileFor(64, 4, 128),
    ranges: [[0, 3]],
    more: true,
  },
  {
    line: line12('lnum_ch=2,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=32'),
    sizeMiB: fileFor(40, 8, 256),
    ranges: [
      [0, 7],
      [0, 3],
      [0, 4],
      [2, 5, 'unsafe'],
    ],
  },
  {
    line: line12('lnum_lun=4,lnum_pln=4,lsecs_per_pg=4,lpgs_per_blk=16'),
    sizeMiB: fileFor(40, 4, 256),
    ranges: [[0, 3]],
  },
  {
    line: line12('lnum_lun=8,lnum_pln=1,lsecs_per_pg=1,lpgs_per_blk=64'),
    sizeMiB: fileFor(60, 8, 64),
    ranges: [
      [0, 7],
      [0, 6, 'unsafe'],
    ],
  },
  {
    line: line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=8,lpgs_per_blk=32').replace(
      'lmetasize=16',
      'lmetasize=8',
    ),
    sizeMiB: fileFor(50, 4, 512),
    ranges: [[0, 3]],
  },
  {
    line: line12('lnum_lun=2,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64').replace(
      'lmetasize=16',
      'lmetasize=64',
    ),
    sizeMiB: fileFor(70, 2, 512),
    ranges: [[0, 1]],
  },
];

const wanted = cases.filter(({ more }) => isMatrix || more !== true);

describe.each(wanted)('$line, $sizeMiB MiB', ({ line, sizeMiB, ranges }) => {
  it('does what the report says', () => reportAgrees(line, sizeMiB * 2 ** 20, ranges));
});
