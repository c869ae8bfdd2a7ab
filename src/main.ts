/** The first lines of the page: what takes longest is begun before the rest is even here. */
import './ui/styles/tokens.css';
import './ui/styles/base.css';
import { startWorker } from './ui/state/worker-start.ts';

const query = new URLSearchParams(location.search);
/** A recording needs no machine, and a page that holds two has none itself. */
const hasLab = !query.has('beside') && !query.has('replay');

// public/browser-check.js has already said what is missing.
if (document.documentElement.dataset['unsupported'] === undefined) {
  if (hasLab && !(import.meta.env.DEV && query.has('fake'))) startWorker();
  void import('./page.ts').then(({ showPage }) => showPage());
}
