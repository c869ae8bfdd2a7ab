import { mount } from 'svelte';
import './ui/styles/tokens.css';
import './ui/styles/base.css';
import App from './ui/App.svelte';
import { makeLabApi } from './ui/lab-api.ts';
import { LabState } from './ui/state/lab.svelte.ts';
import { Preferences } from './ui/state/preferences.svelte.ts';

const target = document.getElementById('app');

// public/browser-check.js has already said what is missing.
if (target && document.documentElement.dataset['unsupported'] === undefined) {
  const lab = new LabState();
  const started = lab.start();
  window.lab = makeLabApi(lab, started);
  keepForOffline(window.lab.ready);
  mount(App, { target, props: { lab, prefs: new Preferences() } });
}

/** How long a page waits for the machine before it fetches everything for later; both at once would slow the boot. */
const OFFLINE_AFTER_MS = 20_000;

/** Registers the service worker when the first boot is done, or when the page has been idle for a while. */
function keepForOffline(booted: Promise<void>): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  const idle = new Promise<void>((resolve) => setTimeout(resolve, OFFLINE_AFTER_MS));
  void Promise.race([booted, idle])
    .catch(() => {})
    .then(() => navigator.serviceWorker.register('./sw.js'))
    // Private windows and plain http have none: the page works, only not offline.
    .catch(() => {});
}
