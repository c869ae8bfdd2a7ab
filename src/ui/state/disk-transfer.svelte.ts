import type { DiskFileKind, DiskRow } from '../../rpc/protocol.ts';
import { formatBytes } from '../text/format.ts';
import { language } from '../text/language.svelte.ts';
import { messageOf } from './connection.ts';
import { exportDisk, importDisk } from './disk-files.ts';
import { chooseSink } from './file-sink.ts';
import type { LabState } from './lab.svelte.ts';

export const CONTAINER_EXTENSION = '.lnvmpack';

/** A transfer that is under way. */
export interface RunningTransfer {
  readonly direction: 'export' | 'import';
  readonly name: string;
  readonly doneBytes: number;
  /** 0 while it is not known. */
  readonly totalBytes: number;
}

/** Disks that leave as files and come as files: one at a time, whether or not somebody looks. */
export class DiskTransfer {
  readonly #lab: LabState;
  running = $state.raw<RunningTransfer>();
  /** What came of the last one, in a sentence: the page's notices lie behind an open dialogue. */
  outcome = $state.raw<{ readonly failed: boolean; readonly text: string }>();
  #end: AbortController | undefined;

  constructor(lab: LabState) {
    this.#lab = lab;
  }

  cancel(): void {
    this.#end?.abort();
  }

  /** Asks where to save it first, while the click still counts. */
  export(disk: DiskRow, kind: DiskFileKind): Promise<void> {
    const words = language.t.diskFiles;
    return this.#lab.attempt(words.export, async () => {
      const name = `${fileName(disk.name)}${kind === 'container' ? CONTAINER_EXTENSION : '.tar'}`;
      const sink = await chooseSink(name);
      if (sink === undefined) return;
      await this.#run('export', disk.name, async (watch, told) => {
        // A machine that halted by itself still holds its disk.
        if (this.#lab.power === 'halted') await this.#lab.powerCut();
        await exportDisk(this.#lab.connected(), disk.id, kind, sink, watch);
        this.#tell('disk.exported', words.exported(disk.name, formatBytes(told())));
      });
    });
  }

  import(files: readonly File[]): Promise<void> {
    const words = language.t.diskFiles;
    return this.#lab.attempt(words.import, () =>
      this.#run('import', files.map(({ name }) => name).join(', '), async (watch) => {
        const { setup } = this.#lab;
        const request = {
          files: files.map((file) => ({ name: file.name, blob: file })),
          kept: setup.kept,
          deviceLine: setup.line,
        };
        const disk = await importDisk(this.#lab.connected(), request, watch);
        await this.#lab.refreshDisks();
        if (!this.#lab.isOn) this.#lab.choose(disk.id);
        this.#tell('disk.imported', words.imported(disk.name));
      }),
    );
  }

  #tell(code: string, text: string): void {
    this.outcome = { failed: false, text };
    this.#lab.notices.info(code, text);
  }

  async #run(
    direction: RunningTransfer['direction'],
    name: string,
    work: (
      watch: { signal: AbortSignal; onProgress(doneBytes: number, totalBytes: number): void },
      told: () => number,
    ) => Promise<void>,
  ): Promise<void> {
    if (this.running !== undefined) throw new Error(language.t.diskFiles.underWay(this.running.name));
    const end = new AbortController();
    this.#end = end;
    this.outcome = undefined;
    this.running = { direction, name, doneBytes: 0, totalBytes: 0 };
    const onProgress = (doneBytes: number, totalBytes: number): void => {
      this.running = { direction, name, doneBytes, totalBytes };
    };
    try {
      await work({ signal: end.signal, onProgress }, () => this.running?.totalBytes ?? 0);
    } catch (error) {
      // Who cancels knows.
      if (end.signal.aborted) return;
      this.outcome = { failed: true, text: messageOf(error) };
      throw error;
    } finally {
      this.running = undefined;
      this.#end = undefined;
    }
  }
}

/** A disk's name as a file's. */
function fileName(diskName: string): string {
  return diskName.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+/, '') || 'disk';
}
