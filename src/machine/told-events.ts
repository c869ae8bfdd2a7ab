/** What the guest's kernel tells by itself: events of its trace, at the moment they happen. */
import { DmaMemory, type DmaCpu } from './dma.ts';
import type { V86Cpu } from './v86-types.ts';

/**
 * The guest writes the physical address of an event to it: a 32-bit length, then so many bytes, as the kernel's
 * `format` files describe them. TELL_HOST_PORT of guest/patches/linux/0002-events-told-to-the-emulator.patch.
 */
export const TOLD_PORT = 0x4c54;
/** TELL_HOST_BYTES of the same. */
export const MAX_TOLD_BYTES = 512;
const LENGTH_BYTES = 4;

/** Gets one event; its bytes are there until the call returns. */
export type OnTold = (event: DataView) => void;

/** Listens at the port. An address or a length that is none is passed over: any program of root's may write there. */
export function listenForEvents(cpu: DmaCpu & Pick<V86Cpu, 'io'>, ontold: OnTold): void {
  const memory = new DmaMemory(cpu, () => true);
  const bytes = new Uint8Array(LENGTH_BYTES + MAX_TOLD_BYTES);
  const length = new DataView(bytes.buffer, 0, LENGTH_BYTES);
  const write32 = (value: number): void => {
    const address = value >>> 0;
    if (!memory.read(address, bytes, 0, LENGTH_BYTES)) return;
    const count = length.getUint32(0, true);
    if (count > MAX_TOLD_BYTES || !memory.read(address + LENGTH_BYTES, bytes, LENGTH_BYTES, count)) return;
    ontold(new DataView(bytes.buffer, LENGTH_BYTES, count));
  };
  const passOver = (): void => undefined;
  cpu.io.register_write(TOLD_PORT, null, passOver, passOver, write32);
}
