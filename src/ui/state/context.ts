import { createContext } from 'svelte';
import type { LabState } from './lab.svelte.ts';
import type { Preferences } from './preferences.svelte.ts';

/** What every view may use, without threading it through props. */
export interface Page {
  readonly lab: LabState;
  readonly prefs: Preferences;
}

export const [usePage, providePage] = createContext<Page>();
