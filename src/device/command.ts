import { MAX_VECTOR } from '../spec/ocssd12.ts';
import { SQE_BYTES } from '../spec/registers.ts';
import { SectorVector, type Transfer } from '../flash/transfer.ts';
import { PrpSegments } from './prp.ts';
import type { SubmissionQueue } from './queues.ts';

const TWO_32 = 4_294_967_296;

/** What commands share with the controller they run in. */
export interface Epoch {
  /** One more at each reset: commands of an earlier one are stale. */
  generation: number;
}

/**
 * One command: the 64 bytes copied from the guest once (it may change them meanwhile) and their fields
 * (Linux struct nvme_common_command). Objects are reused; nothing is allocated for a command in flight.
 */
export class Command implements Transfer {
  readonly bytes = new Uint8Array(SQE_BYTES);
  private readonly view = new DataView(this.bytes.buffer);
  private readonly epoch: Epoch;
  /** The queue it came from, and the controller's generation then: a reset makes it stale. */
  sq: SubmissionQueue | undefined;
  generation = 0;

  opcode = 0;
  flags = 0;
  cid = 0;
  nsid = 0;
  /** Addresses as numbers: exact to 2^53, and everything above fails the RAM check anyway. */
  metadata = 0;
  prp1 = 0;
  prp2 = 0;
  cdw10 = 0;
  cdw11 = 0;
  cdw12 = 0;
  cdw13 = 0;
  cdw14 = 0;
  cdw15 = 0;

  readonly data = new PrpSegments();
  readonly oob = new PrpSegments();
  readonly vector = new SectorVector(MAX_VECTOR);
  hasOob = false;

  constructor(epoch: Epoch) {
    this.epoch = epoch;
  }

  get abandoned(): boolean {
    return this.generation !== this.epoch.generation;
  }

  /** Reads the fields out of {@link bytes}. */
  parse(): void {
    const v = this.view;
    const dw0 = v.getUint32(0, true);
    this.opcode = dw0 & 0xff;
    this.flags = (dw0 >>> 8) & 0xff;
    this.cid = dw0 >>> 16;
    this.nsid = v.getUint32(4, true);
    this.metadata = v.getUint32(20, true) * TWO_32 + v.getUint32(16, true);
    this.prp1 = v.getUint32(28, true) * TWO_32 + v.getUint32(24, true);
    this.prp2 = v.getUint32(36, true) * TWO_32 + v.getUint32(32, true);
    this.cdw10 = v.getUint32(40, true);
    this.cdw11 = v.getUint32(44, true);
    this.cdw12 = v.getUint32(48, true);
    this.cdw13 = v.getUint32(52, true);
    this.cdw14 = v.getUint32(56, true);
    this.cdw15 = v.getUint32(60, true);
    this.data.clear();
    this.oob.clear();
    this.vector.clear();
    this.hasOob = false;
  }

  /** cdw10 and 11 as one number: a starting LBA, or an address. */
  get cdw10and11(): number {
    return this.cdw11 * TWO_32 + this.cdw10;
  }

  pullData(at: number, target: Uint8Array, offset: number, length: number): void {
    this.data.pull(at, target, offset, length);
  }
  pushData(at: number, source: Uint8Array, offset: number, length: number): void {
    this.data.push(at, source, offset, length);
  }
  pullOob(at: number, target: Uint8Array, offset: number, length: number): void {
    this.oob.pull(at, target, offset, length);
  }
  pushOob(at: number, source: Uint8Array, offset: number, length: number): void {
    this.oob.push(at, source, offset, length);
  }
}
