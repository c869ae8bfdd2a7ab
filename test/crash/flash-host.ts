import { IoOpcode } from '../../src/spec/opcodes.ts';
import type { Arena } from '../driver/arena.ts';
import type { DmaBuffer } from '../driver/dma-buffer.ts';
import type { Rig } from '../driver/rig.ts';
import { vectorCommand } from '../driver/vector.ts';
import type { Random } from '../fuzz/random.ts';
import { type CrashHost, type Deed, FLUSH, OOB, SEC, stamp } from './crash-host.ts';
import type { FlashDialect } from './flash-dialects.ts';
import type { Seen } from './ledger.ts';

const MAX_VECTOR = 64;

/** One chunk of one LUN. */
interface Chunk {
  readonly cell: number;
  readonly lane: number;
  readonly line: number;
  /** Resets sent, and sectors sent to be written since the last. */
  resets: number;
  sent: number;
  /** Sectors that were answered. */
  written: number;
  busy: boolean;
}

/**
 * A host like pblk: writes a line (the same chunk of every LUN) unit by unit, one write a LUN at a time; when
 * lines run short it moves a part of the oldest one to where it writes, by itself or with a copy command, and
 * resets it. It reads now and then, and flushes seldom.
 */
export class FlashHost implements CrashHost {
  readonly name: string;
  readonly namespaces;
  private readonly dialect: FlashDialect;
  private chunks: Chunk[] = [];
  /** What each written sector holds: `cell:resets:sec` → the numbers of its stamp, where they are not its own. */
  private readonly moved = new Map<string, readonly number[]>();
  private line = 0;
  private lane = 0;
  /** The line that is being emptied, and how many of its units are still to be moved. */
  private victim: number | undefined;
  private unitsToMove = 0;

  constructor(dialect: FlashDialect) {
    this.dialect = dialect;
    this.name = dialect.name;
    this.namespaces = dialect.namespaces;
  }

  async attach(rig: Rig): Promise<void> {
    await this.dialect.attach(rig);
    const { lanes, lines } = this.dialect;
    this.chunks = Array.from({ length: lanes * lines }, (_, cell) => {
      const lane = cell % lanes;
      const line = Math.floor(cell / lanes);
      const { resets, secs } = this.dialect.look(rig, lane, line);
      return { cell, lane, line, resets, sent: secs, written: secs, busy: false };
    });
    this.victim = undefined;
    // Where most is free, as after a recovery that closes what was open.
    this.line = this.emptiest();
  }

  private chunk(lane: number, line: number): Chunk {
    return this.chunks[line * this.dialect.lanes + lane] as Chunk;
  }

  private ofLine(line: number): readonly Chunk[] {
    const { lanes } = this.dialect;
    return this.chunks.slice(line * lanes, (line + 1) * lanes);
  }

  private emptiest(): number {
    const { lines } = this.dialect;
    const filled = Array.from({ length: lines }, (_, line) =>
      this.ofLine(line).reduce((sum, { sent }) => sum + sent, 0),
    );
    return filled.indexOf(Math.min(...filled));
  }

  private position(resets: number, secs: number): number {
    return resets * (this.dialect.chunkSecs + 1) + secs;
  }

  private inkOf(cell: number, resets: number, sec: number): readonly number[] {
    return this.moved.get(`${cell}:${resets}:${sec}`) ?? [cell, resets, sec];
  }

  private dataOf(cell: number, resets: number, sec: number, secs: number): Uint8Array {
    const data = new Uint8Array(secs * SEC);
    for (let i = 0; i < secs; i++) data.set(stamp(SEC, ...this.inkOf(cell, resets, sec + i)), i * SEC);
    return data;
  }

  private oobOf(cell: number, resets: number, sec: number, secs: number): Uint8Array {
    const oob = new Uint8Array(secs * OOB);
    for (let i = 0; i < secs; i++) oob.set(stamp(OOB, ...this.inkOf(cell, resets, sec + i), 7), i * OOB);
    return oob;
  }

  // What it does -------------------------------------------------------------------------------------

  next(random: Random): Deed | undefined {
    if (random.oneIn(60)) return FLUSH;
    if (random.oneIn(8)) return this.read(random);
    if (this.victim !== undefined && this.unitsToMove === 0) {
      const deed = this.resetNext();
      if (deed) return deed;
    }
    return this.write(random);
  }

