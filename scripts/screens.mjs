// `npm run screens`: pictures of the page into docs/screens (see e2e/screens.ts).
import { become } from './ensure-installed.mjs';

become('e2e', 'screens.ts');
