import { Autosave } from '../src/lab/autosave.ts';
import { ConsoleMemory } from '../src/lab/console-memory.ts';
import { LabError } from '../src/lab/errors.ts';
import type { LabDevice } from '../src/lab/device.ts';
import type { Lab, SaveOptions } from '../src/lab/lab.ts';
import { packApart, packLab, unpackLab } from '../src/lab/pack-lab.ts';
import { cannotResume, type SavedLab } from '../src/lab/saved-lab.ts';
import type { PowerState } from '../src/lab/types.ts';
import type { SavedLabRow } from '../src/rpc/protocol.ts';
import type { DiskCatalogue, DiskSummary, OpenDisk } from '../src/storage/catalogue.ts';
import { MAX_NAME_CHARACTERS, printable } from '../src/storage/disk-spec.ts';
import {
  autoId,
  type SavedLabHead,
  type SavedLabs,
  type SavedMachineRecord,
} from '../src/storage/saved-labs.ts';
import { freeNameOf } from './disk-transfers.ts';

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

/** A machine up to this size is kept as it is: packing and unpacking it would take longer than all the rest. */
const MOST_PLAIN_BYTES = 64 * 2 ** 20;

/** How long a save that nobody asked for waits for a moment of rest: there is another time. */
const AUTOSAVE_REST_MS = 1000;

type HeadOfMachine = Pick<SavedLabHead, 'diskId' | 'diskVersion' | 'savedAtMs' | 'memoryMiB'>;

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
  #resumed: { readonly diskId: string; readonly consoles: SavedMachineRecord['consoles'] } | undefined;
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
    if (this.#resumed?.diskId !== disk.summary.id) this.#resumed = undefined;
    if (this.#resumed) for (const tty of [0, 1] as const) this.#replay(tty, this.#resumed.consoles[tty]);
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
    this.#resumed = undefined;
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
    const { head, machine } = await this.#copy({ timeoutMs: AUTOSAVE_REST_MS });
    await this.#inTurn(async () => {
      if (powers !== this.#powers) return;
      await this.#parts.labs.put({ ...head, id: autoId(head.diskId), kind: 'auto', name: '' }, machine);
    });
  }

  /** What is kept of the machine that is on, as it is now. */
  async #copy(options: SaveOptions): Promise<{ head: HeadOfMachine; machine: SavedMachineRecord }> {
    const consoles = this.#consoles.all();
    const saved = await this.#parts.lab.save(options);
    const { diskId, diskVersion: version = '', savedAtMs, memoryMiB } = saved;
    const head = { diskId, diskVersion: version, savedAtMs, memoryMiB };
    const isLarge = saved.machine.bytes.length > MOST_PLAIN_BYTES;
    const packed = isLarge ? { packed: await packLab(saved) } : packApart(saved);
    return { head, machine: { ...packed, consoles } };
  }

  /** Saves the lab under a name, with its disk. Rejects with one sentence. */
  async save(name: string): Promise<SavedLabRow> {
    const wanted = printable(name);
    if (wanted === '' || [...wanted].length > MAX_NAME_CHARACTERS)
      throw new LabError('save', `Give the saved machine a name of 1 to ${MAX_NAME_CHARACTERS} characters.`);
    if (!this.#isKept)
      throw new LabError(
        'save',
        'This disk is in memory and goes with the tab; use a disk that is kept in the browser to save the machine.',
      );
    const catalogue = await this.#disks();
    let pin: string | undefined;
    try {
      const { head, machine } = await this.#copy({
        whilePaused: async ({ diskId }) => {
          pin = (await catalogue.pin(diskId)).pin;
        },
      });
      const named = { ...head, id: crypto.randomUUID(), kind: 'named', name: wanted } as const;
      const whole = { ...named, ...(pin !== undefined && { pinId: pin }) };
      return { ...(await this.#parts.labs.put(whole, machine)), state: 'ready' };
    } catch (error) {
      if (pin !== undefined) await catalogue.unpin(pin).catch(() => undefined);
      throw error;
    }
  }

  // What was saved ------------------------------------------------------------------------------------

  async list(): Promise<readonly SavedLabRow[]> {
    const catalogue = await this.#parts.catalogue();
    if (!catalogue) return [];
    const heads = await this.#parts.labs.list();
    await this.#sweep(catalogue, heads).catch(() => undefined);
    // Looking at every disk takes opening it: not for a reader who has saved nothing.
    const disks = heads.length === 0 ? [] : await catalogue.list();
    return heads.map((head) => ({ ...head, state: stateOf(head, disks) }));
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
    const catalogue = await this.#disks();
    if (lab.power === 'halted') await lab.powerCut();
    const [head, disks] = await Promise.all([labs.head(id), catalogue.list()]);
    if (!head) throw goneMachine();
    const isThere = stateOf(head, disks) === 'ready';
    const fork = isThere ? undefined : await this.#fork(catalogue, head, disks);
    const diskId = fork?.diskId ?? head.diskId;
    // Not before: what is small would wait for what is large.
    const reading = this.#read(id);
    let isOver = false;
    const resume = reading.then(({ saved, consoles }) => {
      if (!isOver) this.#resumed = { diskId, consoles };
      return { ...saved, ...fork };
    });
    resume.catch(() => undefined); // whoever waits for it hears of it
    try {
      // While it is being read, everything else is made.
      await lab.powerOn({
        catalogue,
        diskId,
        memoryMiB: head.memoryMiB,
        cmdline: '',
        resume,
        diskVersion,
      });
    } catch (error) {
      isOver = true;
      // The fork was made for this alone.
      if (!isThere) await catalogue.remove(diskId).catch(() => undefined);
      throw error;
    }
    return { diskId };
  }

  async #read(id: string): Promise<{ saved: SavedLab } & Pick<SavedMachineRecord, 'consoles'>> {
    const machine = await this.#parts.labs.machine(id);
    if (!machine) throw goneMachine();
    const { packed, state, consoles } = machine;
    return { saved: await unpackLab(packed, state), consoles };
  }

  /** The version of the disk that a saved lab needs, as a disk of its own. */
  async #fork(
    catalogue: DiskCatalogue,
    { pinId, name }: SavedLabHead,
    disks: readonly DiskSummary[],
  ): Promise<Pick<SavedLab, 'diskId' | 'diskVersion'>> {
    if (pinId === undefined) throw cannotResume('the disk is no longer as it was then');
    const taken = disks.map((disk) => disk.name);
    const { id, commits } = await catalogue.forkPin(pinId, freeNameOf(name, taken));
    return { diskId: id, diskVersion: versionName(id, commits) };
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

function goneMachine(): LabError {
  return new LabError('resume', 'That saved machine is not here any more.');
}

/** What became of the disk of a saved lab. */
function stateOf(
  { diskId, diskVersion: saved }: SavedLabHead,
  disks: readonly DiskSummary[],
): SavedLabRow['state'] {
  const disk = disks.find(({ id }) => id === diskId);
  if (!disk) return 'gone';
  return versionName(disk.id, disk.commits) === saved ? 'ready' : 'moved';
}
