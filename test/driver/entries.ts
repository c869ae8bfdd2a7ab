import { CQE_BYTES, SQE_BYTES } from '../../src/spec/registers.ts';

/** A submission queue entry by fields (Linux struct nvme_common_command); what is left out is 0. */
export interface Sqe {
  readonly opcode: number;
  readonly flags?: number;
  readonly nsid?: number;
  readonly cdw2?: number;
  readonly cdw3?: number;
  readonly metadata?: number;
  readonly prp1?: number;
  readonly prp2?: number;
  readonly cdw10?: number;
  readonly cdw11?: number;
  readonly cdw12?: number;
  readonly cdw13?: number;
  readonly cdw14?: number;
  readonly cdw15?: number;
}

export function encodeSqe(sqe: Sqe, cid: number): Uint8Array {
  const bytes = new Uint8Array(SQE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, sqe.opcode);
  view.setUint8(1, sqe.flags ?? 0);
  view.setUint16(2, cid, true);
  view.setUint32(4, sqe.nsid ?? 0, true);
  view.setUint32(8, sqe.cdw2 ?? 0, true);
  view.setUint32(12, sqe.cdw3 ?? 0, true);
  view.setBigUint64(16, BigInt(sqe.metadata ?? 0), true);
  view.setBigUint64(24, BigInt(sqe.prp1 ?? 0), true);
  view.setBigUint64(32, BigInt(sqe.prp2 ?? 0), true);
  const dwords = [sqe.cdw10, sqe.cdw11, sqe.cdw12, sqe.cdw13, sqe.cdw14, sqe.cdw15];
  dwords.forEach((dword, i) => view.setUint32(40 + 4 * i, dword ?? 0, true));
  return bytes;
}

/** A completion queue entry by fields. `status` is without the phase bit. */
export interface Completion {
  readonly dw0: number;
  readonly dw1: number;
  readonly sqHead: number;
  readonly sqId: number;
  readonly cid: number;
  readonly phase: number;
  readonly status: number;
}

export function decodeCqe(bytes: Uint8Array): Completion {
  if (bytes.byteLength !== CQE_BYTES) throw new RangeError('a completion has 16 bytes');
  const view = new DataView(bytes.buffer, bytes.byteOffset, CQE_BYTES);
  const last = view.getUint16(14, true);
  return {
    dw0: view.getUint32(0, true),
    dw1: view.getUint32(4, true),
    sqHead: view.getUint16(8, true),
    sqId: view.getUint16(10, true),
    cid: view.getUint16(12, true),
    phase: last & 1,
    status: last >>> 1,
  };
}
