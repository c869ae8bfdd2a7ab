import { describe, expect, it } from 'vitest';
import { firmwareLog, identifyController, identifyNamespace, lbaFormat, smartLog } from './identify.ts';
import { ascii, pack, raw, struct, type Struct, u16, u32, u64, u8, unpack } from './layout.ts';
import { badBlockTable, identify12, vectorCommand } from './ocssd12.ts';

/** Sizes as Linux asserts them: _nvme_check_size (host/core.c) and _nvme_nvm_check_size (host/lightnvm.c). */
const structs: readonly [name: string, layout: Struct, sizeBytes: number][] = [
  ['nvme_id_ctrl', identifyController, 4096],
  ['nvme_id_ns', identifyNamespace, 4096],
  ['nvme_lbaf', lbaFormat, 4],
  ['nvme_smart_log', smartLog, 512],
  ['nvme_fw_slot_info_log', firmwareLog, 512],
  ['nvme_nvm_id12', identify12, 4096],
  ['nvme_nvm_bb_tbl', badBlockTable, 64],
  ['nvme_nvm_ph_rw', vectorCommand, 64],
];

describe.each(structs)('%s', (_name, layout, sizeBytes) => {
  it(`has ${sizeBytes} bytes`, () => {
    expect(layout.sizeBytes).toBe(sizeBytes);
    expect(pack(layout, {}).byteLength).toBe(sizeBytes);
  });

  it('has fields inside it that do not overlap', () => {
    const owner = new Map<number, string>();
    for (const [name, field] of Object.entries(layout.fields)) {
      expect(field.offset + field.bytes, name).toBeLessThanOrEqual(sizeBytes);
      for (let at = field.offset; at < field.offset + field.bytes; at++) {
        expect(owner.get(at), `${name} at ${at}`).toBeUndefined();
        owner.set(at, name);
      }
    }
  });
});

/** Offsets counted by hand from the structures of Linux 5.10. */
const offsets: readonly [layout: Struct, expected: Readonly<Record<string, number>>][] = [
  [
    identifyController,
    { vid: 0, sn: 4, mn: 24, fr: 64, mdts: 77, ver: 80, oaes: 92, oacs: 256, aerl: 259, lpa: 261, sqes: 512 },
  ],
  [
    identifyController,
    { wctemp: 266, cqes: 513, maxcmd: 514, nn: 516, oncs: 520, vwc: 525, psd0MaxPower: 2048 },
  ],
  [
    identifyNamespace,
    { nsze: 0, ncap: 8, nuse: 16, nlbaf: 25, flbas: 26, mc: 27, dps: 29, lbaf: 128, vs0: 384 },
  ],
  [smartLog, { temperature: 1, percentUsed: 5, dataUnitsRead: 32, powerCycles: 112, numErrLogEntries: 176 }],
  [identify12, { cgrps: 2, cap: 4, dom: 8, chOffset: 12, secLen: 23, mtype: 256, numCh: 260, numPln: 262 }],
  [
    identify12,
    { numChk: 264, numPg: 266, fpgSz: 268, csecs: 270, sos: 272, trdt: 276, tbem: 296, mpos: 300, cpar: 308 },
  ],
  [badBlockTable, { tblid: 0, verid: 4, tblks: 12, tfact: 16, tgrown: 20, thresv: 28 }],
  [vectorCommand, { metadata: 16, prp1: 24, prp2: 32, spba: 40, length: 48, control: 50 }],
];

it.each(offsets)('fields lie where Linux has them (%#)', (layout, expected) => {
  for (const [name, offset] of Object.entries(expected)) {
    expect(layout.fields[name]?.offset, name).toBe(offset);
  }
});

describe('pack and unpack', () => {
  const layout = struct(32, {
    a: u8(0),
    b: u16(1),
    c: u32(4),
    d: u64(8),
    text: ascii(16, 6),
    rest: raw(24, 4),
  });

  it('are little-endian and inverse', () => {
    const bytes = pack(layout, { a: 0x12, b: 0x3456, c: 0x789a_bcde, d: 0x1_2345_6789n });
    expect(Array.from(bytes.subarray(0, 8))).toEqual([0x12, 0x56, 0x34, 0, 0xde, 0xbc, 0x9a, 0x78]);
    expect(unpack(layout.fields.a, bytes)).toBe(0x12);
    expect(unpack(layout.fields.b, bytes)).toBe(0x3456);
    expect(unpack(layout.fields.c, bytes)).toBe(0x789a_bcde);
    expect(unpack(layout.fields.d, bytes)).toBe(0x1_2345_6789);
  });

  it('cut numbers to their width', () => {
    const bytes = pack(layout, { a: 0x1ff, d: -1 });
    expect(bytes[0]).toBe(0xff);
    expect(Array.from(bytes.subarray(8, 17))).toEqual([255, 255, 255, 255, 255, 255, 255, 255, 0x20]);
  });

  it('pad text with spaces, cut what is too long, and leave the rest zero', () => {
    const bytes = pack(layout, { text: 'abcdefghij', rest: Uint8Array.of(1, 2, 3, 4, 5, 6) });
    expect(String.fromCharCode(...bytes.subarray(16, 24))).toBe('abcdef\0\0');
    expect(Array.from(bytes.subarray(24))).toEqual([1, 2, 3, 4, 0, 0, 0, 0]);
    expect(String.fromCharCode(...pack(layout, { text: 'a' }).subarray(16, 22))).toBe('a     ');
  });

  it('read a view in the middle of a buffer', () => {
    const outer = new Uint8Array(40);
    outer.set(pack(layout, { c: 77 }), 8);
    expect(unpack(layout.fields.c, outer.subarray(8))).toBe(77);
  });
});
