import { IoOpcode } from '../../src/spec/opcodes.ts';
import type { Range } from '../fakes/fake-memory.ts';
import { type Arena, PAGE } from './arena.ts';
import type { DmaBuffer } from './dma-buffer.ts';
import type { Sqe } from './entries.ts';
import { prpsFor } from './prp.ts';

export interface VectorRequest {
  readonly opcode: number;
  readonly addresses: readonly number[];
  readonly data?: DmaBuffer;
  /** Bytes of OOB a sector; 0 sends a metadata pointer that the device has to ignore, undefined sends none. */
  readonly oobBytes?: number;
  readonly oob?: Uint8Array;
  readonly control?: number;
  readonly nsid?: number;
}

/** A vector command with the memory it points to. */
export interface VectorCommand {
  readonly sqe: Sqe;
  readonly metadata: Range;
}

/**
 * Builds a vector command as pblk and nvme_nvm_rqtocmd do: metadata at the start of a buffer, the address
 * list right behind 64 entries of it (at no page boundary), a single address in the command itself.
 */
export function vectorCommand(arena: Arena, request: VectorRequest): VectorCommand {
  const { addresses, oobBytes } = request;
  const listOffset = 64 * Math.max(16, oobBytes ?? 0);
  const metaAddress = arena.pages(Math.ceil((listOffset + 64 * 8) / PAGE));
  const metadata = { address: metaAddress, length: addresses.length * (oobBytes ?? 0) };
  if (request.oob) arena.memory.put(metaAddress, request.oob);
  const list = metaAddress + listOffset;
  addresses.forEach((address, i) => arena.memory.put64(list + 8 * i, address));
  const prps = request.data ? prpsFor(arena, request.data) : { prp1: 0, prp2: 0 };
  return {
    metadata,
    sqe: {
      opcode: request.opcode,
      nsid: request.nsid ?? 1,
      metadata: oobBytes === undefined ? 0 : metaAddress,
      ...prps,
      cdw10: addresses.length === 1 ? (addresses[0] as number) : list,
      cdw12: (((request.control ?? 0) << 16) | (addresses.length - 1)) >>> 0,
    },
  };
}

export const { vectorErase, vectorRead, vectorWrite } = IoOpcode;
