import { describe, expect, it } from 'vitest';
import { opcodeName } from './opcodes.ts';
import { capabilities } from './registers.ts';
import { DNR, Status, statusName } from './status.ts';

describe('status codes', () => {
  it('agree with Linux', () => {
    // NVM_RSP_* of include/linux/lightnvm.h
    expect(Status.emptyPage).toBe(0x42ff);
    expect(Status.eccFailure).toBe(0x4281);
    expect(Status.crcFailure).toBe(0x4004);
    expect(Status.writeFailure).toBe(0x40ff);
    expect(Status.highEcc).toBe(0x4700);
    // NVME_SC_* of include/linux/nvme.h
    expect(Status.writeToReadOnlyRange & ~DNR).toBe(0x182);
    expect(Status.lbaOutOfRange & ~DNR).toBe(0x80);
    expect(Status.invalidQueueDeletion & ~DNR).toBe(0x10c);
  });

  it('all say "do not retry", or Linux would send the command again', () => {
    for (const [name, code] of Object.entries(Status)) {
      if (code !== Status.success) expect(code & DNR, name).toBe(DNR);
    }
  });

  it('have names, with and without DNR', () => {
    expect(statusName(Status.emptyPage)).toBe('emptyPage');
    expect(statusName(0x80)).toBe('lbaOutOfRange');
    expect(statusName(0x7ab)).toBe('SCT 7 SC abh');
  });

  it('call a transfer error a transfer error, although pblk knows its number as a CRC failure', () => {
    expect(statusName(Status.dataTransferError)).toBe('dataTransferError');
  });
});

it('opcodes have names by queue', () => {
  expect(opcodeName(0, 0x02)).toBe('getLogPage');
  expect(opcodeName(3, 0x02)).toBe('read');
  expect(opcodeName(1, 0xc7)).toBe('opcode c7h');
});

it('CAP has its parts where Linux looks for them (NVME_CAP_*)', () => {
  const { low, high } = capabilities({
    maxQueueEntriesZ: 0x7ff,
    contiguousQueuesRequired: true,
    doorbellStride: 3,
    mpsMin: 1,
    mpsMax: 4,
  });
  const cap = (BigInt(high) << 32n) | BigInt(low);
  const bits = (from: bigint, count: bigint) => Number((cap >> from) & ((1n << count) - 1n));
  expect(bits(0n, 16n)).toBe(0x7ff);
  expect(bits(16n, 1n)).toBe(1);
  expect(bits(24n, 8n)).toBeGreaterThan(0); // TO, in 500 ms
  expect(bits(32n, 4n)).toBe(3);
  expect(bits(37n, 8n)).toBe(1); // CSS: NVM command set
  expect(bits(48n, 4n)).toBe(1);
  expect(bits(52n, 4n)).toBe(4);
});