  /** The next LUN that is not busy gets the next unit of the line. */
  private write(random: Random): Deed | undefined {
    const { lanes, chunkSecs, writeSecs } = this.dialect;
    if (this.ofLine(this.line).every(({ sent }) => sent === chunkSecs)) this.nextLine(random);
    for (let i = 0; i < lanes; i++) {
      this.lane = (this.lane + 1) % lanes;
      const chunk = this.chunk(this.lane, this.line);
      if (chunk.busy || chunk.sent === chunkSecs) continue;
      const source = this.sourceToMove(random, writeSecs);
      if (source) this.unitsToMove--;
      return this.writeUnit(chunk, writeSecs, source, random);
    }
    return undefined;
  }

  private nextLine(random: Random): void {
    const { lines } = this.dialect;
    const free = Array.from({ length: lines }, (_, line) => line).filter((line) =>
      this.ofLine(line).every(({ sent, busy }) => sent === 0 && !busy),
    );
    const next = free.find((line) => line > this.line) ?? free[0];
    if (free.length <= 2 && this.victim === undefined) {
      // The line that was written longest ago is the next one round.
      const after = next ?? this.line;
      this.victim = Array.from({ length: lines }, (_, i) => (after + 1 + i) % lines).find(
        (line) => !free.includes(line) && line !== this.line,
      );
      this.unitsToMove = random.below(4);
    }
    if (next !== undefined) this.line = next;
  }

  /** A unit of the victim that is worth moving; undefined when there is none. */
  private sourceToMove(random: Random, secs: number): { chunk: Chunk; sec: number } | undefined {
    if (this.victim === undefined || this.unitsToMove === 0) return undefined;
    const chunk = random.pick(this.ofLine(this.victim));
    const units = Math.floor(this.dialect.readable(chunk.written) / secs);
    if (chunk.busy) return undefined;
    if (units > 0) return { chunk, sec: random.below(units) * secs };
    this.unitsToMove = 0;
    return undefined;
  }

  private writeUnit(
    chunk: Chunk,
    secs: number,
    source: { chunk: Chunk; sec: number } | undefined,
    random: Random,
  ): Deed {
    const { dialect } = this;
    const { cell, lane, line, resets } = chunk;
    const sec = chunk.sent;
    const addresses = dialect.addresses(lane, line, sec, secs);
    chunk.busy = true;
    chunk.sent += secs;
    for (let i = 0; i < secs; i++) {
      const where = `${cell}:${resets}:${sec + i}`;
      if (source) this.moved.set(where, this.inkOf(source.chunk.cell, source.chunk.resets, source.sec + i));
      // One that was sent there before never arrived.
      else this.moved.delete(where);
    }
    const copies = source !== undefined && dialect.canCopy && random.oneIn(2);
    if (copies) source.chunk.busy = true;
    return {
      label: `${copies ? 'copy to' : 'write'} LUN ${lane} chunk ${line} sectors ${sec} to ${sec + secs - 1}`,
      moves: [{ cell, to: this.position(resets, sec + secs) }],
      changes: true,
      sqe: (arena) => {
        if (copies) {
          const from = dialect.addresses(source.chunk.lane, source.chunk.line, source.sec, secs);
          return copyCommand(arena, from, addresses);
        }
        const data = arena.buffer(secs * SEC).fill(this.dataOf(cell, resets, sec, secs));
        const oob = this.oobOf(cell, resets, sec, secs);
        const request = { opcode: IoOpcode.vectorWrite, addresses, data, oobBytes: OOB, oob };
        return vectorCommand(arena, { ...request, control: dialect.planeMode }).sqe;
      },
      answered: ({ status }) => {
        chunk.busy = false;
        if (copies) source.chunk.busy = false;
        if (status === 0) chunk.written += secs;
      },
    };
  }

  private resetNext(): Deed | undefined {
    const line = this.ofLine(this.victim as number);
    if (line.every(({ sent, busy }) => sent === 0 && !busy)) {
      this.victim = undefined;
      return undefined;
    }
    const chunk = line.find(({ sent, busy }) => sent > 0 && !busy);
    if (!chunk) return undefined;
    const { lane } = chunk;
    chunk.busy = true;
    chunk.resets++;
    chunk.sent = 0;
    chunk.written = 0;
    const addresses = [this.dialect.addresses(lane, chunk.line, 0, 1)[0] as number];
    return {
      label: `reset of LUN ${lane} chunk ${chunk.line}`,
      moves: [{ cell: chunk.cell, to: this.position(chunk.resets, 0) }],
      changes: true,
      sqe: (arena) =>
        vectorCommand(arena, {
          opcode: IoOpcode.vectorErase,
          addresses,
          control: this.dialect.planeMode,
        }).sqe,
      answered: () => (chunk.busy = false),
    };
  }

