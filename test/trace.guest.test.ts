import { describe, expect, it } from 'vitest';
import { blockAddress } from '../src/flash/address.ts';
import { CellKind } from '../src/trace/cells.ts';
import { packModel, unpackModel } from '../src/trace/model-state.ts';
import type { TraceModel } from '../src/trace/model.ts';
import { parseWriteBuffer } from '../src/trace/pblk-sysfs.ts';
import { Recording } from '../src/trace/recording.ts';
import type { Target } from '../src/trace/target.ts';
import { type Booted, boot, createTarget, kernelComplaints, line12 } from './boot.ts';
import { isMatrix } from './long.ts';

const MINUTES = 60_000;

interface Shape {
  readonly name: string;
  readonly line: string;
  readonly sizeMiB: number;
  readonly luns: number;
  /** No room out of band: pblk keeps logical addresses in the data, and does not survive a cut without remove. */
  readonly packed?: boolean;
}

const shapes: readonly Shape[] = [
  {
    name: '1.2, 2 LUNs × 2 planes',
    line: line12('lnum_lun=2,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16'),
    sizeMiB: 49,
    luns: 2,
  },
  {
    name: '2.0, 2 groups × 2 PUs',
    line: '-device ocssd,serial=test -device ocssd-ns,drive=d,num_grp=2,num_pu=2,num_chk=48,clba=128,ws_min=4,ws_opt=8,mw_cunits=32,ms=16',
    sizeMiB: 1,
    luns: 4,
  },
  {
    name: '1.2, 4 LUNs × 2 planes, nothing out of band',
    line: line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16').replace(
      'lmetasize=16',
      'lmetasize=0',
    ),
    sizeMiB: 98,
    luns: 4,
    packed: true,
  },
];

/** What pblk says of itself: numbers of `sysfs` by name. */
async function sysfs(guest: Booted) {
  const text = await guest.run('cd /sys/block/mydevice/pblk; cat write_amp_mileage lines write_buffer');
  const buffer = parseWriteBuffer(`${text.trimEnd().split('\n').at(-1)}\n`);
  if (!buffer) throw new Error(`no write buffer in ${text}`);
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1]);
  return {
    user: number(/user:(\d+)/),
    gc: number(/gc:(\d+)/),
    pad: number(/pad:(\d+)/),
    openLine: number(/data \((\d+)\)/),
    left: number(/left:(\d+)/),
    vsc: number(/left:\d+, vsc:(\d+)/),
    secInLine: number(/ s:(\d+), map/),
    full: number(/full:(\d+)/),
    high: number(/high:(\d+)/),
    mid: number(/mid:(\d+)/),
    low: number(/low:(\d+)/),
    empty: number(/empty:(\d+)/),
    /** Lines that are being collected (`read_inflight_gc`). */
    collected: number(/queue:(\d+)/),
    /** Blocks that are on the flash, but whose old copies pblk does not count as stale yet (see {@link countedStale}). */
    mapBehind: (buffer.sync - buffer.l2pUpdate + buffer.entries) % buffer.entries,
  };
}

const SETTLED_READS = 3;
const MAX_READS = 120;

/**
 * As {@link sysfs}, when nothing moves any more: the same several times, a second apart, and no line is collected. That
 * may go on for a while, and stand still for seconds in between.
 */
async function settled(guest: Booted): Promise<Awaited<ReturnType<typeof sysfs>>> {
  let says = await sysfs(guest);
  for (let same = 1, reads = 1; same < SETTLED_READS; reads++) {
    if (reads === MAX_READS) throw new Error(`pblk does not come to rest: ${JSON.stringify(says)}`);
    await guest.run('sleep 1');
    const next = await sysfs(guest);
    const isStill = next.collected === 0 && JSON.stringify(next) === JSON.stringify(says);
    same = isStill ? same + 1 : 1;
    says = next;
  }
  return says;
}

