import { ChunkState } from '../spec/ocssd12.ts';
import { blockIndex } from './address.ts';
import type { ChunkOptions, InitialChunk } from './chunk-options.ts';
import { ChunkWear } from './chunk-wear.ts';
import type { FlashArray } from './flash-array.ts';

/**
 * Puts a new disk's chunks in the states that they begin with. Their data was never stored: it reads as the
 * predefined pattern. Where several fit a chunk, each changes what it names, in order.
 */
export function applyInitialChunks(options: ChunkOptions, array: FlashArray): void {
  for (const initial of options.initialChunks) applyInitial(initial, array, options);
}

function applyInitial(initial: InitialChunk, array: FlashArray, options: ChunkOptions): void {
  const { geometry: g, table } = array;
  const wear = new ChunkWear(table, options.peCycles);
  const range = (one: number | undefined, count: number): [number, number] =>
    one === undefined ? [0, count] : [one, Math.min(count, one + 1)];
  const [grp0, grpEnd] = range(initial.grp, g.numCh);
  const [pu0, puEnd] = range(initial.pu, g.numLun);
  const [chk0, chkEnd] = range(initial.chk, g.numChk);
  for (let chk = chk0; chk < chkEnd; chk++)
    for (let grp = grp0; grp < grpEnd; grp++)
      for (let pu = pu0; pu < puEnd; pu++) {
        const block = blockIndex(g, grp, pu, chk, 0);
        setInitialState(initial, block, array, options);
        if (initial.wearIndex !== undefined) table.eraseCount[block] = wear.erasesFor(initial.wearIndex);
        array.units.touchShard(table.shardOf(block));
      }
}

function setInitialState(
  initial: InitialChunk,
  block: number,
  array: FlashArray,
  options: ChunkOptions,
): void {
  const { geometry: g, table } = array;
  const secs = Math.min(initial.writePointer ?? 0, g.secsPerBlk);
  switch (initial.state) {
    case 'offline':
      table.retire(block);
      return;
    case 'closed':
      table.bear(block, initial.writePointer === undefined ? g.secsPerBlk : secs);
      if (table.state[block] !== ChunkState.closed) table.closeEarly(block, false);
      return;
    case 'open':
      // An open chunk has at least one write in it.
      table.bear(block, secs === 0 ? options.writeRules.wsMin : secs);
      return;
    case 'free':
      table.bear(block, 0);
      return;
    case undefined:
      return;
  }
}
