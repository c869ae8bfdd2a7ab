import type { Notice } from '../../rpc/protocol.ts';

export interface ShownNotice extends Notice {
  readonly id: number;
  readonly times: number;
}

const INFO_MS = 8000;
const MAX_SHOWN = 5;

/** What the reader must know: errors stay until dismissed, notes go by themselves, repeats are counted. */
export class Notices {
  list = $state.raw<readonly ShownNotice[]>([]);
  #nextId = 1;

  add(notice: Notice): void {
    const same = this.list.find((n) => n.code === notice.code && n.text === notice.text);
    if (same) {
      this.list = this.list.map((n) => (n === same ? { ...n, times: n.times + 1 } : n));
      return;
    }
    const id = this.#nextId++;
    this.list = [...this.list, { ...notice, id, times: 1 }].slice(-MAX_SHOWN);
    if (notice.level === 'info') setTimeout(() => this.dismiss(id), INFO_MS);
  }

  error(code: string, text: string): void {
    this.add({ level: 'error', code, text });
  }

  info(code: string, text: string): void {
    this.add({ level: 'info', code, text });
  }

  dismiss(id: number): void {
    this.list = this.list.filter((n) => n.id !== id);
  }
}
