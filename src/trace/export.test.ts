import { describe, expect, it } from 'vitest';
import { pack } from '../spec/layout.ts';
import { submissionEntry } from '../spec/entries.ts';
import { TraceEncoder } from './encode.ts';
import { blkparseText } from './export-blkparse.ts';
import { csvLines } from './export-csv.ts';
import { jsonLines } from './export-json.ts';
import { TraceModel } from './model.ts';
import { type CommandRecord, Lba, type TraceShape } from './record.ts';
import { Recording } from './recording.ts';

const SHAPE: TraceShape = {
  kind: 'ocssd12',
  numCh: 1,
  numLun: 2,
  numPln: 2,
  numChk: 4,
  numPg: 16,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 8,
};

function command(
  fields: Parameters<typeof pack<typeof submissionEntry>>[1],
  more: Partial<CommandRecord>,
): CommandRecord {
  const plain = { queueId: 1, status: 0, dw0: 0, dw1: 0, dataBytes: 0, latencyUs: 100, rule: '', why: '' };
  return { ...plain, addresses: [], pages: [], sqe: pack(submissionEntry, fields), ...more };
}

function sample(...more: CommandRecord[]): Recording {
  const encoder = new TraceEncoder();
  encoder.at(1_000_000);
  encoder.power('on');
  encoder.at(1_000_500);
  encoder.write(5, 0, 4, Uint32Array.of(10, 11, Lba.empty, Lba.unknown), Uint8Array.of(0, 1, 0, 0));
  encoder.at(1_000_600);
  encoder.command(
    command(
      { opcode: 0x91, cid: 7, nsid: 1 },
      { dataBytes: 16384, latencyUs: 400, addresses: [{ block: 5, sec: 0, count: 4 }] },
    ),
  );
  encoder.at(1_000_700);
  encoder.command(
    command(
      { opcode: 0x02, nsid: 1, cdw10: 24, cdw12: 7 },
      { dataBytes: 32768, latencyUs: 650, status: 0x4281, rule: 'fault', why: 'x' },
    ),
  );
  encoder.at(1_000_800);
  encoder.erase(5);
  encoder.mark('a "mark", with commas');
  for (const record of more) encoder.command(record);
  const recording = new Recording(new TraceModel(SHAPE));
  const segment = encoder.take();
  if (segment) recording.add(segment);
  return recording;
}

describe('exports', () => {
  it('writes one JSON object a record', () => {
    const objects = [...jsonLines(sample())]
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(objects.map(({ type }) => type)).toEqual([
      'recording',
      'power',
      'write',
      'command',
      'command',
      'erase',
      'mark',
    ]);
    expect(objects[2]).toEqual({
      type: 'write',
      timeUs: 1_000_500,
      ch: 0,
      lun: 0,
      pln: 1,
      chk: 1,
      pg: 0,
      sec: 0,
      secs: 4,
      lbas: [10, 11, null, 'unknown'],
      same: [1],
    });
    expect(objects[3]).toMatchObject({
      number: 1,
      name: 'vectorWrite',
      cid: 7,
      latencyUs: 400,
      statusName: 'success',
    });
    expect(objects[4]).toMatchObject({ number: 2, name: 'read', lba: 24, blocks: 8, rule: 'fault' });
  });

  it('writes the commands as CSV', () => {
    const lines = [...csvLines(sample())].join('').split('\r\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^number,time_us,queue,/);
    expect(lines[1]).toBe('1,1000600,1,7,1,0x91,vectorWrite,16384,400,0x0,success,,,,0/0/1/1/0/0+4,');
    expect(lines[2]).toBe('2,1000700,1,0,1,0x02,read,32768,650,0x4281,eccFailure,fault,24,8,,');
  });

  it('says where a copy read, in JSON and CSV', () => {
    const copy = command(
      { opcode: 0x93, nsid: 1 },
      { addresses: [{ block: 5, sec: 0, count: 4 }], sources: [{ block: 4, sec: 4, count: 4 }] },
    );
    expect([...csvLines(sample(copy))].join('')).toContain(',0/0/1/1/0/0+4,0/0/0/1/1/0+4\r\n');
    const last = [...jsonLines(sample(copy))].join('').trim().split('\n').at(-1) ?? '';
    expect(JSON.parse(last)).toMatchObject({
      name: 'vectorCopy',
      addresses: [{ chk: 1, pln: 1, sec: 0, count: 4 }],
      sources: [{ chk: 1, pln: 0, pg: 1, sec: 0, count: 4 }],
    });
  });

  it('writes text in the columns of blkparse, in the order of time', () => {
    const lines = blkparseText(sample()).trim().split('\n');
    // Block 5 of 64 sectors of 4 KiB: its first sector is 320, which is 2,560 of 512 bytes.
    expect(lines).toEqual([
      '259,0    1        1     0.000050000     0  D   R 192 + 64 [17025]',
      '259,0    1        2     0.000200000     0  D   W 2560 + 32',
      '259,0    1        3     0.000600000     0  C   W 2560 + 32',
      '259,0    1        4     0.000700000     0  C   R 192 + 64 [17025]',
    ]);
  });
});
