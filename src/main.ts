import { mount } from 'svelte';
import './ui/styles/tokens.css';
import './ui/styles/base.css';
import { makeLabApi } from './ui/lab-api.ts';
import { LabState } from './ui/state/lab.svelte.ts';
import { Preferences } from './ui/state/preferences.svelte.ts';

const target = document.getElementById('app');
/** A recording to show instead of a lab: the page then starts no machine, and fetches nothing of one. */
const replay = new URLSearchParams(location.search).get('replay');

// public/browser-check.js has already said what is missing.
if (target && document.documentElement.dataset['unsupported'] === undefined) {
  const lab = new LabState();
  if (replay === null) void showLab(lab, target);
  else void showReplay(lab, target, replay);
}

/** The two pages come in parts of their own: a replay needs neither terminal nor emulator. */
async function showLab(lab: LabState, target: HTMLElement): Promise<void> {
  const started = lab.start();
  window.lab = makeLabApi(lab, started);
  keepForOffline(window.lab.ready);
  const { default: App } = await import('./ui/App.svelte');
  mount(App, { target, props: { lab, prefs: new Preferences() } });
}

async function showReplay(lab: LabState, target: HTMLElement, url: string): Promise<void> {
  window.lab = makeLabApi(lab, Promise.resolve());
  const { default: Replay } = await import('./ui/views/Replay.svelte');
  mount(Replay, { target, props: { lab, prefs: new Preferences(), url } });
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
