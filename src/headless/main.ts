/** `npm run lab`: one lab in Node, from the command line. docs/api.md documents it; it is an interface. */
import { presets } from '../lab/presets.ts';
import { sentenceOf } from '../lab/errors.ts';
import { readArguments, USAGE } from './arguments.ts';
import { printReport } from './report.ts';
import { runLab } from './run.ts';

const USAGE_ERROR = 2;

async function main(): Promise<number> {
  const args = readArguments(process.argv.slice(2), { device: presets[0]?.line ?? '' });
  if ('error' in args) {
    console.error(args.error);
    return USAGE_ERROR;
  }
  if (args.help) {
    console.log(USAGE);
    return 0;
  }
  return args.report ? printReport(args) : runLab(args);
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(sentenceOf(error));
  return USAGE_ERROR;
});
// Whatever the emulator still holds: the work is done.
process.stdout.write('', () => process.exit());
