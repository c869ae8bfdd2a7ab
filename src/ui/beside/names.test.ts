import { describe, expect, it } from 'vitest';
import type { TraceShape } from '../../trace/record.ts';
import { commandFor, deviceOfShape, differences } from './names.ts';

const SHAPE: TraceShape = {
  kind: 'ocssd12',
  numCh: 2,
  numLun: 2,
  numPln: 2,
  numChk: 64,
  numPg: 64,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 8,
};

describe('what differs between two devices', () => {
  it('is seen through their spellings: the same chunks in 1.2 and 2.0 do not differ', () => {
    const a = deviceOfShape(SHAPE);
    const b = deviceOfShape({ ...SHAPE, kind: 'ocssd20', numPln: 1, numPg: 512, secsPerPg: 1 });
    expect([...differences(a, b)]).toEqual(['kind']);
    expect(a.chunkBytes).toBe(2 * 1024 ** 2);
    expect(a.totalBytes).toBe(512 * 1024 ** 2);
  });

  it('names LUNs, chunks and size', () => {
    const a = deviceOfShape(SHAPE);
    const b = deviceOfShape({ ...SHAPE, numLun: 8, numPg: 32 });
    expect([...differences(a, b)].sort()).toEqual(['chunks', 'total', 'units']);
    expect([...differences(a, undefined)]).toEqual([]);
    expect([...differences({ ...a, dialect: 'FEMU' }, a)]).toEqual([]);
  });
});

describe('a command for both', () => {
  it('gives each side its own where it says so, and leaves the shell its braces', () => {
    const command = "nvme lnvm create -o {{11|40}} -n d; echo {a,b} ${x} | awk '{print|$1}'";
    expect(commandFor('left', command)).toBe(command.replace('{{11|40}}', '11'));
    expect(commandFor('right', command)).toBe(command.replace('{{11|40}}', '40'));
    expect(commandFor('right', 'a {{|b}} {{c|}}')).toBe('a b ');
  });
});
