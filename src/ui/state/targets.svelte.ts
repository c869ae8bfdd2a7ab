import type { RememberedTarget, TargetsChoice } from '../../rpc/protocol.ts';
import { recall, remember } from './remember.ts';
import { KILL_LINE } from './shell-run.ts';

const TARGETS_CHOICES: readonly TargetsChoice[] = ['offer', 'create', 'ignore'];

/** What the page does about targets that the disk remembers and the guest, freshly booted, does not have. */
export class TargetsState {
  /** Of the disk that is open. */
  known = $state.raw<readonly RememberedTarget[]>([]);
  /** What the last power on asked for, if it did. */
  #choice = $state<TargetsChoice>();
  #always = $state(recall('targets') === 'create');
  /** In this life of the machine it is done with: answered, or made. */
  #done = $state(false);

  readonly missing = $derived(this.known.filter(({ exists }) => !exists));
  /** To be offered, once the machine runs; also while the reader makes up their mind about always. */
  readonly offered = $derived(!this.#done && this.#choice !== 'ignore' ? this.missing : []);

  /** The reader's standing wish, in this browser: they are made again after each boot. */
  get always(): boolean {
    return this.#always;
  }

  set always(always: boolean) {
    this.#always = always;
    remember('targets', always ? 'create' : undefined);
  }

  /** A power on, with what a script asked for. A reset goes on with it. */
  choose(choice: TargetsChoice | undefined): void {
    if (choice !== undefined && !TARGETS_CHOICES.includes(choice))
      throw new Error(
        `There is no choice "${String(choice)}" for targets; ${TARGETS_CHOICES.join(', ')} are.`,
      );
    this.#choice = choice;
  }

  /** The machine begins a life: nothing was offered in it yet. */
  begin(): void {
    this.#done = false;
  }

  /** The shells are there. What has to be typed into the first of them, which may be nothing. */
  ready(): string {
    const wish = this.#choice ?? (this.#always ? 'create' : 'offer');
    return this.#done || wish !== 'create' ? '' : this.take();
  }

  /** What makes the missing targets again, as the reader would type it; they are not offered any more. */
  take(): string {
    this.#done = true;
    const lines = this.missing.map(({ command }) => `${command}\n`);
    return lines.length === 0 ? '' : KILL_LINE + lines.join('');
  }

  notNow(): void {
    this.#done = true;
  }
}
