import { mount } from 'svelte';
import './ui/styles/tokens.css';
import './ui/styles/base.css';
import { readSide, withoutWish, type SideId } from './ui/beside/side-query.ts';
import { tellMistakes, wishOf, wishOfLink } from './ui/beside/side-start.ts';
import { makeLabApi } from './ui/lab-api.ts';
import { keepForOffline } from './ui/keep-for-offline.ts';
import { hasLab, pageKind } from './ui/page-kind.ts';
import { LabState } from './ui/state/lab.svelte.ts';
import { Preferences } from './ui/state/preferences.svelte.ts';

const target = document.getElementById('app');

/** Each imported by a function of its own: in one expression the build gives both the style sheets of one. */
const lowers = {
  lab: () => import('./ui/views/SideLab.svelte'),
  replay: () => import('./ui/views/RecordingTabs.svelte'),
};

if (target) void show(target);

function show(target: HTMLElement): Promise<void> {
  const page = pageKind(location.search);
  switch (page.kind) {
    case 'beside':
      return showBeside(target);
    case 'side':
      return showSide(new LabState(), target, page.id);
    case 'replay':
      return showReplay(new LabState(), target, page.url);
    case 'lab':
      return showLab(new LabState(), target);
  }
}

/** The two pages come in parts of their own: a replay needs neither terminal nor emulator. */
async function showLab(lab: LabState, target: HTMLElement): Promise<void> {
  const wish = wishOfLink(location.search);
  const started = lab.start(wish);
  tellMistakes(lab, location.search);
  const prefs = new Preferences();
  window.lab = makeLabApi(lab, started, prefs);
  if (import.meta.env.PROD) keepForOffline(window.lab.ready);
  // What runs is what a reload goes on with, also if it is not what the link asked for.
  if (wish) void window.lab.ready.then(forgetWish).catch(() => undefined);
  const { default: App } = await import('./ui/App.svelte');
  mount(App, { target, props: { lab, prefs } });
}

function forgetWish(): void {
  history.replaceState(history.state, '', withoutWish(new URL(location.href)));
}

async function showReplay(lab: LabState, target: HTMLElement, url: string): Promise<void> {
  tellMistakes(lab, location.search);
  const prefs = new Preferences();
  window.lab = makeLabApi(lab, Promise.resolve(), prefs);
  const { default: Replay } = await import('./ui/views/Replay.svelte');
  mount(Replay, { target, props: { lab, prefs, url } });
}

/** One of two: a lab, or a recording, without what both have in common. */
async function showSide(lab: LabState, target: HTMLElement, id: SideId): Promise<void> {
  const wanted = readSide(location.search);
  const isLab = hasLab(location.search);
  const started = isLab ? lab.start(wishOf(id, wanted)) : Promise.resolve();
  tellMistakes(lab, location.search);
  const prefs = new Preferences();
  window.lab = makeLabApi(lab, started, prefs);
  if (isLab && import.meta.env.PROD) keepForOffline(window.lab.ready);
  const [{ default: Side }, { default: Lower }] = await Promise.all([
    import('./ui/views/Side.svelte'),
    lowers[isLab ? 'lab' : 'replay'](),
  ]);
  mount(Side, { target, props: { lab, prefs, Lower, replay: wanted.replay } });
}

/** The page that holds two: it has no lab of its own. */
async function showBeside(target: HTMLElement): Promise<void> {
  const { default: Beside } = await import('./ui/views/Beside.svelte');
  const query = new URLSearchParams(location.search);
  const of = (id: SideId) => readSide(query.get(id) ?? '');
  const pair = query.has('left') || query.has('right') ? { left: of('left'), right: of('right') } : undefined;
  mount(Beside, { target, props: { prefs: new Preferences(), pair } });
}
