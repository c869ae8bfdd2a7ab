/** Chunk descriptors of an `ocssd` image (LnvmCS of qemu-nvme's include/block/lightnvm.h) and the table of chunks here. */
import { blockIndex } from '../../flash/address.ts';
import type { BlockTable } from '../../flash/block-table.ts';
import { ChunkAddressDecoder } from '../../flash/chunk-address.ts';
import { ChunkWear } from '../../flash/chunk-wear.ts';
import type { DerivedGeometry } from '../../flash/geometry.ts';
import { ChunkState } from '../../spec/ocssd12.ts';
import { CHUNK_DESCRIPTOR_BYTES, CHUNK_TYPE_SEQUENTIAL, chunkDescriptor } from '../../spec/ocssd20.ts';
import { unpack } from '../../spec/layout.ts';

const { state, type, wearIndex, slba, cnlb, wp } = chunkDescriptor.fields;
/** The branch's own: chunk_meta->wp of a chunk that went offline (lnvm_chunk_set_free). */
const OFFLINE_POINTER = 0xffff;

/** What a descriptor says that can change. */
interface ChunkEntry {
  readonly state: number;
  readonly writePointer: number;
  readonly wearIndex: number;
}

/** Chunks in the order of the image: those of a parallel unit are neighbours, then parallel units, then groups. */
export class ImageChunks {
  readonly #g: DerivedGeometry;
  readonly #table: BlockTable;
  readonly #wear: ChunkWear;
  readonly #address: ChunkAddressDecoder;

  /** @param peCycles erases after which a chunk's wear index is 255 */
  constructor(g: DerivedGeometry, table: BlockTable, peCycles: number) {
    this.#g = g;
    this.#table = table;
    this.#wear = new ChunkWear(table, peCycles);
    this.#address = new ChunkAddressDecoder(g);
  }

  get count(): number {
    return this.#g.totalBlks;
  }

  /** The block of the image's `index`-th chunk. */
  blockOf(index: number): number {
    const g = this.#g;
    const chk = index % g.numChk;
    const puIndex = (index - chk) / g.numChk;
    const pu = puIndex % g.numLun;
    return blockIndex(g, (puIndex - pu) / g.numLun, pu, chk, 0);
  }

  /** Enters a descriptor in the table, or says in a phrase why it cannot be one of this disk. */
  enter(index: number, descriptor: Uint8Array): string | undefined {
    const block = this.blockOf(index);
    const table = this.#table;
    if (unpack(cnlb, descriptor) !== this.#g.secsPerBlk || unpack(slba, descriptor) !== this.#slba(block))
      return `chunk ${index} of its chunk log is another one than the geometry has there`;
    if (unpack(type, descriptor) !== CHUNK_TYPE_SEQUENTIAL)
      return `chunk ${index} is of type ${unpack(type, descriptor)}, and only sequential chunks (1) are there here`;
    const entry = this.#entryOf(descriptor);
    if (entry === undefined) return `chunk ${index} has an impossible state or write pointer`;
    table.writePointer[block] = entry.writePointer;
    table.eraseCount[block] = this.#wear.erasesFor(entry.wearIndex);
    table.state[block] = entry.state;
    if (entry.state === ChunkState.closed && entry.writePointer < this.#g.secsPerBlk)
      table.closeEarly(block, false);
    return undefined;
  }

  /** Makes a descriptor say what the table says; one that says so already stays as it is, bit for bit. */
  update(index: number, descriptor: Uint8Array): void {
    const block = this.blockOf(index);
    const now = this.#now(block);
    const before = this.#entryOf(descriptor);
    if (
      before !== undefined &&
      before.state === now.state &&
      before.writePointer === now.writePointer &&
      before.wearIndex === now.wearIndex &&
      unpack(cnlb, descriptor) === this.#g.secsPerBlk
    )
      return;
    const view = new DataView(descriptor.buffer, descriptor.byteOffset, CHUNK_DESCRIPTOR_BYTES);
    descriptor[state.offset] = now.state;
    descriptor[type.offset] = CHUNK_TYPE_SEQUENTIAL;
    descriptor[wearIndex.offset] = now.wearIndex;
    view.setBigUint64(slba.offset, BigInt(this.#slba(block)), true);
    view.setBigUint64(cnlb.offset, BigInt(this.#g.secsPerBlk), true);
    const pointer = now.state === ChunkState.offline ? OFFLINE_POINTER : now.writePointer;
    view.setBigUint64(wp.offset, BigInt(pointer), true);
  }

  #slba(block: number): number {
    return this.#address.lbaOf(block, 0);
  }

  #now(block: number): ChunkEntry {
    const table = this.#table;
    const isOffline = table.state[block] === ChunkState.offline;
    return {
      state: table.state[block] ?? ChunkState.free,
      // How far a chunk that is out of order was written is of no use to anybody.
      writePointer: isOffline ? 0 : table.written(block),
      wearIndex: this.#wear.index(block),
    };
  }

  /** What a descriptor means here; undefined when it cannot be. */
  #entryOf(descriptor: Uint8Array): ChunkEntry | undefined {
    const pointer = unpack(wp, descriptor);
    const wear = unpack(wearIndex, descriptor);
    const clba = this.#g.secsPerBlk;
    const entry = (state: number, writePointer: number) => ({ state, writePointer, wearIndex: wear });
    switch (unpack(state, descriptor)) {
      case ChunkState.offline:
        return entry(ChunkState.offline, 0);
      case ChunkState.free:
        return pointer === 0 ? entry(ChunkState.free, 0) : undefined;
      case ChunkState.closed:
        return pointer <= clba ? entry(ChunkState.closed, pointer) : undefined;
      case ChunkState.open:
        // Open without a sector is as good as free, and full as good as closed.
        if (pointer === 0) return entry(ChunkState.free, 0);
        if (pointer === clba) return entry(ChunkState.closed, clba);
        return pointer < clba ? entry(ChunkState.open, pointer) : undefined;
      default:
        return undefined;
    }
  }
}
