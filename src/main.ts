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
  mount(App, { target, props: { lab, prefs: new Preferences() } });
}
