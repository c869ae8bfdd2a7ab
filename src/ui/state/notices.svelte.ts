import type { Notice } from '../../rpc/protocol.ts';

export interface ShownNotice extends Notice {
  readonly id: number;
  readonly times: number;
}

const INFO_MS = 8000;
const MAX_SHOWN = 5;
/** Commands that the device refused: a guest can make hundreds a second, each with a text of its own. */
export const REFUSED = 'refused';

/** What the reader must know: errors stay until dismissed, notes go by themselves, repeats are counted. */
export class Notices {
  list = $state.raw<readonly ShownNotice[]>([]);
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing shows it
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #nextId = 1;

  add(notice: Notice): void {
    const same = this.list.find(
      (n) => n.code === notice.code && (n.text === notice.text || n.code === REFUSED),
    );
    const shown: ShownNotice = same
      ? { ...same, text: notice.text, times: same.times + 1 }
      : { ...notice, id: this.#nextId++, times: 1 };
    this.list = same ? this.list.map((n) => (n === same ? shown : n)) : [...this.list, shown];
    if (shown.level === 'info') this.#dismissLater(shown.id);
    const excess = this.list.length > MAX_SHOWN && leastImportant(this.list);
    if (excess) this.dismiss(excess.id);
  }

  error(code: string, text: string): void {
    this.add({ level: 'error', code, text });
  }

  info(code: string, text: string): void {
    this.add({ level: 'info', code, text });
  }

  dismiss(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.list = this.list.filter((n) => n.id !== id);
  }

  #dismissLater(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.set(
      id,
      setTimeout(() => this.dismiss(id), INFO_MS),
    );
  }
}

/** The oldest note; without notes the oldest warning; errors last. */
function leastImportant(list: readonly ShownNotice[]): ShownNotice | undefined {
  return list.find((n) => n.level === 'info') ?? list.find((n) => n.level === 'warning') ?? list[0];
}
