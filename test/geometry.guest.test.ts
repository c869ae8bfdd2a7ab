import { describe, expect, it } from 'vitest';
import { buildConfig } from '../src/lab/device-line.ts';
import { geometryReport } from '../src/lab/report.ts';
import { boot, createTarget, line12, tutorialLine } from './boot.ts';

/**
 * The geometry report against the kernel: what it predicts of `nvme lnvm create` (success, over-provisioning,
 * usable sectors, write buffer) must be what the kernel then does.
 */
interface Case {
  readonly line: string;
  readonly sizeMiB: number;
  /** LUN ranges, tried in turn (from the second on with -f: as on a fresh disk), and those that are not safe. */
  readonly ranges: readonly (readonly [begin: number, end: number, safe?: 'unsafe'])[];
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
  { line: tutorialLine, sizeMiB: fileFor(11, 16, 4096), ranges: [[0, 15]] },
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
  },
  {
    line: line12('lnum_lun=2,lnum_pln=1,lsecs_per_pg=4,lpgs_per_blk=16'),
    sizeMiB: fileFor(32, 2, 64),
    ranges: [
      [0, 1],
      [0, 0],
    ],
  },
  {
    line: line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16'),
    sizeMiB: fileFor(64, 4, 128),
    ranges: [[0, 3]],
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

describe.each(cases)('$line, $sizeMiB MiB', ({ line, sizeMiB, ranges }) => {
  it('does what the report says', async () => {
    const built = buildConfig(line, sizeMiB * 2 ** 20);
    if (!built.ok) throw new Error(built.error);
    const lab = await boot({ line, sizeMiB });
    try {
      for (const [index, [begin, end, safety]] of ranges.entries()) {
        const predicted = geometryReport(built.config, begin, end);
        await lab.exec('dmesg -c > /dev/null');
        const created = await lab.exec(`${createTarget(begin, end)}${index > 0 ? ' -f' : ''}`);
        const log = (await lab.exec('dmesg')).output;
        const info = /luns:(\d+), lines:(\d+), secs:(\d+), buf entries:(\d+)/.exec(log);
        const adjusted = /adjusting OP to (\d+)/.exec(log);
        const seen = {
          createSucceeds: created.status === 0,
          ...(created.status === 0
            ? {
                opPercent: adjusted ? Number(adjusted[1]) : 11,
                lines: Number(info?.[2]),
                usableSectors: Number(info?.[3]),
                bufferEntries: Number(info?.[4]),
              }
            : {}),
        };
        expect(predicted, `LUNs ${begin} to ${end}: ${log}`).toMatchObject(seen);
        if (safety) {
          expect(predicted.safe).toBe(false);
          expect(predicted.reason).not.toBe('');
          // Such a target may take the kernel with it when it is removed.
          break;
        }
        if (created.status === 0) {
          expect(predicted.safe, predicted.reason).toBe(true);
          const disk = await lab.run('cat /sys/block/mydevice/size');
          expect(Number(disk) / 8).toBe(predicted.usableSectors);
          await lab.run('nvme lnvm remove -n mydevice');
        } else {
          expect(predicted.reason).not.toBe('');
        }
      }
    } finally {
      await lab.off();
    }
  });
});
