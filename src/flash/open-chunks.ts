import { ChunkState } from '../spec/ocssd12.ts';
import type { BlockTable } from './block-table.ts';
import type { DerivedGeometry } from './geometry.ts';

/** Counts open chunks, in all and by parallel unit, as chunks change their states. */
export class OpenChunks {
  total = 0;
  private readonly perPu: Uint32Array;
  private readonly totalPus: number;
  private readonly table: BlockTable;

  constructor(g: DerivedGeometry, table: BlockTable) {
    this.totalPus = g.totalLuns;
    this.perPu = new Uint32Array(g.totalLuns);
    this.table = table;
    for (let block = 0; block < table.totalBlks; block++) this.changed(block, ChunkState.free);
  }

  /** Open chunks of the `pu`-th parallel unit of the device. */
  inPu(pu: number): number {
    return this.perPu[pu] ?? 0;
  }

  /** The chunk had the state `before`, and has now the one in the table. */
  changed(block: number, before: number | undefined): void {
    const wasOpen = before === ChunkState.open;
    const isOpen = this.table.state[block] === ChunkState.open;
    if (wasOpen === isOpen) return;
    const step = isOpen ? 1 : -1;
    const pu = block % this.totalPus;
    this.total += step;
    this.perPu[pu] = (this.perPu[pu] ?? 0) + step;
  }
}
