import type { BootProgress, Notice } from './types.ts';

/** What the kernel's console says about the guest's health. */
export interface Trouble {
  /** True when the guest cannot go on, if the line is the kernel's: anybody can print such a line. */
  readonly fatal: boolean;
  readonly notice: Notice;
}

interface Pattern {
  readonly match: RegExp;
  readonly code: string;
  readonly fatal: boolean;
  readonly text: (line: string) => string;
}

const patterns: readonly Pattern[] = [
  {
    match: /Kernel panic - not syncing/,
    code: 'panic',
    fatal: true,
    text: (line) => `The guest's kernel panicked (${line}); restart it: what the disk acknowledged is kept.`,
  },
  {
    match: /\b(BUG: unable to handle|BUG: kernel NULL|Oops: |general protection fault)/,
    code: 'oops',
    fatal: false,
    text: (line) => `The guest's kernel hit a fault (${line}); it may limp on, a restart is safer.`,
  },
  {
    match: /nvme\d*: I\/O \d+ QID \d+ timeout/,
    code: 'nvme-timeout',
    fatal: false,
    text: (line) =>
      `The guest waited too long for the disk (${line}); if it does not go on by itself, restart it.`,
  },
  {
    match: /INFO: task .* blocked for more than/,
    code: 'blocked',
    fatal: false,
    text: (line) => `A process in the guest is stuck (${line}); if it does not go on by itself, restart it.`,
  },
  {
    match: /WARNING: CPU: \d+ PID: \d+ at /,
    code: 'kernel-warning',
    fatal: false,
    text: (line) => `The guest's kernel warns (${line}); dmesg shows the whole of it.`,
  },
];

const MAX_LINE = 400;
const SHOWN_LINE = 160;

/**
 * Reads the kernel's console as it scrolls by: how far the boot is, and whether something went wrong.
 * Each kind of trouble is told once a power-on.
 */
export class ConsoleWatch {
  ontrouble: ((trouble: Trouble) => void) | undefined;
  onstage: ((stage: BootProgress['stage'], detail: string) => void) | undefined;
  private readonly decoder = new TextDecoder();
  private line = '';
  private readonly told = new Set<string>();
  private initSeen = false;

  receive(bytes: Uint8Array): void {
    for (const char of this.decoder.decode(bytes, { stream: true })) {
      if (char === '\n') {
        this.endLine();
      } else if (this.line.length < MAX_LINE) {
        this.line += char;
      }
    }
  }

  private endLine(): void {
    const line = printable(this.line);
    this.line = '';
    // The kernel's own lines carry a time stamp. They may stand behind a prompt: the shell shares the line.
    const kernel = /^(?:.*)\[\s*\d+\.\d+\] (.*)$/.exec(line);
    if (!kernel) return;
    const text = (kernel[1] ?? '').slice(0, SHOWN_LINE);
    if (/^Run \/(init|sbin\/init) as init process/.test(text)) this.initSeen = true;
    this.onstage?.(this.initSeen ? 'init' : 'kernel', text);
    for (const pattern of patterns) {
      if (!pattern.match.test(text) || this.told.has(pattern.code)) continue;
      this.told.add(pattern.code);
      this.ontrouble?.({
        fatal: pattern.fatal,
        notice: { level: pattern.fatal ? 'error' : 'warning', code: pattern.code, text: pattern.text(text) },
      });
    }
  }
}

/** The line without control characters and escape sequences: it goes to the page as text. */
function printable(line: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is taken out
  return line.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/[\u0000-\u001f\u007f]/g, '');
}
