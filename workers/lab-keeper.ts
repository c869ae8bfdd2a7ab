import { Autosave } from '../src/lab/autosave.ts';
import { ConsoleMemory } from '../src/lab/console-memory.ts';
import { LabError } from '../src/lab/errors.ts';
import type { LabDevice } from '../src/lab/device.ts';
import type { Lab } from '../src/lab/lab.ts';
import { packLab, unpackLab } from '../src/lab/pack-lab.ts';
import { cannotResume, type SavedLab } from '../src/lab/saved-lab.ts';
import type { PowerState } from '../src/lab/types.ts';
import type { SavedLabRow } from '../src/rpc/protocol.ts';
import type { DiskCatalogue, OpenDisk } from '../src/storage/catalogue.ts';
import { autoId, type SavedLabHead, type SavedLabs } from '../src/storage/saved-labs.ts';

/** The part of a lab that is used. */
export type KeptLab = Pick<Lab, 'power' | 'save' | 'powerOn' | 'powerCut'> & {
  readonly device: { readonly activity: Pick<LabDevice['activity'], 'counters'> } | undefined;
};

/** What the keeper needs of the one who has the lab. */
export interface KeeperParts {
  readonly lab: KeptLab;
  readonly labs: SavedLabs;
  /** Disks that survive a reload; undefined where there are none. */
  catalogue(): Promise<DiskCatalogue | undefined>;
  /** What a shell said, to the page. */
  console(tty: 0 | 1, bytes: Uint8Array): void;
}

/** Saving a machine takes seconds: a version of a disk that no machine names after so long has none. */
const ABANDONED_AFTER_MS = 600_000;

/** Names a version of a disk: the same name, the same content. */
export function diskVersion(disk: OpenDisk): string {
  return versionName(disk.summary.id, disk.version().commits);
}

function versionName(id: string, commits: number): string {
  return `${id}:${commits}`;
}

/**
 * Saves the running lab, by itself and under names, and goes on with what was saved. A lab that was saved by itself
 * belongs to its disk as that was: once the guest has written it is of no use but to be spoken of. One with a name
 * keeps its version of the disk, and goes on with a fork of that when the disk has moved on.
 */
