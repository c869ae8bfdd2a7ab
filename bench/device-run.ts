/**
 * Bench `device`: the bare device on one core, without a guest. Commands are in the submission queue before
 * the clock starts; what is measured is what a doorbell sets off: fetch, checks, transfer through the same
 * memory class that v86 is given, storage in RAM, completion, interrupt line, telemetry and command log.
 *
 * Beside each figure stands what the bytes alone cost: `Uint8Array.set` of the same sizes between the same
 * kinds of memory, in the same run.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NvmeController } from '../src/device/controller.ts';
import { openMedia } from '../src/device/media.ts';
import { silent } from '../src/device/telemetry.ts';
import { buildConfig, mediumOf } from '../src/lab/device-line.ts';
import { AdminOpcode, IoOpcode } from '../src/spec/opcodes.ts';
import { MemoryCatalogue } from '../src/storage/memory.ts';
import { BareRig, BATCH, DATA, ENTRIES, LISTS, SECTOR } from '../test/driver/bare-rig.ts';
import { type Figure, figure } from './figure.ts';

const MIB = 1024 * 1024;
/** A neighbour on the same machine slows memory down for a second or two at a time: enough runs to see it without. */
const RUNS = 32;

async function start(line: string, sizeBytes: number): Promise<BareRig> {
  const built = buildConfig(line, sizeBytes);
  if (!built.ok) throw new Error(built.error);
  const { config } = built;
  const catalogue = new MemoryCatalogue();
  const disk = await catalogue.create({ name: 'bench', deviceLine: line, sizeBytes, ...mediumOf(config) });
  const media = await openMedia(config, await catalogue.open(disk.id), silent);
  return new BareRig((ports) => new NvmeController(config, media, ports, silent));
}

/** Best of some runs, in operations a second: what the code can do, not what the machine was busy with. */
function rate(count: number, runs: number, work: () => void): number {
  work();
  let best = 0;
  for (let i = 0; i < runs; i++) {
    const from = performance.now();
    work();
    best = Math.max(best, (count * 1000) / (performance.now() - from));
  }
  return best;
}

/** `Uint8Array.set` of `bytes` bytes, walking through as much memory as the commands do, in operations a second. */
function setRate(bytes: number, ram: Uint8Array): number {
  const source = new Uint8Array(ENTRIES * bytes).fill(1);
  const count = Math.floor((256 * MIB) / bytes);
  const spots = ENTRIES;
  return rate(count, RUNS, () => {
    for (let i = 0; i < count; i++) {
      const at = (i % spots) * bytes;
      ram.set(source.subarray(at, at + bytes), DATA + at);
    }
  });
}

async function plainReads(): Promise<{ reads: number; base: number; rig: BareRig }> {
  const rig = await start('nvme,serial=bench,mdts=10', 64 * MIB);
  for (let i = 0; i < ENTRIES; i++)
    rig.put(1, i, {
      opcode: IoOpcode.write,
      nsid: 1,
      prp1: DATA + (i % 4096) * SECTOR,
      cdw10: i,
    });
  rig.run(1, ENTRIES);
  for (let i = 0; i < ENTRIES; i++)
    rig.put(1, i, {
      opcode: IoOpcode.read,
      nsid: 1,
      prp1: DATA + (i % 4096) * SECTOR,
      cdw10: i,
    });
  const count = 64 * ENTRIES;
  return { reads: rate(count, RUNS, () => rig.run(1, count)), base: setRate(SECTOR, rig.ram), rig };
}

interface VectorRates {
  readonly write: number;
  readonly read: number;
  readonly writeBase: number;
  readonly readBase: number;
}

