import type { LabState } from './state/lab.svelte.ts';
import { ShellRun } from './state/shell-run.ts';

/** The terminals of the page; 1 is the first shell. */
export interface LabShell {
  /** Types text as the keyboard would: it runs when a line of it ends with "\n". */
  type(text: string, shell?: 1 | 2): Promise<void>;
  /**
   * Types a command where the reader sees it, with an `echo` of its exit status behind it; resolves when it has
   * ended. Rejects when the machine is not running, goes off, or another command is typed this way meanwhile.
   */
  run(command: string, shell?: 1 | 2): Promise<{ status: number }>;
}

export function shellApi(lab: LabState): LabShell {
  const runs = ([0, 1] as const).map(
    (tty) =>
      new ShellRun({
        get isRunning() {
          return lab.power === 'running';
        },
        type: (text) => lab.typeInto(tty, text),
        onOutput: (listener) => lab.onConsole(tty, listener),
      }),
  );
  /** Throws when there is no worker, or no such shell. */
  const runOf = (shell: number): ShellRun => {
    lab.connected();
    const run = runs[shell - 1];
    if (!run) throw new Error(`There is no shell ${String(shell)}; 1 and 2 are there.`);
    return run;
  };
  return {
    type: async (text, shell = 1) => {
      runOf(shell);
      lab.typeInto(shell === 2 ? 1 : 0, String(text));
    },
    run: async (command, shell = 1) => ({ status: await runOf(shell).run(String(command)) }),
  };
}
