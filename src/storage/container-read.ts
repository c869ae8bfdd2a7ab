import { StoreError, type MediaStore, type TableShard, type UnitBytes } from '../flash/media-store.ts';
import { ByteSource, EndOfBytes, type ByteStream } from './byte-source.ts';
import { crc32 } from './checksum.ts';
import {
  decodeManifest,
  decodePartHeader,
  encodeEnd,
  HEAD_BYTES,
  manifestBytes,
  MAX_SHARD_BYTES,
  maxPartBytes,
  PART_HEADER_BYTES,
  PartKind,
  PartMethod,
  refuseContainer,
  viewOf,
  type ContainerManifest,
  type PartHeader,
} from './container-format.ts';

import { inflate, InflateError } from './deflate.ts';
import { MAX_UNITS } from './disk-spec.ts';
import { Turns, type TransferOptions } from './transfer-options.ts';

/**
 * Reads a container file. Every length is held against what the manifest permits before anything is allocated
 * for it, and every number has to be higher than the one before: a part cannot come twice. What is in memory is
 * one part. All methods reject with StoreError, in one sentence.
 */
export class ContainerReader {
  readonly manifest: ContainerManifest;
  readonly #source: ByteSource;
  #sequence = 0;
  #chain = 0;
  #units = 0;
  #shards = 0;
  #shardBytes = 0;
  #lastUnit = -1;
  #lastShard = -1;

  private constructor(source: ByteSource, manifest: ContainerManifest) {
    this.#source = source;
    this.manifest = manifest;
  }

  /** Reads the head. `corrupt` for what is no container, `version` for one of a newer version. */
  static async open(stream: ByteStream): Promise<ContainerReader> {
    const source = new ByteSource(stream);
    const head = (await taken(source, HEAD_BYTES)).slice();
    const manifest = await taken(source, manifestBytes(head));
    return new ContainerReader(source, decodeManifest(head, manifest));
  }