/** Vector writes and reads of `secs` sectors through a whole disk, erased in between (not timed). */
async function vectors(secs: number): Promise<VectorRates> {
  const line =
    'nvme,serial=bench,lver=1,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64,nlbaf=5,lba_index=3';
  const rig = await start(line, 140 * MIB);
  const ns = rig.namespace;
  if (ns.kind !== 'ocssd12') throw new Error('not open-channel');
  const g = ns.geometry;
  const secsPerChk = g.numPg * g.secsPerPg * g.numPln;
  const perChunk = secsPerChk / secs;
  const addressBits = { pln: 2, pg: 3, blk: 9 };
  const chunks = g.numChk * g.numLun;
  const lunShift = addressBits.blk + Math.ceil(Math.log2(g.numChk));
  const base = (chunk: number) =>
    (((chunk % g.numLun) << lunShift) | (Math.floor(chunk / g.numLun) << addressBits.blk)) >>> 0;
  const command = (slot: number, opcode: number, chunk: number, part: number) => {
    const meta = LISTS + 2 * MIB + (slot % 64) * SECTOR;
    for (let i = 0; i < secs; i++) {
      const n = part * secs + i;
      const sec = n % 4;
      const pln = (n >> 2) & 1;
      const pg = n >> 3;
      rig.view.setUint32(meta + 1024 + i * 8, (base(chunk) | (pg << 3) | (pln << 2) | sec) >>> 0, true);
    }
    const data = DATA + (slot % 64) * secs * SECTOR;
    rig.put(1, slot, {
      opcode,
      nsid: 1,
      metadata: meta,
      prp1: data,
      prp2: rig.prp2(slot % 64, data, secs * SECTOR),
      cdw10: meta + 1024,
      cdw12: secs - 1,
    });
  };
  let slot = 0;
  /** One timed pass over the disk; entries are made, and chunks erased, outside the measured time. */
  const pass = (opcode: number): number => {
    let ms = 0;
    let ops = 0;
    for (let chunk = 0; chunk < chunks; chunk++) {
      if (opcode === IoOpcode.vectorWrite) {
        // As an FTL does: a chunk is erased when it is needed again.
        rig.put(1, slot++, { opcode: IoOpcode.vectorErase, nsid: 1, cdw10: base(chunk), cdw12: 1 << 16 });
        rig.run(1, 1, 1);
      }
      for (let part = 0; part < perChunk; part++) {
        command(slot++, opcode, chunk, part);
        ops++;
        if (part % BATCH === BATCH - 1 || part === perChunk - 1) {
          const from = performance.now();
          rig.run(1, (part % BATCH) + 1, (part % BATCH) + 1);
          ms += performance.now() - from;
        }
      }
    }
    return (ops * 1000) / ms;
  };
  let [write, read] = [0, 0];
  for (let i = 0; i < RUNS; i++) {
    write = Math.max(write, pass(IoOpcode.vectorWrite));
    read = Math.max(read, pass(IoOpcode.vectorRead));
  }
  return { write, read, ...unitRates(secs, chunks * g.numPg, g.numPln * g.secsPerPg * SECTOR, rig.ram) };
}

/**
 * The same bytes without a device: as many buffers of the same size as the disk has units, copied to and from
 * the same places of guest memory in the same order, in vectors a second.
 */
function unitRates(
  secs: number,
  totalUnits: number,
  unitBytes: number,
  ram: Uint8Array,
): { writeBase: number; readBase: number } {
  const units = Array.from({ length: totalUnits }, () => new Uint8Array(unitBytes).fill(1));
  const perVector = (secs * SECTOR) / unitBytes;
  const count = totalUnits / perVector;
  const each = (copy: (unit: Uint8Array, at: number) => void) =>
    rate(count, RUNS, () => {
      for (let i = 0; i < count; i++) {
        const at = DATA + (i % 64) * secs * SECTOR;
        for (let u = 0; u < perVector; u++) copy(units[i * perVector + u] as Uint8Array, at + u * unitBytes);
      }
    });
  return {
    writeBase: each((unit, at) => unit.set(ram.subarray(at, at + unitBytes))),
    readBase: each((unit, at) => ram.set(unit, at)),
  };
}

async function identify(): Promise<{ rate: number; base: number }> {
  const rig = await start('nvme,serial=bench', 64 * MIB);
  for (let i = 0; i < ENTRIES; i++) rig.put(0, i, { opcode: AdminOpcode.identify, prp1: DATA, cdw10: 1 });
  // Two entries made the queues: the ring goes on from there.
  const count = 16 * ENTRIES;
  return { rate: rate(count, 5, () => rig.run(0, count)), base: setRate(4096, rig.ram) };
}

function collectGarbage(): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
}

export async function measure(tell: (line: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  tell('4 KiB reads of a plain disk');
  const { reads, base, rig } = await plainReads();
  figures.push(
    figure('device', '4 KiB reads', reads, 'commands/s', base, {
      text: '≥ 1,000,000 commands/s',
      holds: reads >= 1_000_000,
    }),
  );
  tell('heap over 1,000,000 commands');
  const before = collectGarbage();
  rig.run(1, 1_000_000 - (1_000_000 % BATCH));
  const grown = collectGarbage() - before;
  figures.push(
    figure('device', 'memory left by 10⁶ reads', Math.max(0, grown) / 1024, 'KiB', undefined, {
      text: '≤ 256 KiB',
      holds: grown <= 256 * 1024,
    }),
  );
  for (const secs of [8, 64]) {
    tell(`vectors of ${secs} sectors`);
    const v = await vectors(secs);
    const kib = secs * 4;
    for (const [name, value, base] of [
      ['write', v.write, v.writeBase],
      ['read', v.read, v.readBase],
    ] as const) {
      const goal =
        secs === 64 ? { text: '≥ 0.5 × set of the same bytes', holds: value >= 0.5 * base } : undefined;
      figures.push(figure('device', `vector ${name}, ${kib} KiB`, value, 'commands/s', base, goal));
    }
  }
  tell('identify');
  const id = await identify();
  figures.push(figure('device', 'identify controller', id.rate, 'commands/s', id.base));
  return figures;
}
