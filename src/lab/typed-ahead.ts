/** More than this nobody types in a second or two. */
const MOST_BYTES = 4096;

type Send = (tty: 0 | 1, bytes: Uint8Array) => void;

/** Keys typed while there is no shell that could take them: kept in their order, and sent when there is one. */
export class TypedAhead {
  private isHolding = false;
  private held: { readonly tty: 0 | 1; readonly bytes: Uint8Array }[] = [];
  private heldBytes = 0;
  private readonly send: Send;

  constructor(send: Send) {
    this.send = send;
  }

  type(tty: 0 | 1, bytes: Uint8Array): void {
    if (!this.isHolding) {
      this.send(tty, bytes);
      return;
    }
    // Half of what was pasted would be worse than nothing of it.
    if (this.heldBytes + bytes.length > MOST_BYTES) return;
    this.held.push({ tty, bytes });
    this.heldBytes += bytes.length;
  }

  /** Keys are kept from now on; what was kept for another machine is forgotten. */
  hold(): void {
    this.isHolding = true;
    this.held = [];
    this.heldBytes = 0;
  }

  /** The shells listen. */
  release(): void {
    this.isHolding = false;
    for (const { tty, bytes } of this.held.splice(0)) this.send(tty, bytes);
    this.heldBytes = 0;
  }
}
