/** `npm run bench [name …] [-- --json]`: see docs/bench.md. */
import { benchBoot } from './boot.ts';
import { benchDevice } from './device.ts';
import { type Figure, table } from './figure.ts';
import { benchIo } from './io.ts';
import { benchStorage } from './storage.ts';
import { benchUi } from './ui.ts';
import { benchWatch } from './watch.ts';

const benches: Readonly<Record<string, (tell: (line: string) => void) => Promise<Figure[]>>> = {
  boot: benchBoot,
  device: benchDevice,
  io: benchIo,
  storage: benchStorage,
  ui: benchUi,
  watch: benchWatch,
};

const args = process.argv.slice(2);
const json = args.includes('--json');
const names = args.filter((arg) => !arg.startsWith('--'));
const unknown = names.find((name) => !(name in benches));
if (unknown !== undefined) {
  console.error(`There is no bench ${unknown}; there are ${Object.keys(benches).join(', ')}.`);
  process.exit(2);
}

const figures: Figure[] = [];
for (const [name, run] of Object.entries(benches)) {
  if (names.length > 0 && !names.includes(name)) continue;
  figures.push(...(await run((line) => console.error(`[${name}] ${line}`))));
}
console.log(json ? JSON.stringify(figures, null, 2) : table(figures));
process.exit(figures.every((f) => f.ok) ? 0 : 1);
