/** Pages kept: 512 MiB of dirty page cache, more than the guest has memory. */
const MAX_PAGES = 1 << 17;
const MAX_EXTENTS = 1 << 13;
/** The inode number of a block device's own page cache (fs/block_dev.c bdget leaves it 0). */
const DEVICE_INODE = 0;

interface Extent {
  readonly first: number;
  readonly count: number;
  readonly ino: number;
  readonly index: number;
}

/**
 * Who made which page of the page cache dirty, and which block of the disk it goes to: the thread that writes a
 * page back is seldom the one that wrote to it.
 */
export class DirtyPages {
  /** Process by page: "device inode index". */
  private authors = new Map<string, number>();
  /** Of each device: where files lie, the latest word last. */
  private extents = new Map<string, Extent[]>();

  copy(): DirtyPages {
    const made = new DirtyPages();
    made.authors = new Map(this.authors);
    made.extents = new Map(Array.from(this.extents, ([device, list]) => [device, list.slice()]));
    return made;
  }

  /** The kernel tells of a page only when it was clean before: the first author counts until it is written back. */
  dirtied(device: string, ino: number, index: number, process: number): void {
    this.authors.set(`${device} ${ino} ${index}`, process);
    if (this.authors.size <= MAX_PAGES) return;
    const oldest = this.authors.keys().next();
    if (!oldest.done) this.authors.delete(oldest.value);
  }

  /** Blocks of a device (of 4 KiB) hold these pages of a file from now on. */
  extent(device: string, first: number, count: number, ino: number, index: number): void {
    let list = this.extents.get(device);
    if (!list) this.extents.set(device, (list = []));
    list.push({ first, count, ino, index });
    if (list.length > MAX_EXTENTS) list.splice(0, MAX_EXTENTS / 2);
  }

  /** The author of what is written to a block now, who is forgotten: the page is clean again. Undefined without one. */
  takeAuthor(device: string, block: number): number | undefined {
    if (this.authors.size === 0) return undefined;
    const list = this.extents.get(device) ?? [];
    for (let i = list.length - 1; i >= 0; i--) {
      const { first, count, ino, index } = list[i] as Extent;
      if (block < first || block >= first + count) continue;
      const author = this.take(`${device} ${ino} ${index + block - first}`);
      if (author !== undefined) return author;
      break;
    }
    return this.take(`${device} ${DEVICE_INODE} ${block}`);
  }

  private take(page: string): number | undefined {
    const author = this.authors.get(page);
    if (author !== undefined) this.authors.delete(page);
    return author;
  }
}