export class LabKeeper {
  readonly #parts: KeeperParts;
  readonly #consoles = new ConsoleMemory();
  readonly #autosave: Autosave;
  /** Rises with what people and the guest do on the consoles and the control channel. */
  #deeds = 0;
  /** The disk of the machine that is on. */
  #diskId: string | undefined;
  /** The machine that is on cannot be saved by itself: its disk goes with the tab. */
  #isKept = false;
  /** One more at each power change: what was begun before is void. */
  #powers = 0;
  /** Shown when the disk of a saved lab is open. */
  #resumed: readonly [Uint8Array, Uint8Array] | undefined;
  /** Changes of what is kept, one after the other. */
  #change: Promise<unknown> = Promise.resolve();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#autosave = new Autosave({
      activity: () => this.#deeds + (this.#parts.lab.device?.activity.counters(0).commands ?? 0),
      canSave: () => this.#isKept && this.#parts.lab.power === 'running',
      save: () => this.#saveAlone(),
      nowMs: () => performance.now(),
    });
  }

  // What happens in the lab ---------------------------------------------------------------------------

  console(tty: 0 | 1, bytes: Uint8Array): void {
    this.#deeds++;
    this.#consoles.add(tty, bytes);
  }

  /** Somebody typed, ran a command, or put a file. */
  touched(): void {
    this.#deeds++;
  }

  /** A disk is open, and its machine does not run yet. */
  opened(disk: OpenDisk): void {
    this.#diskId = disk.summary.id;
    this.#isKept = disk.summary.kept === 'indexeddb';
    this.#consoles.clear();
    if (this.#resumed) for (const tty of [0, 1] as const) this.#replay(tty, this.#resumed[tty]);
  }

  #replay(tty: 0 | 1, bytes: Uint8Array): void {
    this.#consoles.add(tty, bytes);
    this.#parts.console(tty, bytes);
  }

  power(state: PowerState): void {
    if (state === 'running') {
      // Back from a moment without an answer it is the same machine.
      this.#autosave.start({ asSaved: this.#resumed !== undefined });
      this.#resumed = undefined;
      return;
    }
    if (state !== 'off' && state !== 'halted' && state !== 'crashed') return;
    this.#powers++;
    this.#autosave.stop();
    const id = this.#diskId;
    if (state === 'off') this.#diskId = undefined;
    // It ended before the eyes of the reader: there is nothing to go on with.
    if (id !== undefined) void this.#inTurn(() => this.#parts.labs.remove(autoId(id))).catch(() => undefined);
  }

  /** The page is hidden, and may be gone soon. */
  hidden(): Promise<void> {
    return this.#autosave.now();
  }

  // Saving --------------------------------------------------------------------------------------------

  async #saveAlone(): Promise<void> {
    const powers = this.#powers;
    const consoles = this.#consoles.all();
    const saved = await this.#parts.lab.save({ timeoutMs: 1000 });
    const packed = await packLab(saved);
    await this.#inTurn(async () => {
      if (powers !== this.#powers) return;
      const id = autoId(saved.diskId);
      await this.#parts.labs.put({ ...headOf(saved), id, kind: 'auto', name: '' }, { packed, consoles });
    });
  }

  /** Saves the lab under a name, with its disk. Rejects with one sentence. */
  async save(name: string): Promise<SavedLabRow> {
    const wanted = name.trim();
    if (wanted === '' || [...wanted].length > 64)
      throw new LabError('save', 'Give the saved machine a name of 1 to 64 characters.');
    if (!this.#isKept)
      throw new LabError(
        'save',
        'This disk is in memory and goes with the tab; use a disk that is kept in the browser to save the machine.',
      );
    const catalogue = await this.#disks();
    const consoles = this.#consoles.all();
    let pin: string | undefined;
    try {
      const saved = await this.#parts.lab.save({
        whilePaused: async ({ diskId }) => {
          pin = (await catalogue.pin(diskId)).pin;
        },
      });
      const packed = await packLab(saved);
      const head = { ...headOf(saved), id: crypto.randomUUID(), kind: 'named', name: wanted } as const;
      const whole = { ...head, ...(pin !== undefined && { pinId: pin }) };
      return { ...(await this.#parts.labs.put(whole, { packed, consoles })), state: 'ready' };
    } catch (error) {
      if (pin !== undefined) await catalogue.unpin(pin).catch(() => undefined);
      throw error;
    }
  }

  // What was saved ------------------------------------------------------------------------------------

  async list(): Promise<readonly SavedLabRow[]> {
    const catalogue = await this.#parts.catalogue();
    if (!catalogue) return [];
    const [heads, disks] = await Promise.all([this.#parts.labs.list(), catalogue.list()]);
    await this.#sweep(catalogue, heads).catch(() => undefined);
    const now = new Map(disks.map(({ id, commits }) => [id, versionName(id, commits)]));
    return heads.map((head) => {
      const version = now.get(head.diskId);
      return {
        ...head,
        state: version === undefined ? 'gone' : version === head.diskVersion ? 'ready' : 'moved',
      };
    });
  }

  /** A tab that died between keeping a disk's version and saving the machine has left the version behind. */
  async #sweep(catalogue: DiskCatalogue, heads: readonly SavedLabHead[]): Promise<void> {
    const wanted = new Set(heads.map(({ pinId }) => pinId));
    const abandoned = Date.now() - ABANDONED_AFTER_MS;
    for (const { pin, pinnedAtMs } of await catalogue.pins())
      if (!wanted.has(pin) && pinnedAtMs < abandoned) await catalogue.unpin(pin);
  }

  async remove(id: string): Promise<void> {
    await this.#inTurn(async () => {
      const head = await this.#parts.labs.head(id);
      // First the machine, then what it needs: in between a tab may die.
      await this.#parts.labs.remove(id);
      if (head?.pinId !== undefined) await (await this.#disks()).unpin(head.pinId);
    });
  }

  /**
   * Goes on with a saved lab; the machine has to be off. With a fork of its disk's version where the disk has moved
   * on. Resolves with the disk that it uses. Rejects with one sentence, and nothing has changed.
   */
  async resume(id: string): Promise<{ diskId: string }> {
    const { labs, lab } = this.#parts;
    const [head, machine] = await Promise.all([labs.head(id), labs.machine(id)]);
    if (!head || !machine) throw new LabError('resume', 'That saved machine is not here any more.');
    if (lab.power === 'halted') await lab.powerCut();
    const catalogue = await this.#disks();
    const unpacked = await unpackLab(machine.packed);
    const disk = (await catalogue.list()).find((one) => one.id === head.diskId);
    const isThere = disk && versionName(disk.id, disk.commits) === head.diskVersion;
    const saved = isThere ? unpacked : await this.#withFork(catalogue, head, unpacked);
    this.#resumed = machine.consoles;
    try {
      await lab.powerOn({
        catalogue,
        diskId: saved.diskId,
        memoryMiB: saved.memoryMiB,
        cmdline: '',
        resume: saved,
        diskVersion,
      });
    } catch (error) {
      this.#resumed = undefined;
      // The fork was made for this alone.
      if (!isThere) await catalogue.remove(saved.diskId).catch(() => undefined);
      throw error;
    }
    return { diskId: saved.diskId };
  }

  async #withFork(catalogue: DiskCatalogue, head: SavedLabHead, saved: SavedLab): Promise<SavedLab> {
    if (head.pinId === undefined) throw cannotResume('the disk is no longer as it was then');
    const { id, commits } = await catalogue.forkPin(head.pinId, head.name);
    return { ...saved, diskId: id, diskVersion: versionName(id, commits) };
  }

  async #disks(): Promise<DiskCatalogue> {
    const catalogue = await this.#parts.catalogue();
    if (!catalogue)
      throw new LabError('save', 'Nothing can be kept in this browser, so machines cannot be saved.');
    return catalogue;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#change.then(work);
    this.#change = result.catch(() => undefined);
    return result;
  }
}

function headOf(saved: SavedLab): Pick<SavedLabHead, 'diskId' | 'diskVersion' | 'savedAtMs' | 'memoryMiB'> {
  const { diskId, diskVersion: version = '', savedAtMs, memoryMiB } = saved;
  return { diskId, diskVersion: version, savedAtMs, memoryMiB };
}
