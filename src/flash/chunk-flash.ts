import type { StatusCode } from '../spec/status.ts';
import { AddressDecoder } from './address.ts';
import type { BlockTable } from './block-table.ts';
import type { ChunkOptions } from './chunk-options.ts';
import { FlashArray } from './flash-array.ts';
import type { DerivedGeometry } from './geometry.ts';
import type { MediaStore } from './media-store.ts';
import type { FlashObserver } from './observer.ts';
import type { UnitStore } from './unit-store.ts';

/** The medium of an open-channel SSD of specification 2.0. */
export class ChunkFlash {
  readonly options: ChunkOptions;
  readonly array: FlashArray;
  readonly geometry: DerivedGeometry;
  readonly table: BlockTable;
  readonly units: UnitStore;
  readonly address: AddressDecoder;

  private constructor(options: ChunkOptions, array: FlashArray) {
    this.options = options;
    this.array = array;
    this.geometry = array.geometry;
    this.table = array.table;
    this.units = array.units;
    this.address = new AddressDecoder(array.geometry);
  }

  static async open(options: ChunkOptions, store: MediaStore, observer: FlashObserver): Promise<ChunkFlash> {
    const { array } = await FlashArray.open(options.geometry, store, observer);
    return new ChunkFlash(options, array);
  }

  flush(done: (status: StatusCode) => void): void {
    this.units.commit('strict', (stored) => done(stored ? 0 : 0x4006));
  }
}
