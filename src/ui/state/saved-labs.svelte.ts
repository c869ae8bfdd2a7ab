import type { SavedLabRow } from '../../rpc/protocol.ts';
import { language } from '../text/language.svelte.ts';
import { messageOf } from './connection.ts';
import type { LabState } from './lab.svelte.ts';
import { recall, remember } from './remember.ts';

/** Machines that were saved, and the one that the page goes on with. */
export class SavedLabsState {
  rows = $state.raw<readonly SavedLabRow[]>([]);
  /** What the machine that is on was continued from; until it is switched off or waved away. */
  continued = $state.raw<SavedLabRow>();
  /** There was a machine, but its disk has been written to since: it boots, and this says how old it was. */
  outdated = $state.raw<SavedLabRow>();
  saving = $state(false);
  /** The page tries to go on with a machine, and boots if it cannot: until then, off is no end. */
  triesFirst = false;
  #goesOn = $state(recall('goOn') !== 'no');
  readonly #lab: LabState;

  constructor(lab: LabState) {
    this.#lab = lab;
  }

  /** The reader's standing wish, in this browser: after a reload the machine goes on. Without it, it is off. */
  get goesOn(): boolean {
    return this.#goesOn;
  }

  set goesOn(goesOn: boolean) {
    this.#goesOn = goesOn;
    remember('goOn', goesOn ? undefined : 'no');
  }

  /** Those with names, newest first. */
  readonly named = $derived(this.rows.filter(({ kind }) => kind === 'named'));

  async refresh(): Promise<void> {
    this.rows = await this.#lab.connected().savedLabs();
  }

  /**
   * After the page was loaded: goes on with the machine as it was left, if the chosen disk is still as it was then.
   * If it is not, the machine is switched on all the same, since it was on.
   */
  async goOn(): Promise<void> {
    if (!this.#goesOn) return;
    await this.refresh();
    const row = this.rows.find(({ kind, diskId }) => kind === 'auto' && diskId === this.#lab.diskId);
    if (!row) return;
    if (row.state === 'ready') {
      this.triesFirst = true;
      try {
        // In another tab it runs: that one is asked for it when somebody switches on here.
        if (await this.#lab.resume(row.id)) this.continued = row;
        return;
      } catch (error) {
        this.#lab.notices.error('saved.failed', language.t.savedLabs.failed(messageOf(error)));
      } finally {
        this.triesFirst = false;
      }
    } else this.outdated = row;
    await this.#lab.attempt(language.t.power.on, () => this.#lab.powerOn());
  }

  /** Goes on with a saved machine, instead of the one that is on. */
  async resume(row: SavedLabRow): Promise<void> {
    if (!(await this.#lab.resume(row.id))) throw new Error(language.t.notices.elsewhere);
    this.continued = row;
  }

  async save(name: string): Promise<SavedLabRow> {
    this.saving = true;
    try {
      return await this.#lab.connected().saveLab(name);
    } finally {
      this.saving = false;
      await this.refresh();
    }
  }

  async remove(id: string): Promise<void> {
    await this.#lab.connected().removeLab(id);
    await this.refresh();
  }

  /** The machine was switched off, or on again. */
  ended(): void {
    this.continued = undefined;
  }
}
