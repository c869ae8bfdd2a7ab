import { Lba, type TraceShape, type TraceSink } from '../../trace/record.ts';
import type { Recording } from '../../trace/recording.ts';
import { sinkOf } from '../../trace/sink.ts';
import { fieldsOf } from '../../trace/export-fields.ts';
import { kindOf } from '../../trace/wire-command.ts';
import type { Period } from './timeline-data.ts';

export const Access = { read: 0, user: 1, gc: 2 } as const;

/** Runs that are kept; the older half goes when there are more. 17 bytes each. */
const MAX_RUNS = 2 ** 20;

/** Every access to a logical address, with its time: runs of neighbours together, in the order of the recording. */
export class ScatterData {
  count = 0;
  highestLba = 0;
  private timesUs = new Float64Array(1024);
  private lbas = new Uint32Array(1024);
  private lengths = new Uint32Array(1024);
  private kinds = new Uint8Array(1024);
  private readonly recording: Recording;
  private readonly shape: TraceShape;
  private readonly secsPerBlk: number;
  /** The logical address of each physical sector: reads name only the latter. */
  private readonly lbaAt: Uint32Array;
  private readonly sink: TraceSink;
  private nowUs = 0;
  private nextRecord = 0;

  constructor(recording: Recording) {
    this.recording = recording;
    const { base } = recording.contents();
    this.shape = base.shape;
    this.secsPerBlk = base.secsPerBlk;
    this.lbaAt = new Uint32Array(base.totalBlks * base.secsPerBlk).fill(Lba.unknown);
    for (let block = 0; block < base.totalBlks; block++) {
      const cells = base.cellsOf(block);
      if (cells) this.lbaAt.set(cells.lba.subarray(0, base.writtenSecs[block]), block * this.secsPerBlk);
    }
    this.sink = this.makeSink();
  }

  /** Reads what came since, for about so long; true when there is nothing more. */
  advance(budgetMs: number): boolean {
    const until = performance.now() + budgetMs;
    for (const record of this.recording.play(this.sink, this.nextRecord)) {
      this.nextRecord = record;
      if (performance.now() >= until) return false;
    }
    return true;
  }

  private makeSink(): TraceSink {
    const note = (block: number, sec: number, secs: number, lbas: Uint32Array) => {
      const at = block * this.secsPerBlk + sec;
      if (at + secs <= this.lbaAt.length) this.lbaAt.set(lbas.subarray(0, secs), at);
    };
    return sinkOf({
      at: (us) => (this.nowUs = us),
      write: (block, sec, secs, lbas, same) => {
        note(block, sec, secs, lbas);
        for (let i = 0; i < secs; i++) this.add(lbas[i] as number, same[i] === 1 ? Access.gc : Access.user);
      },
      learn: note,
      command: (record) => {
        const kind = kindOf(record);
        if (kind === 'vectorRead') {
          for (const { block, sec, count } of record.addresses)
            for (let i = 0; i < count; i++)
              this.add(this.lbaAt[block * this.secsPerBlk + sec + i] ?? Lba.unknown, Access.read);
        } else if (this.shape.kind === 'plain' && (kind === 'read' || kind === 'write')) {
          const { lba = 0, blocks = 0 } = fieldsOf(record);
          this.addRun(lba, blocks, kind === 'read' ? Access.read : Access.user);
        }
      },
    });
  }

  private add(lba: number, kind: number): void {
    if (lba >= Lba.empty) return;
    const last = this.count - 1;
    const goesOn =
      last >= 0 &&
      this.kinds[last] === kind &&
      (this.lbas[last] as number) + (this.lengths[last] as number) === lba &&
      this.nowUs - (this.timesUs[last] as number) < 1000;
    if (goesOn) this.lengths[last] = (this.lengths[last] as number) + 1;
    else this.addRun(lba, 1, kind);
    this.highestLba = Math.max(this.highestLba, lba);
  }

  private addRun(lba: number, length: number, kind: number): void {
    if (this.count === this.timesUs.length) this.grow();
    this.timesUs[this.count] = this.nowUs;
    this.lbas[this.count] = lba;
    this.lengths[this.count] = length;
    this.kinds[this.count++] = kind;
    this.highestLba = Math.max(this.highestLba, lba + length - 1);
  }

  private grow(): void {
    if (this.count >= MAX_RUNS) {
      const half = this.count >> 1;
      for (const array of [this.timesUs, this.lbas, this.lengths, this.kinds])
        array.copyWithin(0, half, this.count);
      this.count -= half;
      return;
    }
    const grown = <T extends Float64Array | Uint32Array | Uint8Array>(made: T, from: T): T => {
      made.set(from);
      return made;
    };
    const size = this.count * 2;
    this.timesUs = grown(new Float64Array(size), this.timesUs);
    this.lbas = grown(new Uint32Array(size), this.lbas);
    this.lengths = grown(new Uint32Array(size), this.lengths);
    this.kinds = grown(new Uint8Array(size), this.kinds);
  }

  /** Index of the first run that is not before a time. */
  private from(us: number): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.timesUs[middle] as number) < us) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Draws a period as pixels: time to the right, addresses upwards. `colours` are pixels by kind. Returns how many
   * accesses there are.
   */
  paint(
    pixels: Uint32Array,
    width: number,
    height: number,
    period: Period,
    colours: readonly number[],
  ): number {
    pixels.fill(0);
    const perUs = width / (period.toUs - period.fromUs);
    const perLba = height / (this.highestLba + 1);
    let sectors = 0;
    const end = this.from(period.toUs);
    for (let i = this.from(period.fromUs); i < end; i++) {
      const x = Math.min(width - 1, Math.floor(((this.timesUs[i] as number) - period.fromUs) * perUs));
      const lba = this.lbas[i] as number;
      const length = this.lengths[i] as number;
      sectors += length;
      const bottom = height - 1 - Math.floor(lba * perLba);
      const top = height - 1 - Math.floor((lba + length - 1) * perLba);
      const colour = colours[this.kinds[i] as number] ?? 0;
      // Two pixels to the right: one alone is not seen on a fine screen.
      for (let y = Math.max(0, top); y <= bottom; y++) {
        pixels[y * width + x] = colour;
        if (x + 1 < width) pixels[y * width + x + 1] = colour;
      }
    }
    return sectors;
  }
}
