import { Status, type StatusCode } from '../spec/status.ts';
import type { GuestMemory } from './ports.ts';

const PRP_ENTRY_BYTES = 8;
const TWO_32 = 4_294_967_296;
/** Room for the pieces of a buffer that a command object keeps for its next one. */
const SEGMENTS_KEPT = 1024;

/** A PRP list as it is read; shared, because resolving never waits. */
let list = new Uint8Array(4096);

/**
 * A data buffer as the host describes it with PRP1, PRP2 and PRP lists (NVMe, "Physical Region Page
 * Entry and List"), resolved to runs of guest memory. Lists are read once and every byte is checked to be
 * RAM before the command does anything; so nothing can fail, or change, in the middle of a transfer.
 */
export class PrpSegments {
  lengthBytes = 0;
  /** Why bytes could not be moved although they were RAM when the buffer was resolved: bus mastering went off. */
  failure: StatusCode = Status.success;
  private count = 0;
  private addresses = new Float64Array(8);
  private lengths = new Float64Array(8);
  /** Where the segment of the last access began: transfers go forward. */
  private cursor = 0;
  private cursorAt = 0;
  private memory: GuestMemory | undefined;

  /** Runs of memory that the buffer is in. */
  get runs(): number {
    return this.count;
  }

  addressOf(run: number): number {
    return this.addresses[run] ?? 0;
  }

  lengthOf(run: number): number {
    return this.lengths[run] ?? 0;
  }

  clear(): void {
    this.lengthBytes = 0;
    this.failure = Status.success;
    this.count = 0;
    this.cursor = 0;
    this.cursorAt = 0;
    // What one huge command needed is not kept for the small ones after it.
    if (this.addresses.length > SEGMENTS_KEPT) {
      this.addresses = new Float64Array(8);
      this.lengths = new Float64Array(8);
    }
  }

  /**
   * Resolves a buffer of `length` bytes. Status prpOffsetInvalid for a misaligned pointer,
   * dataTransferError for one outside RAM; success otherwise.
   */
  resolve(memory: GuestMemory, prp1: number, prp2: number, length: number, pageBytes: number): StatusCode {
    this.clear();
    this.memory = memory;
    this.lengthBytes = length;
    if (length === 0) return Status.success;
    if (prp1 === 0) return Status.invalidField;
    // Pages are a power of two. The remainder of a number that is no small integer is a call of its own.
    const low = prp1 >>> 0;
    if ((low & 3) !== 0) return Status.prpOffsetInvalid;
    const first = Math.min(length, pageBytes - (low & (pageBytes - 1)));
    if (!this.add(prp1, first)) return Status.dataTransferError;
    const rest = length - first;
    if (rest === 0) return Status.success;
    if (rest <= pageBytes) {
      // Nobody puts data into page 0: a host that left PRP2 out has described too small a buffer.
      if (prp2 === 0) return Status.invalidField;
      if (((prp2 >>> 0) & (pageBytes - 1)) !== 0) return Status.prpOffsetInvalid;
      return this.add(prp2, rest) ? Status.success : Status.dataTransferError;
    }
    return this.resolveList(prp2, rest, pageBytes);
  }

