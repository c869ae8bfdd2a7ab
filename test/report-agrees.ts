import { expect } from 'vitest';
import { buildConfig } from '../src/lab/device-line.ts';
import { geometryReport } from '../src/lab/report.ts';
import type { GeometryReport } from '../src/lab/types.ts';
import { boot, type Booted, createTarget } from './boot.ts';

/** LUNs as `nvme lnvm create -b -e` counts them; `unsafe` where create succeeds and then destroys data. */
export type LunRange = readonly [begin: number, end: number, safety?: 'unsafe'];

/**
 * The geometry report against the kernel: what it predicts of `nvme lnvm create` has to be what the kernel then
 * does, range after range on one disk.
 *
 * @param whileThere called while a target that works is there
 */
export async function reportAgrees(
  line: string,
  sizeBytes: number,
  ranges: readonly LunRange[],
  whileThere: (guest: Booted, predicted: GeometryReport) => Promise<void> = async () => {},
): Promise<void> {
  const built = buildConfig(line, sizeBytes);
  if (!built.ok) throw new Error(built.error);
  const guest = await boot({ line, sizeMiB: built.result.sizeBytes / 2 ** 20 });
  try {
    for (const [index, [begin, end, safety]] of ranges.entries()) {
      const predicted = geometryReport(built.config, begin, end);
      await guest.exec('dmesg -c > /dev/null');
      const created = await guest.exec(`${createTarget(begin, end)}${index > 0 ? ' -f' : ''}`);
      const log = (await guest.exec('dmesg')).output;
      const seen = { createSucceeds: created.status === 0, ...(created.status === 0 ? figuresOf(log) : {}) };
      expect(predicted, `LUNs ${begin} to ${end}: ${log}`).toMatchObject(seen);
      if (safety) {
        expect(predicted.safe).toBe(false);
        expect(predicted.reason).not.toBe('');
        // Such a target may take the kernel with it when it is removed.
        break;
      }
      if (created.status !== 0) {
        expect(predicted.reason).not.toBe('');
        continue;
      }
      expect(predicted.safe, predicted.reason).toBe(true);
      const disk = await guest.run('cat /sys/block/mydevice/size');
      expect(Number(disk) / 8).toBe(predicted.usableSectors);
      await whileThere(guest, predicted);
      await guest.run('nvme lnvm remove -n mydevice');
    }
  } finally {
    await guest.off();
  }
}

/** What pblk says of a target that it has made. */
function figuresOf(log: string): Partial<GeometryReport> {
  const info = /luns:(\d+), lines:(\d+), secs:(\d+), buf entries:(\d+)/.exec(log);
  const adjusted = /adjusting OP to (\d+)/.exec(log);
  return {
    opPercent: adjusted ? Number(adjusted[1]) : 11,
    lines: Number(info?.[2]),
    usableSectors: Number(info?.[3]),
    bufferEntries: Number(info?.[4]),
  };
}
