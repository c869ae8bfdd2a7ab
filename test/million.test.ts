import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { blockIndex } from '../src/flash/address.ts';
import { LabDevice } from '../src/lab/device.ts';
import { buildConfig, mediumOf } from '../src/lab/device-line.ts';
import { IoOpcode } from '../src/spec/opcodes.ts';
import { MemoryCatalogue } from '../src/storage/memory.ts';
import { packModel, unpackModel } from '../src/trace/model-state.ts';
import { Recording } from '../src/trace/recording.ts';
import { BareRig, BATCH, DATA, ENTRIES, LISTS, SECTOR } from './driver/bare-rig.ts';

/** 10⁶ with `npm run test:fuzz`; fewer in every landing. */
const COMMANDS = Math.ceil(Number(process.env['TRACE_COMMANDS'] ?? 30_000) / ENTRIES) * ENTRIES;
const LINE =
  'nvme,serial=test,lver=1,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16,nlbaf=5,lba_index=3';
const SIZE_MIB = 26;
const WRITE_SECS = 8;
const BUDGET_BYTES = 4 * 2 ** 20;
/** All that the page's side may grow by, between a tenth of the run and its end. */
const GROWTH_BYTES = 24 * 2 ** 20;

/** A device, and commands that use it as an FTL does: a chunk of each LUN in turn erased, written, read. */
async function busyDevice() {
  const built = buildConfig(LINE, SIZE_MIB * 2 ** 20);
  if (!built.ok) throw new Error(built.error);
  const { config } = built;
  const [ns] = config.namespaces;
  if (ns?.kind !== 'ocssd12') throw new Error('not open-channel 1.2');
  const catalogue = new MemoryCatalogue();
  const { sizeBytes } = built.result;
  const disk = await catalogue.create({ name: 'm', deviceLine: LINE, sizeBytes, ...mediumOf(config) });
  const device = await LabDevice.open(config, await catalogue.open(disk.id));
  const rig = new BareRig((ports) => device.attach(ports));
  const g = ns.geometry;
  // ppaf of this device, lowest bits first: sector 2, plane 1, page 4, block and LUN as many as it takes.
  const bits = { pln: 2, pg: 3, blk: 7, lun: 7 + Math.ceil(Math.log2(g.numChk)) };
  const address = (lun: number, chk: number, pg: number, pln: number, sec: number) =>
    ((lun << bits.lun) | (chk << bits.blk) | (pg << bits.pg) | (pln << bits.pln) | sec) >>> 0;
  let [lun, chk, pg, phase] = [0, 0, 0, 0];
  /** The next command: erase, then each page written and read again. */
  const next = (slot: number) => {
    if (phase === 0) {
      phase = 1;
      rig.put(1, slot, {
        opcode: IoOpcode.vectorErase,
        nsid: 1,
        cdw10: address(lun, chk, 0, 0, 0),
        // Both planes at once.
        cdw12: 1 << 16,
      });
      return;
    }
    const at = LISTS + 2 * 2 ** 20 + (slot % ENTRIES) * 2048;
    const data = DATA + (slot % 64) * WRITE_SECS * SECTOR;
    for (let i = 0; i < WRITE_SECS; i++) {
      rig.view.setUint32(at + 1024 + i * 8, address(lun, chk, pg, i >> 2, i & 3), true);
      // The logical address, in pblk's place in the 16 out-of-band bytes.
      rig.view.setUint32(at + i * 16 + 8, (slot * WRITE_SECS + i) % 4096, true);
    }
    rig.put(1, slot, {
      opcode: phase === 1 ? IoOpcode.vectorWrite : IoOpcode.vectorRead,
      nsid: 1,
      metadata: at,
      prp1: data,
      prp2: rig.prp2(slot % 64, data, WRITE_SECS * SECTOR),
      cdw10: at + 1024,
      cdw12: WRITE_SECS - 1,
    });
    phase = phase === 1 ? 2 : 1;
    if (phase === 2) return;
    pg = (pg + 1) % g.numPg;
    if (pg > 0) return;
    phase = 0;
    lun = (lun + 1) % g.numLun;
    if (lun === 0) chk = (chk + 1) % g.numChk;
  };
  return { device, rig, next, g };
}

describe('a recording of very many commands', () => {
  it(
    `has each of ${COMMANDS.toLocaleString('en')} once, however the page keeps up`,
    { timeout: 900_000 },
    async () => {
      const { device, rig, next, g } = await busyDevice();
      device.watch(true);
      const first = device.takeTrace();
      const recording = new Recording(unpackModel(first?.state ?? new Uint8Array()), BUDGET_BYTES);
      let seed = 20_261_125;
      const random = () => (seed = (seed * 1_103_515_245 + 12_345) >>> 0) / 2 ** 32;
      /** Commands that the page was told of in pieces, and those that it caught up with from the whole state. */
      let [told, skipped, gaps] = [0, 0, 0];
      const fetch = () => {
        const frame = device.takeTrace();
        if (!frame) return;
        const before = recording.head.commands;
        if (frame.state) {
          recording.restart(unpackModel(frame.state), '');
          skipped += recording.head.commands - before;
          gaps++;
          expect(frame.lost).toBe(true);
        } else if (frame.segment) {
          recording.add(frame.segment);
          told += recording.head.commands - before;
          // Numbers follow on one another: none missing, none twice.
          const list = recording.commands(before + 1, recording.head.commands);
          expect(list[0]?.number ?? before + 1).toBe(before + 1);
        }
      };
      let earlyBytes = 0;
      const tenth = Math.floor(COMMANDS / 10 / ENTRIES) * ENTRIES;
      for (let done = 0; done < COMMANDS; done += ENTRIES) {
        for (let slot = 0; slot < ENTRIES; slot++) next(done + slot);
        for (let part = 0; part < ENTRIES; part += BATCH) {
          rig.run(1, BATCH);
          // Now and then; and in the third quarter, for a long time, not at all.
          const isAway = done > COMMANDS * 0.5 && done < COMMANDS * 0.75;
          if (!isAway && random() < 0.05) fetch();
        }
        expect(recording.keptBytes).toBeLessThanOrEqual(BUDGET_BYTES);
        if (done === tenth) earlyBytes = heldBytes();
        // Lets promises of the store go on, if there are any.
        await Promise.resolve();
      }
      fetch();
      const { head } = recording;
      expect(head.commands).toBe(COMMANDS);
      expect(told + skipped).toBe(COMMANDS);
      // A page that was away too long says so, and goes on from the state of the device.
      const isLong = COMMANDS > 500_000;
      expect(gaps).toBe(isLong ? 1 : 0);
      expect(recording.marks.filter(({ kind }) => kind === 'gap')).toHaveLength(gaps);
      const worker = device.trace?.model;
      if (!worker) throw new Error('no model');
      expect(packModel(head)).toEqual(packModel(worker));
      // And the model is the device: how far each block is written is what its table says.
      const map = device.snapshot();
      for (const [i, block] of [...(map?.block ?? [])].entries())
        expect(head.writtenSecs[block]).toBe(map?.writtenSecs[i]);
      expect(head.cellsOf(blockIndex(g, 0, 0, 0, 0))).toBeDefined();
      const grown = heldBytes() - earlyBytes;
      console.log(
        `${COMMANDS} commands: ${told} told, ${skipped} caught up with, ${gaps} gap, ${(grown / 2 ** 20).toFixed(1)} MiB more than at the tenth part`,
      );
      expect(grown).toBeLessThan(GROWTH_BYTES);
    },
  );
});

/** Memory in use once all garbage is collected. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
