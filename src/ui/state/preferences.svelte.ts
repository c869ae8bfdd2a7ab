import { recall, recallNumber, remember } from './remember.ts';

export type Theme = 'auto' | 'light' | 'dark';

/** How the reader likes the page; kept in this browser. */
export class Preferences {
  theme = $state<Theme>(themeFrom(recall('theme')));
  /** True while the dark tokens are in force, by choice or by the system. */
  dark = $state(false);
  reducedMotion = $state(false);
  fontSize = $state(recallNumber('fontSize', 13, 9, 28));
  screenReader = $state(recall('screenReader') === 'yes');
  setupOpen = $state(recall('setupOpen') !== 'no');
  /** Map and terminal only, in letters for the last row of a class room. Not remembered; `?projector` begins with it. */
  projector = $state(/[?&]projector\b/.test(location.search));
  /** Share of the work area's height that the map takes. */
  mapShare = $state(recallNumber('mapShare', 0.5, 0.15, 0.85));
  readonly #systemDark = matchMedia('(prefers-color-scheme: dark)');
  readonly #systemStill = matchMedia('(prefers-reduced-motion: reduce)');

  constructor() {
    this.#apply();
    this.#systemDark.addEventListener('change', () => this.#apply());
    this.reducedMotion = this.#systemStill.matches;
    this.#systemStill.addEventListener('change', (e) => (this.reducedMotion = e.matches));
  }

  nextTheme(): void {
    this.setTheme(this.theme === 'auto' ? 'light' : this.theme === 'light' ? 'dark' : 'auto');
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    remember('theme', theme);
    this.#apply();
  }

  toggleProjector(): void {
    this.projector = !this.projector;
  }

  changeFontSize(by: number): void {
    this.fontSize = Math.min(28, Math.max(9, this.fontSize + by));
    remember('fontSize', String(this.fontSize));
  }

  toggleScreenReader(): void {
    this.screenReader = !this.screenReader;
    remember('screenReader', this.screenReader ? 'yes' : 'no');
  }

  toggleSetup(): void {
    this.setupOpen = !this.setupOpen;
    remember('setupOpen', this.setupOpen ? 'yes' : 'no');
  }

  setMapShare(share: number): void {
    this.mapShare = Math.min(0.85, Math.max(0.15, share));
    remember('mapShare', this.mapShare.toFixed(3));
  }

  #apply(): void {
    this.dark = this.theme === 'dark' || (this.theme === 'auto' && this.#systemDark.matches);
    document.documentElement.dataset['theme'] = this.dark ? 'dark' : 'light';
  }
}

function themeFrom(text: string | undefined): Theme {
  return text === 'light' || text === 'dark' ? text : 'auto';
}
