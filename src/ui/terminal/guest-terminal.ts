import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import { darkTerminal, lightTerminal } from './terminal-themes.ts';
import { transcriptOf } from './transcript.ts';

export interface TerminalHooks {
  /** What the reader typed or pasted, as the guest wants it (UTF-8). */
  send(bytes: Uint8Array): void;
  resized(cols: number, rows: number): void;
  /** The reader asked to leave the terminal by keyboard. */
  leave(): void;
  clipboardFailed(): void;
}

const SCROLLBACK_LINES = 10_000;

/**
 * One terminal of the guest. Guest output goes in as bytes and nowhere else: xterm draws text, so nothing
 * of it can become markup.
 */
export class GuestTerminal {
  readonly #term: Terminal;
  readonly #fit = new FitAddon();
  readonly #hooks: TerminalHooks;
  readonly #encoder = new TextEncoder();

  constructor(hooks: TerminalHooks) {
    this.#hooks = hooks;
    this.#term = new Terminal({
      scrollback: SCROLLBACK_LINES,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--font-mono'),
      cursorBlink: false,
      minimumContrastRatio: 4.5,
      macOptionIsMeta: true,
      theme: darkTerminal,
    });
    this.#term.loadAddon(this.#fit);
    this.#term.onData((text) => hooks.send(this.#encoder.encode(text)));
    // Mouse reports and the like: one byte a character.
    this.#term.onBinary((text) => hooks.send(Uint8Array.from(text, (c) => c.charCodeAt(0) & 0xff)));
    this.#term.onResize(({ cols, rows }) => hooks.resized(cols, rows));
    this.#term.attachCustomKeyEventHandler((event) => this.#handleKey(event));
  }

  open(element: HTMLElement): void {
    this.#term.open(element);
  }

  write(bytes: Uint8Array): void {
    this.#term.write(bytes);
  }

  /**
   * A grey line of the page's own between two lives of the machine; ends what the last one left half done. Bright
   * black, not faint: half the contrast would be too little to read, and after an instant start it stays in sight.
   */
  mark(text: string): void {
    this.#term.write(`\x1b[!p\x1b[?1049l\x1b[0m\r\n\x1b[90m── ${text} ──\x1b[0m\r\n`);
  }

  fit(): void {
    const size = this.#fit.proposeDimensions();
    // Hidden or not laid out yet: xterm would shrink to nothing and wrap all its lines.
    if (!size || !Number.isFinite(size.cols) || size.cols < 4 || size.rows < 2) return;
    this.#fit.fit();
  }

  get size(): { cols: number; rows: number } {
    return { cols: this.#term.cols, rows: this.#term.rows };
  }

  configure(options: { dark: boolean; fontSize: number; screenReader: boolean; label: string }): void {
    this.#term.options.theme = options.dark ? darkTerminal : lightTerminal;
    this.#term.options.fontSize = options.fontSize;
    this.#term.options.screenReaderMode = options.screenReader;
    this.#term.textarea?.setAttribute('aria-label', options.label);
    this.fit();
  }

  focus(): void {
    this.#term.focus();
  }

  transcript(): string {
    return transcriptOf(this.#term.buffer.normal);
  }

  async copy(): Promise<void> {
    const text = this.#term.getSelection();
    if (text === '') return;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      this.#hooks.clipboardFailed();
    }
  }

  async paste(): Promise<void> {
    try {
      this.#term.paste(await navigator.clipboard.readText());
    } catch {
      this.#hooks.clipboardFailed();
    }
    this.focus();
  }

  dispose(): void {
    this.#term.dispose();
  }

  /** False: xterm leaves the key alone. */
  #handleKey(event: KeyboardEvent): boolean {
    if (!event.ctrlKey || !event.shiftKey) return true;
    if (event.code === 'KeyC') {
      if (event.type === 'keydown') void this.copy();
      event.preventDefault();
      return false;
    }
    // The browser's own paste event does the work; xterm listens to it.
    if (event.code === 'KeyV') return false;
    if (event.key === 'F6') {
      if (event.type === 'keydown') this.#hooks.leave();
      event.preventDefault();
      return false;
    }
    return true;
  }
}
