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

/** Gets one event, and when it came by performance.now(); its bytes are there until the call returns. */
export type OnTold = (event: DataView, atMs: number) => void;

/** Listens at the port. An address or a length that is none is passed over: any program of root's may write there. */
export function listenForEvents(cpu: DmaCpu & Pick<V86Cpu, 'io'>, ontold: OnTold): void {
  const memory = new DmaMemory(cpu, () => true);
  const length = new Uint32Array(LENGTH_BYTES / 4);
  const bytes = new Uint8Array(MAX_TOLD_BYTES);
  /** Of so many of them; a guest that writes tells thousands a second, of a few lengths. */
  const views: (DataView | undefined)[] = [];
  const write32 = (value: number): void => {
    const atMs = performance.now();
    const address = value >>> 0;
    if (!memory.readWords(address, length)) return;
    const count = length[0] as number;
    if (count > MAX_TOLD_BYTES || !memory.read(address + LENGTH_BYTES, bytes, 0, count)) return;
    ontold((views[count] ??= new DataView(bytes.buffer, 0, count)), atMs);
  };
  const passOver = (): void => undefined;
  cpu.io.register_write(TOLD_PORT, null, passOver, passOver, write32);
}
