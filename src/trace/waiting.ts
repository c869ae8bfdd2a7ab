/** Blocks that were queued and not seen on the wire yet, and sectors whose events have not come yet. */
export const MAX_PENDING = 1 << 17;
/** Of one logical block; the oldest goes. */
const MAX_OF_ONE_BLOCK = 1024;

/** Both by the same clock; the one is read at the exit from translated code, the other in it. */
const CLOCK_SLACK_MS = 1;
export const isBefore = (firstMs: number, secondMs: number): boolean => firstMs <= secondMs + CLOCK_SLACK_MS;

/**
 * Things by target and logical block, oldest first; snapshots share what does not change. Hardly ever do two things wait
 * for one block: a thing alone is kept without a list.
 */
export class Waiting<T extends { readonly atMs: number }> {
  count = 0;
  private targets = new Map<string, Map<number, T | readonly T[]>>();

  copy(): Waiting<T> {
    const made = new Waiting<T>();
    made.count = this.count;
    made.targets = new Map(Array.from(this.targets, ([uuid, blocks]) => [uuid, new Map(blocks)]));
    return made;
  }

  add(uuid: string, lba: number, thing: T): void {
    let blocks = this.targets.get(uuid);
    if (!blocks) this.targets.set(uuid, (blocks = new Map<number, T | readonly T[]>()));
    const before = blocks.get(lba);
    const list = before === undefined ? undefined : listOf(before);
    // One block that is written over and over, and nobody tells why: each time the list would be copied.
    const isLong = list !== undefined && list.length >= MAX_OF_ONE_BLOCK;
    blocks.set(lba, list === undefined ? thing : [...(isLong ? list.slice(1) : list), thing]);
    if (isLong) return;
    this.count++;
    // Far more than any write buffer holds: events were lost, and what is left over is of no use.
    if (this.count > MAX_PENDING) this.clear();
  }

  /** The oldest one, which is no longer here then, if it `fits`. */
  take(uuid: string, lba: number, fits: (atMs: number) => boolean): T | undefined {
    if (this.count === 0) return undefined;
    const blocks = this.targets.get(uuid);
    const waiting = blocks?.get(lba);
    if (!blocks || waiting === undefined) return undefined;
    const oldest = isList(waiting) ? (waiting[0] as T) : waiting;
    if (!fits(oldest.atMs)) return undefined;
    if (isList(waiting) && waiting.length > 1) blocks.set(lba, waiting.slice(1));
    else blocks.delete(lba);
    this.count--;
    return oldest;
  }

  /** Puts another thing in the place of the newest one, if there is one. */
  replaceLast(uuid: string, lba: number, change: (thing: T) => T): void {
    const blocks = this.targets.get(uuid);
    const waiting = blocks?.get(lba);
    if (!blocks || waiting === undefined) return;
    const list = listOf(waiting);
    blocks.set(
      lba,
      list.map((thing, i) => (i === list.length - 1 ? change(thing) : thing)),
    );
  }

  clear(): void {
    this.targets.clear();
    this.count = 0;
  }
}

const isList = <T>(waiting: T | readonly T[] | undefined): waiting is readonly T[] => Array.isArray(waiting);
const listOf = <T>(waiting: T | readonly T[]): readonly T[] => (isList(waiting) ? waiting : [waiting]);