  private resolveList(listAddress: number, length: number, pageBytes: number): StatusCode {
    const memory = this.memory as GuestMemory;
    if (listAddress === 0) return Status.invalidField;
    let at = listAddress;
    let rest = length;
    // A list page that holds nothing but a pointer to the next adds no data: such a chain may be a loop.
    let emptyPages = 0;
    while (rest > 0) {
      if (at % PRP_ENTRY_BYTES !== 0) return Status.prpOffsetInvalid;
      const slots = (pageBytes - (at % pageBytes)) / PRP_ENTRY_BYTES;
      const needed = Math.ceil(rest / pageBytes);
      const chained = needed > slots;
      const entries = chained ? slots : needed;
      if (chained && entries === 1 && ++emptyPages > 1) return Status.prpOffsetInvalid;
      if (list.byteLength < entries * PRP_ENTRY_BYTES) list = new Uint8Array(entries * PRP_ENTRY_BYTES);
      if (!memory.read(at, list, 0, entries * PRP_ENTRY_BYTES)) return Status.dataTransferError;
      const view = new DataView(list.buffer);
      const dataEntries = chained ? entries - 1 : entries;
      for (let i = 0; i < dataEntries; i++) {
        const address = entry(view, i);
        if (address === 0 || ((address >>> 0) & (pageBytes - 1)) !== 0) return Status.prpOffsetInvalid;
        const bytes = Math.min(rest, pageBytes);
        if (!this.add(address, bytes)) return Status.dataTransferError;
        rest -= bytes;
      }
      if (chained) at = entry(view, entries - 1);
    }
    return Status.success;
  }

  /** One contiguous buffer instead of PRPs: the metadata pointer. */
  contiguous(memory: GuestMemory, address: number, length: number): StatusCode {
    this.clear();
    this.memory = memory;
    this.lengthBytes = length;
    if (length === 0) return Status.success;
    return this.add(address, length) ? Status.success : Status.dataTransferError;
  }

  private add(address: number, length: number): boolean {
    const memory = this.memory as GuestMemory;
    if (!memory.isRam(address, length)) return false;
    const last = this.count - 1;
    if (last >= 0 && (this.addresses[last] as number) + (this.lengths[last] as number) === address) {
      const joined = (this.lengths[last] as number) + length;
      // Two neighbours may each be RAM; together they are as well.
      this.lengths[last] = joined;
      return true;
    }
    if (this.count === this.addresses.length) {
      this.addresses = grow(this.addresses);
      this.lengths = grow(this.lengths);
    }
    this.addresses[this.count] = address;
    this.lengths[this.count] = length;
    this.count++;
    return true;
  }

  /** Guest to device: `length` bytes from position `at` into `target`. */
  pull(at: number, target: Uint8Array, offset: number, length: number): void {
    const memory = this.memory as GuestMemory;
    let done = 0;
    while (done < length) {
      const inSegment = this.seek(at + done);
      const step = Math.min(length - done, (this.lengths[this.cursor] as number) - inSegment);
      const address = (this.addresses[this.cursor] as number) + inSegment;
      if (!memory.read(address, target, offset + done, step)) this.failure = Status.dataTransferError;
      done += step;
    }
  }

  /** Device to guest: `length` bytes of `source` to position `at`. */
  push(at: number, source: Uint8Array, offset: number, length: number): void {
    const memory = this.memory as GuestMemory;
    let done = 0;
    while (done < length) {
      const inSegment = this.seek(at + done);
      const step = Math.min(length - done, (this.lengths[this.cursor] as number) - inSegment);
      const address = (this.addresses[this.cursor] as number) + inSegment;
      if (!memory.write(address, source, offset + done, step)) this.failure = Status.dataTransferError;
      done += step;
    }
  }

  /** Moves the cursor to the segment of a position inside the buffer; returns the offset in that segment. */
  private seek(position: number): number {
    if (position < 0 || position >= this.lengthBytes) throw new RangeError('transfer outside its buffer');
    if (position < this.cursorAt) {
      this.cursor = 0;
      this.cursorAt = 0;
    }
    while (position >= this.cursorAt + (this.lengths[this.cursor] as number)) {
      this.cursorAt += this.lengths[this.cursor] as number;
      this.cursor++;
    }
    return position - this.cursorAt;
  }
}

function entry(view: DataView, index: number): number {
  const low = view.getUint32(index * PRP_ENTRY_BYTES, true);
  const high = view.getUint32(index * PRP_ENTRY_BYTES + 4, true);
  return high * TWO_32 + low;
}

function grow(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2);
  larger.set(array);
  return larger;
}
