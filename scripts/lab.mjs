// `npm run lab -- …`: the lab without a page. TypeScript runs through tsx, so there is nothing to build.
import { become } from './ensure-installed.mjs';

become('src', 'headless', 'main.ts');
