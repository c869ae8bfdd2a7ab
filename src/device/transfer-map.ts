import { ADDRESS_BYTES, MAX_VECTOR } from '../spec/ocssd12.ts';
import { Status } from '../spec/status.ts';
import type { AddressReader } from '../flash/address.ts';
import type { SectorVector } from '../flash/transfer.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';

/**
 * What every command with data does before anything else: its pointers are resolved and checked. Each of
 * these answers false when it has ended the command with an error.
 */

/** The command's data buffer of `length` bytes: at most MDTS, every byte of it memory. */
export function mapData(core: Core, command: Command, length: number): boolean {
  const { memory, pageBytes, maxTransferBytes: limit } = core;
  if (length > limit) {
    refuse(
      core,
      command,
      Status.invalidField,
      'transfer-size',
      `${length} bytes in one command; at most ${limit} (mdts)`,
    );
    return false;
  }
  const status = command.data.resolve(memory, command.prp1, command.prp2, length, pageBytes);
  if (status === Status.success) return true;
  refuse(core, command, status, 'prp', 'the data pointers (PRP) lead outside memory or are misaligned');
  return false;
}

/** The out-of-band buffer: contiguous, and none when the pointer is 0 or the device has no OOB. */
export function mapOob(core: Core, command: Command, length: number): boolean {
  if (command.metadata === 0 || length === 0) return true;
  const status = command.oob.contiguous(core.memory, command.metadata, length);
  if (status !== Status.success) {
    refuse(core, command, status, 'metadata-pointer', 'the metadata pointer leads outside memory');
    return false;
  }
  command.hasOob = true;
  return true;
}

const TWO_32 = 4_294_967_296;
const list = new Uint8Array(MAX_VECTOR * ADDRESS_BYTES);
const listView = new DataView(list.buffer);

/**
 * Fills the command's vector from its `count` addresses (at most 64). One address is in the command itself,
 * several are in a list it points to (Linux puts it right behind the metadata, at no particular alignment).
 * The list is copied once. An address outside the device ends the command; the log has it as block -1.
 */
export function fetchAddresses(core: Core, command: Command, decoder: AddressReader, count: number): boolean {
  const { vector, cdw10, cdw11 } = command;
  if (!fetchVector(core, command, decoder, count, vector, cdw10, cdw11)) return false;
  for (let i = 0; i < count; i++) {
    if ((vector.block[i] as number) >= 0) continue;
    vector.count = i + 1;
    const high = (vector.addressHigh[i] as number).toString(16);
    const low = (vector.addressLow[i] as number).toString(16);
    const why = `address ${high}:${low} (entry ${i}) is outside the device`;
    refuse(core, command, Status.lbaOutOfRange, 'range', why);
    return false;
  }
  return true;
}

/**
 * As {@link fetchAddresses}, from any two dwords of the command into any vector. Addresses outside the device
 * are left in it as block -1: what becomes of them, the flash says.
 */
export function fetchVector(
  core: Core,
  command: Command,
  decoder: AddressReader,
  count: number,
  vector: SectorVector,
  lowDword: number,
  highDword: number,
): boolean {
  if (count === 1) {
    listView.setUint32(0, lowDword, true);
    listView.setUint32(4, highDword, true);
  } else if (!core.memory.read(highDword * TWO_32 + lowDword, list, 0, count * ADDRESS_BYTES)) {
    refuse(core, command, Status.dataTransferError, 'address-list', 'the address list is not in memory');
    return false;
  }
  for (let i = 0; i < count; i++) {
    const low = listView.getUint32(i * ADDRESS_BYTES, true);
    const high = listView.getUint32(i * ADDRESS_BYTES + 4, true);
    const inside = decoder.decode(low, high);
    vector.addressLow[i] = low;
    vector.addressHigh[i] = high;
    vector.push(inside ? decoder.block : -1, inside ? decoder.sec : 0);
  }
  return true;
}

/** The buffer of an answer of `length` bytes, which MDTS does not limit. */
export function mapBytes(core: Core, command: Command, length: number): boolean {
  const { memory, pageBytes } = core;
  const status = command.data.resolve(memory, command.prp1, command.prp2, length, pageBytes);
  if (status === Status.success) return true;
  refuse(core, command, status, 'prp', 'the data pointers (PRP) lead outside memory or are misaligned');
  return false;
}

/** Sends bytes to the command's data buffer and completes it. False when it ended with an error instead. */
export function sendStruct(core: Core, command: Command, bytes: Uint8Array): boolean {
  if (!mapBytes(core, command, bytes.byteLength)) return false;
  if (bytes.byteLength > 0) command.data.push(0, bytes, 0, bytes.byteLength);
  core.complete(command, Status.success);
  return true;
}
