import { describe, expect, it } from 'vitest';
import { pack } from './layout.ts';
import { chunkDescriptor, chunkNotification, geometry20 } from './ocssd20.ts';

const bytesAt = (bytes: Uint8Array, at: number, count: number) => [...bytes.subarray(at, at + count)];

describe('open-channel 2.0 structures', () => {
  it('have the sizes of Linux’ and SPDK’s', () => {
    expect([geometry20.sizeBytes, chunkDescriptor.sizeBytes, chunkNotification.sizeBytes]).toEqual([
      4096, 32, 64,
    ]);
  });

  it('geometry: versions, bit lengths, counts, write rules and times are where nvme_nvm_id20 has them', () => {
    const bytes = pack(geometry20, {
      mjr: 2,
      grpLen: 1,
      puLen: 3,
      chkLen: 6,
      lbaLen: 12,
      mccap: 5,
      wit: 10,
      numGrp: 2,
      numPu: 8,
      numChk: 60,
      clba: 4096,
      wsMin: 4,
      wsOpt: 24,
      mwCunits: 96,
      maxoc: 7,
      maxocpu: 3,
      trdt: 1,
      tcrsm: 6,
    });
    expect(bytesAt(bytes, 0, 2)).toEqual([2, 0]);
    expect(bytesAt(bytes, 8, 4)).toEqual([1, 3, 6, 12]);
    expect(bytesAt(bytes, 16, 4)).toEqual([5, 0, 0, 0]);
    expect(bytes[32]).toBe(10);
    expect(bytesAt(bytes, 64, 12)).toEqual([2, 0, 8, 0, 60, 0, 0, 0, 0, 16, 0, 0]);
    expect(bytesAt(bytes, 128, 20)).toEqual([4, 0, 0, 0, 24, 0, 0, 0, 96, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0]);
    expect([bytes[192], bytes[212]]).toEqual([1, 6]);
  });

  it('notification: count, address, namespace, state, mask, length', () => {
    const bytes = pack(chunkNotification, { nc: 3, lba: 4, nsid: 5, state: 0x108, mask: 2, nlbZ: 9 });
    expect([bytes[0], bytes[8], bytes[16], bytes[22], bytes[32]]).toEqual([3, 4, 5, 2, 9]);
    expect(bytesAt(bytes, 20, 2)).toEqual([0x08, 0x01]);
  });
});
