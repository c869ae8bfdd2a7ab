import type { Core } from './core.ts';
import { holdTime, type SavedMachine } from './saved-state.ts';

/**
 * A saved machine in a core of its own, so far without anything plugged in: what takes longest of a restore, done
 * ahead. Holds the whole memory of a machine: good for one restore, or to be let go.
 */
export class PreparedMachine {
  readonly saved: SavedMachine;
  #core: Core | undefined;
  readonly #goOn: () => void;

  constructor(core: Core, saved: SavedMachine) {
    this.#core = core;
    this.saved = saved;
    this.#goOn = holdTime(core);
  }

  /** The core, once; undefined when it is gone. The guest does not notice how long it stood here. */
  take(): Core | undefined {
    const core = this.#core;
    this.#core = undefined;
    if (core) this.#goOn();
    return core;
  }

  /** Nobody wants it any more. */
  letGo(): void {
    this.#core?.destroy();
    this.#core = undefined;
  }
}