  /** Puts all that is in the container on an empty disk of the manifest's spec. */
  async readInto(disk: MediaStore, { signal, onProgress }: TransferOptions = {}): Promise<void> {
    const { shardBytes, units, unitBytes } = this.manifest;
    const totalBytes = shardBytes + units * unitBytes;
    const turns = new Turns(signal);
    try {
      for (;;) {
        await turns.next();
        const header = await this.#part();
        const payload = await this.#payload(header);
        if (header.kind === PartKind.end) {
          await this.#end(payload);
          return;
        }
        const commit =
          header.kind === PartKind.shards
            ? { erased: [], units: [], shards: this.#unpackShards(payload, header.items) }
            : { erased: [], units: this.#unpackUnits(payload, header.items), shards: [] };
        await disk.commit(commit, 'relaxed');
        onProgress?.(this.#shardBytes + this.#units * unitBytes, totalBytes);
      }
    } finally {
      await this.close();
    }
  }

  /** No more of it is wanted. */
  async close(): Promise<void> {
    await this.#source.close().catch(() => undefined);
  }

  /** The next part's header, found possible. */
  async #part(): Promise<PartHeader> {
    const bytes = (await taken(this.#source, PART_HEADER_BYTES)).slice();
    const part = decodePartHeader(bytes);
    if (part.sequence !== this.#sequence)
      throw refuseContainer(`its part ${this.#sequence} is missing or comes at another place`);
    if (!this.#isPossible(part))
      throw refuseContainer(`its part ${part.sequence} says it holds what such a disk cannot have`);
    this.#sequence++;
    if (part.kind !== PartKind.end) this.#chain = crc32(bytes, this.#chain);
    return part;
  }

  #isPossible({ kind, method, items, rawBytes, storedBytes }: PartHeader): boolean {
    const { units, shards, unitBytes } = this.manifest;
    if (method !== PartMethod.stored && method !== PartMethod.deflated) return false;
    if (method === PartMethod.stored ? storedBytes !== rawBytes : storedBytes >= rawBytes) return false;
    if (rawBytes > maxPartBytes(this.manifest)) return false;
    switch (kind) {
      case PartKind.shards:
        // Before all units, so that what a disk is comes first.
        return (
          this.#units === 0 &&
          items >= 1 &&
          items <= shards - this.#shards &&
          rawBytes >= 8 * items &&
          rawBytes - 8 * items <= this.manifest.shardBytes - this.#shardBytes
        );
      case PartKind.units:
        return items >= 1 && items <= units - this.#units && rawBytes === items * (4 + unitBytes);
      case PartKind.end:
        return items === 0 && rawBytes === encodeEnd(0, 0, 0, 0).length && method === PartMethod.stored;
      default:
        return false;
    }
  }

  async #payload({ method, sequence, rawBytes, storedBytes, checksum }: PartHeader): Promise<Uint8Array> {
    const stored = await taken(this.#source, storedBytes);
    let payload = stored;
    if (method === PartMethod.deflated) {
      try {
        // The bytes go into a stream of the platform, which may take them away.
        payload = await inflate(stored.slice(), rawBytes);
      } catch (error) {
        if (error instanceof InflateError) throw refuseContainer(`its part ${sequence} ${error.message}`);
        throw error;
      }
    }
    if (crc32(payload) !== checksum)
      throw refuseContainer(`its part ${sequence} does not match its checksum`);
    return payload;
  }

  #unpackShards(payload: Uint8Array, items: number): TableShard[] {
    const view = viewOf(payload);
    const shards: TableShard[] = [];
    let at = 8 * items;
    for (let i = 0; i < items; i++) {
      const shard = view.getUint32(8 * i, true);
      const length = view.getUint32(8 * i + 4, true);
      if (shard <= this.#lastShard || shard >= MAX_UNITS)
        throw refuseContainer('a shard of its table comes twice or out of order');
      if (length > MAX_SHARD_BYTES || length > payload.length - at)
        throw refuseContainer('a shard of its table is longer than it can be');
      // Of their own: stores keep what they are given.
      shards.push({ shard, bytes: payload.slice(at, at + length) });
      at += length;
      this.#lastShard = shard;
    }
    if (at !== payload.length) throw refuseContainer('a part of its table is longer than what is in it');
    this.#shards += items;
    this.#shardBytes += payload.length - 8 * items;
    return shards;
  }

  #unpackUnits(payload: Uint8Array, items: number): UnitBytes[] {
    const { totalUnits, unitBytes } = this.manifest;
    const view = viewOf(payload);
    const units: UnitBytes[] = [];
    for (let i = 0; i < items; i++) {
      const unit = view.getUint32(4 * i, true);
      if (unit <= this.#lastUnit) throw refuseContainer('a unit of its data comes twice or out of order');
      if (unit >= totalUnits) throw refuseContainer('a unit of its data lies outside the disk');
      const at = 4 * items + i * unitBytes;
      units.push({ unit, bytes: payload.slice(at, at + unitBytes) });
      this.#lastUnit = unit;
    }
    this.#units += items;
    return units;
  }

  /** Everything that was promised is there, and nothing else. */
  async #end(payload: Uint8Array): Promise<void> {
    const { units, shards, shardBytes } = this.manifest;
    const expected = encodeEnd(this.#sequence - 1, this.#units, this.#shards, this.#chain);
    if (expected.some((byte, i) => payload[i] !== byte))
      throw refuseContainer('its end does not fit the parts before it');
    if (this.#units !== units || this.#shards !== shards || this.#shardBytes !== shardBytes)
      throw refuseContainer('it holds less than its manifest promises');
    let atEnd: boolean;
    try {
      atEnd = await this.#source.atEnd();
    } catch (error) {
      throw unreadable(error);
    }
    if (!atEnd) throw refuseContainer('something follows its end');
  }
}

async function taken(source: ByteSource, count: number): Promise<Uint8Array> {
  try {
    return await source.take(count);
  } catch (error) {
    if (error instanceof EndOfBytes) throw refuseContainer('the file is cut short');
    throw unreadable(error);
  }
}

/** The file itself failed, not what is in it. */
function unreadable(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new StoreError(
    'io',
    `The disk was not imported because its file could not be read (${why}); nothing was changed.`,
    { cause: error },
  );
}
