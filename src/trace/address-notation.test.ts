import { describe, expect, it } from 'vitest';
import { AddressBook, parseQuery } from './address-notation.ts';
import type { TraceShape } from './record.ts';

const shape12: TraceShape = {
  kind: 'ocssd12',
  numCh: 2,
  numLun: 3,
  numPln: 2,
  numChk: 5,
  numPg: 7,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 8,
};
const shape20: TraceShape = { ...shape12, kind: 'ocssd20', numPln: 1, numPg: 6, secsPerPg: 4, wsOpt: 8 };

describe.each([shape12, shape20])('addresses of $kind', (shape) => {
  const book = new AddressBook(shape);
  const blocks = shape.numCh * shape.numLun * shape.numChk * shape.numPln;
  const secs = shape.numPg * shape.secsPerPg;

  it('come back from every notation, for every sector', () => {
    const wires = new Set<number>();
    const offsets = new Set<number>();
    for (let block = 0; block < blocks; block++)
      for (let sec = 0; sec < secs; sec++) {
        const at = { block, sec };
        const { wire, byteOffset, place } = book.notations(at);
        expect(book.fromWire(wire)).toEqual(at);
        expect(book.fromByteOffset(byteOffset)).toEqual(at);
        expect(book.fromByteOffset(byteOffset + 4095)).toEqual(at);
        expect(book.fromParts(place)).toEqual(at);
        wires.add(wire);
        offsets.add(byteOffset);
      }
    expect(wires.size).toBe(blocks * secs);
    expect(offsets.size).toBe(blocks * secs);
  });

  it('are nowhere outside the device', () => {
    expect(book.fromWire(2 ** 40)).toBeUndefined();
    expect(book.fromByteOffset(2 ** 50)).toBeUndefined();
    expect(book.fromParts({ ch: 2, lun: 0, chk: 0 })).toBeUndefined();
    expect(book.fromParts({ ch: 0, lun: 0, chk: 0, pg: 0, sec: 4 })).toBeUndefined();
    expect(book.fromParts({ ch: 0, lun: 0, chk: 0, sec: secs })).toBeUndefined();
  });
});

it('counts the sectors of a 1.2 chunk as pblk writes them: page by page over the planes', () => {
  const book = new AddressBook(shape12);
  const at = book.fromParts({ ch: 1, lun: 2, chk: 3, pln: 1, pg: 2, sec: 3 });
  expect(at && book.notations(at).chunkSec).toBe(2 * 8 + 4 + 3);
});

it('reads what people type', () => {
  expect(parseQuery('  ')).toEqual({ kind: 'nothing' });
  expect(parseQuery('#123')).toEqual({ kind: 'command', number: 123 });
  expect(parseQuery('command 7')).toEqual({ kind: 'command', number: 7 });
  expect(parseQuery('lba 1234')).toEqual({ kind: 'lba', first: 1234, last: 1234 });
  expect(parseQuery('lba1234')).toEqual({ kind: 'lba', first: 1234, last: 1234 });
  expect(parseQuery('LBA: 0x10-0x1f')).toEqual({ kind: 'lba', first: 16, last: 31 });
  expect(parseQuery('339,967')).toEqual({ kind: 'lba', first: 339_967, last: 339_967 });
  expect(parseQuery('0x1a2b')).toEqual({ kind: 'wire', address: 0x1a2b });
  expect(parseQuery('ppa 1a2b')).toEqual({ kind: 'wire', address: 0x1a2b });
  expect(parseQuery('line 12')).toEqual({ kind: 'line', line: 12 });
  expect(parseQuery('line 12 position 345')).toEqual({ kind: 'line', line: 12, position: 345 });
  expect(parseQuery('byte 8192')).toEqual({ kind: 'offset', bytes: 8192 });
  expect(parseQuery('ch 0 lun 1 pln 0 chk 5 pg 2 sec 3')).toEqual({
    kind: 'place',
    parts: { ch: 0, lun: 1, pln: 0, chk: 5, pg: 2, sec: 3 },
    isChunk: false,
  });
  expect(parseQuery('group 1 · PU 2 · chunk 3')).toEqual({
    kind: 'place',
    parts: { ch: 1, lun: 2, chk: 3 },
    isChunk: true,
  });
  expect(parseQuery('0/1/0/5/2/3')).toEqual(parseQuery('ch=0, lun=1, pln=0, chk=5, pg=2, sec=3'));
  expect(parseQuery('0/1/5')).toEqual(parseQuery('lun 1 chunk 5'));
  expect(parseQuery('1/2/3/40')).toEqual(parseQuery('grp 1 pu 2 chk 3 sec 40'));
});

it('takes everything else for the name of a file', () => {
  for (const path of [
    '/mnt/a.bin',
    'notes',
    './lba',
    'a 1',
    'ch',
    '/dev/mydevice',
    '文件',
    'blk-1.txt',
    'lba.txt',
    'line-up',
  ])
    expect(parseQuery(path)).toEqual({ kind: 'file', path });
});

it('says what something wrong was like', () => {
  expect(parseQuery('#x')).toEqual({ kind: 'wrong', like: 'command' });
  expect(parseQuery('#0')).toEqual({ kind: 'wrong', like: 'command' });
  expect(parseQuery('lba')).toEqual({ kind: 'wrong', like: 'lba' });
  expect(parseQuery('lba 9-3')).toEqual({ kind: 'wrong', like: 'lba' });
  expect(parseQuery('lba 99999999999999999999')).toEqual({ kind: 'wrong', like: 'lba' });
  expect(parseQuery('ppa xyz')).toEqual({ kind: 'wrong', like: 'wire' });
  expect(parseQuery('line')).toEqual({ kind: 'wrong', like: 'line' });
  expect(parseQuery('lun 1')).toEqual({ kind: 'wrong', like: 'place' });
  expect(parseQuery('lun 1 lun 2 chk 3')).toEqual({ kind: 'wrong', like: 'place' });
  expect(parseQuery('0/1/2/3/4')).toEqual({ kind: 'wrong', like: 'place' });
});
