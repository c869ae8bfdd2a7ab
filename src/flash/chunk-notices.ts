import { SavedFields, type TakeOver } from './saved-fields.ts';

/** Something that the medium noticed of a chunk. */
export interface ChunkNotice {
  /** Counts from 1. */
  readonly count: number;
  readonly lba: number;
  /** Bits of ChunkNoticeState and ChunkNoticeMask (spec/ocssd20.ts). */
  readonly state: number;
  readonly mask: number;
}

/** Notices kept: as many as qemu-nvme's log has entries. */
export const MAX_NOTICES = 64;

/** The last notices of a medium; older ones are forgotten. */
export class ChunkNotices {
  /** Told of each new one; the controller that drives the medium. */
  onnotice: (() => void) | undefined;
  private count = 0;
  private kept: ChunkNotice[] = [];

  add(lba: number, state: number, mask: number): void {
    this.count++;
    this.kept.unshift({ count: this.count, lba, state, mask });
    if (this.kept.length > MAX_NOTICES) this.kept.length = MAX_NOTICES;
    this.onnotice?.();
  }

  save(): { count: number; kept: ChunkNotice[] } {
    return { count: this.count, kept: [...this.kept] };
  }

  /** Nobody is told again of what was saved. Throws SavedStateError. */
  readSaved(saved: SavedFields): TakeOver {
    const most = Number.MAX_SAFE_INTEGER;
    const count = saved.whole('count', 0, most);
    const kept = saved.list('kept', MAX_NOTICES, (item, what): ChunkNotice => {
      const notice = new SavedFields(item, what);
      return {
        count: notice.whole('count', 1, count),
        lba: notice.whole('lba', 0, most),
        state: notice.whole('state', 0, 0xff),
        mask: notice.whole('mask', 0, 0xff),
      };
    });
    return () => {
      this.count = count;
      this.kept = kept;
    };
  }

  /** Newest first: SPDK stops reading at the first entry that it knows (bdev_ocssd.c). */
  get newestFirst(): readonly ChunkNotice[] {
    return this.kept;
  }
}
