/** Chunks that a new disk cannot use: pblk leaves them out of its lines (pblk-init.c, pblk_setup_line_meta). */
import type { ChunkNamespaceConfig, OpenChannelNamespaceConfig } from '../device/config.ts';
import type { InitialChunk } from '../flash/chunk-options.ts';
import { deriveGeometry, type Geometry } from '../flash/geometry.ts';
import { BadBlock } from '../spec/ocssd12.ts';
import type { LunRange } from './report-luns.ts';

/** What the lines of a target are made of. */
export interface UsableChunks {
  /** Chunks of lines that have enough of them. */
  readonly freeChunks: number;
  /** Those lines. */
  readonly freeLines: number;
  /** Chunks that are not bad, in any line: with 1.2 each costs a sense read. */
  readonly goodChunks: number;
}

/** Knows the bad chunks of one new disk. */
export class FactoryChunks {
  readonly #badBlockEvery: number;
  readonly #badBlocks: Uint8Array | undefined;
  readonly #initial: readonly InitialChunk[];
  #offline: { readonly key: string; readonly map: Uint8Array } | undefined;

  constructor(namespace: OpenChannelNamespaceConfig | ChunkNamespaceConfig) {
    const is12 = namespace.kind === 'ocssd12';
    this.#badBlockEvery = is12 ? namespace.badBlockEvery : 0;
    this.#badBlocks = is12 ? namespace.initialBadBlocks : undefined;
    this.#initial = is12 ? [] : namespace.initialChunks.filter(({ state }) => state !== undefined);
  }

  /** Counts the chunks of a range; a line with fewer than `minChunks` good ones is left out whole. */
  usable(g: Geometry, range: LunRange, minChunks: number): UsableChunks {
    const all = range.allLuns * g.numChk;
    const whole = { freeChunks: all, freeLines: g.numChk, goodChunks: all };
    if (this.#badBlockEvery === 0 && this.#badBlocks === undefined && !this.#hasOffline()) return whole;
    const map = this.#map(g);
    let [freeChunks, freeLines, goodChunks] = [0, 0, 0];
    for (let chk = 0; chk < g.numChk; chk += 1) {
      let good = 0;
      for (let lun = range.begin; lun <= range.end; lun += 1) good += 1 - (map[lun * g.numChk + chk] ?? 0);
      goodChunks += good;
      if (good < minChunks) continue;
      freeLines += 1;
      freeChunks += good;
    }
    return { freeChunks, freeLines, goodChunks };
  }

  #hasOffline(): boolean {
    return this.#initial.some(({ state }) => state === 'offline');
  }

  /** 1 for each bad chunk, LUN by LUN. Kept, because advice asks about one geometry many times. */
  #map(g: Geometry): Uint8Array {
    const key = [g.numCh, g.numLun, g.numPln, g.numChk].join();
    if (this.#offline?.key === key) return this.#offline.map;
    const map = new Uint8Array(g.numCh * g.numLun * g.numChk);
    const { totalBlks } = deriveGeometry(g);
    // A table is that of one size; for advice about others its blocks are taken for good.
    const table = this.#badBlocks?.byteLength === totalBlks ? this.#badBlocks : undefined;
    if (table !== undefined || this.#badBlockEvery > 0) {
      for (let i = 0; i < map.length; i += 1) map[i] = isBadChunk(g, i, table, this.#badBlockEvery) ? 1 : 0;
    }
    for (const initial of this.#initial) mark(map, g, initial);
    this.#offline = { key, map };
    return map;
  }
}

/** core.c nvm_bb_to_chunk: bad in any plane, or anything but good in the first. */
function isBadChunk(g: Geometry, chunk: number, table: Uint8Array | undefined, every: number): boolean {
  const inLun = (chunk % g.numChk) * g.numPln;
  for (let pln = 0; pln < g.numPln; pln += 1) {
    const given = table?.[chunk * g.numPln + pln] ?? BadBlock.good;
    const isEvery = given === BadBlock.good && every > 0 && (inLun + pln + 1) % every === 0;
    const value = isEvery ? BadBlock.factory : given;
    if ((value & (BadBlock.factory | BadBlock.grown)) !== 0) return true;
    if (pln === 0 && value !== BadBlock.good) return true;
  }
  return false;
}

function mark(map: Uint8Array, g: Geometry, initial: InitialChunk): void {
  const span = (one: number | undefined, count: number): readonly [number, number] =>
    one === undefined ? [0, count] : [one, Math.min(count, one + 1)];
  const [grp0, grpEnd] = span(initial.grp, g.numCh);
  const [pu0, puEnd] = span(initial.pu, g.numLun);
  const [chk0, chkEnd] = span(initial.chk, g.numChk);
  for (let grp = grp0; grp < grpEnd; grp += 1) {
    for (let pu = pu0; pu < puEnd; pu += 1) {
      const first = (grp * g.numLun + pu) * g.numChk;
      map.fill(initial.state === 'offline' ? 1 : 0, first + chk0, first + Math.max(chk0, chkEnd));
    }
  }
}
