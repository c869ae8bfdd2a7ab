/** The page's first script. The worker has the most to do until there is a prompt: it begins before the page does. */
import { hasLab } from './ui/page-kind.ts';
import { startEmulator } from './ui/state/emulator-worker.ts';

// public/browser-check.js has already said what is missing.
if (document.documentElement.dataset['unsupported'] === undefined) {
  const { search } = location;
  const isFake = import.meta.env.DEV && new URLSearchParams(search).has('fake');
  if (hasLab(search) && !isFake) startEmulator();
  void import('./main.ts');
}
