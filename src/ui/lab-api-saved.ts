import type { SavedLabRow } from '../rpc/protocol.ts';
import type { LabState } from './state/lab.svelte.ts';

/** Running machines that are saved with their disks, to go on from at any later time. */
export interface LabSaved {
  /** All of them, newest first: those with names, and what the page saved by itself (`kind: 'auto'`). */
  list(): Promise<readonly SavedLabRow[]>;
  /**
   * Saves the machine that runs, and its disk as it is now. Rejects when the guest has no moment of rest within a few
   * seconds, or the disk is in memory.
   */
  save(name: string): Promise<SavedLabRow>;
  /**
   * Goes on with a saved machine, by id or by name (the newest of that name); one that runs is unplugged first. Its
   * disk is used if it is as it was then, else a fork of it as it was. Await `lab.ready` for the prompt.
   */
  resume(idOrName: string): Promise<void>;
  remove(idOrName: string): Promise<void>;
}

export function savedApi(lab: LabState, started: Promise<void>): LabSaved {
  const find = async (idOrName: string): Promise<SavedLabRow> => {
    await started;
    await lab.savedLabs.refresh();
    const { rows } = lab.savedLabs;
    const row = rows.find(({ id }) => id === idOrName) ?? rows.find(({ name }) => name === idOrName);
    if (row) return row;
    const names = rows.map(({ name, id }) => `"${name || id}"`).join(', ') || 'none';
    throw new Error(`There is no saved machine "${idOrName}"; those here are: ${names}.`);
  };
  return {
    list: async () => {
      await started;
      await lab.savedLabs.refresh();
      return lab.savedLabs.rows;
    },
    save: async (name) => {
      await started;
      return lab.savedLabs.save(name);
    },
    resume: async (idOrName) => lab.savedLabs.resume(await find(idOrName)),
    remove: async (idOrName) => lab.savedLabs.remove((await find(idOrName)).id),
  };
}