/** Closed lines by how much of them is valid, as pblk sorts them (pblk-core.c pblk_line_gc_list). */
function gcLists(target: Target, secInLine: number, wsOpt: number, packed: boolean) {
  const lists = { full: 0, high: 0, mid: 0, low: 0, empty: 0 };
  const perLine = target.layout.sizes.secsPerLine;
  for (const line of target.lines) {
    if (!line || line.state !== 'closed') continue;
    // The sectors with packed metadata count as valid as far as what they describe does.
    const valid = line.validSecs + (packed ? Math.floor(line.validSecs / (wsOpt - 1)) : 0);
    if (line.validSecs === 0) lists.full++;
    else if (valid < perLine / 4) lists.high++;
    else if (valid < perLine / 2) lists.mid++;
    else if (valid < secInLine) lists.low++;
    else lists.empty++;
  }
  return lists;
}

/**
 * Stale sectors of the open line that pblk must have counted. Its map still names the buffer for the last `mapBehind`
 * blocks of the ring, until their room is needed; one that was written again meanwhile is counted only then
 * (pblk-rb.c pblk_rb_update_l2p, pblk-map.c; padding takes no room in the ring). Where the ring is as large as the
 * line, none has to be counted yet.
 */
function countedStale(model: TraceModel, openLine: number, mapBehind: number): number {
  const data: { command: number; isStale: boolean }[] = [];
  for (let block = 0; block < model.totalBlks; block++) {
    const cells = model.cellsOf(block);
    if (!cells || blockAddress(model.shape, block).chk !== openLine) continue;
    cells.kind.forEach((kind, sec) => {
      const isStale = kind === CellKind.stale;
      if (isStale || kind === CellKind.valid) data.push({ command: cells.command[sec] ?? 0, isStale });
    });
  }
  data.sort((a, b) => b.command - a.command);
  const since = mapBehind === 0 ? Infinity : (data[mapBehind - 1]?.command ?? 0);
  return data.filter(({ command, isStale }) => isStale && command < since).length;
}

/** The logical blocks and where they are, as text lines to be compared. */
function mapOf(target: Target): string[] {
  return [...target.map.entries()].map(([lba, at]) => `${lba}:${at}`);
}

function kinds(model: TraceModel): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let block = 0; block < model.totalBlks; block++)
    for (let sec = 0; sec < (model.writtenSecs[block] ?? 0); sec++) {
      const kind = model.kindOf(block, sec);
      const [name = ''] = Object.entries(CellKind).find(([, value]) => value === kind) ?? [];
      counts[name] = (counts[name] ?? 0) + 1;
    }
  return counts;
}

/** The first is in every landing, with less of a load; `npm run test:matrix` does all. */
const wanted = isMatrix ? shapes : shapes.slice(0, 1);
/** Lines are collected from the first one on. */
const ROUNDS = isMatrix ? 4 : 2;

