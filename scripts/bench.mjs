// `npm run bench [name] [-- --json]`: see docs/bench.md.
import { become } from './ensure-installed.mjs';

become('bench', 'main.ts');