  private read(random: Random): Deed | undefined {
    const chunk = random.pick(this.chunks);
    const most = this.dialect.readable(chunk.written);
    if (most === 0 || chunk.busy) return undefined;
    const sec = random.below(most);
    const secs = 1 + random.below(Math.min(most - sec, MAX_VECTOR));
    let buffer: DmaBuffer | undefined;
    const { cell, lane, line, resets } = chunk;
    return {
      label: `read of LUN ${lane} chunk ${line}`,
      moves: [],
      changes: false,
      sqe: (arena) => {
        const sent = this.readCommand(arena, lane, line, sec, secs);
        buffer = sent.buffer;
        return sent.sqe;
      },
      answered: ({ status }) => {
        // It may have been reset meanwhile.
        if (status !== 0 || chunk.resets !== resets || !buffer) return;
        const expected = this.dataOf(cell, resets, sec, secs);
        if (Buffer.compare(buffer.read(), expected) !== 0)
          throw new Error(`LUN ${lane} chunk ${line}: other data`);
      },
    };
  }

  private readCommand(arena: Arena, lane: number, line: number, sec: number, secs: number) {
    const buffer = arena.buffer(secs * SEC);
    const { sqe, metadata } = vectorCommand(arena, {
      opcode: IoOpcode.vectorRead,
      addresses: this.dialect.addresses(lane, line, sec, secs),
      data: buffer,
      oobBytes: OOB,
    });
    return { sqe, buffer, metadata };
  }

  heir(): CrashHost {
    const heir = new FlashHost(this.dialect);
    for (const [where, ink] of this.moved) heir.moved.set(where, ink);
    return heir;
  }

  // What is found --------------------------------------------------------------------------------------

  private seen = new Map<number, number>();

  found(): ReadonlyMap<number, number> {
    return this.seen;
  }

  async inspect(rig: Rig): Promise<(cell: number) => Seen> {
    const { dialect } = this;
    await dialect.attach(rig);
    await dialect.checkReport(rig);
    const seen = new Map<number, number>();
    for (let line = 0; line < dialect.lines; line++)
      for (let lane = 0; lane < dialect.lanes; lane++) {
        const cell = line * dialect.lanes + lane;
        const { resets, secs } = dialect.look(rig, lane, line);
        await this.readAll(rig, { cell, lane, line, resets, secs });
        seen.set(cell, this.position(resets, secs));
      }
    this.seen = seen;
    return (cell) => ({ least: seen.get(cell) ?? 0, most: seen.get(cell) ?? 0 });
  }

  /** No state is ahead of its data. */
  private async readAll(
    rig: Rig,
    {
      cell,
      lane,
      line,
      resets,
      secs,
    }: { cell: number; lane: number; line: number; resets: number; secs: number },
  ): Promise<void> {
    const { driver, memory } = rig;
    for (let sec = 0; sec < secs; sec += MAX_VECTOR) {
      const count = Math.min(MAX_VECTOR, secs - sec);
      const mark = driver.arena.mark;
      const { sqe, buffer, metadata } = this.readCommand(driver.arena, lane, line, sec, count);
      const { status } = await driver.command(1, sqe);
      const where = `LUN ${lane} chunk ${line} sectors ${sec} to ${sec + count - 1}, reset ${resets} times`;
      if (status !== 0) throw new Error(`${where}: written, and cannot be read (${status.toString(16)})`);
      if (Buffer.compare(buffer.read(), this.dataOf(cell, resets, sec, count)) !== 0)
        throw new Error(`${where}: the data is not what was written`);
      const oob = memory.bytes(metadata.address, count * OOB);
      if (Buffer.compare(oob, this.oobOf(cell, resets, sec, count)) !== 0)
        throw new Error(`${where}: the out-of-band bytes are not what was written`);
      driver.arena.rewind(mark);
    }
  }
}

/** 93h: from a list to a list (liblightnvm's nvm_cmd_copy; struct nvme_nvm_vector in src/spec). */
function copyCommand(arena: Arena, from: readonly number[], to: readonly number[]) {
  const list = (addresses: readonly number[]): number => {
    const at = arena.pages();
    addresses.forEach((address, i) => arena.memory.put64(at + 8 * i, address));
    return at;
  };
  return {
    opcode: IoOpcode.vectorCopy,
    nsid: 1,
    cdw10: list(from),
    cdw12: from.length - 1,
    cdw14: list(to),
  };
}
