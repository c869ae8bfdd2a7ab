/** Bytes of a shell's output that are looked at together: enough for what {@link lineOf} makes it print. */
const TAIL_CHARS = 32;
/** Of one piece of output no more is looked at: the status is at its end. */
const MOST_BYTES = 4096;
/** How often it is looked whether the machine is still there. */
const LOOK_EVERY_MS = 250;
/** Empties the line of a shell that somebody has begun to type. */
export const KILL_LINE = '\x15';

/** A shell as it is typed into and read. */
export interface ShellPort {
  readonly isRunning: boolean;
  type(text: string): void;
  onOutput(listener: (bytes: Uint8Array) => void): () => void;
}

/** What is typed for a command: it prints its exit status itself, where the reader sees it too. */
export function lineOf(command: string): string {
  const text = command.trim().replace(/;+$/, '').trimEnd();
  const report = 'echo "[exit $?]"';
  // What stands behind a comment, or on a line that goes on, would never run.
  if (/(^|\s)#|\n/.test(text)) return `${text}\n${report}\n`;
  return text.endsWith('&') ? `${text} ${report}\n` : `${text}; ${report}\n`;
}

/** Finds the exit status in what a shell prints, however the bytes come. */
export class StatusWatch {
  #tail = '';

  feed(bytes: Uint8Array): number | undefined {
    // The line itself is echoed too, and has `$?` there.
    this.#tail += String.fromCharCode(...bytes.subarray(-MOST_BYTES));
    const found = /\[exit (\d{1,3})\]/.exec(this.#tail)?.[1];
    this.#tail = this.#tail.slice(-TAIL_CHARS);
    return found === undefined ? undefined : Number(found);
  }
}

/** Commands that are typed into one shell, one at a time. */
export class ShellRun {
  readonly #shell: ShellPort;
  #abandon: (reason: string) => void = () => {};

  constructor(shell: ShellPort) {
    this.#shell = shell;
  }

  /** Types a command; resolves with its exit status when it has ended. Rejects when that will never be. */
  run(command: string): Promise<number> {
    this.#abandon('Another command was typed into this shell before this one had ended.');
    if (!this.#shell.isRunning)
      return Promise.reject(new Error('The machine is not running; power it on, then type.'));
    if (command.trim() === '') return Promise.reject(new Error('There is nothing to type.'));
    return new Promise((resolve, reject) => {
      const watch = new StatusWatch();
      const stop = this.#shell.onOutput((bytes) => {
        const status = watch.feed(bytes);
        if (status === undefined) return;
        end();
        resolve(status);
      });
      const looking = setInterval(() => {
        if (!this.#shell.isRunning) this.#abandon('The machine went off before the command had ended.');
      }, LOOK_EVERY_MS);
      const end = () => {
        stop();
        clearInterval(looking);
        this.#abandon = () => {};
      };
      this.#abandon = (reason) => {
        end();
        reject(new Error(reason));
      };
      this.#shell.type(KILL_LINE + lineOf(command));
    });
  }
}
