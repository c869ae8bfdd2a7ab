import { BadBlock, badBlockValues } from '../spec/ocssd12.ts';
import { blockIndex } from './address.ts';
import type { BlockTable } from './block-table.ts';
import type { FlashArray } from './flash-array.ts';
import type { DerivedGeometry } from './geometry.ts';

/** Which blocks a new disk leaves the factory with. */
export interface FactoryBlocks {
  /** Each so many blocks of a LUN, the last of them is bad: block n − 1, 2n − 1 … 0: none. */
  readonly badBlockEvery?: number;
  /** The whole table: one value a block in the order LUN (over all channels), chunk, plane. */
  readonly initialBadBlocks?: Uint8Array | undefined;
}

/** Bad-block entries of one LUN in the order of F2h: index = chunk × planes + plane. */
export function badBlocksOf(table: BlockTable, g: DerivedGeometry, ch: number, lun: number): Uint8Array {
  const bytes = new Uint8Array(g.numChk * g.numPln);
  for (let chk = 0; chk < g.numChk; chk++) {
    const first = blockIndex(g, ch, lun, chk, 0);
    for (let pln = 0; pln < g.numPln; pln++) {
      bytes[chk * g.numPln + pln] = table.badBlock[first + pln] ?? BadBlock.good;
    }
  }
  return bytes;
}

/**
 * Enters the factory's blocks into the table of a new disk. They become durable with the disk's first commit,
 * and until then every opening of the disk makes the same ones.
 * Throws RangeError for a table that does not fit the disk.
 */
export function markFactoryBlocks(array: FlashArray, factory: FactoryBlocks): void {
  const g = array.geometry;
  const { badBlockEvery = 0, initialBadBlocks } = factory;
  if (initialBadBlocks) checkTable(initialBadBlocks, g.totalBlks);
  const blksPerLun = g.numChk * g.numPln;
  for (let lunIndex = 0; lunIndex < g.totalLuns; lunIndex++) {
    for (let i = 0; i < blksPerLun; i++) {
      let value = initialBadBlocks?.[lunIndex * blksPerLun + i] ?? BadBlock.good;
      if (value === BadBlock.good && badBlockEvery > 0 && (i + 1) % badBlockEvery === 0)
        value = BadBlock.factory;
      if (value === BadBlock.good) continue;
      const pln = i % g.numPln;
      const chk = (i - pln) / g.numPln;
      const block = blockIndex(g, Math.floor(lunIndex / g.numLun), lunIndex % g.numLun, chk, pln);
      array.table.mark(block, value);
      array.touch(block);
    }
  }
}

function checkTable(values: Uint8Array, totalBlks: number): void {
  if (values.byteLength !== totalBlks) {
    throw new RangeError(
      `The bad-block table has ${values.byteLength} entries, but the disk has ${totalBlks} blocks: it has one byte for each, in the order LUN, chunk, plane.`,
    );
  }
  const wrong = values.findIndex((value) => !badBlockValues.includes(value));
  if (wrong >= 0) {
    throw new RangeError(
      `The bad-block table has the value ${values[wrong]} for block ${wrong}; it can be ${badBlockValues.join(', ')}.`,
    );
  }
}
