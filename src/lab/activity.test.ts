import { expect, it } from 'vitest';
import { IoOpcode } from '../spec/opcodes.ts';
import { BlockTable } from '../flash/block-table.ts';
import { deriveGeometry } from '../flash/geometry.ts';
import { Activity } from './activity.ts';
import type { CompletedCommand } from '../device/telemetry.ts';
import { SectorVector } from '../flash/transfer.ts';

const geometry = deriveGeometry({
  numCh: 1,
  numLun: 2,
  numPln: 1,
  numChk: 2,
  numPg: 4,
  secsPerPg: 2,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
});

it('reports each touched block once a frame, with the last operation', () => {
  const table = new BlockTable(geometry);
  const activity = new Activity(geometry.totalBlks, 4096);
  expect(activity.takeFrame(table)).toBeUndefined();
  activity.flash('write', 3, 0, 2);
  table.advance(3);
  activity.flash('read', 3, 0, 1);
  activity.flash('erase', 1, 0, 8);
  const frame = activity.takeFrame(table);
  expect(Array.from(frame?.block ?? [])).toEqual([3, 1]);
  expect(Array.from(frame?.lastOp ?? [])).toEqual([1, 3]);
  expect(Array.from(frame?.writtenSecs ?? [])).toEqual([1, 0]);
  expect(activity.takeFrame(table)).toBeUndefined();
  expect(activity.counters(0)).toEqual({
    commands: 0,
    readBytes: 4096,
    writtenBytes: 8192,
    erases: 1,
    pendingCommits: 0,
  });
});

const ended = (queueId: number, opcode: number, status: number, dataBytes: number): CompletedCommand => ({
  queueId,
  opcode,
  status,
  fetchedMs: 0,
  data: { runs: 0, addressOf: () => 0, lengthOf: () => 0 },
  dataBytes,
  cid: 0,
  nsid: 1,
  bytes: new Uint8Array(64),
  words: new Uint32Array(16),
  dw0: 0,
  dw1: 0,
  vector: new SectorVector(1),
  rule: undefined,
  why: '',
});

it('counts the bytes of a plain disk by its commands', () => {
  const activity = new Activity(0, 512);
  activity.command(ended(1, IoOpcode.write, 0, 1000));
  activity.command(ended(1, IoOpcode.read, 0, 24));
  activity.command(ended(1, IoOpcode.read, 0x4080, 99));
  activity.command(ended(0, IoOpcode.read, 0, 4096)); // admin: a Get Log Page
  expect(activity.counters(0)).toMatchObject({ commands: 4, readBytes: 24, writtenBytes: 1000 });
});