describe('what the wire tells of pblk agrees with what pblk says', () => {
  it.each(wanted.map((shape) => [shape.name, shape] as const))(
    '%s',
    { timeout: 20 * MINUTES },
    async (_name, { line, sizeMiB, luns, packed }) => {
      const guest = await boot({ line, sizeMiB });
      try {
        const device = guest.lab.device;
        if (!device) throw new Error('no device');
        device.watch(true);
        const first = device.takeTrace();
        const recording = new Recording(unpackModel(first?.state ?? new Uint8Array()));
        const follow = () => {
          const frame = device.takeTrace();
          expect(frame?.state).toBeUndefined();
          if (frame?.segment) recording.add(frame.segment);
        };
        const model = device.trace?.model as TraceModel;
        const fio = (options: string) =>
          guest.run(
            `fio --filename=/dev/mydevice --direct=1 --ioengine=libaio --iodepth=8 --output-format=terse ${options}`,
            10 * MINUTES,
          );
        await guest.run(createTarget(0, luns - 1));
        await fio('--name=fill --rw=write --bs=64k');
        follow();
        for (let round = 0; round < ROUNDS; round++) {
          await fio(`--name=again --rw=randwrite --bs=4k --size=30% --randseed=${round + 1}`);
          follow();
        }
        // A few blocks again and again, more often than the buffer has room: stale copies in the line that is written.
        await fio('--name=few --rw=randwrite --bs=4k --size=64k --io_size=1600k');
        // An fsync pads what is left.
        await guest.run('dd if=/dev/zero of=/dev/mydevice bs=4k count=3 conv=fsync');
        follow();

        const [target] = model.targets as [Target];
        const says = await settled(guest);
        follow();
        expect(model.targets).toHaveLength(1);
        expect([target.layout.begin, target.layout.end]).toEqual([0, luns - 1]);
        expect(says.gc).toBeGreaterThan(0);
        // Every line that was closed: as many logical blocks as pblk wrote into its end.
        expect(model.findings).toEqual([]);
        expect(target.lines.filter((l) => l?.emeta).length).toBeGreaterThan(10);
        // The line that is being written.
        const open = target.lines[says.openLine];
        expect(target.openLine).toBe(says.openLine);
        expect((open?.dataSecs ?? 0) + (open?.paddingSecs ?? 0)).toBe(says.secInLine - says.left);
        const invalid = (open?.dataSecs ?? 0) - (open?.validSecs ?? 0);
        expect(says.secInLine - says.vsc).toBeGreaterThanOrEqual(
          countedStale(model, says.openLine, says.mapBehind),
        );
        expect(says.secInLine - says.vsc).toBeLessThanOrEqual(invalid + (open?.paddingSecs ?? 0));
        // Closed lines sorted by how much of them is valid. A collected block that was overwritten before it left the
        // buffer goes out without an address: a hole to us, valid to pblk (pblk_map_page_data). So a line may be off.
        const { full, high, mid, low, empty } = says;
        const ours = gcLists(target, says.secInLine, model.shape.wsOpt, packed === true);
        const theirs = { full, high, mid, low, empty };
        const apart = (Object.keys(ours) as (keyof typeof ours)[]).map((k) => Math.abs(ours[k] - theirs[k]));
        expect(
          apart.reduce((sum, n) => sum + n),
          JSON.stringify({ ours, theirs }),
        ).toBeLessThanOrEqual(4);
        // Totals: pblk counts when it takes a block into its buffer, so all must have left it; its books are not
        // counted. What it collected in vain is padding to us, and pblk counts it twice (as gc and as pad).
        expect(Math.abs(target.userSecs - says.user)).toBeLessThanOrEqual(says.user * 0.001);
        const notUser = target.gcSecs + target.paddingSecs;
        // With packed metadata one sector of each write is padding.
        const packedSecs = packed ? (says.user + says.gc) / (model.shape.wsOpt - 1) : 0;
        expect(Math.abs(notUser - says.gc - packedSecs)).toBeLessThanOrEqual(says.gc * 0.02);

        // The recording: its head is what the device's own model is, and every moment can be made again.
        expect(packModel(recording.head)).toEqual(packModel(model));
        const half = Math.floor(recording.end.command / 2);
        const then = recording.seekCommand(half).model;
        expect(then.commands).toBe(half);
        expect(packModel(recording.seekCommand(half).toRecord(model.records).model)).toEqual(
          packModel(model),
        );
        expect(packModel(unpackModel(packModel(model)))).toEqual(packModel(model));

        // After a power cut pblk reads its books again, and so do we.
        if (packed) await guest.run('nvme lnvm remove -n mydevice');
        const before = mapOf(target);
        await guest.powerCycle();
        guest.lab.device?.watch(true);
        await guest.run(createTarget(0, luns - 1));
        const again = guest.lab.device?.trace?.model;
        const [back] = again?.targets ?? [];
        expect(back?.uuid).toBe(target.uuid);
        // Where each block was, or where garbage collection, which goes on at once, has moved it since.
        const moved = before.filter((entry) => {
          const [lba = 0, at = 0] = entry.split(':').map(Number);
          const place = again && back && again.find(back, lba);
          if (!again || !place) return true;
          if (place.block * again.secsPerBlk + place.sec === at) return false;
          return again.cellsOf(place.block)?.writtenMs[place.sec] === 0;
        });
        expect(moved).toEqual([]);
        expect(kinds(again as TraceModel)['unknown'] ?? 0).toBe(0);
        expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
      } finally {
        await guest.off();
      }
    },
  );
});
