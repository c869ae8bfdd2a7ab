import { ByteGatherer, ByteQueue } from './byte-queue.ts';
import { MachineError } from './errors.ts';
import type { V86Uart, V86VirtioConsole } from './v86-types.ts';

/** More waiting input than this is refused, so that a page cannot fill memory by pasting into a hung guest. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** A two-way stream of bytes between host and guest. */
export interface ByteChannel {
  /** Queues bytes for the guest, in order and without loss; throws a MachineError beyond 16 MiB waiting. */
  send(bytes: Uint8Array): void;
  /** Called with what the guest wrote, gathered over one slice of the CPU (about a millisecond), in order. */
  onoutput: ((bytes: Uint8Array) => void) | null;
}

/** What both kinds have in common: gathered output, queued input that is handed on when the guest has room. */
abstract class PacedChannel implements ByteChannel {
  onoutput: ((bytes: Uint8Array) => void) | null = null;
  protected readonly gathered = new ByteGatherer();
  readonly #waiting = new ByteQueue();
  readonly #name: string;
  #closed = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** Bytes sent that the guest has not been given yet. */
  get waitingBytes(): number {
    return this.#waiting.length;
  }

  /** Nothing is under way in either direction, and nothing holds back what comes next. */
  get isQuiet(): boolean {
    return this.#waiting.length === 0 && this.gathered.length === 0;
  }

  send(bytes: Uint8Array): void {
    if (this.#closed) throw new MachineError('ended', `The machine is off, so ${this.#name} takes no input.`);
    if (this.#waiting.length + bytes.length > MAX_WAITING_BYTES) {
      throw new MachineError(
        'input',
        `More than 16 MiB are waiting for ${this.#name}, so more input is refused.`,
      );
    }
    this.#waiting.push(bytes);
    this.pump();
  }

  /** Hands on as much waiting input as the guest has room for. Called after each slice too. */
  pump(): void {
    while (this.#waiting.length > 0) {
      const room = this.room();
      if (room === 0) return;
      this.deliver(this.#waiting.take(room));
    }
  }

  /** Delivers gathered output to the listener. */
  flush(): void {
    if (this.gathered.length === 0) return;
    const bytes = this.gathered.take();
    this.onoutput?.(bytes);
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.onoutput = null;
  }

  /** How many bytes the guest takes now; 0 if it has to run first. */
  protected abstract room(): number;
  protected abstract deliver(bytes: Uint8Array): void;
}

/** MCR of a 16550: Request To Send. */
const MCR_RTS = 0x02;
/** Software flow control, which BusyBox' init turns on (IXOFF): the guest's "stop sending" and "go on". */
const XOFF = 0x13;
const XON = 0x11;
/**
 * Bytes given to the UART before the guest must have read them all. v86's UART keeps any number, but
 * Linux' line discipline does not: what its 64 KiB of buffers cannot hold it drops. Given after each
 * slice at most, this leaves the guest's reader time to follow.
 */
const SERIAL_BURST_BYTES = 64;
/**
 * An XOFF may be nothing but a byte of a binary file somebody shows on the terminal. So what is typed
 * goes through all the same (Linux has buffers left when it says XOFF), and after a while the rest
 * trickles: a guest that meant it loses nothing for two minutes, and one that did not is not deaf.
 */
const TYPED_BYTES = 16;
const XOFF_LASTS_MS = 10_000;
const TRICKLE_MS = 100;

/** One UART. */
export class SerialPort extends PacedChannel {
  readonly #uart: V86Uart;
  readonly #receive: (bytes: Uint8Array) => void;
  #hasRaisedRts = false;
  /** When the next burst may go although the guest said XOFF; null if it did not. */
  #stoppedUntilMs: number | null = null;

  /** `receive` puts bytes into the UART's receiver. */
  constructor(name: string, uart: V86Uart, receive: (bytes: Uint8Array) => void) {
    super(name);
    this.#uart = uart;
    this.#receive = receive;
  }

  override get isQuiet(): boolean {
    return super.isQuiet && this.#uart.input.length === 0 && this.#stoppedUntilMs === null;
  }

  /** A byte the guest sent. */
  output(byte: number): void {
    this.gathered.push(byte);
    if (byte === XOFF) this.#stoppedUntilMs ??= performance.now() + XOFF_LASTS_MS;
    else if (byte === XON) this.#stoppedUntilMs = null;
  }

  protected override room(): number {
    if (this.#uart.input.length > 0) return 0;
    // Hardware flow control, for a guest that uses it (stty crtscts): a reader that does not keep up
    // makes Linux drop RTS. Before anybody raised it (BIOS, early boot) it says nothing.
    const rts = (this.#uart.modem_control & MCR_RTS) !== 0;
    this.#hasRaisedRts ||= rts;
    if (this.#hasRaisedRts && !rts) return 0;
    if (this.#stoppedUntilMs !== null && this.waitingBytes > TYPED_BYTES) {
      const now = performance.now();
      if (now < this.#stoppedUntilMs) return 0;
      this.#stoppedUntilMs = now + TRICKLE_MS;
    }
    return SERIAL_BURST_BYTES;
  }

  protected override deliver(bytes: Uint8Array): void {
    this.#receive(bytes);
  }
}

/** VIRTIO_CONFIG_S_DRIVER_OK. */
const DRIVER_OK = 4;
/** VIRTQ_DESC_F_INDIRECT. */
const INDIRECT = 4;
const MAX_CHUNK_BYTES = 4096;
/** A buffer whose size we cannot see. */
const CAUTIOUS_CHUNK_BYTES = 64;

/** One port of the virtio console. v86 drops input for which the guest has offered no buffer, and what is larger than it. */
export class VirtioConsolePort extends PacedChannel {
  readonly #console: V86VirtioConsole;
  /** receiveq of the port. */
  readonly #queue: number;
  readonly #receive: (bytes: Uint8Array) => void;

  constructor(name: string, console: V86VirtioConsole, port: number, receive: (bytes: Uint8Array) => void) {
    super(name);
    this.#console = console;
    // Queues 2 and 3 are the console's own; each later port has a pair after them.
    this.#queue = port === 0 ? 0 : 2 * port + 2;
    this.#receive = receive;
  }

  /** Bytes the guest sent. */
  output(bytes: Uint8Array): void {
    this.gathered.append(bytes);
  }

  protected override room(): number {
    const { virtio } = this.#console;
    const queue = virtio.queues[this.#queue];
    // An unconfigured queue has address 0: asking it would read the guest's first bytes.
    if (queue === undefined || (virtio.device_status & DRIVER_OK) === 0 || !queue.is_configured()) return 0;
    if (!queue.has_request()) return 0;
    const buffer = queue.get_descriptor(queue.desc_addr, queue.avail_get_entry(queue.avail_last_idx));
    if ((buffer.flags & INDIRECT) !== 0) return CAUTIOUS_CHUNK_BYTES;
    return Math.max(1, Math.min(buffer.len, MAX_CHUNK_BYTES));
  }

  protected override deliver(bytes: Uint8Array): void {
    this.#receive(bytes);
  }
}
