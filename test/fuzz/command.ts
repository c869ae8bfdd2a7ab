import type { FuzzMemory } from './fuzz-memory.ts';
import type { Playground } from './playground.ts';
import type { Random } from './random.ts';

/** The fields of a submission queue entry (Linux struct nvme_common_command); one object, used again. */
export class FuzzCommand {
  opcode = 0;
  flags = 0;
  nsid = 0;
  metadata = 0;
  prp1 = 0;
  prp2 = 0;
  readonly cdw = new Uint32Array(6);

  clear(opcode: number, nsid = 1): this {
    this.opcode = opcode;
    this.flags = 0;
    this.nsid = nsid;
    this.metadata = 0;
    this.prp1 = 0;
    this.prp2 = 0;
    this.cdw.fill(0);
    return this;
  }

  /** Dwords 10 to 15. */
  dwords(...values: number[]): this {
    this.cdw.set(values);
    return this;
  }

  /** A 64-bit value in two dwords, low half first. */
  wide(index: number, value: number): this {
    this.cdw[index] = value % 4_294_967_296;
    this.cdw[index + 1] = Math.floor(value / 4_294_967_296);
    return this;
  }

  data(playground: Playground, length: number): this {
    Object.assign(this, playground.pointers(length));
    return this;
  }

  write(memory: FuzzMemory, at: number, cid: number): void {
    const { view } = memory;
    view.setUint32(at, (this.opcode | (this.flags << 8) | (cid << 16)) >>> 0, true);
    view.setUint32(at + 4, this.nsid, true);
    memory.put64(at + 8, 0);
    memory.put64(at + 16, this.metadata);
    memory.put64(at + 24, this.prp1);
    memory.put64(at + 32, this.prp2);
    for (let i = 0; i < 6; i++) view.setUint32(at + 40 + 4 * i, this.cdw[i] as number, true);
  }

  /** Spoils up to three fields. */
  mutate(random: Random, playground: Playground): void {
    const times = 1 + random.below(3);
    for (let i = 0; i < times; i++) {
      switch (random.below(10)) {
        case 0:
          this.nsid = random.oneIn(2) ? random.below(4) : random.edge();
          break;
        case 1:
          this.prp1 = random.oneIn(2) ? playground.wrong() : playground.dataPage() + random.below(4096);
          break;
        case 2:
          this.prp2 = random.oneIn(2) ? playground.wrong() : this.prp2 + 2 ** random.below(12);
          break;
        case 3:
          this.metadata = random.oneIn(2)
            ? playground.wrong()
            : playground.vectorPages() + random.below(4096);
          break;
        case 4:
          this.flags = random.oneIn(2) ? 1 << random.below(8) : random.below(256);
          break;
        case 5:
          this.opcode = random.below(256);
          break;
        case 6:
          this.flipBit(random);
          break;
        default:
          this.cdw[random.below(6)] = random.edge();
      }
    }
  }

  private flipBit(random: Random): void {
    const index = random.below(6);
    this.cdw[index] = (this.cdw[index] as number) ^ (1 << random.below(32));
  }

  /** Anything at all. */
  randomize(random: Random, playground: Playground): void {
    this.clear(random.below(256), random.oneIn(2) ? 1 : random.edge());
    this.flags = random.oneIn(4) ? random.below(256) : 0;
    const pointer = () => (random.oneIn(3) ? playground.wrong() : playground.dataPage() + random.below(4096));
    this.metadata = random.oneIn(2) ? 0 : pointer();
    this.prp1 = pointer();
    this.prp2 = pointer();
    for (let i = 0; i < 6; i++) this.cdw[i] = random.edge();
  }
}
