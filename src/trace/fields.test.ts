import { describe, expect, it } from 'vitest';
import { submissionEntry } from '../spec/entries.ts';
import { pack, type Values } from '../spec/layout.ts';
import { AdminOpcode, IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';
import { decodeEmeta, decodeLbaList, decodeOob, decodeSmeta } from './fields-books.ts';
import { decodeCompletion, decodeSubmission } from './fields-command.ts';
import { type DecodedField, fieldAt } from './fields.ts';
import type { CommandRecord } from './record.ts';

function record(
  queueId: number,
  values: Values<typeof submissionEntry>,
  more: Partial<CommandRecord> = {},
): CommandRecord {
  return {
    queueId,
    sqe: pack(submissionEntry, values),
    status: 0,
    dw0: 0,
    dw1: 0,
    dataBytes: 0,
    latencyUs: 0,
    addresses: [],
    rule: '',
    why: '',
    pages: [],
    ...more,
  };
}

const flat = (fields: readonly DecodedField[]): DecodedField[] =>
  fields.flatMap((field) => [field, ...flat(field.children)]);
const named = (fields: readonly DecodedField[], name: string): DecodedField => {
  const found = flat(fields).find((field) => field.name === name);
  if (!found) throw new Error(`no field ${name}`);
  return found;
};
const texts = (r: CommandRecord, ...names: string[]): string[] =>
  names.map((name) => named(decodeSubmission(r, 'ocssd12'), name).text);

describe('a command', () => {
  const write = record(
    1,
    {
      opcode: IoOpcode.vectorWrite,
      cid: 0x1234,
      nsid: 1,
      metadata: 0x10000,
      prp1: 0x20000,
      prp2: 0x30000,
      cdw10: 0x10400,
      cdw12: (0x201 << 16) | 7,
    },
    { dataBytes: 32768, pages: [1, 2, 3, 4, 5, 6, 7, 8].map((n) => n * 4096) },
  );

  it('91h: every part of a vector write', () => {
    const fields = decodeSubmission(write, 'ocssd12');
    expect(named(fields, 'OPC')).toMatchObject({ offset: 0, bytes: 1, hex: '91', text: 'Vector Write' });
    expect(named(fields, 'CID')).toMatchObject({ offset: 2, bytes: 2, value: 0x1234 });
    expect(named(fields, 'SPPA')).toMatchObject({ offset: 40, bytes: 8, value: 0x10400 });
    expect(named(fields, 'NLB')).toMatchObject({ offset: 48, bits: '15:0', value: 7, text: '8 addresses' });
    expect(named(fields, 'Plane mode')).toMatchObject({
      offset: 50,
      bytes: 1,
      bits: '17:16',
      text: 'dual plane',
    });
    expect(named(fields, 'Scramble')).toMatchObject({ offset: 51, value: 1, text: 'scrambled' });
    expect(named(fields, 'PRP2').text).toBe('address of the list of the other pages');
    expect(named(fields, 'NLB').citation).toContain('nvme_nvm_ph_rw');
    expect(named(fields, 'OPC').citation).toContain('nvme_common_command');
  });

  it('in the words of 2.0', () => {
    const fields = decodeSubmission(write, 'ocssd20');
    expect(named(fields, 'LBAL').value).toBe(0x10400);
    expect(flat(fields).some(({ name }) => name === 'Plane mode')).toBe(false);
  });

  it('leaves no byte unexplained, whatever the opcode', () => {
    const wrong: string[] = [];
    for (const queueId of [0, 1])
      for (let opcode = 0; opcode < 256; opcode++)
        for (const kind of ['ocssd12', 'ocssd20', 'plain'] as const) {
          const fields = decodeSubmission(record(queueId, { opcode }), kind);
          const where = `queue ${queueId} opcode ${opcode} ${kind}`;
          for (let byte = 0; byte < 64; byte++)
            if (!fieldAt(fields, byte)) wrong.push(`${where}: byte ${byte}`);
          for (const { name, offset, bytes, citation } of flat(fields))
            if (offset + bytes > 64 || citation === '') wrong.push(`${where}: ${name}`);
        }
    expect(wrong).toEqual([]);
  });

  it('finds the innermost field of a byte', () => {
    const fields = decodeSubmission(write, 'ocssd12');
    expect(fieldAt(fields, 0)?.name).toBe('OPC');
    expect(fieldAt(fields, 33)?.name).toBe('PRP2');
    expect(fieldAt(fields, 49)?.name).toBe('NLB');
    expect(fieldAt(fields, 64)).toBeUndefined();
  });

  it('admin commands', () => {
    const { identify, getLogPage, setFeatures, getFeatures, createCq, createSq, abort } = AdminOpcode;
    expect(texts(record(0, { opcode: identify, cdw10: 1 }), 'OPC', 'CNS')).toEqual([
      'Identify',
      'controller',
    ]);
    expect(
      texts(
        record(0, { opcode: getLogPage, cdw10: 2 | (127 << 16), nsid: 0xffffffff }),
        'LID',
        'NUMDL',
        'NSID',
      ),
    ).toEqual(['SMART / health', '512 bytes', 'all namespaces']);
    expect(
      texts(record(0, { opcode: setFeatures, cdw10: 7, cdw11: 0x0003_0003 }), 'FID', 'NSQR', 'NCQR'),
    ).toEqual(['number of queues', '4 submission queues', '4 completion queues']);
    expect(texts(record(0, { opcode: getFeatures, cdw10: 0x304 }), 'FID', 'SEL')).toEqual([
      'temperature threshold',
      'capabilities',
    ]);
    expect(
      texts(record(0, { opcode: createCq, cdw10: 0x03ff_0001, cdw11: 3 }), 'QSIZE', 'PC', 'IEN'),
    ).toEqual(['1024 entries', 'in one piece', 'with interrupts']);
    expect(
      named(decodeSubmission(record(0, { opcode: createSq, cdw11: 0x0002_0001 }), 'plain'), 'CQID').value,
    ).toBe(2);
    expect(
      named(decodeSubmission(record(0, { opcode: abort, cdw10: 0x0007_0002 }), 'plain'), 'SQID').value,
    ).toBe(2);
    expect(
      texts(record(0, { opcode: AdminOpcode.setBadBlockTable, cdw12: 2 << 16 }), 'NLB', 'value'),
    ).toEqual(['1 block', 'grown']);
  });

  it('plain commands', () => {
    const read = record(1, { opcode: IoOpcode.read, cdw10: 8, cdw11: 1, cdw12: 7 | (1 << 30) });
    expect(texts(read, 'OPC', 'NLB', 'FUA', 'LR')).toEqual(['Read', '8 blocks', 'forced unit access', '']);
    expect(named(decodeSubmission(read, 'plain'), 'SLBA').value).toBe(2 ** 32 + 8);
    expect(texts(record(1, { opcode: IoOpcode.datasetManagement, cdw10: 2, cdw11: 4 }), 'NR', 'AD')).toEqual([
      '3 ranges',
      'deallocate',
    ]);
  });
});

describe('a completion', () => {
  it('says which addresses failed, and why', () => {
    const { bytes, fields } = decodeCompletion(
      record(
        2,
        { opcode: IoOpcode.vectorWrite, cid: 9 },
        { status: Status.writeFailure, dw0: 0b101, dw1: 2 },
      ),
    );
    expect(named(fields, 'DW0–1').text).toBe('failed: 0, 2, 33');
    expect(named(fields, 'SC')).toMatchObject({ hex: 'ff', text: 'writeFailure' });
    expect(named(fields, 'SCT').value).toBe(0);
    expect(named(fields, 'DNR').text).toBe('do not retry');
    expect(named(fields, 'SQID').value).toBe(2);
    expect(bytes[12]).toBe(9);
  });

  it('says the queues that were granted', () => {
    const { fields } = decodeCompletion(
      record(0, { opcode: AdminOpcode.setFeatures, cdw10: 7 }, { dw0: 0x0001_0003 }),
    );
    expect(named(fields, 'NSQA').text).toBe('4 submission queues');
    expect(named(fields, 'NCQA').text).toBe('2 completion queues');
  });

  it('explains each of its bytes', () => {
    const wrong: string[] = [];
    for (const queueId of [0, 1])
      for (let opcode = 0; opcode < 256; opcode++) {
        const { fields } = decodeCompletion(record(queueId, { opcode }));
        for (let byte = 0; byte < 16; byte++)
          if (!fieldAt(fields, byte)) wrong.push(`queue ${queueId} opcode ${opcode} byte ${byte}`);
      }
    expect(wrong).toEqual([]);
  });
});

describe("pblk's books", () => {
  const sector = new Uint8Array(4096);
  const view = new DataView(sector.buffer);
  view.setUint32(4, 0x70626c6b, true);
  sector.fill(0xab, 8, 24);
  view.setUint16(24, 2, true);
  view.setUint32(28, 5, true);
  view.setUint32(36, 0xffffffff, true);
  view.setUint32(40, 17, true);
  view.setUint32(48, 4, true);
  view.setUint32(64, 480, true);
  view.setUint32(104, 1000, true);

  it('smeta', () => {
    const fields = decodeSmeta(sector);
    expect(named(fields, 'identifier').text).toBe('“pblk”');
    expect(named(fields, 'uuid').hex).toBe('ab'.repeat(16));
    expect(named(fields, 'type').text).toBe('data');
    expect(named(fields, 'id').value).toBe(5);
    expect(named(fields, 'prev_id').text).toBe('none');
    expect(named(fields, 'seq_nr').value).toBe(17);
    expect(named(fields, 'lun_bitmap')).toMatchObject({ offset: 60, bytes: 4 });
  });

  it('emeta, with the counters behind the bitmap', () => {
    const emeta = sector.slice();
    // As pblk writes it.
    new DataView(emeta.buffer).setUint32(48, 0, true);
    const fields = decodeEmeta(emeta, 4);
    expect(named(fields, 'nr_valid_lbas').value).toBe(480);
    expect(named(fields, 'user')).toMatchObject({ offset: 104, value: 1000, text: '1000 sectors' });
    expect(named(fields, 'pad').offset).toBe(120);
  });

  it('nothing that is not there', () => {
    expect(decodeSmeta(new Uint8Array(4096))).toEqual([]);
    expect(decodeEmeta(new Uint8Array(0), 4)).toEqual([]);
    expect(decodeSmeta(sector.subarray(0, 40)).at(-1)?.name).toBe('prev_id');
    const lying = sector.slice();
    new DataView(lying.buffer).setUint32(48, 0xffffffff, true);
    expect(decodeSmeta(lying).every(({ offset, bytes }) => offset + bytes <= 4096)).toBe(true);
  });

  it('lists of addresses, and the out-of-band area', () => {
    const list = new Uint8Array(32).fill(0xff, 8, 16);
    list[0] = 7;
    const fields = decodeLbaList(list, 10, 12);
    expect(fields.map(({ name, text }) => [name, text])).toEqual([
      ['lbas[10]', 'LBA 7'],
      ['lbas[11]', 'ADDR_EMPTY: no logical block'],
    ]);
    const oob = new Uint8Array(16);
    oob[8] = 0x39;
    oob[9] = 0x30;
    expect(named(decodeOob(oob), 'lba').text).toBe('LBA 12345');
    expect(decodeOob(new Uint8Array(4))).toEqual([]);
  });
});
