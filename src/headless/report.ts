import { buildConfig } from '../lab/device-line.ts';
import { formatReport, geometryReport } from '../lab/report.ts';
import type { LabArguments } from './arguments.ts';
import { readDeviceFiles } from './device-files.ts';

/**
 * `--report`: what `nvme lnvm create` will do, without booting. Exit status 0 when it succeeds and the data
 * is safe, 1 when not, 2 when the line itself is wrong.
 */
export async function printReport(args: LabArguments): Promise<number> {
  const built = buildConfig(args.device, args.sizeBytes, await readDeviceFiles(args.files));
  if (!built.ok) {
    console.error(built.error);
    return 2;
  }
  const { numCh, numLun } = built.result.geometry;
  const { begin, end } = args.luns ?? { begin: 0, end: numCh * numLun - 1 };
  const report = geometryReport(built.config, begin, end, { memoryBytes: args.memoryMiB * 2 ** 20 });
  if (args.json) console.log(JSON.stringify(report));
  else
    console.log([`Read as ${built.result.dialect}.`, ...built.result.notes, formatReport(report)].join('\n'));
  return report.createSucceeds && report.safe ? 0 : 1;
}
